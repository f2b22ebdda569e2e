import numpy as np
import pandas as pd
import pytest
from growth_tables import known_limits, reference_in_words, rules_beside_limits, side_by_side, with_ends

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


@pytest.mark.parametrize(
    ("share", "high", "said"),
    [(0.8, 0.85, "at 0 of 1 sizes"), (0.8, 0.95, "at 0 of 1 sizes"), (0.92, 0.95, "at 1 of 1 sizes")],
)
def test_reference_says_whether_it_reaches_the_limit(share: float, high: float, said: str) -> None:
    row = CURVE | {"max_steps": 10_000, "share": share, "share_low": 0.7, "share_high": high, "steps_90": 45_779.0}
    words = reference_in_words(pd.DataFrame([row]))
    assert said in words
    assert f"and at {int(high < 0.9)} it falls short even" in words
    assert f"it holds {share:.2f} (0.70 to {high:.2f}) of the limit" in words
    assert "about 46,000 steps to 90\N{NO-BREAK SPACE}%" in words
    assert "is not known" in reference_in_words(pd.DataFrame())
