"""The Hopfield network: how many patterns it holds, and how symmetry and missing weights matter (paper, section 2)."""

from __future__ import annotations

import itertools
import math
from typing import Annotated, NamedTuple, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import Field, model_validator

from ecmlib.validation import LARGEST, Parameters, Positive, Share, refuse_beyond_memory

Patterns = NDArray[np.int8]  # (count, n) of -1 and 1
Weights = NDArray[np.float64]  # (n, n)
_FLOAT = 8  # bytes

Nodes = Annotated[int, Field(ge=2, le=LARGEST)]
Cue = Annotated[float, Field(ge=0, le=1)]
Seed = Annotated[int, Field(ge=0, lt=2**32)]


class HopfieldChoices(Parameters):
    """What experiments on Hopfield networks may be asked for, checked before the first network.

    Parameters
    ----------
    n : list of int
        Nodes, at least 2.
    loads : list of float
        Patterns stored, over `storage_capacity`; at least one pattern is.
    kept : list of float
        Shares of connections left, above 0 and at most 1.
    cues : list of float
        Cue length over pattern length, 0 to 1.
    recalled : float
        Share of patterns that the minimum initial cue has to recall, above 0 and at most 1.
    trials : int
        Networks a point.
    seed : int
        Of patterns and cuts.
    """

    n: Annotated[list[Nodes], Field(min_length=1)]
    loads: Annotated[list[Annotated[float, Field(gt=0, allow_inf_nan=False)]], Field(min_length=1)]
    kept: Annotated[list[Share], Field(min_length=1)]
    cues: Annotated[list[Cue], Field(min_length=1)]
    recalled: Share
    trials: Positive
    seed: Seed

    @model_validator(mode="after")
    def _fit_into_memory(self) -> Self:
        for n, load in itertools.product(self.n, self.loads):
            stored = load * storage_capacity(n)
            # Weights, and patterns as numbers and as the fields that they cause.
            needed = _FLOAT * n * (n + 2 * stored)
            refuse_beyond_memory(needed, f"n = {n}, loads = {load:g}: a network")
        return self


def storage_capacity(n: float) -> float:
    """Patterns that n nodes hold: n / (2 ln n) (McEliece et al. 1987).

    As n grows, almost all of so many random patterns are fixed points; half as many may be stored if all are to be.

    Parameters
    ----------
    n : float
        Nodes, at least 2.
    """
    if n < 2:
        raise ValueError(f"n = {n}: input should be greater than or equal to 2")
    return n / (2 * math.log(n))


def symmetry(weights: Weights) -> float:
    """Krauth's degree of symmetry of a weight matrix, from -1 to 1 (paper, eq. 1)."""
    return float(np.sum(weights * weights.T) / np.sum(weights**2))


def hebbian_weights(patterns: Patterns) -> Weights:
    """Store patterns by Hebb's rule: the mean of their outer products, without self-connections."""
    wide = patterns.astype(float)
    weights: Weights = wide.T @ wide / patterns.shape[1]
    np.fill_diagonal(weights, 0)
    return weights


def diluted(weights: Weights, kept: float, generator: np.random.Generator, both_ways: bool = False) -> Weights:
    """Cut connections at random until a share ``kept`` is left: each direction by itself, or ``both_ways`` at once."""
    drawn = generator.random(weights.shape)
    if both_ways:
        drawn = np.triu(drawn) + np.triu(drawn, 1).T
    return np.asarray(np.where(drawn < kept, weights, 0.0))


def recall(weights: Weights, states: Patterns, steps: int = 50) -> Patterns:
    """Let states (count, n) change, all nodes at once, until they are fixed, or for ``steps``."""
    for _ in range(steps):
        fields = states @ weights.T
        following = np.where(fields == 0, states, np.sign(fields)).astype(np.int8)
        if np.array_equal(following, states):
            break
        states = following
    return states


def measure_storage(n: int, counts: list[int], trials: int = 10, seed: int = 0) -> pd.DataFrame:
    """Count the stored patterns that are fixed points.

    Parameters
    ----------
    n : int
        Nodes, at least 2.
    counts : list of int
        Numbers of random patterns stored, each at least 1.
    trials : int
        Networks a count.
    seed : int
        Of the patterns.

    Returns
    -------
    DataFrame
        ``n``, ``stored``, ``load`` (stored over n / (2 ln n)), ``trial`` and ``fixed``, the share of fixed points.
    """
    _Network(n=n, trials=trials)
    _check_counts(counts)
    generator = np.random.default_rng(seed)
    rows = []
    for stored in counts:
        for trial in range(trials):
            patterns = _random_patterns(stored, n, generator)
            fixed = (recall(hebbian_weights(patterns), patterns, steps=1) == patterns).all(axis=1)
            rows.append((n, stored, stored / storage_capacity(n), trial, float(fixed.mean())))
    return pd.DataFrame(rows, columns=["n", "stored", "load", "trial", "fixed"])


def measure_dilution(n: int, stored: int, shares: list[float], trials: int = 10, seed: int = 0) -> pd.DataFrame:
    """Cut connections at random and say how well the patterns are recalled from themselves.

    Each network is cut in two manners: each direction by itself, which costs symmetry too, and both ways at once, which
    costs as many connections but no symmetry.

    Returns
    -------
    DataFrame
        ``kept`` (share of connections), ``cut`` ("each way" or "both ways"), ``trial``, ``symmetry`` (eq. 1),
        ``overlap`` (mean of pattern times recalled state, 1 for a perfect recall).
    """
    generator = np.random.default_rng(seed)
    rows = []
    for kept in shares:
        _Network(n=n, trials=trials, kept=kept)
        for trial in range(trials):
            patterns = _random_patterns(stored, n, generator)
            for cut in ("each way", "both ways"):
                weights = diluted(hebbian_weights(patterns), kept, generator, both_ways=cut == "both ways")
                overlap = float((recall(weights, patterns) * patterns).mean())
                rows.append((kept, cut, trial, symmetry(weights), overlap))
    return pd.DataFrame(rows, columns=["kept", "cut", "trial", "symmetry", "overlap"])


def measure_cues(n: int, stored: int, cues: list[float], trials: int = 10, seed: int = 0) -> pd.DataFrame:
    """Give a share of each pattern as a cue, the other nodes at random, and count perfect recalls.

    The minimum initial cue (cue length over pattern length) is the smallest at which nearly all are recalled.

    Returns
    -------
    DataFrame
        ``cue``, ``trial``, ``recalled`` (share of patterns).
    """
    generator = np.random.default_rng(seed)
    rows = []
    for cue in cues:
        _Network(n=n, trials=trials, cue=cue)
        for trial in range(trials):
            patterns = _random_patterns(stored, n, generator)
            starts = np.where(np.arange(n) < round(cue * n), patterns, _random_patterns(stored, n, generator))
            recalled = (recall(hebbian_weights(patterns), starts.astype(np.int8)) == patterns).all(axis=1)
            rows.append((cue, trial, float(recalled.mean())))
    return pd.DataFrame(rows, columns=["cue", "trial", "recalled"])


def minimum_initial_cue(cues: pd.DataFrame, recalled: float = 0.95) -> float:
    """Return the smallest cue from which on at least a share ``recalled`` of patterns is recalled; NaN if none is."""
    enough = cues.groupby("cue")["recalled"].mean() >= recalled
    from_here_on = enough[::-1].cummin()[::-1]
    return float(from_here_on.index[from_here_on].min())


class ThoughtExperiment(NamedTuple):
    """The paper's comparison of a language model with a Hopfield network of as many nodes as it has parameters."""

    sequences: float  #: n / (2 ln n)
    trained_share: float  #: training tokens over the tokens of those sequences
    gigabytes: float  #: at two bits a parameter
    nodes_of_weights: float  #: of a network whose weights, n (n - 1) / 2, are as many as the parameters


def thought_experiment() -> ThoughtExperiment:
    """Do the arithmetic of the paper's section 2, with GPT-3's sizes as it quotes them."""
    n, tokens_per_sequence, training_tokens, bits_per_parameter = 175e9, 2048, 500e9, 2
    sequences = storage_capacity(n)
    return ThoughtExperiment(
        sequences,
        training_tokens / (sequences * tokens_per_sequence),
        gigabytes=n * bits_per_parameter / 8 / 1e9,
        nodes_of_weights=(1 + math.sqrt(1 + 8 * n)) / 2,
    )


class _Network(Parameters):
    n: Nodes
    trials: Positive = 1
    kept: Share = 1.0
    cue: Cue = 1.0


def _random_patterns(count: int, n: int, generator: np.random.Generator) -> Patterns:
    return generator.choice(np.array([-1, 1], dtype=np.int8), size=(count, n))


def _check_counts(counts: list[int]) -> None:
    if not counts or min(counts) < 1:
        raise ValueError(f"counts = {counts!r}: input should be a list of one count or more, each at least 1")
