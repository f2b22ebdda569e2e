"""Laws that were tried and lost: kept, so that the comparison shows what each idea is worth."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import pandas as pd

from ecmlib.architecture import FEED_FORWARD_WIDTH, HEAD_DIM
from ecmlib.laws.demand import knowable_bits
from ecmlib.laws.detection import detected
from ecmlib.laws.ecm import EmpiricalCapacityModel, slope_of
from ecmlib.laws.fitted import Sizes
from ecmlib.laws.fitting import Array
from ecmlib.laws.parametric import Numbers, ParametricLaw
from ecmlib.laws.points import ONE_SETTING
from ecmlib.laws.signal import in_layer


class UnsaturatedModel(ParametricLaw):
    """The paper's law without its minimum: ``C = f(H, N) d`` (eq. 10)."""

    name = "ecm without min"
    bounds: ClassVar[dict[str, tuple[float, float]]] = dict(list(EmpiricalCapacityModel.bounds.items())[:5])
    same = ONE_SETTING
    variables = ("d", "H", "N")

    a: float
    b: float
    c: float
    d0: float
    e: float

    @staticmethod
    def formula(parameters: Numbers, sizes: Sizes) -> Numbers:
        """Eq. (10) times d."""
        return np.asarray(slope_of(np.moveaxis(parameters, -1, 0)[..., None], sizes["H"], sizes["N"]) * sizes["d"])

    @classmethod
    def starts(cls, points: pd.DataFrame, measured: Array, n: int, seed: int) -> Array:
        """Take those of the whole law."""
        return EmpiricalCapacityModel.starts(points, measured, n, seed)[:, :5]


class _Candidate(ParametricLaw):
    """A formula that is started from around ``start``."""

    nearness = 0.1
    start: ClassVar[list[float]]

    @classmethod
    def starts(cls, points: pd.DataFrame, measured: Array, n: int, seed: int) -> Array:
        return np.array(cls.start) * np.exp(0.5 * np.random.default_rng(seed).standard_normal((n, len(cls.start))))


class BitsPerParameter(_Candidate):
    """``C = min(T, bits P / ((N - 1) log2 K))``: every parameter stores the same (Morris et al., Allen-Zhu and Li).

    The minimum is smooth: ``(x^-s + T^-s)^(-1/s)``.
    """

    name = "bits per parameter"
    bounds: ClassVar[dict[str, tuple[float, float]]] = {"bits": (1e-3, 100), "s": (0.2, 100)}
    start: ClassVar[list[float]] = [1.0, 3.0]

    bits: float
    s: float

    @staticmethod
    def formula(parameters: Numbers, sizes: Sizes) -> Numbers:
        bits, s = np.moveaxis(parameters, -1, 0)[..., None]
        return _smooth_minimum(bits * _P(sizes) / _bits_a_sequence(sizes), sizes["T"], s)


class PowerLaw(_Candidate):
    """``C = min(T, A d^g H^h (N - 1)^-n L / log2 K)``, the minimum smooth."""

    name = "power law"
    bounds: ClassVar[dict[str, tuple[float, float]]] = {
        "A": (1e-3, 1e3),
        "g": (0, 5),
        "h": (-1, 3),
        "n": (-1, 4),
        "s": (0.2, 100),
    }
    start: ClassVar[list[float]] = [5.0, 2.3, 0.6, 1.2, 3.0]

    A: float
    g: float
    h: float
    n: float
    s: float

    @staticmethod
    def formula(parameters: Numbers, sizes: Sizes) -> Numbers:
        A, g, h, n, s = np.moveaxis(parameters, -1, 0)[..., None]
        d, H, N, L, K = (sizes[size] for size in ("d", "H", "N", "L", "K"))
        return _smooth_minimum(A * d**g * H**h * (N - 1) ** -n * L / np.log2(K), sizes["T"], s)


class ThresholdLaw(_Candidate):
    """`SignalLaw` with a power in place of detection: ``C = T min(1, u^k)``, the minimum smooth."""

    name = "bits to a power"
    bounds: ClassVar[dict[str, tuple[float, float]]] = {
        "bits_ff": (1e-3, 100),
        "bits_att": (1e-3, 100),
        "k": (0.2, 5),
        "s": (0.2, 100),
    }
    start: ClassVar[list[float]] = [1.8, 2.9, 1.2, 3.0]

    bits_ff: float
    bits_att: float
    k: float
    s: float

    @staticmethod
    def formula(parameters: Numbers, sizes: Sizes) -> Numbers:
        bits_ff, bits_att, k, s = np.moveaxis(parameters, -1, 0)[..., None]
        share = in_layer(bits_ff, bits_att, sizes) * sizes["L"] / _asked(sizes)
        return _smooth_minimum(sizes["T"] * share**k, sizes["T"], s)


class SignalOfWeights(_Candidate):
    """`SignalLaw` in which every weight of attention counts, not its free numbers."""

    name = "signal, all weights"
    bounds: ClassVar[dict[str, tuple[float, float]]] = {"bits_ff": (1e-3, 100), "bits_att": (1e-3, 100)}
    start: ClassVar[list[float]] = [1.8, 0.5]

    bits_ff: float
    bits_att: float

    @staticmethod
    def formula(parameters: Numbers, sizes: Sizes) -> Numbers:
        bits_ff, bits_att = np.moveaxis(parameters, -1, 0)[..., None]
        d, H = sizes["d"], sizes["H"]
        stored = (bits_ff * 2 * FEED_FORWARD_WIDTH * d**2 + bits_att * 4 * HEAD_DIM * d * H) * sizes["L"]
        return np.asarray(sizes["T"] * detected(stored / _asked(sizes), sizes["K"]))


class SignalOfOneKind(_Candidate):
    """`SignalLaw` with the same bits in a feed-forward weight and in a free number of attention."""

    name = "signal, one kind of bits"
    bounds: ClassVar[dict[str, tuple[float, float]]] = {"bits": (1e-3, 100)}
    start: ClassVar[list[float]] = [2.0]

    bits: float

    @staticmethod
    def formula(parameters: Numbers, sizes: Sizes) -> Numbers:
        (bits,) = np.moveaxis(parameters, -1, 0)[..., None]
        share = in_layer(bits, bits, sizes) * sizes["L"] / _asked(sizes)
        return np.asarray(sizes["T"] * detected(share, sizes["K"]))


def _asked(sizes: Sizes) -> Array:
    return knowable_bits(sizes["N"], sizes["K"], sizes["T"])


def _P(sizes: Sizes) -> Array:
    """Trainable parameters, as `ecmlib.Architecture` counts them."""
    d, H, L = sizes["d"], sizes["H"], sizes["L"]
    return np.asarray(L * (4 * HEAD_DIM * d * H + 2 * FEED_FORWARD_WIDTH * d**2 + (FEED_FORWARD_WIDTH + 3) * d) + d)


def _bits_a_sequence(sizes: Sizes) -> Array:
    return np.asarray((sizes["N"] - 1) * np.log2(sizes["K"]))


def _smooth_minimum(x: Numbers, limit: Array, s: Numbers) -> Numbers:
    # Of logarithms, since powers of large s overflow.
    gap = s * (np.log(x) - np.log(limit))
    above = np.real(gap) > 0
    excess = np.log1p(np.exp(np.where(above, -gap, gap))) + np.where(above, gap, 0)
    return np.asarray(x * np.exp(-excess / s))
