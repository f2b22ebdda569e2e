import fcntl
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from conftest import executed
from experiments import EXPERIMENTS
from grids import NOTEBOOKS, Grid, Job, load_grid
from IPython.core.interactiveshell import InteractiveShell
from status import CostModel, _all_records, _seconds_here, ended_alike, in_flight, job_status, on_a_cpu, report

from ecmlib import Architecture, CapacityRecord, MlsRecord, Protocol, measure_mac
from ecmlib.progress import Cost
from ecmlib.provenance import Provenance
from ecmlib.restart import Restart, seed_of_restart
from ecmlib.shatter_record import ShatterRecord


def restart(core_seconds: float = 1.0, number: int = 0) -> Restart:
    provenance = Provenance(
        commit=None, versions={}, device="cpu", threads=1, compiled=False, seconds=1.0, core_seconds=core_seconds
    )
    return Restart(
        seed=seed_of_restart(0, number),
        status="plateau",
        step=[10],
        last_count=[1],
        full_count=[0],
        bits=[6.0],
        provenance=provenance,
    )


@pytest.fixture
def jobs(tmp_path: Path) -> list[Job]:
    return list(load_grid("tiny").jobs(tmp_path / "results" / "tiny"))


def test_states_are_told_apart(jobs: list[Job], tmp_path: Path) -> None:
    runs = tmp_path / "runs" / "tiny"
    assert [job_status(job, runs) for job in jobs] == [("missing", 2, "")] * 4, "a fresh clone"
    runs.mkdir(parents=True)
    done, bad, running, failed = jobs
    done.plan.model_copy(update={"restarts": [restart(), restart(number=1)]}).save(done.record)
    bad.record.write_text("{")
    running.plan.model_copy(update={"restarts": [restart()]}).save(running.record)
    for job in (done, running, failed):
        (runs / f"{job.name}.log").touch()
    with (runs / f"{running.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert [job_status(job, runs)[:2] for job in jobs] == [
            ("done", 0),
            ("failed", 2),
            ("running", 1),
            ("failed", 2),
        ]
        text = report("tiny", tmp_path / "results", tmp_path / "runs", cores=2)
    assert "tiny: 1 done, 1 running, 2 failed, 0 missing" in text
    assert f"running: {running.name}\n" in text
    assert f"failed: {bad.name} ({bad.record}: " in text
    assert f"failed: {failed.name} (see" in text
    assert job_status(running, runs).state == "failed", "the lock ended with its process"
    (runs / f"{running.name}.done").touch()
    assert job_status(running, runs) == ("missing", 1, ""), "what ran well, before the grid asked for more restarts"


def test_record_of_another_configuration_is_a_failure(jobs: list[Job], tmp_path: Path) -> None:
    jobs[0].plan.save(jobs[1].record)
    status = job_status(jobs[1], tmp_path)
    assert (status.state, status.missing) == ("failed", 2)
    assert "holds another configuration (architecture)" in status.reason


def test_report_names_what_is_not_on_the_grid_and_says_when_all_is_there(jobs: list[Job], tmp_path: Path) -> None:
    for job in jobs:
        job.plan.model_copy(update={"restarts": [restart(), restart(number=1)]}).save(job.record)
    jobs[0].record.with_name("stranger.json").touch()
    text = report("tiny", tmp_path / "results", tmp_path / "runs", cores=2)
    assert "tiny: 4 done, 0 running, 0 failed, 0 missing" in text
    assert f"not on the grid: {tmp_path / 'results' / 'tiny' / 'stranger.json'}" in text
    assert "complete: true" in text


def test_cost_is_foretold_of_models_far_larger_than_all_that_are_measured() -> None:
    mac = EXPERIMENTS["mac"]
    records = [record for record in _all_records(mac, Path("results")) if record.restarts]
    largest = [record for record in records if record.P > 1e6]
    model = CostModel(mac, ended_alike([record for record in records if record.P < 5e5], largest[0]))
    for record in largest:
        (measured, *_) = on_a_cpu(mac, record)
        assert measured / 1.5 < model.core_seconds(record) < 1.5 * measured
    assert largest


def test_cost_is_a_constant_and_a_share_of_P_for_each_token() -> None:
    def record(d: int, N: int) -> CapacityRecord:
        plan = CapacityRecord(architecture=Architecture(d=d, N=N), protocol=Protocol(T=2048), restarts=[])
        cost = (1e-3 + 1e-7 * plan.P) * (N - 1)
        return plan.model_copy(update={"restarts": [restart(cost)]})

    model = CostModel(EXPERIMENTS["mac"], [record(d, N) for d in (8, 16, 32) for N in (4, 8, 16)])
    unseen = record(128, 32)
    assert model.core_seconds(unseen) == pytest.approx(unseen.restarts[0].provenance.core_seconds, rel=1e-4)
    assert model.typical_factor == pytest.approx(1, rel=1e-4)
    assert model.n_parts == 9


def test_runs_that_another_rule_ends_say_nothing_of_a_plans() -> None:
    def planned(**values: Any) -> CapacityRecord:
        return CapacityRecord(architecture=Architecture(d=8, N=8), protocol=Protocol(T=2048, **values), restarts=[])

    plain, long, by_rule = planned(), planned(max_steps=10_000), planned(stop="patience")
    assert ended_alike([long, by_rule], plain) == [long]
    assert ended_alike([long, by_rule], by_rule) == [by_rule]


def test_what_a_gpu_measured_says_nothing_of_cores() -> None:
    by_cpu, by_gpu = restart(7.0), restart(0.1, number=1)
    by_gpu = by_gpu.model_copy(update={"provenance": by_gpu.provenance.model_copy(update={"device": "NVIDIA"})})
    plan = CapacityRecord(architecture=Architecture(d=8, N=8), protocol=Protocol(T=2048), restarts=[])
    record = plan.model_copy(update={"restarts": [by_cpu, by_gpu]})
    assert on_a_cpu(EXPERIMENTS["mac"], record) == [7.0]


def test_time_to_go_is_that_of_the_missing_restarts_over_the_cores(jobs: list[Job], tmp_path: Path) -> None:
    other = tmp_path / "results" / "other"
    tokens = EXPERIMENTS["mac"].tokens
    for d in range(8, 18):
        plan = CapacityRecord(architecture=Architecture(d=d), protocol=Protocol(T=2048), restarts=[])
        cost = 3600 * tokens(plan) / tokens(jobs[0].plan)
        plan.model_copy(update={"restarts": [restart(cost)]}).save(other / f"{d}.json")
    (other / "note.json").write_text("{}")
    jobs[0].plan.model_copy(update={"restarts": [restart(3600.0)]}).save(jobs[0].record)
    text = report("tiny", tmp_path / "results", tmp_path / "runs", cores=2)
    assert "to go: about 7 core-hours, 3.5 hours on the 2 cores" in text
    assert "over 11 measurements" in text


def test_no_time_is_guessed_from_nothing(tmp_path: Path) -> None:
    assert "no estimate" in report("tiny", tmp_path / "results", tmp_path / "runs", cores=2)


@pytest.mark.parametrize(
    ("experiment", "restarts", "parameters", "option"),
    [
        (
            "mls",
            1,
            {"T": 32, "T_start": 4, "T_max": 8, "min_steps": 20, "max_steps": 40, "precision": "float32"},
            {"compiled": False},
        ),
        ("shatter", 12, {"T": 4, "max_epochs": 2000}, {"bootstraps": 2}),
    ],
)
def test_jobs_of_other_experiments_end_in_finished_records(
    experiment: str,
    restarts: int,
    parameters: dict[str, object],
    option: dict[str, object],
    shell: InteractiveShell,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    grid = Grid(
        experiment=experiment, restarts=restarts, configurations=[parameters | {"d": 8, "N": 4, "K": 8, "H": 1}]
    )
    (job,) = grid.jobs(Path("results", experiment))
    executed(shell, NOTEBOOKS / f"{experiment}.ipynb", yaml.safe_load(job.arguments) | option)
    assert job.record.exists()
    assert job.missing() == 0


def test_a_search_is_one_part_and_trials_share_their_time() -> None:
    provenance = restart(6.0).provenance.model_dump()
    trial = {"T": 16, "seed": 1, "status": "plateau", "steps": 10, "best_count": 3, "provenance": provenance}
    (job,) = Grid(experiment="mls", restarts=2, configurations=[{"d": 8, "N": 8, "T_max": 64}]).jobs(Path())
    trials = [trial | {"seed": seed_of_restart(0, number)} for number in range(2)]
    search = MlsRecord.model_validate(job.plan.model_dump() | {"trials": trials})
    assert EXPERIMENTS["mls"].core_seconds(search) == []
    (job,) = Grid(experiment="shatter", restarts=3, configurations=[{"d": 8, "N": 8}]).jobs(Path())
    trials = ShatterRecord.model_validate(job.plan.model_dump() | {"epochs": [5, None, 7], "provenance": [provenance]})
    assert np.allclose(EXPERIMENTS["shatter"].core_seconds(trials), [2.0, 2.0, 2.0])
    assert len(EXPERIMENTS["shatter"].core_seconds(trials)) == 3


def test_configuration_may_say_its_own_restarts(tmp_path: Path) -> None:
    sizes = {"d": 8, "N": 4, "K": 8, "T": 64}
    grid = Grid(experiment="mac", restarts=1, configurations=[sizes, sizes | {"H": 2, "restarts": 3}])
    assert [(job.restarts, job.missing(), job.parameters["restarts"]) for job in grid.jobs(tmp_path)] == [
        (1, 1, 1),
        (3, 3, 3),
    ]
    wrong = Grid(experiment="mac", restarts=1, configurations=[sizes | {"restarts": 0}])
    with pytest.raises(ValueError, match="restarts"):
        list(wrong.jobs(tmp_path))


def test_runs_in_flight_say_how_far_they_are(jobs: list[Job], tmp_path: Path) -> None:
    job = jobs[0]
    folder = job.record.parent / "in-flight"
    folder.mkdir(parents=True)
    (folder / f"{job.name}.0.json").write_text('{"progress": {"step": 30, "steps": 120}}')
    (folder / f"{job.name}.{2**16}.json").write_text('{"progress": {"step": 5}}')  # of an earlier version
    (folder / f"{job.name}.1.json").write_text('{"progr')
    (folder / f"{jobs[1].name}.x.json").write_text("{}")
    assert [line.rsplit(",", 1)[0] for line in in_flight(job)] == [
        "restart 1: step 30 of 120 (25%)",
        "reference: step 5",
    ]
    assert in_flight(jobs[1]) == []
    assert in_flight(job._replace(experiment=EXPERIMENTS["mls"]))[0].startswith("try 1: step 30 of 120")
    text = report("tiny", tmp_path / "results", tmp_path / "runs", cores=2)
    assert f"missing: {job.name}\n    restart 1: step 30 of 120 (25%), " in text


def test_checkpoints_are_what_status_reads(tiny: Architecture, quick: dict[str, Any], tmp_path: Path) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("ecmlib.checkpoint._EVERY", -1)
        patch.setattr("ecmlib.checkpoint.Checkpoint.clear", lambda self: None)
        record = measure_mac(tiny, results=tmp_path, **quick | {"restarts": 1, "min_steps": 60})
    plan = record.model_copy(update={"restarts": []})
    job = Job(EXPERIMENTS["mac"], {}, plan, tmp_path / plan.file_name, 1)
    (line,) = in_flight(job)
    assert line.startswith("restart 1: step 60 of 60 (100%), ")


def test_time_is_that_of_the_longest_job_here_and_of_the_others_in_proportion(
    jobs: list[Job], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("status._seconds_here", lambda job: 3600.0)
    text = report("tiny", tmp_path / "results", tmp_path / "runs", cores=2, timed=True)
    assert "takes at most 60 minutes,\nall 8 missing ones, in proportion, 4 hours" in text
    for job in jobs:
        job.plan.model_copy(update={"restarts": [restart(), restart(number=1)]}).save(job.record)
    assert "timed here" not in report("tiny", tmp_path / "results", tmp_path / "runs", cores=2, timed=True)


def test_time_of_a_job_is_that_of_its_steps_and_counts(jobs: list[Job], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("status.measured_cost", lambda trainer, protocol: Cost(step=1.0, look=0.0))
    job = jobs[0]._replace(parameters={"compiled": False, "device": "cpu"})
    assert _seconds_here(job) == job.plan.protocol.max_steps
    budgets = {"budgets": [100, 200], "schedule": "wsd", "decay_share": 0.5}
    (job,) = Grid(experiment="budget", restarts=1, configurations=[{"d": 8, "N": 4, "K": 8, "T": 64} | budgets]).jobs(
        Path()
    )
    assert _seconds_here(job._replace(parameters={"compiled": False})) == pytest.approx(100 + 100 + 50)


def test_grid_reference_is_measured_by_the_reference_protocol(tmp_path: Path) -> None:
    plans = [job.plan for job in load_grid("reference").jobs(tmp_path)]
    assert {plan.protocol for plan in plans} == {Protocol.reference(T=2048)}
    assert len(plans) >= 48


def test_what_was_measured_of_other_budgets_does_not_finish_a_grid(tmp_path: Path) -> None:
    values = {"d": 8, "N": 4, "K": 8, "T": 64}
    (stored,) = Grid(experiment="budget", restarts=1, configurations=[values | {"budgets": [40, 80]}]).jobs(tmp_path)
    (asked,) = Grid(experiment="budget", restarts=1, configurations=[values | {"budgets": [50, 80]}]).jobs(tmp_path)
    assert stored.record == asked.record
    stored.plan.save(stored.record)
    assert stored.missing() == 1
    with pytest.raises(ValueError, match=r"holds another configuration \(budgets\)"):
        asked.missing()
