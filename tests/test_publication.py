"""What the book's site carries beside its pages."""

from pathlib import Path

from publication import dictionary, points, published, records, tidy

from ecmlib import Protocol
from ecmlib.files import read_json
from ecmlib.results import CapacityRecord

RESULTS = Path("results")


def test_every_training_run_of_every_capacity_record_is_a_row_and_every_column_is_explained() -> None:
    rows = tidy(RESULTS)
    assert len(rows) == sum(len(record.restarts) for found in records(RESULTS).values() for _, record in found)
    explained = dictionary(rows)
    assert explained["column"].tolist() == list(rows)
    assert (explained["meaning"].str.len() > 3).all()
    meaning = explained.set_index("column")["meaning"]
    assert meaning["min_steps"] != meaning["max_steps"]


def test_runs_that_go_on_and_locks_are_not_published(tmp_path: Path) -> None:
    for name in (
        "README.md",
        ".lock",
        "mac/a.json",
        "mac/.lock",
        "mac/in-flight/a.0.json",
        "mac/in-flight/a.0.1.safetensors",
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    assert [path.relative_to(tmp_path).as_posix() for path in published(tmp_path)] == ["README.md", "mac/a.json"]
    assert len(published(RESULTS)) > 800


def test_points_of_live_pictures_lead_to_their_records() -> None:
    shown = points(RESULTS)
    assert len(shown) > 60
    for point in shown[::10]:
        record = CapacityRecord.load(RESULTS / point["href"].removeprefix("records/"))
        assert [getattr(record.architecture, size) for size in "dHNLK"] == [point[size] for size in "dHNLK"]
        assert record.protocol.lr == Protocol.reference().lr
        assert round(record.frame()["C"].mean(), 1) == point["C"]
    unfitted = [point for point in shown if point["unfitted"]]
    assert {point["record"].split("/")[0] for point in unfitted} >= {"holdout-2025", "designs-any", "designs-again"}
    assert {point["record"].split("/")[0] for point in shown if not point["unfitted"]} == {"reference", "axes"}
    assert all(point["unfitted"] for point in shown if point["d"] > 128 or point["T"] > 20_000)


def test_records_of_every_schema_version_are_published() -> None:
    capacities = [path for path in RESULTS.glob("*/*.json") if read_json(path).get("experiment") == "mac"]
    assert sorted(path for found in records(RESULTS).values() for path, _ in found) == sorted(capacities)
    assert {read_json(path).get("schema_version", 0) for path in capacities} >= {0, 1}
