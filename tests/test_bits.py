import numpy as np
import pandas as pd
import pytest
from report import levelling_in_words, rounding_in_words

from ecmlib import Architecture, Protocol
from ecmlib.provenance import Provenance
from ecmlib.reproduction.bits import (
    at_largest_loads,
    by_width,
    kept_whole,
    levelling,
    offered_load,
    plot_levelling,
    plot_rounding,
    rounding,
)
from ecmlib.reproduction.scatter import plot_scatter, scatter
from ecmlib.restart import Restart, Rounded, seeds_of_restart
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
    axes = plot_levelling(table).axes[0]
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
    assert "for each doubling" not in said, "both are of one size"
    assert largest["loads"].to_dict() == {8: 3, 16: 2}
    level = levelling_in_words(table[table["d"] < 32].assign(rise=1.04))
    assert "2 of 2 have levelled off" in level
    assert "(at d = 16 that rests on two loads alone)" in level
    for none in (levelling(pd.DataFrame()), table[table["d"] > 16]):
        assert levelling_in_words(none) == "Whether bits a parameter level off is not measured yet."


@pytest.mark.parametrize(
    ("slopes", "said"),
    [
        ([1.1, 1.3, 1.5, 1.7], "Larger models hold more: 0.20 (0.20 to 0.20) bits a parameter for each doubling of P."),
        ([1.7, 1.5, 1.3, 1.1], "Larger models hold less: -0.20"),
        ([1.0, 2.0, 2.0, 1.0], "Whether that changes with P cannot be told: by 0.00 ("),
    ],
)
def test_what_levels_off_at_another_height_for_each_size_is_said_to(slopes: list[float], said: str) -> None:
    sizes = [
        runs([3, 6], [bits, bits], d=2**n).assign(P=1000 * 2**n, T=lambda of: of["T"] * of["P"] // 1000)
        for n, bits in enumerate(slopes)
    ]
    assert said in levelling_in_words(levelling(pd.concat(sizes)))


def test_cheapest_width_is_of_models_offered_enough() -> None:
    rows = [(6.0, 8, 1.0, 4.0), (6.0, 4, 0.9, 2.2), (9.0, 8, 0.8, 5.0), (9.0, 4, 0.7, 2.6), (1.5, 4, 0.1, 0.2)]
    table = pd.DataFrame(rows, columns=["load", "weight_bits", "kept", "per_bit"])
    table = table.assign(kept_count=table["kept"] / 2, per_bit_bare=table["per_bit"] / 2)
    wide, narrow = by_width(table).to_dict("records")
    assert (wide["weight_bits"], wide["models"], wide["kept"], wide["per_bit"]) == (8, 2, 0.9, 4.5)
    assert (narrow["kept"], narrow["kept_least"], narrow["kept_most"]) == pytest.approx((0.8, 0.7, 0.9))
    said = rounding_in_words(table)
    assert "90\N{NO-BREAK SPACE}% at 8, 80\N{NO-BREAK SPACE}% at 4 of their bits (medians of 2)" in said
    assert "keep 45\N{NO-BREAK SPACE}% at 8, 40\N{NO-BREAK SPACE}% at 4 bits a weight of their sequences" in said
    assert "at 4 bits a weight: 2.4 (2.2 to 2.6)" in said
    assert "alone take 1.2 (1.1 to 1.3), at 4." in said
    assert "floor" not in said
    assert "at 4 bits a weight and fewer is a floor" in rounding_in_words(
        table.assign(kept=table["kept"] * (table["weight_bits"] == 8))
    )
    for none in (rounding([]), table[table["load"] < 4]):
        assert rounding_in_words(none) == "How many bits of weight a memorised bit needs is not measured yet."


def test_rounding_compares_what_is_left_with_what_was_there() -> None:
    eight = Rounded(weight_bits=8, last_count=40, full_count=9, bits=2.0)
    two = Rounded(weight_bits=2, last_count=5, full_count=0, bits=5.0)
    record = record_of(ended(40, 10, 2.0, eight, two))  # 2 bits of 4: half is memorised
    whole, nothing = rounding([record]).to_dict("records")
    assert whole["bits"] == pytest.approx(3 * 64 * 2.0)
    assert whole["kept"] == 1
    beside, vectors = kept_whole(SIZE)
    assert whole["per_bit_bare"] == pytest.approx(8 * (record.P - vectors) / (3 * 64 * 2.0))
    assert whole["per_bit"] - whole["per_bit_bare"] == pytest.approx(32 * (beside + vectors) / (3 * 64 * 2.0))
    assert (nothing["bits"], nothing["kept"], nothing["per_bit"]) == (0, 0, np.inf)
    assert (whole["kept_count"], nothing["kept_count"]) == pytest.approx((1, (5 - 4) / (40 - 4))), "4 are guesses"
    offered = rounding([record]).assign(load=4.0)
    of_count, of_bits = plot_rounding(pd.concat([offered, offered.assign(load=3.9, kept=0.5)])).axes[0].lines
    assert np.array(of_bits.get_xydata()).tolist() == [[2, 0], [8, 1]], "those offered less do not count"
    assert np.array(of_count.get_xydata()).tolist() == [[2, pytest.approx(1 / 36)], [8, 1]]


@pytest.mark.parametrize("embeddings", ["frozen", "trained", "tied"])
@pytest.mark.parametrize("ff", ["train", "identity"])
def test_what_is_kept_beside_rounded_weights_is_two_numbers_a_row_and_all_vectors(ff: str, embeddings: str) -> None:
    size = Architecture(d=6, H=2, N=5, L=2, K=7, head_dim=3, ff=ff, embeddings=embeddings)  # type: ignore[arg-type]
    trained = [weight for weight in size.build(0).parameters() if weight.requires_grad]
    rows, vectors = (
        sum(len(weight) for weight in trained if weight.ndim == 2),
        sum(len(weight) for weight in trained if weight.ndim == 1),
    )
    assert kept_whole(size) == (2 * rows, vectors)


def test_rounding_of_a_model_that_memorised_nothing_keeps_no_share_of_it() -> None:
    coarse = Rounded(weight_bits=8, last_count=4, full_count=0, bits=4.5)
    as_guesses, worse = (record_of(ended(4, 0, bits, coarse)) for bits in (4.0, 4.1))  # 4 bits is what guessing lacks
    table = rounding([as_guesses, worse])
    assert table[["kept", "kept_count"]].isna().all(axis=None)
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
