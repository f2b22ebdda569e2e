import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from conftest import kills_itself

from ecmlib import Architecture, measure_mac
from ecmlib.budget import measure_budgets
from ecmlib.budget_record import BudgetRecord
from ecmlib.chance import guess_corrected
from ecmlib.checkpoint import Checkpoint
from ecmlib.curve import CurvePoint
from ecmlib.forecast import Forecast
from ecmlib.protocol import Protocol

QUICK: dict[str, Any] = {"T": 64, "batch_size": 24, "eval_every": 15, "compiled": False, "progress": False}
WSD: dict[str, Any] = {"schedule": "wsd", "lr": 0.01, "warmup_steps": 4}
BUDGETS = [20, 40, 80]


def parts(record: BudgetRecord) -> list[dict[str, Any]]:
    """Return what two measurements have in common: all but times and places."""
    return [
        run.model_dump(exclude={"provenance": True, "branches": {"__all__": {"core_seconds"}}})
        for run in record.restarts
    ]


@pytest.mark.parametrize("optimizer", ["adam", "muon"])
def test_branch_ends_where_a_run_of_its_budget_alone_ends(tiny: Architecture, optimizer: str) -> None:
    frame = measure_budgets(tiny, BUDGETS, restarts=2, optimizer=optimizer, **QUICK, **WSD).frame()
    assert frame["max_steps"].tolist() == BUDGETS * 2
    for budget in BUDGETS:
        alone = measure_mac(tiny, restarts=2, optimizer=optimizer, max_steps=budget, **QUICK, **WSD).frame()
        branched = frame[frame["max_steps"] == budget]
        for column in ("restart", "restart_seed", "steps", "C_raw", "C", "bits", "P", "T", "optimizer", "max_steps"):
            assert branched[column].tolist() == alone[column].tolist(), column


def test_budgets_at_a_constant_rate_are_beginnings_of_one_run(tiny: Architecture) -> None:
    settings = QUICK | {"eval_every": 10}
    record = measure_budgets(tiny, BUDGETS, **settings)
    assert record.restarts[0].branches == []
    alone = measure_mac(tiny, restarts=1, max_steps=80, min_steps=80, **settings)
    assert record.restarts[0].trunk.points == alone.restarts[0].points
    assert record.frame()["C_raw"].iloc[-1] == alone.frame()["C_raw"].iloc[-1]
    assert record.frame()["steps"].tolist() == BUDGETS


def test_frame_says_what_the_plateau_rule_would_have_found(tiny: Architecture) -> None:
    record = measure_budgets(tiny, [40, 80], min_steps=40, **QUICK | {"eval_every": 10})
    run = record.restarts[0]
    trunk = run.trunk.model_copy(update={"last_count": [5, 9, 20, 25, 30, 30, 30, 44, 50]})
    frame = record.model_copy(update={"restarts": [run.model_copy(update={"trunk": trunk})]}).frame()
    assert frame["C_plateau"].tolist() == [guess_corrected(count, 64, tiny.K) for count in (30, 50)]
    assert frame["C_plateau_rule"].tolist() == [guess_corrected(30, 64, tiny.K)] * 2, "ended at step 60"
    ends = [guess_corrected(30, 64, tiny.K)] * 2, [guess_corrected(count, 64, tiny.K) for count in (30, 50)]
    assert (frame["C_plateau_rule_end"].tolist(), frame["C_paper_rule_end"].tolist()) == ends


def test_where_a_rule_ends_a_run_the_end_is_less_than_the_best(tiny: Architecture) -> None:
    record = measure_budgets(tiny, [100, 200], min_steps=100, **QUICK | {"eval_every": 4})
    run = record.restarts[0]
    counts = [10, *(40 + 10 * (step % 2) for step in range(len(run.trunk.step) - 1))]
    trunk = run.trunk.model_copy(update={"last_count": counts, "full_count": [0] * len(counts)})
    (_, row) = (
        record.model_copy(update={"restarts": [run.model_copy(update={"trunk": trunk})]}).frame().to_dict("records")
    )
    assert row["C_plateau_rule"] == guess_corrected(50, 64, tiny.K)
    assert guess_corrected(40, 64, tiny.K) < row["C_plateau_rule_end"] < row["C_plateau_rule"]


def test_longer_budgets_are_spared_once_all_is_memorised() -> None:
    easy = Architecture(d=16, N=4, K=8)
    record = measure_budgets(easy, [10, 400, 800, 1600], T=8, schedule="wsd", lr=0.01, compiled=False, progress=False)
    (run,) = record.restarts
    assert run.status == "complete"
    assert run.branches[-1].last_count[-1] == 8
    assert run.branches[-1].budget < 1600
    frame = record.frame()
    assert frame["C"].iloc[-1] == 8
    assert frame["status"].tolist() == ["complete" if count == 8 else "max_steps" for count in frame["C_raw"]]
    assert frame["status"].nunique() == 2, "of the shortest budget only a part is memorised"


def diverging(record: BudgetRecord, **run: Any) -> BudgetRecord:
    """Return a record whose only run has diverged, after what it kept until then."""
    diverged = record.restarts[0].model_copy(update={"status": "diverged"} | run)
    return BudgetRecord.model_validate(record.model_copy(update={"restarts": [diverged]}).model_dump())


def test_budgets_that_ended_before_a_longer_one_diverged_are_kept(
    undisturbed: BudgetRecord, tiny: Architecture
) -> None:
    (run,) = undisturbed.restarts
    whole = undisturbed.frame()
    finished = diverging(undisturbed, branches=run.branches[:2]).frame()
    assert finished.equals(whole.head(2)), "nothing is left of the third"
    worse = run.branches[2].model_copy(update={"bits": [*run.branches[2].bits[:-1], 9.0]})
    assert diverging(undisturbed, branches=[*run.branches[:2], worse]).frame().equals(whole.head(2))
    assert diverging(undisturbed, branches=[]).frame().empty
    record = measure_budgets(tiny, BUDGETS, **QUICK)
    trunk = record.restarts[0].trunk.until(45)
    assert diverging(record, trunk=trunk).frame()["max_steps"].tolist() == [20, 40]
    assert diverging(record, trunk=trunk.until(-1)).frame().empty


def test_budget_shorter_than_the_plateau_rule_asks_for_is_measured(tiny: Architecture) -> None:
    frame = measure_budgets(tiny, [30, 60], min_steps=45, **QUICK).frame()
    assert frame[["max_steps", "min_steps"]].to_numpy().tolist() == [[30, 45], [60, 45]]


def test_constant_rate_shows_a_forecast_of_the_longest_budget_and_a_falling_one_none(
    tiny: Architecture, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown: list[dict[str, object]] = []
    monkeypatch.setattr("ecmlib.progress.Bar.set_postfix", lambda _, postfix, refresh: shown.append(postfix))
    asked: list[int] = []

    def forecast(protocol: Protocol, K: int, curve: list[CurvePoint]) -> Forecast | None:
        asked.append(protocol.max_steps)
        return None if protocol.schedule == "wsd" else Forecast(50, 40, 60)

    monkeypatch.setattr("ecmlib.budget.forecast_of", forecast)
    values = QUICK | {"eval_every": 20, "progress": True}
    measure_budgets(tiny, BUDGETS, **values)
    assert set(asked) == {80}
    assert [now["forecast"] for now in shown] == ["40-60"] * 5
    assert [now["budget"] for now in shown] == [20, 20, 40, 80, 80]
    shown.clear()
    measure_budgets(tiny, BUDGETS, **values, **WSD)
    assert not any("forecast" in now for now in shown)
    assert len(shown) > len(BUDGETS)


@pytest.fixture(scope="module")
def undisturbed() -> BudgetRecord:
    return measure_budgets(Architecture(d=8, H=1, N=4, K=8, head_dim=4), BUDGETS, **QUICK, **WSD)


@pytest.mark.parametrize("n", [1, 2, 3, 5, 6])
def test_killed_on_trunk_or_branch_it_goes_on_and_equals_an_undisturbed_run(
    n: int, undisturbed: BudgetRecord, tiny: Architecture, tmp_path: Path
) -> None:
    def killed_at_the_nth_save(kill: Callable[[], None]) -> None:
        saves = itertools.count(1)

        def save_and_die(checkpoint: Checkpoint) -> None:
            checkpoint.save()
            if next(saves) == n:
                kill()

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(Checkpoint, "save_if_due", save_and_die)
            measure_budgets(tiny, BUDGETS, **QUICK, **WSD, results=tmp_path)

    assert kills_itself(killed_at_the_nth_save)
    resumed = measure_budgets(tiny, BUDGETS, **QUICK, **WSD, results=tmp_path)
    assert parts(resumed) == parts(undisturbed)
    assert [left.name for left in (tmp_path / "in-flight").iterdir()] == [".lock"]
    (path,) = tmp_path.glob("*.json")
    assert BudgetRecord.load(path) == resumed


@pytest.mark.parametrize(
    ("budgets", "values", "message"),
    [
        ([], {}, "budgets = \\[\\]: input should be a list of steps, 1 or more"),
        ({"": None}, {}, "budgets = {'': None}: input should be a list of steps, 1 or more"),
        ([40, 80.0], {}, "budgets = \\[40, 80.0\\]: input should be a list of steps, 1 or more"),
        ([0, 40], {}, "budgets = \\[0, 40\\]: input should be a list of steps, 1 or more"),
        ([40, 80], {"stop": "patience"}, "stop = 'patience': a budget is trained to its end"),
        ([80, 40], {}, "budgets = \\[80, 40\\]: input should rise"),
        ([40, 40], {}, "budgets = \\[40, 40\\]: input should rise"),
        ([40, 80], {"max_steps": 100}, "budgets = \\[40, 80\\]: input should rise, and end with max_steps = 100"),
        ([10, 80], {"schedule": "wsd", "warmup_steps": 8}, "warmup_steps = 8: input should be at most 7"),
        ([10, 80], {}, "eval_every = 15: nothing is counted by step 10 of \\[10, 80\\]"),
        ([40], {"optimizer": "sgd"}, "optimizer = 'sgd'"),
        ([40], {"restarts": 0}, "restarts = 0"),
    ],
)
def test_bad_value_stops_before_training(
    budgets: list[int], values: dict[str, Any], message: str, tiny: Architecture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ecmlib.training.Trainer.advance", pytest.fail)
    with pytest.raises(ValueError, match=message):
        measure_budgets(tiny, budgets, **QUICK | values)


def test_rows_have_the_columns_of_a_capacity_whether_or_not_there_are_any(tiny: Architecture) -> None:
    settings = {"T": 64, "max_steps": 20, "eval_every": 10, "compiled": False, "progress": False}
    by_rules = ["C_plateau_rule", "C_plateau_rule_end", "C_paper_rule_end"]
    columns = [*measure_mac(tiny, restarts=1, **settings).frame(), *by_rules]
    record = measure_budgets(tiny, [10, 20], **settings)
    assert list(record.frame()) == columns
    assert record.frame()["device"].tolist() == ["cpu", "cpu"]
    empty = record.model_copy(update={"restarts": []}).frame()
    assert list(empty) == columns
    assert empty.empty
