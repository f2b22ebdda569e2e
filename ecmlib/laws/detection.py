"""How many tokens a memory tells apart: a signal of so many bits among K - 1 rivals, as in detection theory."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from ecmlib.laws.fitting import Array

_NODES = np.linspace(-8, 8, 101)  # of the integral over the noise of the right token
_WEIGHTS = np.exp(-(_NODES**2) / 2) * (_NODES[1] - _NODES[0]) / np.sqrt(2 * np.pi)
_EMPTY, _FULL = 1e-12, 1 - 1e-12  # shares between which the signal is neither 0 nor infinite


def detected(share: NDArray[np.inexact], K: Array, uneven: NDArray[np.inexact] | float = 0.0) -> NDArray[np.inexact]:
    """Share of last tokens known beyond guessing, when a share of the library's bits is stored.

    The right token stands out of K - 1 others by a signal, each of the K numbers has Gaussian noise of variance 1, and
    the largest is taken. The signal's mean square over tokens is ``-2 ln K ln(1 - share)``; its standard deviation over
    tokens is ``uneven`` times its mean, so that the right token's number has more variance than the others.

    Parameters
    ----------
    share : array of shape (..., n)
        Stored bits over those that can be known, at least 0; from 1 on, every token is known, by definition where
        signals are uneven, for then the formula ends short of it. Real or complex.
    K : array of shape (n,)
        Vocabulary sizes.
    uneven : array that broadcasts to (..., n)
        At least 0; 0 where every token is known as well as any other.

    Returns
    -------
    array of shape (..., n)
        Between 0 and 1.
    """
    if not (np.iscomplexobj(share) or np.iscomplexobj(uneven)):
        return _detected(np.asarray(share, float), K, np.asarray(uneven, float))
    # Exact derivatives take one complex step a parameter from the same point, where the integral is done once.
    share, uneven = np.broadcast_arrays(share, uneven)
    points = [np.real(part) for part in (share, uneven)]
    if share.ndim > 1 and not any(np.ptp(point, axis=0).any() for point in points):
        points = [point[0] for point in points]
    value, by_share, by_uneven = _with_slopes(points[0], K, points[1])
    return np.asarray(value + 1j * (np.imag(share) * by_share + np.imag(uneven) * by_uneven))


def _detected(share: Array, K: Array, uneven: Array) -> Array:
    signal, noise = _signal(share, K, uneven)
    chance = (_WEIGHTS * ndtr(signal[..., None] + noise[..., None] * _NODES) ** (K[:, None] - 1)).sum(axis=-1)
    chance = np.where(share >= 1, 1, chance)
    return np.asarray((chance - 1 / K) / (1 - 1 / K))


def _signal(share: Array, K: Array, uneven: Array) -> tuple[Array, Array]:
    """Mean signal, and standard deviation of the right token's number."""
    square = -2 * np.log(K) * np.log1p(-np.clip(share, _EMPTY, _FULL)) / (1 + uneven**2)
    return np.sqrt(square), np.sqrt(1 + uneven**2 * square)


def _with_slopes(share: Array, K: Array, uneven: Array) -> tuple[Array, Array, Array]:
    """Return `_detected` with its derivatives with respect to the share and to the unevenness."""
    signal, noise = _signal(share, K, uneven)
    numbers = signal[..., None] + noise[..., None] * _NODES
    below, rivals = ndtr(numbers), K[:, None] - 1
    all_but_one = _WEIGHTS * below ** (rivals - 1)  # powers take most of the time
    full = share >= 1
    chance = np.where(full, 1, (all_but_one * below).sum(axis=-1))
    density = all_but_one * rivals * np.exp(-(numbers**2) / 2) / np.sqrt(2 * np.pi)
    by_signal, by_noise = density.sum(axis=-1), (density * _NODES).sum(axis=-1)
    lifted = 1 + uneven**2
    square = signal**2
    # square' by share, then by uneven; signal = sqrt(square), noise = sqrt(1 + uneven^2 square).
    square_by_share = np.where(
        (share > _EMPTY) & (share < _FULL), 2 * np.log(K) / (1 - np.minimum(share, _FULL)) / lifted, 0
    )
    square_by_uneven = -2 * uneven * square / lifted
    by_square = by_signal / (2 * signal) + by_noise * uneven**2 / (2 * noise)
    by_share = by_square * square_by_share
    by_uneven = np.where(full, 0, by_square * square_by_uneven + by_noise * uneven * square / noise)
    scale = 1 - 1 / K
    return np.asarray((chance - 1 / K) / scale), np.asarray(by_share / scale), np.asarray(by_uneven / scale)
