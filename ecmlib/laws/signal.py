"""Our law: a memory of so many bits a weight, read out by detecting a signal among rivals."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import pandas as pd
from scipy.special import ndtr

from ecmlib.architecture import HEAD_DIM
from ecmlib.laws.base import Sizes
from ecmlib.laws.fitting import Array
from ecmlib.laws.parametric import Numbers, ParametricLaw

_NODES = np.linspace(-8, 8, 101)  # of the integral over the noise of the right token
_EMPTY, _FULL = 1e-12, 1 - 1e-12  # shares between which the signal is neither 0 nor infinite
_WEIGHTS = np.exp(-(_NODES**2) / 2) * (_NODES[1] - _NODES[0]) / np.sqrt(2 * np.pi)


class SignalLaw(ParametricLaw):
    """Capacity from bits of memory and signal detection; covers d, H, N, L, K and T with three parameters.

    1. A layer stores ``bits_ff`` bits in each of the ``8 d^2`` weights of its feed-forward block (``2 ff_mult d^2``, if
       it is of another width, or missing) and ``bits_att`` bits in each of the ``2 H r (2 d - r)`` free numbers of its
       attention, ``r = min(d, head_dim)``: Wq Wk' and Wv Wo are d x d matrices of rank r (paper, eq. 3), however many
       weights they are made of. L layers store ``L^lam`` times that.
    2. The library asks for ``T (N - 1) log2 K`` bits. The stored share u of them, at most 1, is spread evenly: each
       token stands out of the K - 1 others by ``s = sqrt(-2 ln K ln(1 - u))`` standard deviations. For small u this is
       what u log2 K bits of information amount to in Gaussian noise, and a full memory makes no error.
    3. A sequence counts when its last token is the largest of K Gaussian numbers, one of which is shifted by s:
       ``p = integral of phi(x - s) Phi(x)^(K-1)``. Less the guesses, ``C = T (p - 1/K) / (1 - 1/K)``, between 0 and T.

    Parameters
    ----------
    bits_ff : float
        Bits a feed-forward weight.
    bits_att : float
        Bits a free number of attention.
    lam : float
        How memory grows with layers; 1 where they add up. Data with a single L do not change it from 1.

    Examples
    --------
    >>> from ecmlib import SignalLaw
    >>> float(SignalLaw(bits_ff=1.8, bits_att=2.9).predict(d=16, H=1, N=8, T=2048).round())
    68.0
    """

    name = "signal"
    components = ("head_dim", "ff", "ff_mult")
    bounds: ClassVar[dict[str, tuple[float, float]]] = {"bits_ff": (0, 100), "bits_att": (0, 100), "lam": (-1, 4)}

    bits_ff: float
    bits_att: float
    lam: float = 1.0

    @staticmethod
    def formula(parameters: Numbers, sizes: Sizes) -> Numbers:
        """Predict capacities; see the class."""
        d, H, N, L, K, T = (sizes[size] for size in ("d", "H", "N", "L", "K", "T"))
        bits_ff, bits_att, lam = np.moveaxis(parameters, -1, 0)[..., None]
        free = free_numbers(d, H, sizes["head_dim"])
        stored = (bits_ff * 2 * sizes["ff_mult"] * d**2 + bits_att * free) * L**lam
        return np.asarray(T * detected(stored / (T * (N - 1) * np.log2(K)), K))

    @classmethod
    def starts(cls, points: pd.DataFrame, measured: Array, n: int, seed: int) -> Array:
        """Start anywhere between a tenth of a bit and 10 bits."""
        drawn = 10 ** np.random.default_rng(seed).uniform(-1, 1, (n, 2))
        return np.column_stack([drawn, np.ones(n)])


def free_numbers(d: Array, H: Array, head_dim: Array | float = HEAD_DIM) -> Array:
    """Numbers that one layer's attention is free to choose: H pairs of d x d matrices of rank min(d, head_dim)."""
    rank = np.minimum(d, head_dim)
    return np.asarray(2 * H * rank * (2 * d - rank))


def detected(share: Numbers, K: Array) -> Numbers:
    """Share of last tokens known beyond guessing, when a share of the library's bits is stored.

    Parameters
    ----------
    share : array of shape (..., n)
        Stored bits over the library's, at least 0; from 1 on, every token is known. Real or complex.
    K : array of shape (n,)
        Vocabulary sizes.

    Returns
    -------
    array of shape (..., n)
        Between 0 and 1.
    """
    if not np.iscomplexobj(share):
        return _detected(share, K)
    # Exact derivatives take one complex step a parameter from the same point, where the integral is done once.
    point = np.real(share) if share.ndim == 1 or np.ptp(share.real, axis=0).any() else share.real[0]
    return np.asarray(_detected(point, K) + 1j * share.imag * _detected_slope(point, K))


def _detected(share: Array, K: Array) -> Array:
    signal = np.sqrt(2 * np.log(K) * _distance(share))
    chance = (_WEIGHTS * ndtr(_NODES + signal[..., None]) ** (K[:, None] - 1)).sum(axis=-1)
    return np.asarray((chance - 1 / K) / (1 - 1 / K))


def _detected_slope(share: Array, K: Array) -> Array:
    """Derivative of `_detected` with respect to the share."""
    signal = np.sqrt(2 * np.log(K) * _distance(share))
    noise = _NODES + signal[..., None]
    density = np.exp(-(noise**2) / 2) / np.sqrt(2 * np.pi)
    rivals = K[:, None] - 1
    by_signal = (_WEIGHTS * rivals * ndtr(noise) ** (rivals - 1) * density).sum(axis=-1) / (1 - 1 / K)
    return np.asarray(np.where(share < _FULL, by_signal * np.log(K) / (signal * (1 - np.minimum(share, _FULL))), 0))


def _distance(share: Array) -> Array:
    return np.asarray(-np.log1p(-np.clip(share, _EMPTY, _FULL)))
