import numpy as np
import pandas as pd
import pytest
from report import levelling_in_words, rounding_in_words

from ecmlib import Architecture, Protocol
from ecmlib.reproduction.bits import (
    at_largest_loads,
    by_width,
    levelling,
    offered_load,
    plot_levelling,
    plot_rounding,
    rounding,
)
from ecmlib.reproduction.scatter import plot_scatter, scatter
from ecmlib.restart import Provenance, Restart, Rounded, seeds_of_restart
from ecmlib.results import CapacityRecord

SIZE, PROTOCOL = Architecture(d=8, N=4, K=16), Protocol(T=64, max_steps=100)
HERE = Provenance(commit=None, versions={}, device="cpu", threads=1, compiled=False, seconds=1.0, core_seconds=1.0)


def runs(load: list[float], bits: list[float], d: int = 8) -> pd.DataFrame:
    P = 1000
    T = [round(each * P / (3 * 4)) for each in load]
    return pd.DataFrame(
        {"embeddings": "trained", "d": d, "H": 1, "N": 4, "L": 1, "K": 16, "P": P, "T": T, "bits_per_parameter": bits}
    )


def ended(last_count: int, full_count: int, bits: float, *rounded: Rounded) -> Restart:
    counts = {"step": [100], "last_count": [last_count], "full_count": [full_count], "bits": [bits]}
    seed = seeds_of_restart(PROTOCOL, 0).weights
    return Restart(seed=seed, status="max_steps", **counts, rounded=list(rounded), provenance=HERE)  # type: ignore[arg-type]


def record_of(restart: Restart) -> CapacityRecord:
    return CapacityRecord(architecture=SIZE, protocol=PROTOCOL, restarts=[restart])


def test_load_is_what_a_library_offers_to_each_parameter() -> None:
    assert offered_load(runs([1.2], [0.5])).item() == pytest.approx(1.2)


def test_levelling_follows_each_kind_by_itself() -> None:
    table = levelling(pd.concat([runs([6, 3, 1.5], [2.1, 2.0, 1.4]), runs([3], [9.0], d=16)]))
    of_8 = table[table["d"] == 8]
    assert of_8["load"].is_monotonic_increasing
    assert of_8["rise"].tolist()[1:] == pytest.approx([2.0 / 1.4, 2.1 / 2.0])
    assert table.groupby("d")["rise"].head(1).isna().all(), "the least load has none before it, of whatever kind"
    axes = plot_levelling(table, {"theirs": 3.5}).axes[0]
    assert axes.get_legend_handles_labels()[1] == ["trained, d=8, K=16", "trained, d=16, K=16"]
    assert axes.lines[0].get_ydata() == pytest.approx(np.array([1.4, 2.0, 2.1]))
    assert levelling(pd.DataFrame()).empty


def test_levelling_off_is_asked_at_the_largest_load_of_models_offered_enough() -> None:
    table = levelling(
        pd.concat(
            [
                runs([6, 3, 1.5], [2.1, 2.0, 1.4]),
                runs([3, 9], [1.0, 1.5], d=16),
                runs([1.5, 3], [1.0, 1.9], d=24),  # offered too little
                runs([6], [9.0], d=32),  # never offered less
            ]
        )
    )
    largest = at_largest_loads(table).set_index("d")
    assert largest["load"].round(2).to_dict() == {8: 6, 16: 9}
    assert largest["level"].to_dict() == {8: False, 16: False}, "a rise by exactly FLAT is one"
    assert at_largest_loads(table.assign(rise=1.04))["level"].all()
    said = levelling_in_words(table)
    assert "2 models of 1,000 parameters hold 1.80 bits a parameter (1.50 to 2.10)" in said
    assert "1.27 times what they hold at the load before (1.05 to 1.50); 0 of 2 have levelled off" in said
    for none in (levelling(pd.DataFrame()), table[table["d"] > 16]):
        assert levelling_in_words(none) == "Whether bits a parameter level off is not measured yet."


def test_cheapest_width_is_of_models_offered_enough() -> None:
    rows = [(6.0, 8, 1.0, 4.0), (6.0, 4, 0.9, 2.2), (9.0, 8, 0.8, 5.0), (9.0, 4, 0.7, 2.6), (1.5, 4, 0.1, 0.2)]
    table = pd.DataFrame(rows, columns=["load", "weight_bits", "kept", "per_bit"])
    wide, narrow = by_width(table).to_dict("records")
    assert (wide["weight_bits"], wide["models"], wide["kept"], wide["per_bit"]) == (8, 2, 0.9, 4.5)
    assert (narrow["kept"], narrow["kept_least"], narrow["kept_most"]) == pytest.approx((0.8, 0.7, 0.9))
    said = rounding_in_words(table)
    assert "keep 90\N{NO-BREAK SPACE}% at 8, 80\N{NO-BREAK SPACE}% at 4 bits a weight (medians of 2)" in said
    assert "at 4 bits a weight: 2.4 (2.2 to 2.6)" in said
    for none in (rounding([]), table[table["load"] < 4]):
        assert rounding_in_words(none) == "How many bits of weight a memorised bit needs is not measured yet."


def test_rounding_compares_what_is_left_with_what_was_there() -> None:
    eight = Rounded(weight_bits=8, last_count=40, full_count=9, bits=2.0)
    two = Rounded(weight_bits=2, last_count=5, full_count=0, bits=5.0)
    record = record_of(ended(40, 10, 2.0, eight, two))  # 2 bits of 4: half is memorised
    whole, nothing = rounding([record]).to_dict("records")
    assert whole["bits"] == pytest.approx(3 * 64 * 2.0)
    assert whole["kept"] == 1
    assert whole["per_bit"] == pytest.approx(8 * record.P / (3 * 64 * 2.0))
    assert (nothing["bits"], nothing["kept"], nothing["per_bit"]) == (0, 0, np.inf)
    offered = rounding([record]).assign(load=4.0)
    line = plot_rounding(pd.concat([offered, offered.assign(load=3.9, kept=0.5)])).axes[0].lines[0]
    assert np.array(line.get_xydata()).tolist() == [[2, 0], [8, 1]], "those offered less do not count"


def test_rounding_of_a_model_that_memorised_nothing_keeps_no_share_of_it() -> None:
    coarse = Rounded(weight_bits=8, last_count=4, full_count=0, bits=4.5)
    as_guesses, worse = (record_of(ended(4, 0, bits, coarse)) for bits in (4.0, 4.1))  # 4 bits is what guessing lacks
    table = rounding([as_guesses, worse])
    assert table["kept"].isna().all()
    assert table["bits"].tolist() == [0, 0]


def test_scatter_tells_sources_apart() -> None:
    random = np.random.default_rng(0)
    size = {"d": 8, "H": 1, "N": 4, "L": 1, "K": 16, "T": 64, "status": "max_steps", "C_guess_sd": 2.0}
    wide, narrow = (
        pd.DataFrame({"C": random.normal(100, sd, 400), "vary": vary}).assign(bits=lambda of: 200 + of["C"], **size)
        for vary, sd in (("library", 9.0), ("order", 3.0))
    )
    lost = narrow.head(2).assign(vary="weights")
    table = scatter(pd.concat([wide, narrow, lost])).set_index("vary")
    assert set(table.index) == {"library", "order"}, "two restarts have no scatter"
    assert table.loc["library", "low"] < 9 < table.loc["library", "high"]
    assert table.loc["order", "low"] < 3 < table.loc["order", "high"]
    assert table.loc["order", "share"] == pytest.approx(0.03, rel=0.2)
    assert table.loc["order", "bits_share"] == pytest.approx(0.01, rel=0.2), "as many bits, of three times the mean"
    axes = plot_scatter(table.reset_index()).axes[0]
    assert [tick.get_text() for tick in axes.get_xticklabels()] == ["library", "order"]
