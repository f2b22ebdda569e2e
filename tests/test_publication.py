"""What the book's site carries beside its pages."""

from pathlib import Path

from publication import dictionary, points, records, tidy

from ecmlib.results import CapacityRecord

RESULTS = Path("results")


def test_every_training_run_of_every_capacity_record_is_a_row_and_every_column_is_explained() -> None:
    rows = tidy(RESULTS)
    assert len(rows) == sum(len(record.restarts) for found in records(RESULTS).values() for _, record in found)
    explained = dictionary(rows)
    assert explained["column"].tolist() == list(rows)
    assert (explained["meaning"].str.len() > 3).all()


def test_points_of_live_pictures_lead_to_their_records() -> None:
    shown = points(RESULTS)
    assert len(shown) > 100
    for point in shown[::20]:
        record = CapacityRecord.load(RESULTS / point["href"].removeprefix("records/"))
        assert [getattr(record.architecture, size) for size in "dHNLK"] == [point[size] for size in "dHNLK"]
        assert round(record.C_plateau, 1) == point["C"]
