from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ecmlib.reproduction.budget import compare, judge, plot_budgets, same_protocol, shares
from ecmlib.reproduction.limits import best_forms, limits

BUDGETS = np.array([1250, 2500, 5000, 10000, 20000, 40000, 80000, 160000])
PAPER = {"optimizer": "adam", "lr": 0.001, "schedule": "constant"}
MUON = {"optimizer": "muon", "lr": 0.01, "schedule": "wsd"}


def rows(bits: np.ndarray, d: int = 16, **protocol: Any) -> pd.DataFrame:
    """Invent the budgets of one architecture: a tenth of a sequence a bit."""
    sizes = {"d": d, "H": 1, "N": 8, "L": 1, "K": 128, "T": 2048, "P": 1000 * d, "restart": 0, "status": "max_steps"}
    curve = {"max_steps": BUDGETS[: len(bits)], "bits": bits, "bits_per_parameter": bits / (1000 * d), "C": bits / 10}
    marks = {"full": False, "lost": False, "C_paper_rule": bits[0] / 10, "C_plateau": bits[1] / 10}
    return pd.DataFrame(curve).assign(**sizes, **marks, **(protocol or MUON))


@settings(max_examples=20, deadline=None)
@given(limit=st.floats(5e2, 5e4), lacking=st.floats(0.2, 0.7), exponent=st.floats(0.4, 1.2))
def test_limit_of_a_power_law_is_found(limit: float, lacking: float, exponent: float) -> None:
    best = best_forms(limits(compare(rows(limit * (1 - lacking * (BUDGETS / 1000) ** -exponent)))))
    assert best["form"].tolist() == ["power law to a limit"]
    assert best["known"].all()
    assert best["limit"].iloc[0] == pytest.approx(limit, rel=0.01)
    S_90 = 1000 * (lacking / 0.1) ** (1 / exponent)
    assert best["steps_90"].iloc[0] == pytest.approx(S_90, rel=0.05)


def test_rows_of_another_protocol_are_left_out() -> None:
    both = pd.concat([rows(np.arange(3.0), **MUON), rows(np.arange(3.0), **PAPER)])
    assert (same_protocol(both, pd.DataFrame([PAPER]))["lr"] == PAPER["lr"]).all()
    assert same_protocol(both, both).equals(both)
    assert same_protocol(pd.DataFrame(), both).empty


def test_limit_of_an_exponential_is_found_and_a_logarithm_has_none() -> None:
    levels_off = rows(9e3 * (1 - 0.6 * np.exp(-BUDGETS / 9000)), d=16)
    never = rows(1e3 + 900 * np.log(BUDGETS / 1000), d=32)
    best = best_forms(limits(compare(pd.concat([levels_off, never])))).set_index("d")
    assert best.loc[16, "form"] == "exponential to a limit"
    assert best.loc[16, "limit"] == pytest.approx(9e3, rel=0.01)
    assert best.loc[16, "steps_90"] == pytest.approx(9000 * np.log(6), rel=0.01)
    assert best.loc[32, "form"] == "logarithm without limit"
    assert not best.loc[32, "known"]


def test_noise_widens_the_interval_until_no_limit_is_known() -> None:
    random = np.random.default_rng(0)
    clean = 9e3 * (1 - 0.6 * (BUDGETS / 1000) ** -0.3)
    noisy = clean * np.exp(0.1 * random.standard_normal(len(BUDGETS)))
    fitted = [limits(compare(rows(bits))).set_index("form").loc["power law to a limit"] for bits in (clean, noisy)]
    assert [bool(form["known"]) for form in fitted] == [True, False]


def test_full_or_guessed_budgets_are_not_fitted() -> None:
    frame = rows(9e3 * (1 - 0.6 * (BUDGETS / 1000) ** -0.5))
    frame.loc[7:, "full"] = True
    frame.loc[0, "lost"] = True
    assert limits(compare(frame))["budgets"].unique().tolist() == [6]


def test_share_is_of_the_best_protocol_and_only_where_the_library_is_not_full() -> None:
    curve = 9e3 * (1 - 0.6 * (BUDGETS / 1000) ** -0.5)
    measured = [rows(curve * scale, d, **protocol) for d in (16, 24) for scale, protocol in ((0.5, PAPER), (1.0, MUON))]
    full = rows(curve, 48, **MUON).assign(full=True)
    table = compare(pd.concat([*measured, rows(curve, 48, **PAPER), full]))
    found = shares(table)
    assert found["d"].tolist() == [16, 24]
    assert found["share"].tolist() == pytest.approx([0.5 * curve[0] / curve[-1]] * 2)
    assert found["protocol"].unique().tolist() == ["Muon 0.01, decay"]


@pytest.mark.parametrize(("papers", "verdict"), [(0.4, "not supported"), (4.0, "supported")])
def test_verdict_follows_the_share(papers: float, verdict: str) -> None:
    curve = 9e3 * (1 - 0.6 * (BUDGETS / 1000) ** -0.5)
    measured = [
        rows(curve * scale * (1 + d / 100), d, **protocol)
        for d in (16, 24, 32, 48)
        for scale, protocol in ((papers, PAPER), (1.0, MUON))
    ]
    assert judge(compare(pd.concat(measured))).verdict == verdict
    assert judge(compare(pd.concat(measured[:2]))).verdict == "not measured yet"


def test_figure_has_a_line_a_protocol_and_one_for_each_known_limit() -> None:
    curve = 9e3 * (1 - 0.6 * (BUDGETS / 1000) ** -0.5)
    table = compare(pd.concat([rows(curve, **MUON), rows(curve / 2, **PAPER)]))
    (axes,) = plot_budgets(table).axes
    labelled, dotted = (
        [line for line in axes.lines if (line.get_linestyle() == ":") == is_limit] for is_limit in (False, True)
    )
    assert sorted(line.get_label() for line in labelled) == ["Adam 0.001", "Muon 0.01, decay"]
    assert sorted(line.get_ydata()[0] for line in dotted) == pytest.approx([4.5e3 / 16000, 9e3 / 16000], rel=0.01)
    assert labelled[0].get_xdata().tolist() == BUDGETS.tolist()
