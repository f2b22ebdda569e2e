from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ecmlib import Architecture, Protocol
from ecmlib.budget import measure_budgets
from ecmlib.laws.points import SIZES
from ecmlib.reproduction.budget import (
    beside_limits,
    compare,
    distinct,
    gains,
    judge,
    largest_limits,
    load_budgets,
    refuse_mixture,
    same_protocol,
    shares,
)
from ecmlib.reproduction.budget_figures import plot_budgets, plot_steps_90
from ecmlib.reproduction.limits import CURVE, SAME, foretelling, limits, of_best_form

BUDGETS = np.array([1250, 2500, 5000, 10000, 20000, 40000, 80000, 160000])
PAPER = {"optimizer": "adam", "lr": 0.001, "schedule": "constant"}
MUON = {"optimizer": "muon", "lr": 0.01, "schedule": "wsd"}
POWER, EXPONENTIAL, LOGARITHM = "power law to a limit", "exponential to a limit", "logarithm without limit"


def rows(bits: np.ndarray, d: int = 16, **protocol: Any) -> pd.DataFrame:
    """Invent the budgets of one architecture: a tenth of a sequence a bit."""
    sizes = {"d": d, "H": 1, "N": 8, "L": 1, "K": 128, "T": 2048, "P": 1000 * d, "restart": 0, "status": "max_steps"}
    curve = {"max_steps": BUDGETS[: len(bits)], "bits": bits, "bits_per_parameter": bits / (1000 * d), "C": bits / 10}
    marks = {"full": False, "lost": False, "C_paper_rule": bits[0] / 10, "C_plateau_rule": bits[1] / 10}
    marks |= {"C_paper_rule_end": bits[0] / 11, "C_plateau_rule_end": bits[1] / 11}
    return pd.DataFrame(curve).assign(**sizes, **marks, **(protocol or MUON))


def bits_of(runs: pd.DataFrame, form: str) -> pd.Series:
    """Return what one form says of one curve of bits."""
    fitted = limits(runs)
    return fitted[(fitted["quantity"] == "bits") & (fitted["form"] == form)].squeeze()


@settings(max_examples=20, deadline=None)
@example(limit=500.0, lacking=0.4375, exponent=0.75)  # of whose first budgets the exponential says nothing
@given(limit=st.floats(5e2, 5e4), lacking=st.floats(0.2, 0.7), exponent=st.floats(0.4, 1.2))
def test_limit_of_a_power_law_is_found(limit: float, lacking: float, exponent: float) -> None:
    runs = rows(limit * (1 - lacking * (BUDGETS / 1000) ** -exponent))
    best = of_best_form(limits(runs)).set_index("quantity")
    assert best["form"].tolist() == [POWER, POWER]
    assert best["known"].all()
    assert best["limit"].tolist() == pytest.approx([limit, limit / 10], rel=0.01)
    assert best["told"].tolist() == pytest.approx(best["held"].tolist(), rel=1e-3)
    S_90 = 1000 * (lacking / 0.1) ** (1 / exponent)
    assert best["steps_90"].tolist() == pytest.approx([S_90, S_90], rel=0.05)
    assert best["reached"]["bits"] == pytest.approx(runs["bits"].iloc[-1] / limit, rel=0.01)


def test_limit_known_without_the_longest_budget_can_be_outgrown() -> None:
    levelling = 5000 * (1 - 0.6 * (BUDGETS / 1000) ** -0.9)
    assert bits_of(rows(levelling), POWER)["outgrown"] == 0
    assert bits_of(rows(np.append(levelling[:-1], 5500)), POWER)["outgrown"] == 1
    assert np.isnan(bits_of(rows(1000 * np.log(BUDGETS)), POWER)["outgrown"])
    assert np.isnan(bits_of(rows(levelling), LOGARITHM)["outgrown"])


def test_rows_of_another_protocol_are_left_out() -> None:
    both = pd.concat([rows(np.arange(3.0), **MUON), rows(np.arange(3.0), **PAPER)])
    assert (same_protocol(both, pd.DataFrame([PAPER]))["lr"] == PAPER["lr"]).all()
    assert same_protocol(both, both).equals(both)
    assert same_protocol(pd.DataFrame(), both).empty


def test_limit_of_an_exponential_is_found() -> None:
    fit = bits_of(rows(9e3 * (1 - 0.6 * np.exp(-BUDGETS / 9000))), EXPONENTIAL)
    assert fit["limit"] == pytest.approx(9e3, rel=0.01)
    assert fit["steps_90"] == pytest.approx(9000 * np.log(6), rel=0.01)


@pytest.mark.parametrize("budgets", [6, 8])
@pytest.mark.parametrize(
    ("truth", "form"),
    [
        (lambda S: 9e3 * (1 - 0.6 * (S / 1000) ** -0.5), POWER),
        (lambda S: 9e3 * (1 - 0.6 * np.exp(-S / 9000)), EXPONENTIAL),
        (lambda S: 1e3 + 900 * np.log(S / 1000), LOGARITHM),
    ],
)
def test_form_that_made_the_curves_foretells_them_best_however_few_the_budgets(
    truth: Any, form: str, budgets: int
) -> None:
    random = np.random.default_rng(0)
    curves = [
        rows((1 + d / 100) * truth(BUDGETS[:budgets]) * np.exp(0.005 * random.standard_normal(budgets)), d)
        for d in range(8, 48, 4)
    ]
    fitted = limits(pd.concat(curves))
    assert foretelling(fitted).groupby("quantity")["form"].first().tolist() == [form, form]
    assert of_best_form(fitted)["form"].unique().tolist() == [form]
    if form == LOGARITHM:
        assert not of_best_form(fitted)["known"].any()


def test_each_restart_is_foretold_from_the_mean_of_all() -> None:
    clean = 9e3 * (1 - 0.6 * (BUDGETS / 1000) ** -0.5)
    above, below = np.append(clean[:-1] * 1.1, clean[-1] * 1.2), np.append(clean[:-1] * 0.9, clean[-1])
    runs = pd.concat([rows(above), rows(below).assign(restart=1)])
    fit = bits_of(runs, POWER)
    assert fit["told"] == pytest.approx(clean[-1], rel=1e-3)
    assert fit["error"] == pytest.approx(np.log(1.2) / 2, rel=0.01), "of one restart all, of the other nothing"
    assert fit["held"] == pytest.approx(1.1 * clean[-1])


def test_forms_agree_where_both_know_a_limit_and_their_intervals_overlap() -> None:
    apart = rows(9e3 * (1 - 0.6 * (BUDGETS / 1000) ** -0.5))
    random = np.random.default_rng(1)
    together = rows(9e3 * (1 - 0.9 * np.exp(-BUDGETS / 4000)) * np.exp(0.03 * random.standard_normal(len(BUDGETS))))
    for runs, agreed in ((apart, False), (together, True)):
        both = [bits_of(runs, form) for form in (POWER, EXPONENTIAL)]
        assert all(fit["known"] for fit in both)
        assert (both[0]["low"] <= both[1]["high"]) == agreed
        assert [bool(fit["agreed"]) for fit in both] == [agreed, agreed]


def foretold(**told: list[float]) -> pd.DataFrame:
    """Invent what forms told of curves that all hold 100; NaN: nothing."""
    curve = {name: 1 for name in CURVE} | {"quantity": "bits", "held": 100.0}
    rows = [curve | {"form": form, "d": d, "told": one} for form, each in told.items() for d, one in enumerate(each)]
    return pd.DataFrame(rows).assign(error=lambda of: np.abs(np.log(of["told"] / of["held"])))


def test_forms_are_compared_over_the_curves_of_which_all_say_something() -> None:
    told = foretelling(foretold(a=[90, 80, np.nan], b=[112, 99, 1])).set_index("form")
    assert told["error"].to_dict() == pytest.approx({"b": -np.log(0.99 / 1.12) / 2, "a": -np.log(0.9 * 0.8) / 2})
    assert told.index.tolist() == ["b", "a"], "the best is first"
    assert told["curves"].tolist() == [2, 2]
    assert told["nearest"].tolist() == [1, 1]
    assert told["too_little"].tolist() == [1, 2]


def test_one_collapsed_run_decides_no_form() -> None:
    told = foretelling(foretold(a=[95, 105, 95, 105, 900], b=[90, 110, 90, 110, 100])).set_index("form")
    assert told.index[0] == "a"
    assert told["error"].to_dict() == pytest.approx({"a": -np.log(0.95), "b": np.log(1.1)})


def test_form_that_leans_is_not_the_best_however_near() -> None:
    near, wide = [99.0] * 12, [95.0, 105.0] * 6
    told = foretelling(foretold(near=near, wide=wide)).set_index("form")
    assert told["leans"].to_dict() == {"wide": False, "near": True}
    assert told.index[0] == "wide"
    assert told["behind"].isna().to_dict() == {"wide": True, "near": False}
    behind = told.loc["near", ["behind", "behind_low", "behind_high"]].to_numpy(float)
    assert behind == pytest.approx(-0.04, abs=0.003), "nearer by as much for every curve"
    assert foretelling(foretold(near=near, far=[80.0] * 12))["form"].iloc[0] == "near", "where all lean, the nearest"


def test_noise_widens_the_interval_until_no_limit_is_known() -> None:
    random = np.random.default_rng(0)
    clean = 9e3 * (1 - 0.6 * (BUDGETS / 1000) ** -0.4)
    noisy = clean * np.exp(0.1 * random.standard_normal(len(BUDGETS)))
    assert [bool(bits_of(rows(bits), POWER)["known"]) for bits in (clean, noisy)] == [True, False]


def test_limit_far_beyond_all_budgets_is_not_known_however_narrow_its_interval() -> None:
    for exponent, known in ((0.4, True), (0.3, False)):  # 90 % of it take 88,000 and 392,000 steps
        fit = bits_of(rows(9e3 * (1 - 0.6 * (BUDGETS / 1000) ** -exponent)), POWER)
        assert fit["high"] / fit["low"] < 1.01
        assert bool(fit["known"]) == known
        assert np.isnan(fit["steps_90"]) != known


def test_each_quantity_has_the_form_that_foretells_it() -> None:
    curves = [rows((1 + d / 100) * 9e3 * (1 - 0.6 * (BUDGETS / 1000) ** -0.5), d) for d in range(8, 48, 4)]
    counts = (1 + np.arange(8, 48, 4) / 100)[:, None] * 900 * (1 - 0.6 * np.exp(-BUDGETS / 9000))
    fitted = limits(pd.concat([curve.assign(C=C) for curve, C in zip(curves, counts, strict=True)]))
    assert of_best_form(fitted).groupby("quantity")["form"].unique().str[0].to_dict() == {
        "bits": POWER,
        "C": EXPONENTIAL,
    }


def test_full_or_guessed_budgets_are_not_fitted() -> None:
    frame = rows(9e3 * (1 - 0.6 * (BUDGETS / 1000) ** -0.5))
    frame.loc[7:, "full"] = True
    frame.loc[0, "lost"] = True
    assert limits(frame)["budgets"].unique().tolist() == [6]
    assert limits(frame)["longest"].unique().tolist() == [BUDGETS[6]]
    assert limits(rows(np.arange(1.0, 6.0))).empty, "five budgets are too few"
    assert of_best_form(limits(pd.DataFrame())).empty


def test_share_is_of_the_best_protocol_and_only_where_the_library_is_not_full() -> None:
    curve = 9e3 * (1 - 0.6 * (BUDGETS / 1000) ** -0.5)
    fallen = curve.copy()
    fallen[-1] /= 2  # the most is held before the longest budget
    measured = [
        rows(bits * scale, d, **protocol)
        for d in (16, 24)
        for scale, bits, protocol in ((0.5, curve, PAPER), (1.0, fallen, MUON))
    ]
    full = rows(curve, 48, **MUON).assign(full=True)
    found = shares(compare(pd.concat([*measured, rows(curve, 48, **PAPER), full])))
    assert found["d"].tolist() == [16, 24]
    assert found["share"].tolist() == pytest.approx([0.5 * curve[0] / curve[-2]] * 2)
    assert found["plateau"].tolist() == pytest.approx([0.05 * curve[1]] * 2)
    assert (11 * found["plateau_end"]).tolist() == pytest.approx((10 * found["plateau"]).tolist())
    assert (11 * found["found_end"]).tolist() == pytest.approx((10 * found["found"]).tolist())
    assert found["max_steps"].tolist() == [BUDGETS[-2]] * 2
    assert found["protocol"].unique().tolist() == ["Muon 0.01, decay"]
    assert shares(compare(measured[0])).empty
    worse = shares(compare(pd.concat([rows(curve, 16, **PAPER), rows(0.5 * curve, 16, **MUON)])))
    assert worse[["protocol", "max_steps"]].to_numpy().tolist() == [["Adam 0.001", BUDGETS[-1]]], "the paper's, too"


def test_most_is_held_by_the_run_with_most_bits_not_by_the_luckiest_count() -> None:
    curve = 9e3 * (1 - 0.6 * (BUDGETS / 1000) ** -0.5)
    lucky = rows(0.9 * curve, **MUON | {"lr": 0.03}).assign(C=10 * curve)
    (found,) = shares(compare(pd.concat([rows(0.5 * curve, **PAPER), rows(curve), lucky]))).to_dict("records")
    assert found["most"] == pytest.approx(curve[-1] / 10)
    assert found["protocol"] == "Muon 0.01, decay"


def test_run_that_two_records_hold_counts_once() -> None:
    curve = 9e3 * (1 - 0.6 * (BUDGETS / 1000) ** -0.5)
    all_differ, alike = ({"seed": 0, "vary": vary, "precision": "float32"} for vary in ("all", "weights+order"))
    settings_ = {name: 0 for name in SAME}
    long = rows(curve).assign(**settings_ | all_differ)
    first = pd.concat([long, long.head(3), long.assign(**alike)])
    assert len(distinct(first)) == len(curve), "the first restart is the same, whatever varies"
    second = pd.concat([long.assign(restart=1), long.assign(restart=1, **alike)])
    table = compare(distinct(pd.concat([first, second])))
    assert table["restarts"].unique().tolist() == [3], "the second has a library of its own, or not"


@pytest.mark.parametrize(("name", "values"), [("precision", ["float32", "bfloat16"]), ("seed", [0, 1])])
def test_what_else_differs_is_not_averaged(name: str, values: list[object]) -> None:
    curve = 9e3 * (1 - 0.6 * (BUDGETS / 1000) ** -0.5)
    both = pd.concat([rows(curve).assign(**{name: value}) for value in values])
    for read in (compare, limits):
        with pytest.raises(ValueError, match=f"the frame mixes {name} = "):
            read(both)


def test_mixture_is_refused_before_it_is_trained(tmp_path: Path) -> None:
    kept, values = Architecture(d=4, H=1, N=4, K=8, head_dim=4), {"T": 32, "schedule": "wsd", "compiled": False}
    measure_budgets(kept, [10, 20], progress=False, results=tmp_path, **values)
    protocol = Protocol(T=32, schedule="wsd", max_steps=40)
    refuse_mixture(tmp_path, kept, protocol)
    refuse_mixture(tmp_path, kept, protocol.model_copy(update={"decay_share": 0.2, "lr": 0.02}))
    refuse_mixture(tmp_path / "none", kept, protocol)
    for change in ({"decay_share": 0.2}, {"batch_size": 8}, {"warmup_steps": 3}, {"seed": 1}):
        (name,) = change
        with pytest.raises(ValueError, match=f"^results = '{tmp_path}': with what it holds: the frame mixes {name} = "):
            refuse_mixture(tmp_path, kept, protocol.model_copy(update=change))
    with pytest.raises(ValueError, match="mixes embeddings = frozen, trained"):
        refuse_mixture(tmp_path, kept.model_copy(update={"embeddings": "trained"}), protocol)


def test_longer_budgets_of_a_measured_run_are_no_second_restart(tmp_path: Path) -> None:
    size, values = Architecture(d=4, H=1, N=4, K=8, head_dim=4), {"T": 32, "schedule": "wsd", "compiled": False}
    for budgets in ([10, 20], [10, 20, 40]):
        measure_budgets(size, budgets, progress=False, results=tmp_path, **values)
    assert len(list(tmp_path.glob("*.json"))) == 2
    table = compare(load_budgets(tmp_path))
    assert table[["max_steps", "restarts"]].to_numpy().tolist() == [[10, 1], [20, 1], [40, 1]]


def test_nothing_that_survived_is_an_empty_table() -> None:
    diverged = rows(np.arange(1.0, 7.0)).assign(status="diverged")
    for nothing in (diverged, pd.DataFrame()):
        table = compare(nothing)
        assert (table[SIZES] == 1).all(axis=1).sum() == 0
        assert shares(table).empty
        assert judge(table, of_best_form(limits(nothing))).verdict == "not measured yet"


def test_gain_is_over_the_cells_that_tell_something_under_both() -> None:
    sizes = {"H": 1, "N": 8, "L": 1, "K": 128, "T": 2048}
    of_papers = {8: 3.0, 16: 40.0, 24: 100.0, 32: 1000.0, 48: 300.0}  # the first is lost in guessing
    held = {8: 50.0, 16: 100.0, 24: 150.0, 32: 1900.0, 64: 300.0}  # the fourth is full
    papers = pd.DataFrame([sizes | {"d": d, "C_paper_rule": C, "bits": 10 * C} for d, C in of_papers.items()])
    twice = pd.DataFrame(
        [sizes | {"d": d, "C": C + more, "bits": 12 * C} for d, C in held.items() for more in (-20.0, 20.0)]
    )
    found = gains(twice, pd.concat([papers, papers.assign(C_paper_rule=papers["C_paper_rule"] / 2)]))
    assert found["d"].tolist() == [16, 24]
    assert found["gain"].tolist() == pytest.approx([2.5, 1.5]), "the mean over the best"
    assert found["gain_bits"].tolist() == pytest.approx([1200 / 400, 1800 / 1000])


def test_what_is_held_is_compared_with_the_largest_known_limit() -> None:
    curve = 9e3 * (1 - 0.6 * (BUDGETS / 1000) ** -0.5)
    limited = of_best_form(limits(pd.concat([rows(curve, **MUON), rows(curve / 2, **PAPER), rows(curve, d=24)])))
    assert largest_limits(limited, "C").set_index("d")["limit"].to_dict() == pytest.approx({16: 900, 24: 900}, rel=0.01)
    unknown = limited.assign(known=limited["d"] == 16)
    (beside,) = beside_limits(rows(np.array([4.5e3, 5e3]), **PAPER).head(1), unknown).to_dict("records")
    assert beside["share"] == pytest.approx(0.5, rel=0.01)
    assert beside["share_low"] <= beside["share"] <= beside["share_high"]
    assert beside["steps_90"] == pytest.approx(36_000, rel=0.05)
    assert beside["max_steps"] == BUDGETS[0]
    assert beside_limits(rows(curve, d=24).head(1), unknown).empty


@pytest.mark.parametrize(("papers", "verdict"), [(0.4, "not supported"), (4.0, "supported")])
def test_verdict_follows_the_share(papers: float, verdict: str) -> None:
    curve = 9e3 * (1 - 0.6 * (BUDGETS / 1000) ** -0.5)
    measured = [
        rows(curve * scale * (1 + d / 100), d, **protocol)
        for d in (16, 24, 32, 48)
        for scale, protocol in ((papers, PAPER), (1.0, MUON))
    ]
    if verdict == "supported":  # found is all that the longest run holds
        measured = [of.assign(C_paper_rule=of["C"].max()) for of in measured]
    limited = of_best_form(limits(pd.concat(measured)))
    found = judge(compare(pd.concat(measured)), limited)
    assert found.verdict == verdict
    assert "is known of 8 of 8 curves" in found.note
    assert judge(compare(pd.concat(measured[:2])), limited).verdict == "not measured yet"


def test_figure_has_a_line_a_protocol_and_one_for_each_known_limit() -> None:
    curve = 9e3 * (1 - 0.6 * (BUDGETS / 1000) ** -0.5)
    table = compare(pd.concat([rows(curve, **MUON), rows(curve / 2, **PAPER)]))
    other = rows(curve / 3, d=24)  # of another architecture
    limited = of_best_form(limits(pd.concat([table, compare(other)])))
    for quantity, limits_of in (("bits_per_parameter", [4.5e3 / 16000, 9e3 / 16000]), ("C", [450, 900])):
        (axes,) = plot_budgets(table, limited, quantity).axes
        labelled, dotted = (
            [line for line in axes.lines if (line.get_linestyle() == ":") == is_limit] for is_limit in (False, True)
        )
        assert sorted(line.get_label() for line in labelled) == ["Adam 0.001", "Muon 0.01, decay"]
        assert sorted(line.get_ydata()[0] for line in dotted) == pytest.approx(limits_of, rel=0.01)
        assert labelled[0].get_xdata().tolist() == BUDGETS.tolist()


def test_steps_to_a_limit_are_drawn_where_it_is_known() -> None:
    curve = 9e3 * (1 - 0.6 * (BUDGETS / 1000) ** -0.5)
    table = compare(pd.concat([rows(curve, **MUON), rows(curve / 2, **PAPER), rows(curve / 3, d=24, **MUON)]))
    limited = of_best_form(limits(table))
    by_P, by_load = plot_steps_90(limited.assign(known=limited["d"] == 16), table).axes
    assert [line.get_label() for line in by_P.lines] == ["Adam 0.001", "Muon 0.01, decay"]
    loads = table[table["d"] == 16]["load"].unique()
    for axes, across in ((by_P, [16000]), (by_load, loads)):
        for line in axes.lines:
            assert np.asarray(line.get_xdata()) == pytest.approx(across)
            assert np.asarray(line.get_ydata()) == pytest.approx([36_000], rel=0.05)
