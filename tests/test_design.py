from typing import ClassVar

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ecmlib import Architecture
from ecmlib.configurations import SIZES
from ecmlib.design import (
    best_design,
    capacity_over_parameters,
    memory_per_parameter,
    predicted,
    smallest_architectures,
)


class SmoothLaw:
    """A law with known answers: a power of d that bends towards 90 % of T, times a spread of about a tenth."""

    name = "smooth"
    n_parameters = 3
    region: ClassVar = {"d": (8, 64), "H": (1, 4), "N": (4, 16), "L": (1, 1), "K": (128, 128), "T": (2048, 2048)}
    spread = np.exp(0.1 * np.random.default_rng(0).standard_normal(400))

    def predict_frame(self, frame: pd.DataFrame) -> np.ndarray:
        power = 0.5 * frame["d"] ** 1.8 * (frame["H"] * frame["L"]) ** 0.6 * 8 / frame["N"]
        return np.asarray(0.9 * frame["T"] * -np.expm1(-power / frame["T"]))

    def predictive_draws(self, frame: pd.DataFrame, seed: int = 0) -> np.ndarray:
        return np.minimum(self.predict_frame(frame) * self.spread[:, None], frame["T"].to_numpy())


LAW = SmoothLaw()


class BumpyLaw(SmoothLaw):
    """Its scatter is wider at some d, as that of a law may be whose scatter was measured."""

    name = "bumpy"

    def predictive_draws(self, frame: pd.DataFrame, seed: int = 0) -> np.ndarray:
        width = 1 + 3 * (frame["d"].to_numpy() % 7 < 2)
        return np.minimum(self.predict_frame(frame) * self.spread[:, None] ** width, frame["T"].to_numpy())


@settings(max_examples=25, deadline=None)
@given(
    capacity=st.floats(1, 1000),
    N=st.integers(4, 32),
    level=st.sampled_from([0.5, 0.9, 0.99]),
    law=st.sampled_from([LAW, BumpyLaw()]),
)
def test_search_finds_what_trying_every_d_finds(capacity: float, N: int, level: float, law: SmoothLaw) -> None:
    candidates = smallest_architectures(capacity, N, L=(1, 2), H=(1, 3), law=law, level=level)
    assert len(candidates) == 4
    for _, row in candidates.iterrows():
        every = pd.DataFrame({"d": range(1, int(row["d"]) + 1), **{size: row[size] for size in SIZES[1:]}})
        reached = predicted(every, law, level)["C_low"] >= capacity
        assert reached.tolist() == [False] * (len(every) - 1) + [True]


def test_candidates_are_sorted_and_say_what_they_are() -> None:
    candidates = smallest_architectures(500, 16, law=LAW)
    assert len(candidates) == 16
    assert candidates["P"].is_monotonic_increasing
    assert (candidates["C_low"] >= 500).all()
    assert (candidates["C_low"] <= candidates["C"]).all()
    assert (candidates["C"] <= candidates["C_high"]).all()
    assert (candidates["probability"] >= 0.95).all()
    for _, row in candidates.iterrows():
        P = Architecture(*(int(row[size]) for size in SIZES[:-1])).n_params
        assert row["P"] == P
        assert row["MPP"] == pytest.approx(16 * row["C"] / P)
        assert row["outside_region"] == (row["d"] > 64 or row["H"] > 4 or row["L"] > 1)


def test_more_sequences_longer_ones_or_more_certainty_never_take_fewer_parameters() -> None:
    def least(capacity: float, N: int, level: float) -> float:
        return smallest_architectures(capacity, N, law=LAW, level=level)["P"].iloc[0]

    assert least(100, 8, 0.9) <= least(200, 8, 0.9) <= least(200, 16, 0.9) <= least(200, 16, 0.99)
    assert least(100, 8, 0.9) < least(200, 16, 0.99)


def test_probability_counts_the_draws() -> None:
    row = smallest_architectures(300, 8, L=(1,), H=(2,), law=LAW, level=0.5).iloc[0]
    draws = LAW.predictive_draws(pd.DataFrame([row[SIZES].astype(int)]))
    assert row["probability"] == (draws >= 300).mean()
    assert 0.75 <= row["probability"] < 0.9


def test_best_design_prefers_the_fitted_region() -> None:
    candidates = smallest_architectures(500, 16, law=LAW)
    best = best_design(candidates)
    assert not best["outside_region"]
    assert best["P"] == candidates.loc[~candidates["outside_region"], "P"].min()
    assert candidates["P"].iloc[0] < best["P"], "two layers hold more here, and lie outside"
    assert best_design(candidates[candidates["outside_region"]])["P"] == candidates["P"].iloc[0]


def test_library_is_by_default_the_largest_fitted_on_that_exists() -> None:
    assert (smallest_architectures(100, 8, law=LAW)["T"] == 2048).all()
    assert (smallest_architectures(10, 2, law=LAW)["T"] == 128).all()


def test_candidate_that_saturates_too_early_is_left_out() -> None:
    class Heads(SmoothLaw):
        def predict_frame(self, frame: pd.DataFrame) -> np.ndarray:
            return np.minimum(super().predict_frame(frame), 100.0 * frame["H"].to_numpy())

    candidates = smallest_architectures(250, 8, L=(1,), H=range(1, 5), law=Heads())
    assert sorted(candidates["H"]) == [3, 4]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"capacity": 200, "N": 2}, r"K\^\(N-1\) = 128 such beginnings"),
        ({"capacity": 3000, "N": 8}, "capacity = 3000: the library has only T = 2048 sequences"),
        (
            {"capacity": 2000, "N": 8},
            r"law 'smooth' promises at most 15\d\d sequences .* however large d, with H up to 8",
        ),
        ({"capacity": 0, "N": 8}, "capacity = 0.*greater than 0"),
        ({"capacity": float("nan"), "N": 8}, "capacity = nan: input should be"),
        ({"capacity": 100, "N": 1}, "N = 1: input should be greater than or equal to 2"),
        ({"capacity": 100, "N": 8, "K": 1}, "K = 1: input should be greater than or equal to 2"),
        ({"capacity": 100, "N": 8, "T": 0}, "T = 0: input should be greater than or equal to 1"),
        ({"capacity": 100, "N": 8, "H": []}, r"H = \(\): .*at least 1 item"),
        ({"capacity": 100, "N": 8, "L": [0]}, "L.0 = 0: input should be greater than or equal to 1"),
        ({"capacity": 100, "N": 8, "level": 1.0}, "level = 1.0: input should be less than 1"),
    ],
)
def test_impossible_target_is_refused_with_its_reason(arguments: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        smallest_architectures(**arguments, law=LAW)  # type: ignore[arg-type]


def test_capacity_over_parameters_predicts_every_combination() -> None:
    frame = capacity_over_parameters(LAW, d=[8, 128, 16], H=[1, 2], N=[8])
    assert len(frame) == 6
    for _, part in frame.groupby("H"):
        assert part["P"].is_monotonic_increasing
        assert part["C"].is_monotonic_increasing
        assert part["outside_region"].tolist() == [False, False, True]


def test_memory_per_parameter_averages_over_the_other_hyperparameters() -> None:
    frame = pd.DataFrame({"d": [8, 8, 16], "H": [1, 2, 2], "N": [4, 4, 8], "P": [10, 20, 40], "C_plateau": [5, 5, 10]})
    table = memory_per_parameter(frame, capacity="C_plateau", by=["d", "H"]).set_index(["hyperparameter", "value"])
    assert table["MPP"].to_dict() == {("d", 8): 1.5, ("d", 16): 2.0, ("H", 1): 2.0, ("H", 2): 1.5}
    assert table["n"].to_dict() == {("d", 8): 2, ("d", 16): 1, ("H", 1): 1, ("H", 2): 2}
