import numpy as np
import pandas as pd
import pytest

from ecmlib.reproduction.hopfield import (
    diluted,
    hebbian_weights,
    measure_cues,
    measure_dilution,
    measure_storage,
    minimum_initial_cue,
    recall,
    storage_capacity,
    symmetry,
    thought_experiment,
)
from ecmlib.reproduction.hopfield_claims import held, judge, judge_arithmetic
from ecmlib.reproduction.stats import NOT_MEASURED


def random_patterns(count: int, n: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).choice(np.array([-1, 1], dtype=np.int8), size=(count, n))


def test_thought_experiment_gives_the_papers_numbers() -> None:
    answer = thought_experiment()
    assert answer.sequences == pytest.approx(3.4e9, rel=0.01)
    assert answer.trained_share == pytest.approx(0.07, abs=0.005)
    assert answer.gigabytes == pytest.approx(44, abs=0.5)
    assert answer.nodes_of_weights * (answer.nodes_of_weights - 1) / 2 == pytest.approx(175e9)


def test_hebbian_weights_against_a_loop() -> None:
    patterns = random_patterns(3, 5)
    weights = hebbian_weights(patterns)
    for i in range(5):
        for j in range(5):
            expected = 0.0 if i == j else sum(int(p[i]) * int(p[j]) for p in patterns) / 5
            assert weights[i, j] == pytest.approx(expected)


def test_symmetry_is_one_zero_and_minus_one_where_it_should_be() -> None:
    weights = np.random.default_rng(0).normal(size=(300, 300))
    assert symmetry(weights + weights.T) == pytest.approx(1)
    assert symmetry(weights - weights.T) == pytest.approx(-1)
    assert symmetry(weights) == pytest.approx(0, abs=0.02)


@pytest.mark.parametrize("kept", [0.2, 0.7])
def test_random_dilution_leaves_its_share_as_symmetry(kept: float) -> None:
    weights = hebbian_weights(random_patterns(10, 300))
    cut = diluted(weights, kept, np.random.default_rng(1))
    assert symmetry(cut) == pytest.approx(kept, abs=0.02)
    assert np.isin(cut, [0.0]).mean() == pytest.approx(1 - kept + kept * (weights == 0).mean(), abs=0.02)


def test_cutting_both_ways_costs_connections_but_no_symmetry() -> None:
    weights = hebbian_weights(random_patterns(10, 300))
    cut = diluted(weights, 0.3, np.random.default_rng(1), both_ways=True)
    assert symmetry(cut) == pytest.approx(1)
    assert (cut[weights != 0] != 0).mean() == pytest.approx(0.3, abs=0.02)


def test_one_pattern_is_recalled_from_a_part_of_itself() -> None:
    (pattern,) = random_patterns(1, 101)
    start = pattern.copy()
    start[:40] *= -1
    assert np.array_equal(recall(hebbian_weights(pattern[None]), start[None])[0], pattern)


def test_storage_breaks_down_around_the_formula() -> None:
    fixed = measure_storage(200, [2, round(storage_capacity(200)), 100], trials=5).groupby("stored")["fixed"].mean()
    assert fixed.iloc[0] == 1
    assert 0.5 < fixed.iloc[1] < 1
    assert fixed.iloc[2] < 0.05


def test_longer_cues_and_more_connections_recall_more() -> None:
    cues = measure_cues(200, 8, [0.0, 0.3, 1.0], trials=5)
    recalled = cues.groupby("cue")["recalled"].mean()
    assert recalled.is_monotonic_increasing
    assert minimum_initial_cue(cues, recalled=0.5) in (0.3, 1.0)
    assert np.isnan(minimum_initial_cue(cues[cues["cue"] == 0]))
    dilution = measure_dilution(200, 8, [0.05, 1.0], trials=5).groupby(["kept", "cut"])[["symmetry", "overlap"]].mean()
    assert dilution["overlap"][0.05, "each way"] < dilution["overlap"][0.05, "both ways"] < 1
    assert (dilution.loc[1.0] > 0.99).all(axis=None), "uncut, both are the same"
    assert dilution["symmetry"][0.05, "each way"] == pytest.approx(0.05, abs=0.02)


def networks(power: float, factor: float) -> pd.DataFrame:
    """Shares of fixed points that fall from 1 to 0.8 in a line, through 0.9 at ``factor`` times the formula."""
    rows = []
    for n in (100, 1000, 10000):
        for trial, noise in enumerate((0.98, 1.0, 1.02)):
            middle = factor * noise * storage_capacity(n) ** power
            rows += [(n, round_, trial, fixed) for round_, fixed in ((middle * 0.5, 1.0), (middle * 1.5, 0.8))]
    return pd.DataFrame(rows, columns=["n", "stored", "trial", "fixed"])


def test_patterns_held_are_interpolated() -> None:
    assert held(networks(1, 1))["held"].iloc[1] == pytest.approx(storage_capacity(100))
    assert held(networks(1, 1).query("fixed == 1")).empty, "nothing is extrapolated"


@pytest.mark.parametrize(
    ("power", "factor", "verdict"), [(1, 1, "supported"), (1, 2, "mixed"), (0.8, 0.5, "not supported")]
)
def test_storage_verdict_follows_the_networks(power: float, factor: float, verdict: str) -> None:
    assert judge(networks(power, factor)).verdict == verdict
    assert judge(networks(power, factor).query("n == 100")) == NOT_MEASURED


def test_arithmetic_verdict_follows_the_numbers() -> None:
    assert judge_arithmetic(thought_experiment()).verdict == "supported"
    assert judge_arithmetic(thought_experiment()._replace(gigabytes=66.0)).verdict == "mixed"


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: storage_capacity(1), "n = 1: input should be greater than or equal to 2"),
        (lambda: measure_storage(1, [1]), "n = 1: input should be greater than or equal to 2"),
        (lambda: measure_storage(9, []), r"counts = \[\]: input should be a list of one count or more"),
        (lambda: measure_dilution(9, 1, [0.0]), "kept = 0.0: input should be greater than 0"),
        (lambda: measure_cues(9, 1, [1.5]), "cue = 1.5: input should be less than or equal to 1"),
    ],
)
def test_bad_value_is_named(call, message: str) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(ValueError, match=message):
        call()
