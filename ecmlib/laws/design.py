"""Which architecture holds a wanted number of sequences, and what its parameters are worth: design with a law."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping
from typing import Annotated, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import Field

from ecmlib.architecture import HEAD_DIM, Architecture
from ecmlib.chance import tails
from ecmlib.laws.base import Law
from ecmlib.laws.fitting import Array
from ecmlib.laws.registry import load_law
from ecmlib.library import LibrarySize, distinct_beginnings
from ecmlib.protocol import Positive
from ecmlib.validation import LARGEST, Parameters, shown

MOST_CHOICES = 64  # of layers and of heads
_ENOUGH = 1 - 1e-9  # of a target: rounding makes ties of what is equal, such as a library known whole
MAX_D = 1024  # no search goes on beyond: what a law says there rests on nothing


def smallest_architectures(
    capacity: float,
    N: int,
    K: int = 128,
    T: int | None = None,
    L: Iterable[int] = (1, 2),
    H: Iterable[int] = range(1, 9),
    *,
    law: Law | None = None,
    level: float = 0.9,
    bits: float | None = None,
    head_dim: int = HEAD_DIM,
    max_steps: int | None = None,
) -> pd.DataFrame:
    """Find, for each L and H, the smallest d that reaches a wanted capacity.

    An architecture *reaches* the target when the whole prediction interval of one training run lies at or above it: its
    lower end does, so that about ``(1 - level) / 2`` of runs fall short, or fewer. The two mistakes are not alike: a d
    that is too large by one costs a few per cent of the parameters, a missed target costs the run.

    The search bisects d from 1 to 1024. Where the lower end does not rise with d all the way, because scatter was
    measured to be wider among larger predictions, the d found is one that reaches the target while d - 1 does not.

    Parameters
    ----------
    capacity : float
        Sequences to be memorised, beyond guessing; above 0.
    N : int
        Sequence length in tokens, at least 2.
    K : int
        Vocabulary size, at least 2.
    T : int, optional
        Library size in sequences; by default the largest that the law was fitted on (and that exists: K^(N-1)).
    L, H : iterables of int
        Layers and heads to choose from.
    law : Law, optional
        Predicts capacities; by default the one that ships with the package (`ecmlib.load_law`).
    level : float
        Of the prediction interval, between 0 and 1.
    bits : float, optional
        That a token takes for who knows the library's source, above 0 and at most log2 K, which random tokens take: the
        law must know ``token_bits``, as the one that ships does.
    head_dim : int
        Size of a head; other sizes than 64 need a law that knows them, as the one that ships does.
    max_steps : int, optional
        Of training, at least 1, for a law that knows them, as the one that ships does: by default 10,000. Another law
        passes them over: it speaks of the training that it was fitted to.

    Returns
    -------
    DataFrame
        A row a candidate, sorted by P: d, H, N, L, K, T, head_dim; the predicted capacity C, its interval C_low to
        C_high; P; MPP (paper, eq. 12); outside_region, whether the law was not fitted on such sizes; and probability,
        the one of reaching the target. Combinations of L and H that reach it with no d up to 1024 are left out.

    Raises
    ------
    ValueError
        If a parameter is out of range, or if the target is impossible: more sequences than a library or the alphabet
        has, or more than the law gives to any candidate. The message says which, and with which probability,
        ``(1 + level) / 2``, the law can promise them.

    Examples
    --------
    >>> from ecmlib import smallest_architectures
    >>> smallest_architectures(300, N=8, T=2048, L=[1], H=[1, 2])[["d", "H", "L", "P"]]
        d  H  L      P
    0  29  1  1  14384
    1  27  2  1  19872
    """
    law = load_law() if law is None else law
    if not isinstance(law, Law):
        raise ValueError(f"law = {shown(law)}: input should be a law, such as load_law reads from a file")
    if T is None:
        LibrarySize(T=1, N=N, K=K)
        T = int(min(int(law.region["T"][1]), distinct_beginnings(N, K)))
    choices: dict[str, Any] = {"L": tuple(L), "H": tuple(H), "head_dim": head_dim}
    target = _Target(capacity=capacity, N=N, K=K, T=T, level=level, bits=bits, max_steps=max_steps, **choices)
    target.refuse_impossible()
    if bits is not None and "token_bits" not in law.components:
        raise ValueError(f"bits = {bits:g}: law {law.name!r} knows random tokens alone")
    sizes = {"d": [MAX_D], "H": target.H, "N": [N], "L": target.L, "K": [K], "T": [T], "head_dim": [head_dim]}
    given = {name: value for name, value in (("bits", bits), ("max_steps", max_steps)) if value is not None}
    widest = _combinations(sizes).assign(**given)
    lower_end = _lower_end(widest, law, level)
    if lower_end.max() < _ENOUGH * capacity:
        raise ValueError(
            f"capacity = {capacity:g}: with probability {tails(level)[1]:g} this law promises at most "
            f"{np.floor(lower_end.max()):.0f} sequences to N = {N}, K = {K}, T = {T}, however large d, with H up to "
            f"{max(target.H)} and L up to {max(target.L)}; {capacity:g} with probability "
            f"{_highest_probability(widest, capacity, law):g} at most"
        )
    candidates = widest[lower_end >= _ENOUGH * capacity].reset_index(drop=True)
    candidates["d"] = _smallest_d(candidates, capacity, law, level)
    candidates = predicted(candidates, law, level)
    candidates["probability"] = (law.predictive_draws(_with_token_bits(candidates)) >= _ENOUGH * capacity).mean(axis=0)
    return candidates.sort_values(["P", "d"], ignore_index=True)


def sizes_up_to(**most: int) -> list[range]:
    """Return 1 to ``most`` for each name, such as ``L_max``; a ValueError says which is no integer from 1 to 64."""
    for name, value in most.items():
        if type(value) is not int or not 1 <= value <= MOST_CHOICES:
            raise ValueError(f"{name} = {shown(value)}: input should be an integer from 1 to {MOST_CHOICES}")
    return [range(1, value + 1) for value in most.values()]


def best_design(candidates: pd.DataFrame) -> pd.Series[Any]:
    """Choose among `smallest_architectures`: least P inside the law's fitted region or, if none is, least P."""
    inside = candidates[~candidates["outside_region"]]
    return (candidates if inside.empty else inside).iloc[0]


def predicted(frame: pd.DataFrame, law: Law, level: float = 0.9) -> pd.DataFrame:
    """Add to a frame of d, H, N, L, K, T what a law says: C, its interval, P, MPP and outside_region.

    Parameters
    ----------
    frame : DataFrame
        A row an architecture; a column ``bits``, if there is one, as for `smallest_architectures`.
    law : Law
        Predicts capacities.
    level : float
        Share of single training runs inside C_low to C_high, percentiles of the law's predictive draws.

    Returns
    -------
    DataFrame
        A copy with the columns C, C_low, C_high (sequences), P (trainable parameters), MPP (tokens a parameter) and
        outside_region (whether the law was not fitted on such sizes and steps).
    """
    told = _with_token_bits(frame)
    C, C_low, C_high = law.predict_interval(told, level)
    P = _parameters(frame)
    beyond = law.evidence.outside(told) != ""
    return frame.assign(C=C, C_low=C_low, C_high=C_high, P=P, MPP=frame["N"] * C / P, outside_region=beyond)


def capacity_over_parameters(
    law: Law,
    d: Iterable[int],
    H: Iterable[int],
    N: Iterable[int],
    L: Iterable[int] = (1,),
    K: int = 128,
    T: int | None = None,
) -> pd.DataFrame:
    """Predict every combination of the sizes: what capacity P parameters buy (paper, Fig. 11).

    Returns
    -------
    DataFrame
        As `predicted`, a row a combination, sorted by L, N, H and P. T is by default the largest that was fitted on.
    """
    T = int(law.region["T"][1]) if T is None else T
    frame = predicted(_combinations({"d": d, "H": H, "N": N, "L": L, "K": [K], "T": [T]}), law)
    return frame.sort_values(["L", "N", "H", "P"], ignore_index=True)


class _Target(Parameters):
    capacity: Annotated[float, Field(gt=0, allow_inf_nan=False)]
    N: Annotated[int, Field(ge=2, le=LARGEST)]
    K: Annotated[int, Field(ge=2, le=LARGEST)]
    T: Positive
    L: Annotated[tuple[Positive, ...], Field(min_length=1)]
    H: Annotated[tuple[Positive, ...], Field(min_length=1)]
    level: Annotated[float, Field(gt=0, lt=1)]
    bits: Annotated[float, Field(gt=0)] | None
    head_dim: Positive
    max_steps: Positive | None

    def refuse_impossible(self) -> None:
        """Raise if no model at all could hold so much."""
        distinct = distinct_beginnings(self.N, self.K)
        if self.capacity > distinct:
            raise ValueError(
                f"capacity = {self.capacity:g}: no two sequences may share their first N-1 tokens, and N = {self.N}, "
                f"K = {self.K} have only K^(N-1) = {distinct} such beginnings"
            )
        if self.bits is not None and self.bits > np.log2(self.K):
            raise ValueError(
                f"bits = {self.bits:g}: a token of K = {self.K} takes at most log2 K = {np.log2(self.K):g}"
            )
        if self.capacity > self.T:
            raise ValueError(f"capacity = {self.capacity:g}: the library has only T = {self.T} sequences")


def _with_token_bits(frame: pd.DataFrame) -> pd.DataFrame:
    """Return a frame as a law of random tokens is to see what takes ``bits`` a token."""
    return frame.assign(token_bits=frame["bits"]) if "bits" in frame else frame


def _combinations(values: Mapping[str, Iterable[int]]) -> pd.DataFrame:
    return pd.DataFrame(itertools.product(*values.values()), columns=list(values))


def _parameters(frame: pd.DataFrame) -> list[int]:
    names = [*"dHNLK", *(["head_dim"] if "head_dim" in frame else [])]
    rows = zip(*(frame[name].astype(int) for name in names), strict=True)
    return [Architecture(**dict(zip(names, row, strict=True))).n_params for row in rows]


def _lower_end(frame: pd.DataFrame, law: Law, level: float) -> Array:
    return np.asarray(np.quantile(law.predictive_draws(_with_token_bits(frame)), tails(level)[0], axis=0))


def _highest_probability(frame: pd.DataFrame, capacity: float, law: Law) -> float:
    """Return the largest probability, rounded down, with whose interval some row reaches the capacity."""
    draws = law.predictive_draws(_with_token_bits(frame))
    reached = (draws >= _ENOUGH * capacity).sum(axis=0).max()
    return float(np.floor(1000 * max(reached - 1, 0) / (len(draws) - 1)) / 1000)


def _smallest_d(candidates: pd.DataFrame, capacity: float, law: Law, level: float) -> NDArray[np.int64]:
    """Bisect all candidates together; each reaches the capacity with the d that it has."""
    enough = candidates["d"].to_numpy(np.int64)
    too_small = np.zeros_like(enough)
    while (enough - too_small > 1).any():
        middle = np.maximum((too_small + enough) // 2, 1)
        reached = _lower_end(candidates.assign(d=middle), law, level) >= _ENOUGH * capacity
        too_small, enough = np.where(reached, too_small, middle), np.where(reached, middle, enough)
    return enough
