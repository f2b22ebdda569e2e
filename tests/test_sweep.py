import contextlib
import os
import random
import signal
import subprocess
import sys
from pathlib import Path
from typing import Literal

import pytest
import yaml
from conftest import curves
from draw_holdout import draw_holdout
from grids import GRIDS, Grid, Job, extra_records, load_grid

from ecmlib import Architecture, CapacityRecord, Protocol, load_results, measure_mac


def names(grid: str) -> set[str]:
    return {job.name for job in load_grid(grid).jobs(Path())}


@pytest.mark.parametrize(("grid", "size"), [("mac-cpu", 128), ("mac-cpu-L2", 36), ("paper-scale", 8), ("holdout", 20)])
def test_grid_has_as_many_configurations_as_planned(grid: str, size: int) -> None:
    assert len(names(grid)) == size


def test_holdout_is_what_its_seed_draws_and_on_no_other_grid() -> None:
    stored = yaml.safe_load((GRIDS / "holdout.yaml").read_text())["configurations"]
    assert stored == draw_holdout()
    assert not names("holdout") & names("mac-cpu")


def test_grid_of_precision_runs_every_architecture_on_both_paths() -> None:
    paths: dict[Architecture, set[str]] = {}
    for job in load_grid("precision").jobs(Path()):
        paths.setdefault(job.plan.architecture, set()).add(job.arguments.split(" -p precision ")[1].split(" -p res")[0])
    assert len(paths) == 8
    assert all(both == {"bfloat16 -p compiled True", "float32 -p compiled False"} for both in paths.values())


@pytest.mark.parametrize("name", [path.stem for path in GRIDS.glob("*.yaml")])
def test_committed_records_are_those_of_their_grid(name: str) -> None:
    grid, results = load_grid(name), Path("results", name)
    jobs = list(grid.jobs(results))
    assert not extra_records(jobs, results)
    missing = [job.missing() for job in jobs]  # reads every record and compares it with its configuration
    assert not grid.complete or not any(missing)
    if grid.experiment == "mac" and results.exists():
        assert len(load_results(results)) >= sum(job.restarts for job in jobs) - sum(missing)


def test_every_folder_of_records_has_a_grid() -> None:
    folders = {path.parent.name for path in Path("results").glob("*/*.json")} - {"law", "local"}
    assert folders <= {path.stem for path in GRIDS.glob("*.yaml")}


def test_unknown_grid_is_named() -> None:
    with pytest.raises(ValueError, match=r"GRID = 'mac': there is no such grid; there are .*mac-cpu, mac-cpu-L2"):
        load_grid("mac")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"experiment": "mac", "restarts": 0}, "restarts = 0: input should be greater than or equal to 1"),
        ({"experiment": "mac"}, "restarts is missing"),
        ({"experiment": "mac", "restarts": 1}, "axes and configurations are empty"),
        ({"experiment": "mac", "restarts": 1, "axes": {"d": []}}, "axes and configurations are empty"),
        ({"experiment": "mca", "restarts": 1, "configurations": [{"d": 8}]}, "experiment = 'mca': there is no such"),
        ({"experiment": "mac", "restarts": 1, "axis": {}}, "axis = {}: extra inputs are not permitted"),
        ({"experiment": "mac", "restarts": 1, "configurations": [{"d": 0}]}, "d = 0: input should be greater"),
        ({"experiment": "mac", "restarts": 1, "axes": {"d": [8], "TT": [9]}}, "TT = 9: extra inputs are not permitted"),
    ],
)
def test_bad_grid_is_refused(content: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        list(Grid(**content).jobs(Path()))


@pytest.fixture
def tiny_jobs(tmp_path: Path) -> list[Job]:
    return list(load_grid("tiny").jobs(tmp_path / "results" / "tiny"))


def test_sweep_asks_only_for_what_is_missing(tiny_jobs: list[Job], tmp_path: Path) -> None:
    for job in tiny_jobs:
        measure(job, compiled=False)
    assert all(job.is_finished() for job in tiny_jobs)
    assert "Nothing to be done" in output_of(sweep(tmp_path, "--dry-run"))
    one_restart = CapacityRecord.load(tiny_jobs[0].record)
    one_restart.model_copy(update={"restarts": one_restart.restarts[:1]}).save(tiny_jobs[0].record)
    tiny_jobs[1].record.unlink()
    marks = leave_stale_marks(tiny_jobs, tmp_path)
    planned = output_of(sweep(tmp_path, "--dry-run"))
    assert [f"{job.name}.done" in planned for job in tiny_jobs] == [True, True, False, False]
    assert all(mark.exists() for mark in marks), "a dry run changes nothing"


def test_bad_record_is_named_and_kept_and_stops_no_other_job(tiny_jobs: list[Job], tmp_path: Path) -> None:
    bad, missing, *measured = tiny_jobs
    for job in measured:
        measure(job, compiled=False)
    bad.record.write_text("{}")
    process = sweep(tmp_path, "--retries", "0")
    printed = output_of(process)
    assert process.returncode != 0
    assert bad.name in printed
    assert f"{bad.record.name}: architecture is missing" in (tmp_path / "runs" / "tiny" / f"{bad.name}.log").read_text()
    assert bad.record.read_text() == "{}"
    assert missing.is_finished()


def test_sweep_killed_at_random_moments_ends_with_the_records_of_an_undisturbed_one(
    tiny_jobs: list[Job], tmp_path: Path
) -> None:
    leave_stale_marks(tiny_jobs, tmp_path)
    moments = random.Random(0)
    for _ in range(5):
        process = sweep(tmp_path)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(timeout=moments.uniform(3, 15))
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
    last = sweep(tmp_path)
    printed = output_of(last)
    assert last.returncode == 0, printed
    assert {path.name for path in tiny_jobs[0].record.parent.iterdir()} >= {job.record.name for job in tiny_jobs}
    for job in tiny_jobs:
        disturbed = CapacityRecord.load(job.record)
        assert curves(disturbed) == curves(measure(job._replace(record=tmp_path / job.record.name), compiled="auto"))


def leave_stale_marks(jobs: list[Job], folder: Path) -> list[Path]:
    marks = [folder / "runs" / "tiny" / f"{job.name}.done" for job in jobs]
    for mark in marks:
        mark.parent.mkdir(parents=True, exist_ok=True)
        mark.touch()
    return marks


def sweep(folder: Path, *options: str, profile: str = "local") -> subprocess.Popen[str]:
    """Start a sweep of grid "tiny" in ``folder``, in a process group of its own."""
    root = Path.cwd() / "workflow"
    command = [sys.executable, "-m", "snakemake", "--snakefile", str(root / "Snakefile"), "--directory", str(folder)]
    command += ["--profile", str(root / "profiles" / profile), "--config", "grid=tiny"]
    return subprocess.Popen(
        [*command, *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
        env=os.environ | {"PYTHONPATH": str(root.parent)},
    )


def output_of(process: subprocess.Popen[str]) -> str:
    return process.communicate()[0]


def measure(job: Job, compiled: bool | Literal["auto"]) -> CapacityRecord:
    """Measure a job without papermill."""
    sizes = {name: value for name, value in job.parameters.items() if name in Architecture.model_fields}
    others = {name: value for name, value in job.parameters.items() if name in Protocol.model_fields}
    return measure_mac(
        Architecture(**sizes),
        restarts=job.restarts,
        compiled=compiled,
        progress=False,
        results=job.record.parent,
        **others,
    )
