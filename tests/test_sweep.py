import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from draw_holdout import draw_holdout
from grids import GRIDS, Grid, load_grid

from ecmlib import Architecture, CapacityRecord, measure_mac


def names(grid: str) -> set[str]:
    return {job.name for job in load_grid(grid).jobs(Path())}


@pytest.mark.parametrize(("grid", "size"), [("mac-cpu", 128), ("mac-cpu-L2", 36), ("paper-scale", 8), ("holdout", 20)])
def test_grid_has_as_many_configurations_as_planned(grid: str, size: int) -> None:
    assert len(names(grid)) == size


def test_holdout_is_what_its_seed_draws_and_on_no_other_grid() -> None:
    stored = yaml.safe_load((GRIDS / "holdout.yaml").read_text())["configurations"]
    assert stored == draw_holdout()
    assert not names("holdout") & names("mac-cpu")


@pytest.mark.parametrize("grid", ["mac-cpu", "mac-cpu-L2", "paper-scale", "holdout"])
def test_no_committed_record_is_outside_its_grid(grid: str) -> None:
    assert {path.stem for path in Path("results", grid).glob("*.json")} <= names(grid)


def test_unknown_grid_is_named() -> None:
    with pytest.raises(ValueError, match="GRID = 'mac': there is no such grid; there are holdout, mac-cpu"):
        load_grid("mac")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"experiment": "mac", "restarts": 0}, "restarts = 0: input should be greater than or equal to 1"),
        ({"experiment": "mac"}, "restarts is missing"),
        ({"experiment": "mac", "restarts": 1, "axis": {}}, "axis = {}: extra inputs are not permitted"),
        ({"experiment": "mac", "restarts": 1, "configurations": [{"d": 0}]}, "d = 0: input should be greater"),
        ({"experiment": "mac", "restarts": 1, "axes": {"d": [8], "TT": [9]}}, "TT = 9: extra inputs are not permitted"),
    ],
)
def test_bad_grid_is_refused(content: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        list(Grid(**content).jobs(Path()))


def test_sweep_asks_only_for_what_is_missing(tmp_path: Path) -> None:
    jobs = list(load_grid("tiny").jobs(tmp_path / "results"))
    protocol = {"T": 64, "min_steps": 20, "max_steps": 60, "eval_every": 10}
    for job in jobs:
        sizes = {name: value for name, value in job.parameters.items() if name in Architecture.model_fields}
        measure_mac(
            Architecture(**sizes), restarts=2, compiled=False, progress=False, results=job.record.parent, **protocol
        )
    assert all(job.is_finished() for job in jobs)
    assert "Nothing to be done" in dry_run(tmp_path)
    one_restart = CapacityRecord.load(jobs[0].record)
    one_restart.model_copy(update={"restarts": one_restart.restarts[:1]}).save(jobs[0].record)
    jobs[1].record.unlink()
    planned = dry_run(tmp_path)
    assert [f"{job.name}.done" in planned for job in jobs] == [True, True, False, False]


def dry_run(folder: Path) -> str:
    command = [sys.executable, "-m", "snakemake", "--snakefile", "workflow/Snakefile", "--cores", "1", "--dry-run"]
    config = ["--config", "grid=tiny", f"results={folder / 'results'}", f"runs={folder / 'runs'}"]
    done = subprocess.run([*command, *config], capture_output=True, text=True, check=True)
    return done.stdout + done.stderr
