from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ecmlib import Architecture, CapacityRecord, Protocol, load_results, measure_mac
from ecmlib.chance import guess_corrected
from ecmlib.record import record_name


@pytest.fixture
def record(tiny: Architecture, quick: dict[str, Any]) -> CapacityRecord:
    return measure_mac(tiny, **quick)


def test_saved_record_is_loaded_unchanged(record: CapacityRecord, tmp_path: Path) -> None:
    record.save(tmp_path / "deep" / "record.json")
    assert CapacityRecord.load(tmp_path / "deep" / "record.json") == record


def test_capacities_follow_from_the_curves(tiny: Architecture, quick: dict[str, Any]) -> None:
    T, K, N = 64, 8, 4
    record = measure_mac(tiny, **quick | {"lr": 0.01, "max_steps": 200})
    best = max(max(restart.last_count) for restart in record.restarts)
    assert record.C_plateau == pytest.approx((best - T / K) / (1 - 1 / K))
    assert record.C_paper_rule <= record.C_plateau
    at_the_end = [np.mean(restart.bits[-3:]) for restart in record.restarts]  # the last tenth: at steps 180 to 200
    assert record.bits == pytest.approx((N - 1) * T * (3 - np.mean(at_the_end)))
    assert record.bits > 50
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
    assert (replayed.C_paper_rule, replayed.C_plateau) == (guess_corrected(20, 64, 8), guess_corrected(40, 64, 8))
    assert replayed.frame()["paper_rule_step"].tolist() == [300]
    best_so_far = [(count - 8) / (1 - 1 / 8) for count in (8, 20, 20, 20, 40)]
    assert replayed.curves()["C_best"].tolist() == pytest.approx(best_so_far)


def test_folder_is_a_row_a_restart(record: CapacityRecord, tmp_path: Path) -> None:
    record.save(tmp_path / record.file_name)
    other = record.model_copy(update={"architecture": record.architecture.model_copy(update={"H": 2})})
    other.save(tmp_path / other.file_name)
    frame = load_results(tmp_path)
    assert len(frame) == 4
    assert frame["restart"].tolist() == [0, 1, 0, 1]
    assert frame["C_plateau"].max() == record.C_plateau
    assert load_results(tmp_path / "..").empty


def test_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"folder = '.*nowhere': there is no such folder"):
        load_results(tmp_path / "nowhere")


def test_names_differ_where_configurations_do() -> None:
    small = Architecture(d=16, N=8)
    assert record_name(small, Protocol(T=2048)) == "d16_H1_N8_L1_K128_T2048.json"
    assert record_name(small, Protocol(T=2048, batch_size=64)) == "d16_H1_N8_L1_K128_T2048_batch_size64.json"
    identity = Architecture(d=16, N=8, ff="identity")
    assert record_name(identity, Protocol(seed=3)) == "d16_H1_N8_L1_K128_T16000_ffidentity_seed3.json"
