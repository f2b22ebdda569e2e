"""What is known at each position."""

from itertools import pairwise

import numpy as np
import pandas as pd
import pytest

from ecmlib import Architecture, CapacityRecord, Protocol, random_library
from ecmlib.laws.demand import knowable_bits, knowable_by_position
from ecmlib.laws.detection import detected
from ecmlib.provenance import Provenance
from ecmlib.reproduction.positions import by_position, last_beside_all, plot_positions
from ecmlib.restart import Positions, Restart, seeds_of_restart

HERE = Provenance(commit=None, versions={}, device="cpu", threads=1, compiled=False, seconds=0.0, core_seconds=0.0)
N, K = 4, 8


def record(count: list[int], bits: list[float], T: int = 64, known: bool = True) -> CapacityRecord:
    protocol = Protocol(T=T, max_steps=100)
    curve = {"step": [100], "last_count": [count[-1]], "full_count": [0], "bits": [float(np.mean(bits))]}
    positions = Positions(count=count, bits=bits) if known else None
    seed = seeds_of_restart(protocol, 0).weights
    restart = Restart(**curve, seed=seed, status="max_steps", provenance=HERE, positions=positions)
    return CapacityRecord(architecture=Architecture(d=8, N=N, K=K, head_dim=4), protocol=protocol, restarts=[restart])


@pytest.mark.parametrize(("N", "K", "T"), [(4, 8, 64), (3, 8, 60), (5, 4, 100), (2, 8, 5)])
def test_knowable_bits_of_a_position_are_those_of_who_knows_the_library(N: int, K: int, T: int) -> None:
    def drawn(seed: int) -> list[float]:
        rows = random_library(T, N, K, seed).numpy()
        alike = [(rows[:, None, :p] == rows[None, :, :p]).all(-1).sum(1) for p in range(1, N)] + [np.ones(T)]
        alike[N - 2] = np.ones(T)  # no two sequences share their first N - 1 tokens
        return [float(np.log2(K) - np.log2(before / after).mean()) for before, after in pairwise(alike)]

    by_hand = np.mean([drawn(seed) for seed in range(40)], axis=0)
    np.testing.assert_allclose(knowable_by_position(N, K, T), by_hand, atol=0.02)
    whole = knowable_bits(np.array([float(N)]), np.array([float(K)]), np.array([float(T)]))
    assert knowable_by_position(N, K, T).sum() * T == pytest.approx(whole.item())


def test_positions_are_read_from_the_ends_of_runs_that_say_them_and_are_not_full() -> None:
    table = by_position([record([8, 20, 36], [3.0, 2.5, 1.5]), record([8, 20, 60], [3.0, 2.0, 1.0])])
    assert table["position"].tolist() == [2, 3, 4]
    assert table["told"].tolist() == pytest.approx([0, (20 - 8) / 56, 0.5])
    assert table["known"].tolist() == [0, 0.5, 1.5]
    np.testing.assert_allclose(table["knowable"], knowable_by_position(N, K, 64))
    assert by_position([record([8, 20, 36], [3.0, 2.5, 1.5], known=False)]).empty


def test_last_token_is_compared_with_all_and_with_what_its_own_bits_tell() -> None:
    (row,) = last_beside_all(by_position([record([8, 20, 36], [3.0, 2.5, 1.5])]), 0.2).to_dict("records")
    share = 2.0 / knowable_by_position(N, K, 64).sum()
    assert (row["all"], row["last"], row["told"]) == pytest.approx((share, 0.5, 0.5))
    at = detected(np.array([share, 0.5]), np.array([8.0, 8.0]), 0.2)
    assert (row["by_all"], row["by_last"]) == pytest.approx((0.5 / at[0], 0.5 / at[1]))


def test_each_axis_has_a_panel_with_a_line_a_value() -> None:
    table = by_position([record([8, 20, 36], [3.0, 2.5, 1.5], T) for T in (62, 63, 64)])
    other_K = [table[table["T"] == 64].assign(K=value) for value in (16, 32)]
    left, right = plot_positions(pd.concat([table, *other_K])).axes
    assert [line.get_label() for line in left.lines] == ["62", "63", "64"]
    assert [line.get_label() for line in right.lines] == ["8", "16", "32"]
    assert left.lines[0].get_xdata().tolist() == [2, 3, 4]
    assert len(plot_positions(table).axes) == 1
