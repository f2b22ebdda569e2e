import itertools
import re
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import integrate, stats
from sklearn.linear_model import LinearRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import PolynomialFeatures, StandardScaler

from ecmlib import Architecture, load_results
from ecmlib.laws.base import ExtrapolationWarning, Law
from ecmlib.laws.baselines import PolynomialModel
from ecmlib.laws.comparison import CELLS, HELD_OUT, ComparisonChoices, better_than, compare, like_for_like
from ecmlib.laws.contestants import OURS, fit_all, fit_two_layers, fit_wider
from ecmlib.laws.demand import knowable_bits
from ecmlib.laws.detection import detected
from ecmlib.laws.evidence import Evidence
from ecmlib.laws.fitting import FitWarning
from ecmlib.laws.points import SIZES, configurations, n_known, noise, scored, unmixed, weights
from ecmlib.laws.registry import LAWS, load_law
from ecmlib.laws.residual import ResidualModel
from ecmlib.laws.rivals import BitsPerParameter
from ecmlib.laws.scope import by_axis, errors_by_grid, out_of_scope
from ecmlib.laws.scores import aicc, coverage, left_out, predicted_unseen, relative_errors
from ecmlib.laws.signal import SignalLaw, carried, free_numbers
from ecmlib.laws.text_law import TextLaw

TRUTH = SignalLaw(bits_ff=1.8, bits_att=2.9)


def grid(law: SignalLaw = TRUTH, noise: float = 0.0, seed: int = 0, **columns: list[int]) -> pd.DataFrame:
    axes = {
        "d": [8, 16, 24, 32, 48, 64],
        "H": [1, 2, 4, 8],
        "N": [4, 8, 16],
        "L": [1],
        "K": [128],
        "T": [2048],
    } | columns
    frame = pd.MultiIndex.from_product(axes.values(), names=list(axes)).to_frame(index=False)
    scatter = np.random.default_rng(seed).standard_normal(len(frame))
    C = law.predict_frame(frame) * np.exp(noise * scatter)
    return frame.assign(C_plateau=np.minimum(C, frame["T"]))


@pytest.fixture(scope="module")
def fits() -> dict[str, Law]:
    return fit_all(grid(noise=0.1), starts=4, bootstraps=20)


# The signal law.


@pytest.mark.parametrize("K", [2, 8, 128, 2048])
@pytest.mark.parametrize("share", [0.01, 0.3, 0.9])
def test_detection_is_the_chance_to_be_the_largest_of_K_gaussian_numbers(K: int, share: float) -> None:
    signal = np.sqrt(-2 * np.log(K) * np.log(1 - share))
    largest, _ = integrate.quad(
        lambda x: stats.norm.pdf(x - signal) * stats.norm.cdf(x) ** (K - 1), signal - 9, signal + 9, epsabs=1e-12
    )
    assert detected(np.array([share]), np.array([float(K)]))[0] == pytest.approx(
        (largest - 1 / K) / (1 - 1 / K), abs=1e-9
    )


@pytest.mark.parametrize("uneven", [0.0, 0.5])
def test_detection_agrees_with_drawn_numbers(uneven: float) -> None:
    random = np.random.default_rng(0)
    drawn = random.standard_normal((200_000, 8))
    signals = np.sqrt(-2 * np.log(8) * np.log(0.6) / (1 + uneven**2)) * (1 + uneven * random.standard_normal(200_000))
    assert np.mean(signals**2) == pytest.approx(-2 * np.log(8) * np.log(0.6), rel=0.01)
    drawn[:, 0] += signals
    raw = np.mean(drawn.argmax(axis=1) == 0)
    found = detected(np.array([0.4]), np.array([8.0]), uneven)[0]
    assert found == pytest.approx((raw - 1 / 8) / (1 - 1 / 8), abs=0.005)


def test_complex_step_gives_the_derivatives_of_detection() -> None:
    share, K, step = np.array([0.05, 0.3, 0.8]), np.array([8.0, 128, 2048]), 1e-6
    for uneven in (0.0, 0.4):
        exact = np.imag(detected(share + 1e-30j, K, uneven)) / 1e-30
        numeric = (detected(share + step, K, uneven) - detected(share - step, K, uneven)) / (2 * step)
        np.testing.assert_allclose(exact, numeric, rtol=1e-6)
        table = np.imag(detected(share + 1e-30j * np.arange(3)[:, None], K, uneven)) / 1e-30
        np.testing.assert_allclose(table, np.arange(3)[:, None] * exact)
    by_uneven = np.imag(detected(share, K, 0.4 + 1e-30j)) / 1e-30
    numeric = (detected(share, K, 0.4 + step) - detected(share, K, 0.4 - step)) / (2 * step)
    np.testing.assert_allclose(by_uneven, numeric, rtol=1e-6)


def test_a_full_memory_knows_every_token_and_an_unknown_one_nothing() -> None:
    K = np.array([128.0, 128.0, 128.0])
    known = detected(np.array([1.0, 1.5, np.nan]) + 0j, K, np.array([0.4]) + 1e-30j)
    assert np.real(known)[:2].tolist() == [1, 1]
    assert np.imag(known)[:2].tolist() == [0, 0]
    assert np.isnan(np.real(known)[2])
    assert np.isnan(detected(np.array([np.nan]), K[:1], 0.4)[0])


@given(
    d=st.integers(1, 512),
    H=st.integers(1, 32),
    N=st.integers(2, 128),
    L=st.integers(1, 4),
    K=st.integers(2, 5000),
    T=st.integers(1, 100_000),
)
def test_capacity_lies_between_nothing_and_the_library_and_more_of_anything_helps(
    d: int, H: int, N: int, L: int, K: int, T: int
) -> None:
    T = min(T, K ** (N - 1))  # no more sequences differ in their beginnings
    sizes = pd.DataFrame([{"d": d, "H": H, "N": N, "L": L, "K": K, "T": T}])
    rows = [sizes, *(sizes.assign(**{size: sizes[size] + 1}) for size in ("d", "H", "L")), sizes.assign(N=N + 1)]
    C, *more, longer = TRUTH.predict_frame(pd.concat(rows))
    assert 0 <= C <= T * (1 + 1e-9)
    assert min(more) >= C * (1 - 1e-9)
    assert longer <= C * (1 + 1e-9) or d > K + N - 2, "where tokens are few, positions give a model more to work with"


@pytest.mark.parametrize(("d", "K", "N", "head_dim"), [(5, 100, 4, 3), (12, 4, 5, 6), (12, 30, 4, 2), (9, 3, 4, 9)])
def test_free_numbers_are_directions_in_which_the_products_can_move(d: int, K: int, N: int, head_dim: int) -> None:
    """Count the rank of all moves of Wq Wk' and Wv Wo, seen by vectors of what carries something."""
    random = np.random.default_rng(0)
    sizes = {name: np.array(value) for name, value in (("d", d), ("H", 1), ("N", N), ("K", K), ("head_dim", head_dim))}
    going_in, going_out = (int(size) for size in carried(sizes))
    free = 0
    for a, b in ((going_in, going_in), (going_in, going_out)):
        left, right = random.standard_normal((a, head_dim)), random.standard_normal((head_dim, b))
        moves = [np.outer(step, row) for row in right for step in np.eye(a)]
        moves += [np.outer(column, step) for column in left.T for step in np.eye(b)]
        free += np.linalg.matrix_rank(np.array([move.ravel() for move in moves]))
    assert free_numbers(sizes) == free


@given(st.integers(1, 200), st.integers(1, 9))
def test_free_numbers_are_those_of_matrices_of_their_rank(d: int, H: int) -> None:
    sizes = {"d": np.array(d), "H": np.array(H), "N": np.array(8), "K": np.array(1000)}
    free = free_numbers(sizes)
    assert free == 2 * H * (d - 1) ** 2 if d <= 65 else free < 2 * H * (d - 1) ** 2
    assert free <= 4 * d * 64 * H if d > 64 else True


@pytest.mark.parametrize("loss", ["log", "mape", "squares"])
def test_known_bits_are_recovered_from_grids_of_all_sizes(loss: str) -> None:
    truth = SignalLaw(bits_ff=1.5, bits_att=3.5, lam=0.8, uneven=0.4, lacking=0.15, bits_emb=2.5)
    varied = {"max_steps": [2500, 10_000], "embeddings": ["frozen", "trained"]}
    frame = grid(truth, d=[16, 32], L=[1, 2], K=[32, 128], T=[2048, 16000], **varied)
    fitted = SignalLaw.fit(frame, loss=loss, starts=3, bootstraps=0)  # type: ignore[arg-type]
    np.testing.assert_allclose(fitted.parameters, truth.parameters, rtol=1e-5)


def test_single_L_leaves_layers_to_add_up_and_says_so() -> None:
    with pytest.warns(FitWarning) as said:
        fitted = SignalLaw.fit(grid(TRUTH.model_copy(update={"uneven": 0.5}), noise=0.1), starts=3, bootstraps=5)
    held = [f"{name} is held: these data do not tell it" for name in ("lam = 1", "lacking = 0", "bits_emb = 0")]
    assert [str(warning.message) for warning in said] == held == fitted.evidence.doubts
    assert (fitted.lam, fitted.lacking) == (1, 0)
    assert np.ptp(np.array(fitted.evidence.draws)[:, [2, 4, 5]], axis=0).tolist() == [0, 0, 0]
    assert np.ptp(np.array(fitted.evidence.draws)[:, 0]) > 0


def test_stored_bits_are_the_share_of_what_can_be_known() -> None:
    asked = grid(L=[1, 3], T=[512, 2048])
    known = knowable_bits(*(asked[size].to_numpy(float) for size in "NKT"))
    np.testing.assert_allclose(TRUTH.stored(asked), TRUTH.share(asked) * known)
    few, many = (TRUTH.stored(grid(d=[16], H=[1], N=[8], T=[T])) for T in (512, 2048))
    assert few == many


def test_what_a_law_does_not_know_is_refused_by_name() -> None:
    one = grid(d=[16], H=[1], N=[8])
    for wrong, message in [
        ({"embeddings": "trained"}, "embeddings = trained: this law was fitted"),
        ({"embeddings": "Trained"}, "embeddings = Trained: input should be 'frozen' or 'trained'"),
        ({"ff": "bogus"}, "ff = bogus: input should be 'train' or 'identity'"),
        ({"ff_mult": -3}, "ff_mult = -3: input should be greater than or equal to 0"),
        ({"head_dim": np.nan}, "head_dim = nan: input should be greater than or equal to 1"),
        ({"max_steps": 0}, "max_steps = 0: input should be greater than or equal to 1"),
    ]:
        for ask in (TRUTH.predict_frame, TRUTH.share, TRUTH.stored):
            with pytest.raises(ValueError, match=re.escape(message)):
                ask(one.assign(**wrong))


def test_embeddings_that_are_all_trained_are_fitted() -> None:
    truth = SignalLaw(bits_ff=1.5, bits_att=3.5, uneven=0.4, bits_emb=2.5)
    with warnings.catch_warnings(action="ignore", category=FitWarning):
        fitted = SignalLaw.fit(grid(truth, embeddings=["trained"]), starts=3, bootstraps=0)
    np.testing.assert_allclose(fitted.parameters, truth.parameters, rtol=1e-4)
    assert (fitted.evidence.held, fitted.n_parameters) == (["lam", "lacking"], 4)
    others = grid(truth, embeddings=["trained", "frozen"], head_dim=[32, 64])
    np.testing.assert_allclose(fitted.predict_frame(others), others["C_plateau"], rtol=1e-3)


def test_wider_fit_takes_all_grids() -> None:
    ours = fit_wider(grid(), {"layers": grid(L=[2], d=[8, 16])}, "C_plateau", bootstraps=0)
    assert ours.region["L"] == (1, 2)


def test_seeds_weigh_a_fit_as_much_as_restarts_differ_beyond_counting() -> None:
    one = grid(d=[16, 24, 32, 48], H=[1], N=[8]).assign(status="ok", C=[110.0, 260, 470, 980])
    of_counts = noise(scored(one, "C"), "C")
    off = stats.norm.ppf((np.arange(400) + 0.5) / 400)
    many = pd.concat([one.assign(C=one["C"] * np.exp(0.3 * deviation)) for deviation in off])
    points = scored(many, "C")
    np.testing.assert_allclose(points["spread"], 0.3, rtol=0.01)
    whole = np.sqrt(400 * np.mean(np.square(noise(points, "C"))))
    assert whole == pytest.approx(0.3, rel=0.02)  # what counting adds is part of it
    alike = pd.concat([one, one])
    np.testing.assert_allclose(noise(scored(alike, "C"), "C"), of_counts / np.sqrt(2))
    both = scored(pd.concat([many[many["d"] < 48], one[one["d"] == 48]]), "C")
    assert noise(both, "C")[-1] == pytest.approx(np.hypot(of_counts[-1], 0.28), rel=0.1)  # one restart differs, too
    ranked = weights(both, "C", 0.1)
    assert ranked[-1] < 0.15 < 0.9 < ranked[:-1].min()


# Laws to compare with.


def test_polynomial_is_that_of_scikit_learn_and_has_56_coefficients() -> None:
    frame = grid(noise=0.2)
    inputs = frame[["d", "H", "N"]]
    reference = make_pipeline(StandardScaler(), PolynomialFeatures(5), LinearRegression(fit_intercept=False))
    told = weights(scored(frame, "C_plateau"), "C_plateau", PolynomialModel.nearness)
    assert np.ptp(told) > 0.1
    reference.fit(inputs, frame["C_plateau"], linearregression__sample_weight=told)
    fitted = PolynomialModel.fit(frame, degree=5, bootstraps=2)
    assert fitted.n_parameters == 56
    np.testing.assert_allclose(fitted.predict_frame(frame), reference.predict(inputs), rtol=1e-6, atol=1e-6)


def test_polynomial_finds_a_polynomial() -> None:
    frame = grid().assign(C_plateau=lambda rows: 3.0 + rows["d"] * rows["H"] - 0.1 * rows["N"] ** 2)
    np.testing.assert_allclose(
        PolynomialModel.fit(frame, degree=2, bootstraps=0).predict_frame(frame), frame["C_plateau"]
    )


def test_polynomial_of_relative_errors_passes_by_what_does_not_fit() -> None:
    frame = grid().assign(C_plateau=lambda rows: 3.0 + rows["d"] * rows["H"] + rows["N"])
    spoilt = frame.assign(C_plateau=frame["C_plateau"].where(frame.index % 9 > 0, 5000.0))
    law = PolynomialModel.fit(spoilt, degree=2, loss="mape", bootstraps=0)
    np.testing.assert_allclose(law.predict_frame(frame), frame["C_plateau"], rtol=1e-6)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"degree": 6}, "72 configurations beyond guessing: degree 6 has 84 coefficients"),
        ({"degree": -1}, "degree = -1"),
        ({"degree": 2.5}, "degree = 2.5"),
        ({"loss": "nonsense"}, "loss = 'nonsense'"),
        ({"bootstraps": -1}, "bootstraps = -1"),
    ],
)
def test_polynomial_refuses_what_it_cannot_fit(options: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        PolynomialModel.fit(grid(), **options)  # type: ignore[arg-type]


def test_every_law_offers_the_same_and_is_read_back_whole(fits: dict[str, Law], tmp_path: Path) -> None:
    frame = grid()
    ours = fits[OURS]
    assert isinstance(ours, SignalLaw)
    of_text = TextLaw.fit(frame.assign(C=frame["C_plateau"]), ours)
    for law in [*fits.values(), of_text]:
        if not law.is_fitted:
            continue
        law.save(tmp_path / "law.json")
        loaded = load_law(tmp_path / "law.json")
        assert loaded == law
        assert loaded.predict_frame(frame).shape == (len(frame),)
        draws = loaded.predictive_draws(frame.head(5))
        assert draws.shape[1] == 5
        assert (draws <= 2048).all()
        np.testing.assert_array_equal(loaded.predictive_draws(frame.tail(5)), law.predictive_draws(frame.tail(5)))
    assert {type(law) for law in [*fits.values(), of_text]} == {*LAWS.values()}


def test_candidate_counts_parameters_as_the_architecture_does() -> None:
    sizes = pd.DataFrame({"d": [32], "H": [2], "N": [5], "L": [3], "K": [16], "T": [16**4]})
    bits = BitsPerParameter(bits=1.0, s=5.0).predict_frame(sizes)[0] * 4 * 4
    assert bits == pytest.approx(Architecture(d=32, H=2, N=5, L=3, K=16).n_params, rel=1e-6)


def test_a_process_on_errors_finds_what_the_law_lacks_and_nothing_where_it_lacks_nothing() -> None:
    def left(frame: pd.DataFrame) -> tuple[float, float]:
        """Errors of the law, and of it with the process, on configurations left out."""
        with warnings.catch_warnings(action="ignore", category=FitWarning):  # the data have a single L
            both = ResidualModel.fit(frame, starts=4)
        points = scored(frame, "C_plateau")
        groups = points.index.tolist()
        return left_out(both.ours, frame, points, groups), left_out(both, frame, points, groups)

    bent = grid()
    bent = bent.assign(C_plateau=bent["C_plateau"] * np.where(bent["d"] > 16, 1.0, 1.5))
    of_law, with_process = left(bent)
    assert with_process < 0.7 * of_law
    of_law, with_process = left(grid())
    assert with_process < of_law + 0.02
    with warnings.catch_warnings(action="ignore", category=FitWarning):
        few = ResidualModel.fit(
            grid().query("d == 16 and H < 4"), starts=4
        )  # in six cells there is no function to learn
    np.testing.assert_array_equal(few.predict_frame(grid()), few.ours.predict_frame(grid()))


def test_comparison_finds_the_law_that_made_the_data(fits: dict[str, Law]) -> None:
    table = compare(fits, grid(noise=0.1), grid(noise=0.1, seed=9, d=[12, 40], H=[3]), folds=3)
    assert table.loc[CELLS, "in_sample"] == scored(grid(noise=0.1), "C_plateau")["telling"].sum()
    table = table.drop(index=CELLS)
    columns = ["parameters", "in_sample", *HELD_OUT, "right_full", "AICc", "coverage"]
    assert sorted(table.columns) == sorted(columns)
    assert table["holdout"].idxmin() in (OURS, "signal, one kind of bits")
    assert table["AICc"].idxmin() in (OURS, "signal, one kind of bits")
    assert table.loc["ECM, published", ["left_out_H", "coverage"]].isna().all()
    assert f"{OURS} beats ECM on 5 of 5 held-out columns" in better_than(table, OURS, "ECM")


def test_left_out_configurations_are_not_seen() -> None:
    frame = grid()
    points = scored(frame.assign(C_plateau=np.where(frame["H"] == 8, 70.0, frame["C_plateau"])), "C_plateau")
    with warnings.catch_warnings(action="ignore", category=FitWarning):
        law = SignalLaw.fit(points, starts=3, bootstraps=0)
    truth = TRUTH.predict_frame(points[points["H"] == 8])
    assert left_out(law, points, points, points["H"], only=8) == pytest.approx(
        np.mean(np.abs(truth / 70 - 1)), rel=1e-4
    )


def test_left_out_refits_see_the_runs_of_all_others_and_weigh_them_as_the_fit_did() -> None:
    runs = load_results("results/reference")
    frame = runs[(runs["restart"] == 0) | (runs["d"] < 32)]  # so that weights differ
    points = scored(frame, "C")
    law = load_law()
    assert isinstance(law, SignalLaw)
    first = points.index == 0
    others = frame.merge(points.loc[~first, [*SIZES, "max_steps"]])
    assert len(others) == len(frame) - points["restarts"][0]
    expected = law.refit(others).predict_frame(points[first])
    np.testing.assert_allclose(predicted_unseen(law, frame, points, first, only=True)[0], expected)


def test_what_luck_lifts_above_guessing_is_lost_where_every_run_ended_in_guessing() -> None:
    cell = {"d": 8, "H": 1, "N": 8, "L": 1, "K": 128, "T": 2048, "C_plateau": 30.0, "C": 1.0}
    frame = pd.DataFrame(
        [cell | {"lost": True}, cell | {"lost": True}, cell | {"d": 16, "lost": True}, cell | {"d": 16, "lost": False}]
    )
    assert scored(frame, "C_plateau")["lost"].tolist() == [True, False]
    assert scored(frame.drop(columns="lost"), "C_plateau")["lost"].tolist() == [False, False]


def test_error_is_of_cells_at_which_a_law_can_be_wrong() -> None:
    frame = grid(noise=0.1)
    few, none = (frame.assign(C_plateau=np.where(frame["d"] == 8, C, frame["C_plateau"])) for C in (4.0, 0.1))
    with warnings.catch_warnings(action="ignore", category=FitWarning):
        laws = {OURS: SignalLaw.fit(frame, starts=3, bootstraps=0)}
    before, after = (compare(laws, rows, folds=2) for rows in (few, none))
    assert before.loc[OURS, "in_sample"] == after.loc[OURS, "in_sample"], "what is lost in guessing scores nothing"
    points = scored(none, "C_plateau")
    assert points["lost"].sum() == 12
    assert points["full"].sum() == after.loc[CELLS, "right_full"] > 0
    assert after.loc[CELLS, "in_sample"] == len(points) - 12 - points["full"].sum()


def test_errors_are_of_predictions_held_between_one_sequence_and_the_library() -> None:
    points = scored(pd.DataFrame({"d": [9, 99], "H": 1, "N": 8, "L": 1, "K": 128, "T": 2048, "C": [10.0, 1024.0]}), "C")
    wrong = PolynomialModel(
        degree=1, logarithmic=False, centre=[9.0, 1, 8], scale=[1.0, 1, 1], coefficients=[-5.0, 100.0, 0, 0]
    )
    law = wrong.model_copy(update={"evidence": Evidence(target="C")})
    assert relative_errors(law, points).tolist() == pytest.approx([1 - 1 / 10, 2048 / 1024 - 1])


def test_both_laws_of_a_fair_comparison_are_fitted_alike() -> None:
    frame = grid(noise=0.05, d=[8, 12, 16, 24, 32, 48])
    errors = like_for_like(frame, starts=2, folds=18)
    assert like_for_like(frame.head(50)).empty
    cells = errors.groupby(["loss", "law"]).size()
    assert cells.to_dict() == dict.fromkeys(itertools.product(("log", "mape", "squares"), ("ECM", "polynomial")), 72)
    mean = errors.groupby(["law", "loss"])[["in_sample", "left_out"]].mean()
    assert (mean["in_sample"] <= mean["left_out"] + 0.05).all()
    of_polynomial = mean.loc["polynomial", "in_sample"]
    assert of_polynomial["mape"] < of_polynomial["squares"], "that is what was minimised"
    assert errors[["in_sample", "left_out"]].max().max() < 2048


def test_coverage_counts_restarts_in_their_interval(fits: dict[str, Law]) -> None:
    law, frame = fits[OURS], grid(d=[20], H=[2], N=[8])
    rows = pd.concat([frame, frame.assign(C_plateau=2048.0), frame.assign(C_plateau=np.nan, status="diverged")])
    assert coverage(law, rows.assign(status=rows["status"].fillna("plateau")), "C_plateau", 0.9) == 0.5


def test_grids_are_split_by_the_axis_that_differs() -> None:
    usual = {
        "head_dim": 64,
        "ff": "train",
        "ff_mult": 4,
        "embeddings": "frozen",
        "L": 1,
        "K": 128,
        "T": 2048,
        "max_steps": 10_000,
    }
    others = [{"K": 8}, {"L": 3, "T": 4096}, {"ff": "identity", "embeddings": "trained"}, {"T": 65_536}, {}, {}]
    others += [{"d": 192}]
    mixed = pd.DataFrame([usual | other for other in others])
    found = by_axis({"axes": mixed, "plain": mixed.query("ff == 'train'")})
    assert list(found)[-1] == "plain"
    names = ["axes: K", "axes: L", "axes: attention alone", "axes: T above 20,000", "axes: usual"]
    names.append("axes: d above 128")
    assert {name: rows.index.tolist() for name, rows in found.items() if name != "plain"} == dict(
        zip(names, [[0], [1], [2], [3], [4, 5], [6]], strict=True)
    )
    assert out_of_scope(mixed).eq("").tolist() == [True, True, False, False, True, True, False]
    by_rate = [out_of_scope(mixed.assign(lr=lr)).iloc[-1] for lr in (0.001, 0.004, 0.01)]
    assert by_rate == ["", "", "d above 128"], "lower rates were seen to train wide models, others were not tried"


def test_errors_by_grid_are_of_the_models_that_a_law_knows() -> None:
    frozen = TRUTH.model_copy(update={"evidence": Evidence(configurations=9)})
    mixed = grid(d=[16, 32], H=[1], N=[8], embeddings=["frozen"])
    trained = mixed.assign(embeddings="trained", C_plateau=500.0)
    knowing = frozen.model_copy(update={"bits_emb": 2.0})
    table = errors_by_grid({"all": pd.concat([mixed, trained])}, {"frozen": frozen, "knowing": knowing}, "knowing")
    assert table.loc["all", "frozen"] == pytest.approx(0, abs=1e-9)
    assert table.loc["all", "knowing"] > 0.01
    assert table.loc["all", "scored"] == 4


def test_errors_by_grid_leave_out_grids_without_records() -> None:
    with warnings.catch_warnings(action="ignore", category=FitWarning):
        law = SignalLaw.fit(grid(), starts=3, bootstraps=0)
    table = errors_by_grid({"main": grid(), "none": pd.DataFrame()}, {"ours": law}, "ours")
    assert table.index.to_list() == ["main"]
    assert table.loc["main", "ours"] == pytest.approx(0, abs=1e-6)


def test_aicc_by_hand() -> None:
    predicted = np.exp([0.1, -0.1, 0.1, -0.1]) * 10
    assert aicc([10] * 4, predicted, 1) == pytest.approx(4 * np.log(0.01) + 4 + 12 / 1)
    assert np.isnan(aicc([10] * 4, predicted, 2))


@pytest.mark.parametrize("name", ["ecm", "signal", "polynomial"])
def test_numbers_arrays_and_frames_are_predicted_alike_with_intervals(name: str) -> None:
    law = load_law(f"results/law/{name}.json")
    frame = pd.DataFrame({"d": [8, 16, 64], "H": [1, 2, 4], "N": 8, "L": 1, "K": 128, "T": 2048})
    of_frame = law.predict_interval(frame, level=0.8)
    of_arrays = law.predict([8, 16, 64], [1, 2, 4], 8, T=2048, level=0.8)
    np.testing.assert_array_equal(of_frame, of_arrays)
    np.testing.assert_array_equal(of_frame[0], law.predict_frame(frame))
    assert (of_frame[1] < of_frame[2]).all()
    assert law.predict(d=16, H=2, N=8, T=2048).shape == ()
    assert float(law.predict(d=16, H=2, N=8, T=2048)) == pytest.approx(of_frame[0][1])
    assert law.predict(np.full((2, 1), 8), [1, 2, 3], 8).shape == (2, 3)


def test_a_size_left_out_is_that_of_the_fitted_data_or_the_usual_one() -> None:
    ours, ecm = load_law(), load_law("results/law/ecm.json")
    T = ours.region["T"][1]
    assert ours.predict(16, 1, 8) == ours.predict(16, 1, 8, L=1, K=128, T=T)
    assert ecm.predict(16, 1, 8, level=0.9) == ecm.predict(16, 1, 8, L=1, K=128, T=2048, level=0.9)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"d": 0}, "d = 0: input should be greater than or equal to 1"),
        ({"H": [1, 0]}, "H = 0: input should be greater than or equal to 1"),
        ({"N": 1}, "N = 1: input should be greater than or equal to 2"),
        ({"L": -1}, "L = -1"),
        ({"K": 1}, "K = 1"),
        ({"T": np.nan}, "T = nan"),
        ({"d": np.inf}, "d = inf"),
        ({"d": "wide"}, "d = 'wide': input should be a number"),
        ({"head_dim": "a"}, "head_dim = 'a': input should be a number"),
        ({"d": "16"}, "d = '16': input should be a number"),
        ({"token_bits": 0.5}, "token_bits = 0.5: input should be greater than or equal to 1"),
        ({"head_dim": 0}, "head_dim = 0: input should be greater than or equal to 1"),
        ({"ff": "gelu"}, "ff = gelu: input should be 'train' or 'identity'"),
        ({"heads": 2}, "heads: unknown; besides sizes, a law may know head_dim, ff,"),
        ({"level": 1.0}, "level = 1.0: input should be less than 1"),
        ({"level": "x"}, "level = 'x': input should be a valid number"),
        ({"d": None}, "d = None: input should be a number"),
        ({"d": True}, "d = True: input should be a number"),
        ({"T": np.inf}, "T = inf: input should be a finite number"),
        ({"d": [8, 16], "H": [1, 2, 3]}, r"d of shape \(2,\), H of shape \(3,\): input should be .* that broadcast"),
    ],
)
def test_what_no_law_can_predict_is_refused_by_name(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        load_law().predict(**{"d": 8, "H": 1, "N": 8, "T": 2048} | wrong)


def test_components_are_predicted_as_in_a_frame_and_refused_by_laws_without_them() -> None:
    size = {"d": [16, 32], "H": 1, "N": 8, "T": 2048}
    frame = pd.DataFrame(size | {"L": 1, "K": 128, "head_dim": 8, "ff": ["train", "identity"], "max_steps": 5000})
    with pytest.warns(ExtrapolationWarning, match="fitted to ff = train$"):
        asked = load_law().predict(**size, head_dim=8, ff=["train", "identity"], max_steps=5000)
    np.testing.assert_array_equal(asked, load_law().predict_frame(frame))
    ecm = load_law("results/law/ecm.json")
    with pytest.raises(ValueError, match="head_dim = 8: this law knows head_dim = 64 alone"):
        ecm.predict(**size, head_dim=8)
    with pytest.raises(ValueError, match="max_steps: this law does not know it"):
        ecm.predict(**size, max_steps=5000)


def test_text_in_a_column_is_refused_by_name() -> None:
    rows = load_results("results/holdout").astype({"d": object})
    rows.loc[rows.index[3], "d"] = "wide"
    for refuse in (lambda: configurations(rows, "C"), lambda: load_law().predict_frame(rows)):
        with pytest.raises(ValueError, match="d = 'wide': input should be a number"):
            refuse()


def test_missing_columns_are_refused_by_name() -> None:
    frame = pd.DataFrame({"d": [8], "H": [1], "N": [8]})
    assert len(load_law("results/law/ecm.json").predict_frame(frame)) == 1, "it has no other variable"
    with pytest.raises(ValueError, match="lacks the column L, K, T"):
        load_law().predict_frame(frame)
    with pytest.raises(ValueError, match="lacks the column L, K, T"):
        load_law("results/law/ecm.json").predict_interval(frame, level=0.9)


def test_law_is_not_fitted_again_to_what_holds_nothing() -> None:
    law = load_law("results/law/signal.json")
    nothing = grid().assign(C_plateau=lambda frame: np.where(frame["d"] == frame["d"].max(), 0.0, frame["C_plateau"]))
    with pytest.raises(ValueError, match="C_plateau = 0 at d="):
        law.refit(nothing)


def test_what_lies_outside_the_fitted_data_is_named_and_predicted_with_a_warning() -> None:
    sizes = pd.DataFrame({"d": [8, 12, 16, 24, 32, 48], "H": 1, "N": 8, "L": 1, "K": 128, "T": 2048})
    frame = sizes.assign(C=[20.0, 60, 110, 260, 470, 980], head_dim=64, ff="train", max_steps=10_000, loss="all")
    with pytest.warns(FitWarning):
        law = SignalLaw.fit(frame, "C", starts=2, bootstraps=0)
    assert law.region["max_steps"] == (10_000, 10_000)
    assert (law.evidence.shared["loss"], law.evidence.shared["ff"]) == ("all", "train")
    asked = pd.DataFrame([{}, {"d": 64}, {"head_dim": 16, "loss": "last"}, {"ff": "identity"}]).fillna(frame.iloc[2])
    assert law.evidence.outside(asked).tolist() == ["", "d", "head_dim, loss", "ff"]
    assert law.predict(d=16, H=1, N=8, T=2048, max_steps=10_000) > 0  # without a warning, which would be an error here
    with pytest.warns(ExtrapolationWarning, match="fitted to max_steps = 10000 to 10000; ff = train"):
        law.predict(d=16, H=1, N=8, T=2048, ff="identity", max_steps=500)
    assert SignalLaw(bits_ff=1.8, bits_att=2.9).predict(d=4096, H=1, N=8, T=2048) > 0  # not fitted, it has no region


@pytest.mark.parametrize(
    ("chosen", "refusal"),
    [
        ({"folds": 1}, "folds = 1: input should be 0 or at least 2"),
        ({"folds": -1}, "folds = -1: input should be greater than or equal to 0"),
        ({"bootstraps": 0}, "bootstraps = 0: input should be greater than or equal to 1"),
        ({"starts": 0}, "starts = 0: input should be greater than or equal to 1"),
        ({"target": "held"}, "target = 'held': input should be 'C', 'C_plateau' or 'C_paper_rule'"),
    ],
)
def test_what_no_comparison_can_be_asked_for_is_refused_before_hours_of_fits(
    chosen: dict[str, Any], refusal: str
) -> None:
    with pytest.raises(ValueError, match=re.escape(refusal)):
        ComparisonChoices(**chosen)


def test_missing_value_is_not_the_same_as_another() -> None:
    for lr in ([0.1, None], [0.1, 0.2, None]):
        frame = pd.DataFrame({"lr": lr, "optimizer": [None, "adam", "muon"][: len(lr)]})
        with pytest.raises(ValueError, match=r"the frame mixes optimizer = .*; lr = 0\.1, .*nan"):
            unmixed(frame, ["optimizer", "lr"])
    unmixed(pd.DataFrame({"lr": [None, None]}), ["lr"])


def test_laws_that_what_is_known_does_not_determine_are_left_out() -> None:
    """Of 60 configurations 52 are known, too few for the 56 coefficients of degree 5."""
    frame = grid(noise=0.1).head(60)
    frame = frame.assign(C_plateau=frame["C_plateau"].where(frame.index >= 8, 1.0))
    points = scored(frame, "C_plateau")
    assert n_known(points) < 56
    laws = fit_all(frame, starts=2, bootstraps=1)
    assert "polynomial 4" in laws
    assert "polynomial 5" not in laws
    assert like_for_like(frame, starts=2).empty
    assert fit_two_layers(frame.head(12), "C_plateau", starts=2, bootstraps=1) == {}
    thirds = points.index.to_numpy() % 3
    assert np.isnan(predicted_unseen(laws["polynomial 4"], frame, points, thirds)).all()
