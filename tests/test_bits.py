import numpy as np
import pandas as pd
import pytest

from ecmlib import Architecture, Protocol
from ecmlib.reproduction.bits import levelling, offered_load, plot_levelling, plot_rounding, rounding
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


def test_rounding_compares_what_is_left_with_what_was_there() -> None:
    restart = Restart(
        seed=seeds_of_restart(PROTOCOL, 0).weights,
        status="max_steps",
        step=[100],
        last_count=[40],
        full_count=[10],
        bits=[2.0],  # of 4: half is memorised
        rounded=[
            Rounded(weight_bits=8, last_count=40, full_count=9, bits=2.0),
            Rounded(weight_bits=2, last_count=5, full_count=0, bits=5.0),
        ],
        provenance=HERE,
    )
    record = CapacityRecord(architecture=SIZE, protocol=PROTOCOL, restarts=[restart])
    whole, nothing = rounding([record]).to_dict("records")
    assert whole["bits"] == pytest.approx(3 * 64 * 2.0)
    assert whole["kept"] == 1
    assert whole["per_bit"] == pytest.approx(8 * record.P / (3 * 64 * 2.0))
    assert (nothing["bits"], nothing["kept"], nothing["per_bit"]) == (0, 0, np.inf)
    line = plot_rounding(rounding([record])).axes[0].lines[0]
    assert np.array(line.get_xydata()).tolist() == [[2, 0], [8, 1]]


def test_scatter_tells_sources_apart() -> None:
    random = np.random.default_rng(0)
    size = {"d": 8, "H": 1, "N": 4, "L": 1, "K": 16, "T": 64, "status": "max_steps", "C_guess_sd": 2.0}
    wide, narrow = (
        pd.DataFrame({"C": random.normal(100, sd, 400), "vary": vary}).assign(**size)
        for vary, sd in (("library", 9.0), ("order", 3.0))
    )
    lost = narrow.head(2).assign(vary="weights")
    table = scatter(pd.concat([wide, narrow, lost])).set_index("vary")
    assert set(table.index) == {"library", "order"}, "two restarts have no scatter"
    assert table.loc["library", "low"] < 9 < table.loc["library", "high"]
    assert table.loc["order", "low"] < 3 < table.loc["order", "high"]
    assert table.loc["order", "share"] == pytest.approx(0.03, rel=0.2)
    axes = plot_scatter(table.reset_index()).axes[0]
    assert [tick.get_text() for tick in axes.get_xticklabels()] == ["library", "order"]
