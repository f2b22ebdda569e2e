import numpy as np
import pandas as pd
import pytest
from growth_tables import (
    forms_in_words,
    known_limits,
    orders_in_words,
    reference_in_words,
    restarts_in_words,
    rules_beside_limits,
    side_by_side,
    steps_in_words,
    with_ends,
    with_sizes_in_one,
)

from ecmlib.reproduction.limits import FORMS

POWER, EXPONENTIAL, LOGARITHM = FORMS
CURVE = {"d": 16, "H": 1, "N": 8, "L": 1, "K": 128, "T": 2048, "P": 6272}
CURVE |= {"optimizer": "muon", "lr": 0.01, "schedule": "wsd"}
UNKNOWN = {"limit": np.nan, "low": np.nan, "high": np.nan, "reached": np.nan, "steps_90": np.nan, "known": False}


def fit(form: str = POWER, quantity: str = "bits", **values: object) -> dict[str, object]:
    row = CURVE | {"quantity": quantity, "form": form, "longest": 40_000, "held": 900.0, "told": 990.0}
    known = {"limit": 1000.0, "low": 900.0, "high": 1200.0, "reached": 0.9, "steps_90": 9e3, "known": True}
    return row | {"agreed": False} | known | values


def test_forms_stand_side_by_side_and_an_unknown_limit_has_no_number() -> None:
    rows = [fit(), fit(EXPONENTIAL, **UNKNOWN | {"limit": 5.0, "told": 810.0}), fit(LOGARITHM, **UNKNOWN)]
    fitted = pd.DataFrame([*rows, fit(quantity="C")])
    (told,), (limits,) = (side_by_side(fitted, what).to_dict("records") for what in ("told", "limit"))
    assert [told[form] for form in ("power", "exponential", "logarithm")] == ["1.10", "0.90", "1.10"]
    assert (told["held"], told["protocol"]) == (900.0, "Muon 0.01, decay")
    assert (limits["power"], limits["exponential"]) == ("1,000 (900 to 1,200)", "not known")
    assert ("agreed" in limits, "agreed" in told, "logarithm" in limits) == (True, False, False)


def test_known_limits_of_bits_and_counts_share_a_row() -> None:
    rows = [fit(), fit(quantity="C", **UNKNOWN), fit(d=24), fit(quantity="C", d=24, limit=100.0, low=90.0, high=110.0)]
    limited = pd.DataFrame([*rows, fit(d=32, **UNKNOWN)])
    shown = known_limits(limited, limited.assign(load=4.0)).set_index("d")
    assert shown.index.tolist() == [16, 24]
    assert shown.loc[24, "C: limit"] == "100 (90 to 110)"
    assert pd.isna(shown.loc[16, "C: limit"])
    assert shown.loc[16, ["load", "P", "bits: steps_90"]].tolist() == [4.0, 6272, 9e3]
    only_bits = limited[limited["quantity"] == "bits"]
    assert known_limits(only_bits, limited.assign(load=4.0))["C: limit"].isna().all()


def test_rules_stand_beside_the_limit_of_the_count() -> None:
    found = pd.DataFrame(
        [{**CURVE, "d": d, "found": 40.0, "plateau": 50.0, "most": 80.0, "share": 0.5} for d in (16, 24)]
    )
    found = found.drop(columns=["P", "optimizer", "lr", "schedule"])
    limited = pd.DataFrame(
        [fit(), fit(quantity="C", limit=100.0, low=90.0, high=110.0), fit(quantity="C", d=24, **UNKNOWN)]
    )
    shown = rules_beside_limits(found, limited).set_index("d")
    assert shown.loc[16, ["found of limit", "plateau of limit", "found of most"]].tolist() == [0.4, 0.5, 0.5]
    assert shown.loc[16, ["found of limit, low", "found of limit, high"]].tolist() == [40 / 110, 40 / 90]
    written = with_ends(shown.reset_index(), "found of limit", "plateau of limit")
    assert written["found of limit"].tolist() == ["0.40 (0.36 to 0.44)", "not known"]
    assert not any("low" in name or "high" in name for name in written)
    assert shown["limit"].to_dict() == {16: "100 (90 to 110)", 24: "not known"}
    beyond = rules_beside_limits(found.assign(most=111.0), limited)
    assert beyond["limit"].unique().tolist() == ["not known"], "another protocol holds more"


def test_how_often_each_was_trained_is_counted() -> None:
    once = pd.DataFrame([CURVE | {"max_steps": steps, "restarts": 1} for steps in (10, 20)])
    assert restarts_in_words(once) == "each architecture is trained once under each protocol"
    both = pd.concat([once, once.assign(d=24, restarts=[3, 1])])
    assert restarts_in_words(both).startswith("1 of 2 pairs of architecture and protocol are trained more than once")


def test_forms_are_said_to_lean_and_to_be_apart_or_not() -> None:
    row = {"quantity": "bits", "curves": 17, "too_little": 8, "leans": False}
    none = dict.fromkeys(["behind", "behind_low", "behind_high"], np.nan)
    alike = {"behind": 0.002, "behind_low": -0.012, "behind_high": 0.044, "leans": True}
    apart = {"behind": 0.031, "behind_low": 0.01, "behind_high": 0.05}
    forms = pd.DataFrame(
        [
            row | none | {"form": "A"},
            row | alike | {"form": "B", "too_little": 15},
            row | alike | {"form": "C", "too_little": 2},
            row | apart | {"form": "D"},
        ]
    )
    said = forms_in_words(forms)
    assert said.startswith("For the bits it is the A: the B is off by 0.2 (-1.2 to 4.4) points more and cannot be told")
    assert "from it by that, but says too little of 15 of 17 curves; the C" in said
    assert "but says too much of 15 of 17 curves; the D" in said
    assert "the D is off by 3.1 (1.0 to 5.0) points more and can be told from it by that." in said
    assert said.endswith("Of the sequences nothing is foretold.")


@pytest.mark.parametrize(
    ("counts", "said"), [([9, 8], "alike: Muon 0.01 with decay, Adam 0.01"), ([8, 9], "by counts")]
)
def test_order_by_counts_is_that_by_bits_or_not(counts: list[int], said: str) -> None:
    last = [CURVE | {"max_steps": 20, "bits": 100, "C": counts[0]}]
    last += [CURVE | {"max_steps": 20, "bits": 90, "C": counts[1], "optimizer": "adam"}]
    table = pd.DataFrame(
        [*last, last[0] | {"max_steps": 40, "C": 0}, *(row | {"max_steps": 10, "C": 0} for row in last)]
    )
    words = orders_in_words(table)
    assert words.startswith("After 20 steps")
    assert said in words
    assert words.split("order by bits is ")[-1].startswith("Muon") or "alike" in words


@pytest.mark.parametrize(
    ("steps", "said"), [([10, 20, 30], "the longer it takes"), ([30, 20, 10], "the shorter it takes")]
)
def test_steps_to_limits_are_ranked_over_loads(steps: list[int], said: str) -> None:
    limited = pd.DataFrame([fit(d=d, P=100 * d, steps_90=each) for d, each in enumerate(steps, 1)])
    budgets = limited.assign(load=lambda of: 9.0 - 4 * (of["d"] == 1) + of["d"])
    assert said in steps_in_words(limited, budgets)
    assert "load depends on size among them (1.00)" in steps_in_words(limited, budgets)
    assert steps_in_words(limited.head(2), budgets).startswith("Too few limits")


@pytest.mark.parametrize(
    ("share", "high", "said"),
    [(0.8, 0.85, "at 0 of the 1 sizes"), (0.8, 0.95, "at 0 of the 1 sizes"), (0.92, 0.95, "at 1 of the 1 sizes")],
)
def test_reference_says_whether_it_reaches_the_limit(share: float, high: float, said: str) -> None:
    row = CURVE | {"max_steps": 10_000, "share": share, "share_low": 0.7, "share_high": high, "steps_90": 45_779.0}
    words = reference_in_words(pd.DataFrame([row]))
    assert said in words
    assert f"; at {int(high < 0.9)} it falls short even" in words
    assert f"it holds {share:.2f} (0.70 to {high:.2f}) of the limit" in words
    assert "about 46,000 steps to 90\N{NO-BREAK SPACE}%" in words
    assert "is not known" in reference_in_words(pd.DataFrame())


def test_sizes_stand_in_one_column() -> None:
    table = pd.DataFrame({"d": [16], "H": [1], "N": [8], "L": [2], "T": [2048], "found": [70.0]})
    assert with_sizes_in_one(table).to_dict("list") == {"d, H, N, L": ["16, 1, 8, 2"], "T": [2048], "found": [70.0]}
