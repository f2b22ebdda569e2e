import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from ecmlib.reproduction.stats import Estimate, bootstrapped, if_determined, least_squares, mean


def test_mean_has_the_t_interval_of_scipy() -> None:
    y = np.random.default_rng(0).normal(3, 2, size=9)
    expected = stats.ttest_1samp(y, 0).confidence_interval(0.95)
    assert mean(y) == pytest.approx((y.mean(), expected.low, expected.high))


def test_mean_of_equal_values_is_certain() -> None:
    assert mean([3.0, 3.0, 3.0]) == pytest.approx((3, 3, 3))


def test_bootstrap_is_that_of_scipy_and_pairs_columns() -> None:
    y = np.random.default_rng(2).normal(size=20)
    median = bootstrapped(np.median, y)
    assert median.low < median.value == np.median(y) < median.high
    assert bootstrapped(np.median, y) == median, "the same draws each time"
    together = bootstrapped(lambda a, b: float(np.corrcoef(a, b)[0, 1]), y, 2 * y, resamples=50)
    assert together == pytest.approx((1, 1, 1))


def test_slope_has_the_error_of_scipy() -> None:
    random = np.random.default_rng(1)
    x, noise = random.normal(size=12), random.normal(size=12)
    expected = stats.linregress(x, 2 * x + 1 + noise)
    slope = least_squares(2 * x + 1 + noise, {"slope": x, "one": np.ones(12)})["slope"]
    assert slope.value == pytest.approx(expected.slope)
    assert slope.high - slope.value == pytest.approx(stats.t.ppf(0.975, 10) * expected.stderr)


@given(st.floats(-3, 3), st.floats(-3, 3))
def test_noiseless_line_is_found(slope: float, height: float) -> None:
    x = np.arange(5.0)
    found = least_squares(slope * x + height, {"slope": x, "height": np.ones(5)})
    assert found["slope"] == pytest.approx((slope,) * 3, abs=1e-6)
    assert found["height"] == pytest.approx((height,) * 3, abs=1e-6)


@pytest.mark.parametrize("terms", [{"a": [1, 0], "b": [0, 1]}, {"a": [1, 1, 1], "b": [2, 2, 2]}])
def test_too_few_or_dependent_points_are_refused(terms: dict[str, list[float]]) -> None:
    with pytest.raises(ValueError, match="points do not determine a, b and their intervals"):
        least_squares(np.arange(len(terms["a"])), terms)


def test_estimate_says_what_it_contains() -> None:
    ratio = Estimate(0.0, -1.0, 1.0).exp()
    assert ratio == pytest.approx((1, np.exp(-1), np.e))
    assert ratio.contains(2)
    assert not ratio.contains(3)
    assert str(ratio) == "1.00 (0.37 to 2.72)"


def test_of_one_value_there_is_no_interval() -> None:
    for of_one in (mean([3.0]), bootstrapped(np.mean, [3.0])):
        assert str(of_one) == "3.00"
        assert np.isnan([of_one.low, of_one.high]).all()


def test_terms_that_points_do_not_determine_are_told_by_none() -> None:
    both = {"one": [1.0, 1.0, 1.0], "twice": [2.0, 2.0, 2.0]}
    assert if_determined([1.0, 2.0, 3.0], both) is None
    assert if_determined([1.0, 2.0], {"one": [1.0, 1.0]}) is not None
