import json
import os
from pathlib import Path
from typing import Any

import pytest

from ecmlib import Architecture, CapacityRecord, Protocol, load_results, measure_mac
from ecmlib.record import record_name, write_atomically

COMMITTED = sorted(Path("results").glob("**/*.json"))
CAPACITY_RECORDS = [path for path in COMMITTED if json.loads(path.read_text()).get("experiment") == "mac"]


@pytest.fixture
def record(tiny: Architecture, quick: dict[str, Any]) -> CapacityRecord:
    return measure_mac(tiny, **quick)


def test_saved_record_is_loaded_unchanged(record: CapacityRecord, tmp_path: Path) -> None:
    record.save(tmp_path / "deep" / "record.json")
    assert CapacityRecord.load(tmp_path / "deep" / "record.json") == record


def test_capacities_follow_from_the_curves(record: CapacityRecord) -> None:
    T, K, N = 64, 8, 4
    best = max(max(restart.last_count) for restart in record.restarts)
    assert record.C_plateau_raw == best
    assert record.C_plateau == pytest.approx((best - T / K) / (1 - 1 / K))
    assert record.C_paper_rule_raw <= record.C_plateau_raw
    lowest = min(min(restart.bits) for restart in record.restarts)
    assert record.bits == pytest.approx(max(0, (N - 1) * T * (3 - lowest)))
    assert record.bits_per_parameter == record.bits / record.P


def test_paper_rule_stops_a_replayed_curve_early(record: CapacityRecord) -> None:
    curve = {
        "step": [0, 100, 200, 300, 400],
        "last_count": [8, 20, 19, 18, 40],
        "full_count": [0] * 5,
        "bits": [3.0] * 5,
    }
    replayed = record.model_copy(
        update={
            "protocol": record.protocol.model_copy(update={"patience_steps": 200}),
            "restarts": [record.restarts[0].model_copy(update=curve)],
        }
    )
    assert (replayed.C_paper_rule_raw, replayed.C_plateau_raw) == (20, 40)
    assert replayed.frame()["paper_rule_step"].tolist() == [300]


def test_folder_is_a_row_a_restart(record: CapacityRecord, tmp_path: Path) -> None:
    record.save(tmp_path / "a.json")
    record.save(tmp_path / "b.json")
    frame = load_results(tmp_path)
    assert len(frame) == 4
    assert frame["restart"].tolist() == [0, 1, 0, 1]
    assert frame["C_plateau"].max() == record.C_plateau
    assert load_results(tmp_path / "..").empty


def spoil(stored: dict[str, Any], how: str) -> None:
    restart = stored["restarts"][0]
    match how:
        case "count above T":
            restart["last_count"][1] = 65
        case "curve with a gap":
            restart["bits"].pop()
        case "steps that go back":
            restart["step"][1] = 0
        case "unknown field":
            stored["note"] = "edited"
        case "no architecture":
            del stored["architecture"]
        case "text for a number":
            stored["architecture"]["d"] = "8"


@pytest.mark.parametrize(
    "how",
    [
        "count above T",
        "curve with a gap",
        "steps that go back",
        "unknown field",
        "no architecture",
        "text for a number",
    ],
)
def test_bad_file_is_named_or_skipped(how: str, record: CapacityRecord, tmp_path: Path) -> None:
    record.save(tmp_path / "good.json")
    stored = json.loads(record.model_dump_json())
    spoil(stored, how)
    (tmp_path / "bad.json").write_text(json.dumps(stored))
    with pytest.raises(ValueError, match=r"bad\.json: "):
        load_results(tmp_path)
    with pytest.warns(UserWarning, match=r"skipped .*bad\.json: "):
        assert len(load_results(tmp_path, skip_bad=True)) == 2


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '{"architecture": {}}'])
def test_file_that_is_no_record_is_named(text: str, tmp_path: Path) -> None:
    (tmp_path / "broken.json").write_text(text)
    with pytest.raises(ValueError, match=r"broken\.json: "):
        load_results(tmp_path)


def test_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"folder = '.*nowhere': there is no such folder"):
        load_results(tmp_path / "nowhere")


def test_failed_write_leaves_the_old_file_and_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "record.json"
    write_atomically(path, "old")

    def full_disk(_: int) -> None:
        raise OSError("no space left on device")

    monkeypatch.setattr(os, "fsync", full_disk)
    with pytest.raises(OSError, match="no space left"):
        write_atomically(path, "new")
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_names_differ_where_configurations_do() -> None:
    small = Architecture(d=16, N=8)
    assert record_name(small, Protocol(T=2048)) == "d16_H1_N8_L1_K128_T2048.json"
    assert record_name(small, Protocol(T=2048, batch_size=64)) == "d16_H1_N8_L1_K128_T2048_batch_size64.json"
    identity = Architecture(d=16, N=8, ff="identity")
    assert record_name(identity, Protocol(seed=3)) == "d16_H1_N8_L1_K128_T16000_ffidentity_seed3.json"


@pytest.mark.parametrize("path", CAPACITY_RECORDS, ids=lambda path: path.stem)
def test_committed_record_is_valid_and_named_after_its_configuration(path: Path) -> None:
    record = CapacityRecord.load(path)
    assert path.name == record_name(record.architecture, record.protocol)
    assert record.restarts
