import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecmlib import Architecture, Protocol
from ecmlib.budget_record import BudgetRecord, BudgetRun
from ecmlib.curve import Curve, CurvePoint
from ecmlib.forecast import Forecast, Forecaster, evidence, shipped_forecaster
from ecmlib.provenance import Provenance
from ecmlib.reproduction.forecast import beyond, cases, coverage, examine, taught_apart, teach
from ecmlib.reproduction.forecast_savings import savings
from ecmlib.restart import Restart, seeds_of_restart
from ecmlib.results import CapacityRecord
from ecmlib.training import ended, forecast_of

STEPS = list(range(100, 10_001, 100))
# Grows as the steps to the power g, whatever was before: the first coefficient is that of h g.
EXACT = Forecaster(level=0.8, low=[0.9] + [0.0] * 7, middle=[1.0] + [0.0] * 7, high=[1.1] + [0.0] * 7)


def record(power: float, seed: int, T: int = 2048, noise: float = 0.02, plateau: int | None = None) -> CapacityRecord:
    """Invent a run that ends on a plateau after so many steps, or at ``max_steps``."""
    random = np.random.default_rng(seed)
    size, protocol = Architecture(d=8 + seed, N=4, K=128), Protocol(T=T, max_steps=10_000)
    C = 20 * (np.array(STEPS) / 300) ** power * np.exp(noise * random.normal(size=len(STEPS)))
    steps = STEPS if plateau is None else [step for step in STEPS if step <= plateau]
    counts = np.clip(C * (1 - 1 / 128) + T / 128, 0, T - 1).astype(int).tolist()[: len(steps)]
    return CapacityRecord(
        architecture=size,
        protocol=protocol,
        restarts=[
            Restart(
                seed=seeds_of_restart(protocol, 0).weights,
                status="max_steps" if plateau is None else "plateau",
                step=steps,
                last_count=counts,
                full_count=[0] * len(counts),
                bits=[6.9] * len(counts),
                provenance=Provenance(
                    commit=None, versions={}, device="cpu", threads=1, compiled=False, seconds=36.0, core_seconds=36.0
                ),
            )
        ],
    )


@given(power=st.floats(0.1, 1.5), ahead=st.floats(1, 8))
def test_power_law_is_continued(power: float, ahead: float) -> None:
    C = [20 * (step / 100) ** power for step in STEPS]
    forecast = EXACT.forecast(STEPS, C, 10**9, ahead * STEPS[-1])
    assert forecast is not None
    base, _ = evidence(STEPS, C, 10**9, ahead * STEPS[-1]) or (0, [])
    assert forecast.value == pytest.approx(base * ahead**power, rel=1e-6)
    assert forecast.low <= forecast.value <= forecast.high


def test_no_forecast_is_more_than_the_library() -> None:
    C = [20 * (step / 100) ** 1.0 for step in STEPS]
    assert EXACT.forecast(STEPS, C, 2100, 10**6) == Forecast(2100, 2100, 2100)


def test_nothing_is_foreseen_from_guesses_or_from_too_few_points() -> None:
    assert shipped_forecaster().forecast(STEPS, [3.0] * len(STEPS), 2048, 20_000) is None
    assert shipped_forecaster().forecast(STEPS[:2], [50.0, 60.0], 2048, 20_000) is None
    assert shipped_forecaster().forecast(STEPS, [50.0] * len(STEPS), 2048, STEPS[-1] - 1) is None


def test_taught_on_curves_it_covers_others_of_their_kind() -> None:
    records = [record(power, seed) for seed, power in enumerate(np.linspace(0.1, 1.0, 40))]
    questions = cases(records)
    apart = taught_apart(questions)
    assert set(apart) == set(range(40))
    table = examine(questions, apart)
    assert table["n"].sum() == len(questions)
    assert 0.7 < coverage(table).value < 0.9
    narrow = teach(questions, level=0.2)
    assert coverage(examine(questions, dict.fromkeys(apart, narrow))).value < 0.4, "coverage tells levels apart"


def test_a_sure_forecast_saves_and_an_unsure_one_does_not() -> None:
    records = [record(0.2, seed) for seed in range(4)]
    sure = Forecaster(level=0.8, low=[1.0] + [0.0] * 7, middle=[1.0] + [0.0] * 7, high=[1.0] + [0.0] * 7)
    table = savings(records, dict.fromkeys(range(4), sure), [0.03])
    assert table["ended"].item() == 1
    assert table["core_hours"].item() == pytest.approx(4 * 36 / 3600)
    assert 0.9 < (table["saved"] / table["core_hours"]).item() < 1, "all but the first steps"
    unsure = sure.model_copy(update={"high": [0.0] * 7 + [100.0]})
    table = savings(records, dict.fromkeys(range(4), unsure), [0.03])
    assert table["ended"].item() == 0
    assert table["saved"].item() == 0
    assert table["more"].item() == 0, "all went to max_steps anyway"
    assert table["known"].item() == 0


def test_saved_is_asked_of_max_steps_as_a_run_in_flight_asks() -> None:
    # Sure to within 3 % where two thirds of the steps are seen: the interval is as wide as the logarithm of the rest.
    slow = Forecaster(
        level=0.8, low=[0.0] * 8, middle=[0.0] * 8, high=[0.0] * 6 + [float(np.log(1 + 0.06) / np.log(1.5)), 0.0]
    )
    records = [record(0.0, 0), record(0.0, 1, plateau=5000), record(0.0, 2, plateau=8000)]
    table = savings(records, dict.fromkeys(range(3), slow), [0.03])
    assert table["ended"].item() == pytest.approx(2 / 3)
    assert table["saved"].item() * 3600 == pytest.approx(36 * (1 - 0.67) + 36 * (1 - 6700 / 8000))
    assert table["longer"].item() == pytest.approx(1 / 3)
    assert table["more"].item() * 3600 == pytest.approx(36), "as long again, at most"
    assert table["known"].item() == 1, "of the run that went to max_steps"
    assert table["error"].item() < 0.05


def test_runs_of_which_nothing_is_foreseen_go_on() -> None:
    table = savings([record(0.2, 0), record(0.2, 1, plateau=5000)], {}, [0.03])
    assert table[["ended", "longer"]].iloc[0].tolist() == [0, 0.5]
    assert table["core_hours"].item() == pytest.approx(2 * 36 / 3600)


def test_run_ends_when_its_forecast_is_sure_enough() -> None:
    curve = [CurvePoint(step, int(100 + 200 * (step / 1e4) ** 0.1), 0, 5.0) for step in STEPS[:60]]
    protocol = Protocol(T=2048, max_steps=10_000)
    forecast = forecast_of(protocol, 128, curve)
    assert forecast is not None
    near, far = (
        Protocol(T=2048, max_steps=10_000, stop="forecast", forecast_within=share)
        for share in (forecast.within * 1.01, 1e-6)
    )
    assert ended(near, curve, forecast) == "forecast"
    assert ended(far, curve, forecast) is None
    assert ended(protocol, curve, forecast) is None, "nothing but a plateau ends it"
    decaying = Protocol(T=2048, max_steps=10_000, schedule="wsd")
    assert forecast_of(decaying, 128, curve) is None, "the rate is still to fall"
    with pytest.raises(ValueError, match="stop = 'forecast'"):
        Protocol(T=2048, schedule="wsd", stop="forecast")


def trunk(power: float, seed: int, budgets: list[int]) -> BudgetRecord:
    """Invent a record of budgets at a constant rate, without noise."""
    invented = record(power, seed, noise=0.0, T=20_000)
    (restart,) = invented.restarts
    curve = Curve(**{name: getattr(restart, name) for name in Curve.model_fields})
    run = BudgetRun(seed=restart.seed, status="max_steps", trunk=curve, branches=[], provenance=restart.provenance)
    return BudgetRecord(architecture=invented.architecture, protocol=invented.protocol, budgets=budgets, restarts=[run])


def test_each_budget_is_asked_for_from_every_shorter_one() -> None:
    budgets = [400, 2000, 4000, 10_000]
    told = beyond([record(0.7, 1), trunk(0.7, 0, budgets), trunk(0.7, 0, budgets)], {0: EXACT, 1: EXACT})
    assert len(told) == 6, "no curve of other records, and none that nobody is taught apart from"
    assert set(zip(told["seen"], told["at"], strict=True)) == {
        (seen, at) for seen in budgets for at in budgets if seen < at
    }
    assert (told["value"] / told["came"]).to_numpy() == pytest.approx(1, rel=0.05)
    assert ((told["low"] < told["came"]) & (told["came"] < told["high"])).all()
    assert beyond([], {}).empty


def test_no_budget_is_asked_for_that_a_run_did_not_reach() -> None:
    whole = trunk(0.7, 0, [400, 2000, 10_000])
    (run,) = whole.restarts
    first = Curve(**{name: getattr(run.trunk, name)[:20] for name in Curve.model_fields})
    spared = run.model_copy(update={"status": "complete", "trunk": first})
    told = beyond([whole.model_copy(update={"restarts": [spared]})], {0: EXACT})
    assert list(zip(told["seen"], told["at"], strict=True)) == [(400, 2000)]


def test_trunks_of_budgets_teach_and_cost_nothing() -> None:
    records = [*(record(0.5, seed) for seed in range(4)), trunk(0.5, 4, [400, 10_000])]
    questions = cases(records)
    assert set(questions["curve"]) == set(range(5))
    assert savings(records, {}, [0.03])["runs"].item() == 4
    assert set(taught_apart(questions)) == set(range(5))


def test_no_forecaster_has_seen_the_architecture_that_it_is_asked_of() -> None:
    records = [record(power, seed) for power in (0.2, 0.9) for seed in range(6)]
    apart = taught_apart(cases(records))
    assert all(apart[seed] == apart[seed + 6] for seed in range(6))
    with pytest.raises(ValueError, match="questions: of 4 architectures with a curve of a constant rate"):
        taught_apart(cases(records[:4] + records[6:10]))


def test_no_question_is_asked_twice() -> None:
    questions = cases([record(0.5, seed, plateau=plateau) for seed, plateau in enumerate((None, 500, 700, 1100))])
    assert not questions.duplicated(["curve", "seen", "at"]).any()
    assert (questions["seen"] < questions["at"]).all()
