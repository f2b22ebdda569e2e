"""Which architecture holds a wanted number of sequences: design with a law."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import Field

from ecmlib.architecture import HEAD_DIM
from ecmlib.chance import count_deviation
from ecmlib.laws.base import Law
from ecmlib.laws.design_choices import DesignChoices, chosen_law
from ecmlib.laws.fitting import Array
from ecmlib.laws.registry import load_law
from ecmlib.laws.worth import largest_library, predicted
from ecmlib.library import LibrarySize, distinct_beginnings
from ecmlib.validation import LARGEST, Positive

_ENOUGH = 1 - 1e-9  # of a target: rounding makes ties of what is equal, such as a library known whole
_GUESSING = 1.645  # deviations of guessing, of which chance goes beyond once in twenty: what is less says nothing
_LESS_THAN_EVEN = 0.499  # the largest probability below one half, of three digits
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
    probability: float = 0.95,
    token_bits: float | None = None,
    head_dim: int = HEAD_DIM,
    max_steps: int | None = None,
) -> pd.DataFrame:
    """Find, for each L and H, the smallest d that reaches a wanted capacity.

    An architecture *reaches* the target when one training run does with the probability asked for: when at most that
    share of its predictive draws lies below it (their ``1 - probability`` quantile is the target or more). The two
    mistakes are not alike: a d that is too large by one costs a few per cent of the parameters, a missed target costs
    the run. Asked for one half or more, its predicted capacity C must reach the target, too; asked for less, C must be
    the target or more than guessing, of whose interval nothing can be told.

    Every d is tried, from 1 on, until one reaches the target: what the draws promise need not rise with d all the way,
    because scatter may be wider among larger predictions.

    Parameters
    ----------
    capacity : float
        Sequences to be memorised, beyond guessing; above 0.
    N : int
        Sequence length in tokens, at least 2.
    K : int
        Vocabulary size, at least 2.
    T : int, optional
        Library size in sequences, at most K^(N-1); by default the largest that the law was fitted on and that exists.
    L, H : iterables of int
        Layers and heads to choose from.
    law : Law, optional
        Predicts capacities; by default the one that ships with the package (`ecmlib.load_law`).
    probability : float
        With which one training run is to reach the target: above 0 and at most what the law's residuals can promise
        (``law.evidence.surest``).
    token_bits : float, optional
        That a token takes for who knows the library's source, from 1 to log2 K, which random tokens take: the law must
        know ``token_bits``, as the one that ships does.
    head_dim : int
        Size of a head; other sizes than 64 need a law that knows them, as the one that ships does.
    max_steps : int, optional
        Of training, at least 1, for a law that knows them, as the one that ships does: by default 10,000. Another law
        passes them over: it speaks of the training that it was fitted to.

    Returns
    -------
    DataFrame
        A row a candidate, sorted by P: d, H, N, L, K, T, head_dim; the predicted capacity C and its 90 % interval,
        C_low to C_high, whatever the probability; P; MPP (paper, eq. 12); outside_region, whether the law was not
        fitted on such sizes; and probability, the one of reaching the target: the share of draws that do, or
        ``law.evidence.surest`` where that is less. Combinations of L and H whose d = 1024 misses it are left out.

    Raises
    ------
    ValueError
        If a parameter is out of range, if the law's residuals cannot promise the probability, or if the target is
        impossible: more sequences than a library or the alphabet has, or more than the law gives to any candidate. The
        message says which, and with which probability the law can promise them.

    Examples
    --------
    >>> from ecmlib import smallest_architectures
    >>> smallest_architectures(300, N=8, T=2048, L=[1], H=[1, 2])[["d", "H", "L", "P"]]
        d  H  L      P
    0  29  1  1  14384
    1  26  2  1  18928
    """
    law = chosen_law(law, load_law)
    asked_of_law = {"token_bits": token_bits, "max_steps": max_steps}
    offered: dict[str, Any] = {"L": L, "H": H, "probability": probability, "head_dim": head_dim, **asked_of_law}
    if T is None:
        LibrarySize(T=1, N=N, K=K)
        T = largest_library(law, N, K)
    target = _Target(capacity=capacity, N=N, K=K, T=T, **offered)
    target.refuse_impossible(law)
    sizes = {"d": [MAX_D], "H": target.H, "N": [N], "L": target.L, "K": [K], "T": [T], "head_dim": [head_dim]}
    every = pd.MultiIndex.from_product([*sizes.values()], names=[*sizes]).to_frame(index=False)
    widest = every.assign(**{name: value for name, value in asked_of_law.items() if value is not None})
    reached = target.reached(widest, law)
    if not reached.any():
        raise ValueError(target.refusal(widest, law))
    candidates = widest[reached].reset_index(drop=True)
    candidates["d"] = _smallest_d(candidates, target, law)
    candidates = predicted(candidates, law)
    share = (law.predictive_draws(candidates) >= _ENOUGH * capacity).mean(axis=0)
    candidates["probability"] = np.minimum(share, law.evidence.surest)
    return candidates.sort_values(["P", "d"], ignore_index=True)


def best_design(candidates: pd.DataFrame) -> pd.Series[Any]:
    """Choose among `smallest_architectures`: least P inside the law's fitted region or, if none is, least P."""
    inside = candidates[~candidates["outside_region"]]
    return (candidates if inside.empty else inside).iloc[0]


class _Target(DesignChoices):
    capacity: Annotated[float, Field(gt=0, allow_inf_nan=False)]
    N: Annotated[int, Field(ge=2, le=LARGEST)]
    K: Annotated[int, Field(ge=2, le=LARGEST)]
    T: Positive

    def refuse_impossible(self, law: Law) -> None:
        """Raise if no model at all could hold so much, or if the law cannot say so much."""
        LibrarySize(T=self.T, N=self.N, K=self.K)
        distinct = distinct_beginnings(self.N, self.K)
        if self.capacity > distinct:
            raise ValueError(
                f"capacity = {self.capacity:g}: no two sequences may share their first N-1 tokens, and N = {self.N}, "
                f"K = {self.K} have only K^(N-1) = {distinct} such beginnings"
            )
        if self.capacity > self.T:
            raise ValueError(f"capacity = {self.capacity:g}: the library has only T = {self.T} sequences")
        if self.token_bits is not None and "token_bits" not in law.components:
            raise ValueError(f"token_bits = {self.token_bits:g}: law {law.name!r} knows random tokens alone")
        if self.probability > law.evidence.surest:
            raise ValueError(
                f"probability = {self.probability:g}: the {law.evidence.neighbours} residuals around a prediction of "
                f"this law promise {_three_digits(law.evidence.surest):g} at most"
            )

    def reached(self, frame: pd.DataFrame, law: Law) -> NDArray[np.bool_]:
        """Whether each architecture reaches the capacity; draws, which take time, are asked only where C is enough."""
        reached = law.predict_frame(frame) >= _ENOUGH * self._least_predicted(self.probability)
        if reached.any():
            reached[reached] = self._promised(law.predictive_draws(frame[reached])) >= _ENOUGH * self.capacity
        return reached

    def refusal(self, widest: pd.DataFrame, law: Law) -> str:
        """Say what is promised to the widest architectures, of which none reaches the capacity."""
        draws, C = law.predictive_draws(widest), law.predict_frame(widest)
        promised = self._promised(draws) if self.probability < 0.5 else np.minimum(self._promised(draws), C)
        even, less = (_ENOUGH * self._least_predicted(probability) for probability in (0.5, 0))
        most = np.select([even <= C, less <= C], [law.evidence.surest, _LESS_THAN_EVEN], 0)
        share = np.maximum((draws >= _ENOUGH * self.capacity).sum(axis=0) - 1, 0) / (len(draws) - 1)
        return (
            f"capacity = {self.capacity:g}: with probability {self.probability:g} this law promises at most "
            f"{np.floor(promised.max()):.0f} sequences to N = {self.N}, K = {self.K}, T = {self.T}, with d up to "
            f"{MAX_D}, H up to {max(self.H)} and L up to {max(self.L)}; {self.capacity:g} with probability "
            f"{_three_digits(np.minimum(share, most).max()):g} at most"
        )

    def _promised(self, draws: Array) -> Array:
        """Capacity below which the draws of each architecture lie as seldom as is asked for."""
        return np.asarray(np.quantile(draws, 1 - self.probability, axis=0))

    def _least_predicted(self, probability: float) -> float:
        """C without which an architecture does not reach the capacity."""
        if probability >= 0.5:
            return self.capacity
        return min(self.capacity, _GUESSING * count_deviation(0.0, self.T, self.K))


def _three_digits(probability: float) -> float:
    """Round a probability down."""
    return float(np.floor(1000 * probability) / 1000)


def _smallest_d(candidates: pd.DataFrame, target: _Target, law: Law) -> NDArray[np.int64]:
    """Try every d of all candidates together; each reaches the capacity with the d that it has."""
    d = np.ones(len(candidates), np.int64)
    waiting = np.arange(len(candidates))
    while len(waiting):
        reached = target.reached(candidates.iloc[waiting].assign(d=d[waiting]), law)
        waiting = waiting[~reached]
        d[waiting] += 1
    return d
