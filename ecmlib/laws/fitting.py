"""How a law's parameters are found and doubted: least squares from many starts, and bootstrap."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import Field
from scipy.optimize import least_squares

from ecmlib.validation import Parameters, Seed

Array = NDArray[np.float64]
Formula = Callable[[NDArray[np.inexact]], NDArray[np.inexact]]  # parameters (..., p) -> predictions (..., n)
FitLoss = Literal["log", "mape", "squares"]

_MAPE_KINK = 1e-2  # relative errors below this count quadratically, so that MAPE has a gradient
_CONDITION = 30  # condition number above which parameters are called unidentifiable
_TINY = 1e-3  # sequences; a law that predicts less is as wrong, on a logarithmic scale, as one that predicts this


class FitWarning(UserWarning):
    """A fit that has to be doubted: a parameter on a bound, or one that the data do not determine."""


class FitOptions(Parameters):
    """How hard a fit is tried.

    Parameters
    ----------
    target : str
        Column of capacities.
    loss : {"log", "mape", "squares"}
        See `minimise`.
    starts : int
        Starting points, at least 1.
    bootstraps : int
        Refits to resampled configurations; 0 for a law without intervals.
    seed : int
        Of starts and resampling.
    """

    target: str = "C_plateau"
    loss: FitLoss = "log"
    starts: Annotated[int, Field(ge=1)] = 200
    bootstraps: Annotated[int, Field(ge=0)] = 1000
    seed: Seed = 0


class Optimum(NamedTuple):
    """Where least squares ended."""

    parameters: Array  #: of shape (p,)
    cost: float  #: half the sum of squares that was minimised
    share_of_starts: float  #: of all starts, those that reached this cost


def minimise(
    formula: Formula,
    measured: Array,
    starts: Array,
    bounds: tuple[Array, Array],
    loss: FitLoss,
    weights: Array,
    censored: NDArray[np.bool_] | None = None,
    tolerance: float = 1e-12,
) -> Optimum:
    """Fit by `scipy.optimize.least_squares` from every start, with exact derivatives; the lowest cost wins.

    Parameters
    ----------
    formula : callable
        Maps parameters (..., p), real or complex, to predictions (..., n).
    measured : array of shape (n,)
        Capacities; greater than 0 unless ``loss`` is "squares".
    starts : array of shape (m, p)
    bounds : pair of arrays of shape (p,)
    loss : {"log", "mape", "squares"}
        What is summed: squared differences of logarithms, absolute relative errors (quadratic below 1 %), or
        squared differences. Sums, not means: the tolerances then mean the same for every n.
    weights : array of shape (n,)
        How much each point counts.
    censored : array of bool of shape (n,), optional
        Points that are known to be at least as measured: to predict more is no error.
    tolerance : float
        Relative change of cost or parameters below which a run ends.

    Returns
    -------
    Optimum
    """
    residuals, jacobian = _objective(formula, measured, loss, weights, censored)
    lower, upper = bounds
    runs = [
        least_squares(
            residuals,
            np.clip(start, lower, upper),
            jacobian,
            bounds,
            loss="soft_l1" if loss == "mape" else "linear",
            f_scale=_MAPE_KINK,
            x_scale="jac",
            xtol=tolerance,
            ftol=tolerance,
            gtol=tolerance,
            max_nfev=200,
        )
        for start in starts
    ]
    costs = np.array([run.cost for run in runs])
    best = int(np.argmin(costs))
    return Optimum(runs[best].x, float(costs[best]), float(np.mean(costs <= costs[best] * (1 + 1e-4) + 1e-12)))


def bootstrap(
    formula: Formula,
    measured: Array,
    optimum: Optimum,
    bounds: tuple[Array, Array],
    loss: FitLoss,
    n_bootstraps: int,
    seed: int,
    weights: Array,
    censored: NDArray[np.bool_] | None = None,
) -> Array:
    """Refit to configurations drawn with replacement: parameters of shape (n_bootstraps, p).

    Each refit starts from the optimum and, where not every start had found it, from a jittered copy of it too.
    """
    # Apart, so that fits of equally many configurations draw the same ones, whatever else they need.
    random, jitter = np.random.default_rng(seed), np.random.default_rng([seed, 1])
    n, found = len(measured), optimum.parameters
    draws = []
    for _ in range(n_bootstraps):
        times = np.bincount(random.integers(n, size=n), minlength=n)
        starts = [found]
        if optimum.share_of_starts < 1:
            starts.append(found * (1 + 0.2 * jitter.standard_normal(len(found))))
        fit = minimise(formula, measured, np.array(starts), bounds, loss, times * weights, censored, 1e-8)
        draws.append(fit.parameters)
    return np.array(draws).reshape(n_bootstraps, len(found))


def doubts(
    names: tuple[str, ...], formula: Formula, measured: Array, parameters: Array, bounds: tuple[Array, Array]
) -> list[str]:
    """Say in words which parameters sit on a bound and which ones the data do not determine.

    Those whose columns of the Jacobian of log capacity, scaled to length 1, are nearly dependent can move
    together without a change of the fit: a condition number above 30, which Belsley (1991) calls harmful.
    """
    said = [
        f"{name} = {value:.6g} sits on its bound"
        for name, value, low, high in zip(names, parameters, *bounds, strict=True)
        if min(value - low, high - value) <= 1e-9 * (high - low)
    ]
    _, jacobian = _objective(formula, np.maximum(measured, _TINY), "log", np.ones(len(measured)))
    columns = jacobian(parameters)
    lengths = np.linalg.norm(columns, axis=0)
    said += [f"{name} is not identifiable: no point depends on it" for name in np.array(names)[lengths == 0]]
    used = np.flatnonzero(lengths)
    _, singular, directions = np.linalg.svd(columns[:, used] / lengths[used], full_matrices=False)
    for value, direction in zip(singular, directions, strict=True):
        if value * _CONDITION < singular[0]:
            moved = ", ".join(names[used[i]] for i in np.flatnonzero(np.abs(direction) > 0.3))
            said.append(f"{moved} are not identifiable: they trade off against each other")
    return said


def _objective(
    formula: Formula, measured: Array, loss: FitLoss, weights: Array, censored: NDArray[np.bool_] | None = None
) -> tuple[Callable[[Array], Array], Callable[[Array], Array]]:
    """Return residuals (n,) and their Jacobian (n, p) as functions of the parameters."""
    # soft_l1 grows like the residual itself, so a weight enters it as it is and a squared one by its root.
    factor = weights if loss == "mape" else np.sqrt(weights)
    scale = {"log": np.ones_like(measured), "mape": measured, "squares": np.full_like(measured, np.std(measured) or 1)}
    divisor = scale[loss] / factor.clip(1e-300)
    exact = np.ones(len(measured), np.bool_) if censored is None else np.logical_not(censored)

    def counts(predicted: Array) -> NDArray[np.bool_]:
        return np.logical_or(exact, predicted < measured)

    def residuals(parameters: Array) -> Array:
        predicted = np.real(formula(parameters))
        if loss == "log":
            off = factor * (np.log(np.maximum(predicted, _TINY)) - np.log(measured))
        else:
            off = (predicted - measured) / divisor
        return np.asarray(np.where(counts(predicted), off, 0))

    def jacobian(parameters: Array) -> Array:
        # A complex step has no rounding error: imag(f(x + ih)) / h is the derivative to the last digit.
        step = 1e-30
        values = formula(parameters + 1j * step * np.eye(len(parameters)))
        slopes = values.imag / step
        by_loss = factor * np.where(values.real > _TINY, slopes / values.real, 0) if loss == "log" else slopes / divisor
        return np.asarray(np.where(counts(values.real[0]), by_loss, 0).T)

    return residuals, jacobian
