import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecmlib import Architecture, MlsRecord, Protocol, measure_mls
from ecmlib.checkpoint import Checkpoint
from ecmlib.mls_record import MlsProtocol, MlsTrial
from ecmlib.provenance import Provenance
from ecmlib.record import record_name
from ecmlib.restart import Status, seed_of_restart
from ecmlib.trainer import Trainer

PROVENANCE = Provenance(commit=None, versions={}, device="cpu", threads=1, compiled=False, seconds=0, core_seconds=0)
SMALL = Architecture(d=8, N=3, K=8, head_dim=4)
ROOMY = Architecture(d=8, N=8, K=8, head_dim=4)  # has libraries of every size that is searched
QUICK = {"T_max": 32, "T_start": 2, "restarts": 2, "lr": 0.01, "min_steps": 62, "max_steps": 310}


def trial(T: int, status: Status, number: int = 0) -> MlsTrial:
    return MlsTrial(
        T=T,
        seed=seed_of_restart(0, number),
        status=status,
        steps=1,
        best_count=T if status == "complete" else 0,
        provenance=PROVENANCE,
    )


@given(
    threshold=st.integers(0, 5000),
    T_start=st.integers(1, 4000),
    tolerance=st.floats(0.001, 0.5),
    restarts=st.integers(1, 3),
)
def test_search_ends_within_tolerance_of_any_threshold(
    threshold: int, T_start: int, tolerance: float, restarts: int
) -> None:
    protocol = MlsProtocol(T_start=T_start, T_max=4000, tolerance=tolerance, restarts=restarts, training=Protocol())
    record = MlsRecord(architecture=ROOMY, protocol=protocol, trials=[])
    tried: set[int] = set()
    while (T := record.next_size()) is not None:
        assert T not in tried
        tried.add(T)
        new = [trial(T, "complete")] if threshold >= T else [trial(T, "plateau", n) for n in range(restarts)]
        record = record.model_copy(update={"trials": [*record.trials, *new]})
    assert record.censored == (threshold >= 4000)
    assert record.memorised <= threshold
    if not record.censored:
        assert record.not_memorised is not None
        assert threshold < record.not_memorised <= record.memorised + max(1, tolerance * record.memorised)
    assert len(tried) <= 32


def test_one_success_among_restarts_is_enough() -> None:
    protocol = MlsProtocol(T_start=4, T_max=64, restarts=2, training=Protocol())
    record = MlsRecord(architecture=SMALL, protocol=protocol, trials=[trial(4, "plateau"), trial(4, "complete", 1)])
    assert record.memorised == 4
    assert record.next_size() == 8
    assert record.model_copy(update={"trials": [trial(4, "plateau")]}).next_size() == 4, "one restart is left"


@pytest.fixture(scope="module")
def searched() -> MlsRecord:
    return measure_mls(SMALL, **QUICK, compiled=False, progress=False)


def told(record: MlsRecord) -> list[tuple[int, int, int, int]]:
    """Return what two searches of one architecture have in common: all but times and places."""
    return [(trial.T, trial.seed, trial.steps, trial.best_count) for trial in record.trials]


def test_measured_library_is_memorised_and_the_next_is_not(
    searched: MlsRecord, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = searched.save(tmp_path / searched.file_name)
    assert record.next_size() is None
    assert 2 <= record.memorised <= 32
    assert all(trial.best_count == trial.T for trial in record.trials if trial.status == "complete")
    assert all(trial.best_count < trial.T for trial in record.trials if trial.status != "complete")
    monkeypatch.setattr("ecmlib.trainer.Trainer.advance", pytest.fail)
    assert measure_mls(SMALL, **QUICK, compiled=False, results=tmp_path, progress=False) == record, (
        "nothing is tried again"
    )


def test_interrupted_search_resumes(searched: MlsRecord, tmp_path: Path) -> None:
    path = tmp_path / searched.file_name
    searched.model_copy(update={"trials": searched.trials[:2]}).save(path)
    resumed = measure_mls(SMALL, **QUICK, compiled=False, results=tmp_path, progress=False)
    assert told(resumed) == told(searched)
    assert MlsRecord.load(path) == resumed


def test_killed_try_goes_on_where_it_was(searched: MlsRecord, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    step = QUICK["max_steps"] // 2  # which only a try that goes on gets to

    def stop_half_way(checkpoint: Checkpoint) -> None:
        checkpoint.save()
        (kept,) = (tmp_path / "in-flight").glob("*.json")
        if json.loads(kept.read_text())["progress"]["step"] == step:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Checkpoint, "save_if_due", stop_half_way)
        with pytest.raises(KeyboardInterrupt):
            measure_mls(SMALL, **QUICK, compiled=False, results=tmp_path, progress=False)
    started_at: list[int] = []
    advance = Trainer.advance

    def spy(trainer: Trainer, end: int, protocol: Protocol) -> None:
        started_at.append(trainer.step)
        advance(trainer, end, protocol)

    monkeypatch.setattr(Trainer, "advance", spy)
    resumed = measure_mls(SMALL, **QUICK, compiled=False, results=tmp_path, progress=False)
    assert started_at[0] == step
    assert told(resumed) == told(searched)
    assert [left.name for left in (tmp_path / "in-flight").iterdir()] == [".lock"]


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"T_start": 0}, "T_start = 0: input should be greater than or equal to 1"),
        ({"T_start": 9, "T_max": 8}, "T_start = 9: input should be at most T_max = 8"),
        ({"tolerance": 0.0}, "tolerance = 0.0: input should be greater than 0"),
        ({"T_max": 65}, "T = 65"),
    ],
)
def test_bad_parameter_is_named(parameters: dict[str, float], message: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=message):
        measure_mls(SMALL, **{**QUICK, **parameters}, results=tmp_path)
    assert not list(tmp_path.iterdir())


def test_protocol_says_what_its_values_by_name_say_and_nothing_that_no_try_applies(
    searched: MlsRecord, tmp_path: Path
) -> None:
    own = {name: value for name, value in QUICK.items() if name in Protocol.model_fields}
    search = {name: value for name, value in QUICK.items() if name not in own}
    quiet = {"compiled": False, "progress": False}
    searched.save(tmp_path / searched.file_name)
    record = measure_mls(SMALL, Protocol(**own), **search, **quiet, results=tmp_path)
    assert record == searched, "nothing is tried again"
    assert record.protocol.training == Protocol(**own, T=32)
    with pytest.raises(ValueError, match="lr: given beside a protocol"):
        measure_mls(SMALL, Protocol(), lr=0.1)
    with pytest.raises(ValueError, match=r"training = .*not permitted"):
        measure_mls(SMALL, training={"lr": 0.5})
    for name, value in {"T": 64, "patience_steps": 31, "vary": "all"}.items():
        with pytest.raises(ValueError, match=f"{name} = {value}: this measurement does not apply it"):
            measure_mls(SMALL, **{name: value})


@pytest.mark.parametrize("path", sorted(Path("results/mls").glob("*.json")), ids=lambda path: path.stem)
def test_committed_search_is_whole_and_named_after_its_architecture(path: Path) -> None:
    record = MlsRecord.load(path)
    assert path.name == record_name(record.architecture, record.protocol.training)
    assert record.next_size() is None
    kept = json.loads(record.model_dump_json())["protocol"]["training"]
    assert not {"T", "patience_steps", "vary"} & set(kept), "what no try applies"
    assert MlsRecord.model_validate_json(record.model_dump_json()) == record


def test_protocol_of_a_search_is_that_of_its_tries() -> None:
    short = MlsProtocol(T_max=64, training=Protocol(T=99, patience_steps=7, lr=0.01))
    assert short.training == Protocol(T=64, lr=0.01)
    with pytest.raises(ValueError, match="training"):
        MlsProtocol(training=3)
