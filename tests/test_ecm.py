import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ecmlib import load_results
from ecmlib.laws.ecm import EmpiricalCapacityModel
from ecmlib.laws.fitting import FitWarning, Optimum, bootstrap, doubts
from ecmlib.laws.registry import load_law

ECM = EmpiricalCapacityModel
TRUTH = ECM(a=300.0, b=-0.05, c=1.4, d0=2.0, e=0.7, alpha=60.0, beta=1200.0)


def grid(law: EmpiricalCapacityModel, noise: float = 0.0, seed: int = 0, **columns: list[int]) -> pd.DataFrame:
    """Capacities as a law says, times log-normal noise, on the main grid."""
    axes = {"d": [8, 16, 32, 64, 128], "H": [1, 2, 4, 8], "N": [4, 8, 16, 32]} | columns
    frame = pd.MultiIndex.from_product(axes.values(), names=list(axes)).to_frame(index=False)
    frame = frame.assign(L=1, K=128, T=16000)
    scatter = np.random.default_rng(seed).standard_normal(len(frame))
    C = law.predict_frame(frame)
    raw = C + frame["T"] / frame["K"]
    spread = np.sqrt(noise**2 + raw / C**2) if noise else 0.0  # counts scatter, too
    return frame.assign(C_plateau=C * np.exp(spread * scatter))


def quick_fit(frame: pd.DataFrame, **options: object) -> EmpiricalCapacityModel:
    with warnings.catch_warnings(action="ignore", category=FitWarning):
        return ECM.fit(frame, **({"starts": 20, "bootstraps": 0} | options))  # type: ignore[arg-type]


def drawn_laws(count: int) -> Iterator[EmpiricalCapacityModel]:
    """Laws that decay with N, half of them with each sign of b and of d0, and that saturate within the grid."""
    random = np.random.default_rng(5)
    for number in range(count):
        b, d0 = (-1, 1)[number % 2] * random.uniform(0.02, 0.06), (-1, 1)[number // 2 % 2] * random.uniform(0.5, 2)
        c, a = random.uniform(1.2, 1.8), random.uniform(50, 400)
        yield ECM(a=a, b=b, c=c, d0=d0, e=random.uniform(0.5, 3), alpha=random.uniform(10, 80), beta=a * 2)


@pytest.mark.parametrize(("H", "N", "slope"), [(1, 8, 13.1), (1, 32, 2.8), (4, 8, 28.7), (4, 32, 10.2)], ids=str)
def test_published_slopes_are_those_of_the_paper(H: int, N: int, slope: float) -> None:
    assert float(ECM.published(L=1).slope(H, N)) == pytest.approx(slope, abs=0.05)


def test_published_law_of_two_layers_depends_on_a_digit_that_is_not_printed() -> None:
    published = ECM.published(L=2)
    ends = [float(published.model_copy(update={"c": published.c + half}).slope(1, 32)) for half in (-0.005, 0.005)]
    assert sorted(ends) == [pytest.approx(-2.7, abs=0.05), pytest.approx(14.6, abs=0.05)]


def test_published_takes_one_or_two_layers() -> None:
    with pytest.raises(ValueError, match="L = 3: the paper publishes parameters for 1 and 2"):
        ECM.published(L=3)  # type: ignore[arg-type]


@given(st.floats(1, 512), st.integers(1, 9), st.integers(2, 64))
def test_prediction_is_the_smaller_of_rise_and_saturation(d: float, H: int, N: int) -> None:
    law = ECM.published(L=1)
    f = law.a / (N ** (law.b * H + law.c) + law.d0) + law.e
    assert float(law.predict(d, H, N)) == pytest.approx(min(f * d, law.alpha * H + law.beta))


def test_predictions_broadcast() -> None:
    law = ECM.published(L=1)
    table = law.predict(np.array([8, 64])[:, None], [1, 2, 4], 8)
    assert table.shape == (2, 3)
    assert table[1, 2] == law.predict(64, 4, 8)


@pytest.mark.parametrize("loss", ["log", "squares", "mape"])
def test_known_parameters_are_recovered_without_noise(loss: str) -> None:
    fitted = quick_fit(grid(TRUTH), loss=loss)
    np.testing.assert_allclose(fitted.parameters, TRUTH.parameters, rtol=1e-6)
    assert fitted.evidence.share_of_starts > 0.2


@pytest.mark.parametrize("law", list(drawn_laws(20)), ids=range(20))
def test_drawn_parameters_are_recovered_without_noise(law: EmpiricalCapacityModel) -> None:
    fitted = quick_fit(grid(law))
    np.testing.assert_allclose(fitted.predict_frame(grid(law)), law.predict_frame(grid(law)), rtol=1e-6)
    np.testing.assert_allclose(fitted.parameters, law.parameters, rtol=1e-4)


def test_noisy_parameters_lie_in_their_intervals() -> None:
    inside = []
    for number, law in enumerate(drawn_laws(20)):
        fitted = quick_fit(grid(law, noise=0.1, seed=number), starts=4, bootstraps=30)
        table = fitted.intervals(0.9).assign(truth=law.parameters)
        inside += table["truth"].between(table["low"], table["high"]).tolist()
    # 140 intervals of parameters that depend on each other; percentile bootstraps are a little narrow.
    assert 0.78 <= np.mean(inside) <= 0.98


def test_prediction_intervals_cover_what_is_measured_next() -> None:
    inside = []
    for seed in range(6):
        fitted = quick_fit(grid(TRUTH, 0.1, seed), starts=4, bootstraps=62)
        fresh = grid(TRUTH, 0.1, seed + 100, d=[12, 24, 48, 96], H=[3, 6])
        _, low, high = fitted.predict(fresh["d"], fresh["H"], fresh["N"], level=0.9)
        inside += fresh["C_plateau"].between(low, high).tolist()
    assert 0.84 <= np.mean(inside) <= 0.97


def test_interval_includes_the_spread_between_restarts() -> None:
    frame = pd.concat([grid(TRUTH, 0.3, seed) for seed in range(3)], ignore_index=True)
    spread = [
        np.diff(quick_fit(data, starts=4, bootstraps=60).predict(32, 2, 8, level=0.9)[1:])[0]
        for data in (grid(TRUTH, 0.01), frame)
    ]
    assert spread[1] > 5 * spread[0]


def test_no_draw_exceeds_the_library() -> None:
    frame = grid(TRUTH, 0.3).assign(T=900, C_plateau=lambda rows: rows["C_plateau"].clip(upper=900))
    assert quick_fit(frame, bootstraps=20).predictive_draws(frame).max() <= 900


def test_data_of_one_length_do_not_identify_how_slopes_decay() -> None:
    with pytest.warns(FitWarning, match="not identifiable"):
        fitted = ECM.fit(grid(TRUTH, 0.02, N=[8], d=[8, 12, 16, 24, 32, 64]), starts=4, bootstraps=0)
    assert fitted.evidence.doubts


def test_parameters_that_no_point_depends_on_are_named() -> None:
    frame = grid(TRUTH, d=[2, 4, 6, 8])  # all below saturation
    sizes = {size: frame[size].to_numpy(float) for size in ("d", "H", "N")}
    bounds = (np.full(7, -1e6), np.full(7, 1e6))
    said = doubts(
        tuple(ECM.bounds), lambda p: ECM.formula(p, sizes), frame["C_plateau"].to_numpy(), TRUTH.parameters, bounds
    )
    assert said[:2] == [f"{name} is not identifiable: no point depends on it" for name in ("alpha", "beta")]


def test_parameter_on_its_bound_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ECM, "bounds", ECM.bounds | {"c": (0.0, 1.0)})
    assert "c = 1 sits on its bound" in quick_fit(grid(TRUTH, noise=0.02)).evidence.doubts


def test_no_start_has_a_pole_among_the_data() -> None:
    frame = grid(TRUTH)
    starts = ECM.starts(frame.assign(complete=False), frame["C_plateau"].to_numpy(), 200, 0)
    _, b, c, d0, *_ = starts.T[..., None]
    denominator = frame["N"].to_numpy() ** (b * frame["H"].to_numpy() + c) + d0
    assert len(starts) == 200
    assert (denominator > 0).all()


def test_best_restart_counts_and_a_diverged_one_never_does() -> None:
    frame = grid(TRUTH)
    worse = frame.assign(C_plateau=frame["C_plateau"] / 2)
    diverged = frame.assign(C_plateau=np.nan, status="diverged")
    fitted = quick_fit(pd.concat([worse, frame, diverged], ignore_index=True))
    np.testing.assert_allclose(fitted.parameters, TRUTH.parameters, rtol=1e-5)


@pytest.mark.parametrize(
    ("frame", "message"),
    [
        (pd.DataFrame(), "the frame is empty"),
        (grid(TRUTH).iloc[:1], "1 configurations beyond guessing: 7 parameters need more"),
        (grid(TRUTH).drop(columns="N"), "the frame lacks the column N"),
        (grid(TRUTH).assign(C_plateau=np.nan), "C_plateau = nan at d=8, H=1, N=4"),
        (
            grid(TRUTH).assign(C_plateau=lambda rows: rows["C_plateau"].where(rows.index > 0, -2.0)),
            "C_plateau = -2 at d=8, H=1, N=4.*greater than 0",
        ),
        (grid(TRUTH).assign(status="diverged"), "every restart diverged"),
        (grid(TRUTH).assign(L=[1, 2] * 40), "the frame mixes L = 1, 2"),
        (grid(TRUTH).assign(max_steps=[100, 200] * 40), "the frame mixes max_steps = 100, 200"),
    ],
    ids=["empty", "one row", "missing column", "NaN", "negative", "diverged", "two L", "two protocols"],
)
def test_bad_frame_is_refused(frame: pd.DataFrame, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ECM.fit(frame)


def test_bad_option_is_refused() -> None:
    with pytest.raises(ValueError, match="starts = 0"):
        ECM.fit(grid(TRUTH), starts=0)
    with pytest.raises(ValueError, match=r"level = 1\.5: input should be less than 1"):
        quick_fit(grid(TRUTH), bootstraps=2).intervals(1.5)
    with pytest.raises(ValueError, match="was not fitted here"):
        ECM.published(L=1).predict(8, 1, 8, level=0.9)
    with pytest.raises(ValueError, match="bootstraps = 0"):
        quick_fit(grid(TRUTH)).intervals()


def test_squares_fit_capacities_below_zero() -> None:
    frame = grid(TRUTH)
    frame.loc[0, "C_plateau"] = -1.0
    assert quick_fit(frame, loss="squares").predict(64, 2, 8) == pytest.approx(TRUTH.predict(64, 2, 8), rel=0.05)


@settings(max_examples=20)
@given(st.lists(st.floats(-1e6, 1e6), min_size=7, max_size=7))
def test_saved_parameters_are_read_back_to_the_last_digit(values: list[float]) -> None:
    law = ECM.from_parameters(values)
    assert ECM.model_validate_json(law.model_dump_json()) == law


def test_saved_law_is_read_back_whole(tmp_path: Path) -> None:
    law = quick_fit(grid(TRUTH, noise=0.1), bootstraps=5)
    law.save(tmp_path / "ecm.json")
    assert ECM.load(tmp_path / "ecm.json") == load_law(tmp_path / "ecm.json") == law


def test_unknown_law_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.json").write_text('{"law": "magic"}')
    with pytest.raises(ValueError, match="holds the law 'magic'; it should be 'ecm' or 'ecm without min' or"):
        load_law(tmp_path / "x.json")
    with pytest.raises(ValueError, match=r"holds the law 'magic'; it should be 'ecm'$"):
        ECM.load(tmp_path / "x.json")


def test_measured_grid_is_fitted_from_most_starts() -> None:
    fitted = quick_fit(load_results("results/mac-cpu"))
    assert fitted.evidence.share_of_starts > 0.5
    assert fitted.region["d"] == (8, 128)


def test_bootstraps_of_two_fits_draw_the_same_configurations_whether_or_not_they_jitter() -> None:
    measured = np.random.default_rng(0).uniform(1, 9, 12)
    level = (lambda p: p[..., :1] + np.zeros(12), measured)
    draws = [
        bootstrap(
            *level, Optimum(np.array([5.0]), 1.0, share), (np.zeros(1), np.full(1, 99.0)), "squares", 20, 3, np.ones(12)
        )
        for share in (1.0, 0.5)
    ]
    assert draws[0] == pytest.approx(draws[1], rel=1e-3)
    assert np.ptp(draws[0]) > 0.1


def test_configurations_lost_in_guessing_determine_no_parameter() -> None:
    lost = grid(TRUTH).assign(C_plateau=3.0)
    known = grid(TRUTH).head(5)
    with pytest.raises(ValueError, match="5 configurations beyond guessing: 7 parameters need more than that"):
        EmpiricalCapacityModel.fit(pd.concat([known, lost.tail(20)]), bootstraps=0)
