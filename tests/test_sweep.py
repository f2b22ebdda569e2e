import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import grids
import psutil
import pytest
import yaml
from conftest import curves
from draw_holdout import draw_holdout
from grids import GRIDS, Job, extra_records, load_grid

from ecmlib import Architecture, CapacityRecord, Protocol, load_results, measure_mac
from ecmlib.workplace import WORKER_ENVIRONMENT


def names(grid: str) -> set[str]:
    return {job.name for job in load_grid(grid).jobs(Path())}


@pytest.mark.parametrize(
    ("grid", "size"),
    [
        ("mac-cpu", 128),
        ("mac-cpu-L2", 36),
        ("paper-scale", 8),
        ("holdout", 20),
        ("paper-conditions", 36),
        ("paper-conditions-L2", 27),
        ("paper-k", 62),
    ],
)
def test_grid_has_as_many_configurations_as_planned(grid: str, size: int) -> None:
    assert len(names(grid)) == size


def test_configuration_may_ask_for_more_restarts_than_its_grid() -> None:
    restarts = {job.name.split("_K")[0]: job.restarts for job in load_grid("paper-conditions").jobs(Path())}
    assert restarts["d32_H1_N8_L1"] == 5
    assert restarts["d256_H4_N32_L1"] == 3


def test_holdout_is_what_its_seed_draws_and_on_no_other_grid() -> None:
    stored = yaml.safe_load((GRIDS / "holdout.yaml").read_text())["configurations"]
    assert stored == draw_holdout()
    assert not names("holdout") & names("mac-cpu")


def test_fresh_holdout_has_no_sizes_of_another_grid() -> None:
    drawn, *others = [
        {
            (job.plan.architecture.d, job.plan.architecture.H, job.plan.architecture.N)
            for job in load_grid(grid).jobs(Path())
        }
        for grid in ("holdout-2025", "mac-cpu", "holdout", "reference")
    ]
    assert len(drawn) == 40
    assert not drawn & set().union(*others)


def test_grid_of_precision_runs_every_architecture_on_both_paths() -> None:
    paths: dict[Architecture, set[tuple[object, ...]]] = {}
    for job in load_grid("precision").jobs(Path()):
        given = yaml.safe_load(job.arguments)
        paths.setdefault(job.plan.architecture, set()).add((given["precision"], given["compiled"]))
    assert len(paths) == 8
    assert all(both == {("bfloat16", True), ("float32", False)} for both in paths.values())


def test_engine_is_compared_on_the_configurations_of_the_earlier_fast_path() -> None:
    fast = {job.name for job in load_grid("precision").jobs(Path()) if job.plan.protocol.precision == "bfloat16"}
    assert names("precision-engine") == fast


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
    folders = {path.parent.name for path in Path("results").glob("*/*.json")} - {"law", "law-reference", "local"}
    assert folders <= {path.stem for path in GRIDS.glob("*.yaml")}


@pytest.fixture
def tiny_jobs(tmp_path: Path) -> list[Job]:
    return list(load_grid("tiny").jobs(tmp_path / "results" / "tiny"))


def test_sweep_asks_only_for_what_is_missing(tiny_jobs: list[Job], tmp_path: Path) -> None:
    for job in tiny_jobs:
        measure(job)
    assert all(job.is_finished() for job in tiny_jobs)
    assert "Nothing to be done" in output_of(sweep(tmp_path, "--dry-run"))
    one_restart = CapacityRecord.load(tiny_jobs[0].record)
    tiny_jobs[0].record.unlink()
    one_restart.model_copy(update={"restarts": one_restart.restarts[:1]}).save(tiny_jobs[0].record)
    tiny_jobs[1].record.unlink()
    marks = leave_stale_marks(tiny_jobs, tmp_path)
    planned = output_of(sweep(tmp_path, "--dry-run"))
    assert [f"{job.name}.done" in planned for job in tiny_jobs] == [True, True, False, False]
    assert all(mark.exists() for mark in marks), "a dry run changes nothing"


def test_bad_record_is_named_and_kept_and_stops_no_other_job(tiny_jobs: list[Job], tmp_path: Path) -> None:
    bad, missing, *measured = tiny_jobs
    for job in measured:
        measure(job)
    bad.record.write_text("{}")
    process = sweep(tmp_path, "--retries", "0")
    printed = output_of(process)
    assert process.returncode != 0
    assert bad.name in printed
    assert f"{bad.record.name}: architecture is missing" in (tmp_path / "runs" / "tiny" / f"{bad.name}.log").read_text()
    assert bad.record.read_text() == "{}"
    assert missing.is_finished()


def test_sweep_killed_while_records_grow_ends_with_the_records_of_an_undisturbed_one(
    tiny_jobs: list[Job], tmp_path: Path
) -> None:
    leave_stale_marks(tiny_jobs, tmp_path)
    for job in tiny_jobs[::2]:
        process = sweep(tmp_path)
        wait_until(job.record.exists, process)
        kill(process)
    last = sweep(tmp_path)
    printed = output_of(last)
    assert last.returncode == 0, printed
    assert {path.name for path in tiny_jobs[0].record.parent.iterdir()} >= {job.record.name for job in tiny_jobs}
    for job in tiny_jobs:
        disturbed = CapacityRecord.load(job.record)
        assert curves(disturbed) == curves(measure(job._replace(record=tmp_path / job.record.name)))


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
def test_no_job_outlives_its_snakemake(how: signal.Signals, tmp_path: Path) -> None:
    process = sweep(tmp_path, "--cores", "1", grid="mac-cpu")  # whose jobs take minutes
    wait_until(lambda: any("ipykernel" in " ".join(command_of(child)) for child in descendants(process)), process)
    jobs = descendants(process)
    assert any(environment_of(job).items() >= WORKER_ENVIRONMENT.items() for job in jobs), "threads that wait sleep"
    os.kill(process.pid, how)
    _, alive = psutil.wait_procs(jobs, timeout=10)
    assert not [command_of(job) for job in alive]
    output_of(process)


def test_what_a_grid_says_reaches_no_shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(grids, "GRIDS", tmp_path)
    (tmp_path / "spaced.yaml").write_text("experiment: mac\nrestarts: 1\naxes: {d: [8]}")
    (job,) = load_grid("spaced").jobs(Path("a b'; touch x #"))
    assert yaml.safe_load(job.arguments)["results"] == "a b'; touch x #"
    assert "{params.arguments:q}" in Path("workflow/Snakefile").read_text()


def wait_until(reached: Callable[[], bool], process: subprocess.Popen[str]) -> None:
    """Wait for a sweep to get somewhere, as long as it runs."""
    while not reached():
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(timeout=0.1)
            return


def descendants(process: subprocess.Popen[str]) -> list[psutil.Process]:
    with contextlib.suppress(psutil.NoSuchProcess):
        return psutil.Process(process.pid).children(recursive=True)
    return []


def command_of(process: psutil.Process) -> list[str]:
    with contextlib.suppress(psutil.NoSuchProcess):
        return process.cmdline()
    return []


def environment_of(process: psutil.Process) -> dict[str, str]:
    with contextlib.suppress(psutil.Error):
        return process.environ()
    return {}


def kill(process: subprocess.Popen[str]) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.communicate()


def leave_stale_marks(jobs: list[Job], folder: Path) -> list[Path]:
    marks = [folder / "runs" / "tiny" / f"{job.name}.done" for job in jobs]
    for mark in marks:
        mark.parent.mkdir(parents=True, exist_ok=True)
        mark.touch()
    return marks


def sweep(folder: Path, *options: str, grid: str = "tiny", profile: str = "local") -> subprocess.Popen[str]:
    """Start a sweep in ``folder``, in a process group of its own."""
    root = Path.cwd() / "workflow"
    command = [sys.executable, "-m", "snakemake", "--snakefile", str(root / "Snakefile"), "--directory", str(folder)]
    command += ["--profile", str(root / "profiles" / profile), "--config", f"grid={grid}"]
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


def measure(job: Job) -> CapacityRecord:
    """Measure a job without papermill."""
    sizes = {name: value for name, value in job.parameters.items() if name in Architecture.model_fields}
    others = {name: value for name, value in job.parameters.items() if name in Protocol.model_fields}
    return measure_mac(
        Architecture(**sizes),
        restarts=job.restarts,
        compiled=False,
        progress=False,
        results=job.record.parent,
        **others,
    )
