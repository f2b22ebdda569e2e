"""The paper's empirical capacity model (eq. 10 and 11)."""

from __future__ import annotations

from typing import Any, ClassVar, Literal, Self

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy.stats import qmc

from ecmlib.laws.fitted import Sizes
from ecmlib.laws.fitting import Array
from ecmlib.laws.parametric import Numbers, ParametricLaw
from ecmlib.laws.points import ONE_SETTING, SIZES

_PUBLISHED = {  # paper, Table 1; fitted at T = 16000
    1: (145.27, -0.13, 1.29, 0.13, 0.20, 3762.70, 8741.00),
    2: (2.45, -0.002, 0.02, -0.99, -29.08, 4413.10, 14787.00),
}
_ROUNDS = 20  # of assigning points to the two branches of the minimum
_POLE = 1e-9  # denominators below this are cut off: beyond the pole the slope changes sign


class EmpiricalCapacityModel(ParametricLaw):
    """``C(d, H, N) = min(f d, alpha H + beta)`` with the slope ``f = a / (N^(b H + c) + d0) + e`` (paper, eq. 10, 11).

    One set of parameters for each L, K and T: the model has no variable for them. Capacities in sequences.

    Parameters
    ----------
    a, e : float
        Sequences per unit of d: of the decaying part, and for long sequences.
    b, c, d0 : float
        How the slope decays with N, faster for larger ``b H + c``. The paper calls d0 "d".
    alpha, beta : float
        Saturation, in sequences a head and in sequences.

    Examples
    --------
    >>> from ecmlib import EmpiricalCapacityModel
    >>> EmpiricalCapacityModel.published(L=1).predict(d=[16, 32], H=1, N=8).round()
    array([209., 418.])
    """

    name = "ecm"
    bounds: ClassVar[dict[str, tuple[float, float]]] = {
        "a": (-1e7, 1e7),
        "b": (-2, 2),
        "c": (-6, 6),
        "d0": (-1e3, 1e4),
        "e": (-1e5, 1e5),
        "alpha": (-1e6, 1e6),
        "beta": (-1e6, 1e6),
    }
    same = ONE_SETTING
    variables = ("d", "H", "N")

    a: float
    b: float
    c: float
    d0: float
    e: float
    alpha: float
    beta: float

    @classmethod
    def published(cls, L: Literal[1, 2] = 1) -> Self:
        """Return the parameters of the paper's Table 1, rounded as printed: for L=2 too coarse to be of use.

        Raises
        ------
        ValueError
            If L is neither 1 nor 2.
        """
        if L not in _PUBLISHED:
            raise ValueError(f"L = {L}: the paper publishes parameters for 1 and 2")
        return cls.from_parameters(_PUBLISHED[L])

    def slope(self, H: ArrayLike, N: ArrayLike) -> Array:
        """Sequences per unit of d below saturation, ``f(H, N)`` (eq. 10); H and N broadcast."""
        return np.asarray(slope_of(self.parameters[:5], np.asarray(H, float), np.asarray(N, float)))

    @staticmethod
    def formula(parameters: Numbers, sizes: Sizes) -> Numbers:
        """Eq. (11)."""
        d, H, N = sizes["d"], sizes["H"], sizes["N"]
        *slope, alpha, beta = np.moveaxis(parameters, -1, 0)[..., None]
        rise, saturation = slope_of(slope, H, N) * d, alpha * H + beta
        return np.asarray(np.where(np.real(rise) < np.real(saturation), rise, saturation))

    @classmethod
    def starts(cls, points: pd.DataFrame, measured: Array, n: int, seed: int) -> Array:
        """Variable projection: b, c and d0 from a Sobol sequence; a, e, alpha and beta solved for, as they are linear.

        Drawn is the smallest denominator ``N^(b H + c) + d0`` of the data, greater than 0, rather than d0: no start
        has a pole among the data.
        """
        d, H, N = (points[size].to_numpy(float) for size in SIZES[:3])
        drawn = qmc.scale(
            qmc.Sobol(3, rng=seed).random_base2((n - 1).bit_length())[:n], [-0.3, -0.5, -2], [0.3, 3, 1.5]
        )
        proposals = []
        for b, c, logarithm in drawn:
            power = N ** (b * H + c)
            d0 = 10**logarithm - power.min()
            a, e, alpha, beta = _project(d, H, 1 / (power + d0), measured)
            proposals.append([a, b, c, d0, e, alpha, beta])
        return np.array(proposals)


def slope_of(parameters: Any, H: Array, N: Array) -> Any:
    """Slope (eq. 10) of a, b, c, d0 and e, cut off at its pole."""
    a, b, c, d0, e = parameters
    denominator = N ** (b * H + c) + d0
    return a / np.where(np.real(denominator) > _POLE, denominator, _POLE) + e


def _project(d: Array, H: Array, decay: Array, measured: Array) -> tuple[float, float, float, float]:
    """Solve for a, e, alpha and beta, relative errors squared, until no point changes its branch of the minimum."""
    weight = 1 / np.maximum(np.abs(measured), 1.0)
    rising = measured < 0.9 * measured.max()
    a = e = alpha = 0.0
    beta = float(measured.max())
    for _ in range(_ROUNDS):
        if np.count_nonzero(rising) >= 2:
            a, e = _solve(np.column_stack([decay * d, d]), measured, weight, rising)
        if len(np.unique(H[~rising])) >= 2:
            alpha, beta = _solve(np.column_stack([H, np.ones_like(H)]), measured, weight, ~rising)
        assigned = (a * decay + e) * d < alpha * H + beta
        if np.array_equal(assigned, rising):
            break
        rising = assigned
    return a, e, alpha, beta


def _solve(basis: Array, measured: Array, weight: Array, which: Any) -> tuple[float, float]:
    scaled = basis[which] * weight[which, None]
    first, second = np.linalg.lstsq(scaled, measured[which] * weight[which], rcond=None)[0]
    return float(first), float(second)
