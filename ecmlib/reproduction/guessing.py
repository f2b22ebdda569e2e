"""What a network that has learnt nothing gets right."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from ecmlib.architecture import Architecture
from ecmlib.capacity import count_memorised
from ecmlib.chance import expected_guesses, guess_distribution
from ecmlib.figures.style import COLORS, new_figure
from ecmlib.library import random_library


def count_guesses(architecture: Architecture, T: int, trials: int, seed: int = 0) -> pd.DataFrame:
    """Count what untrained networks predict: each trial has new weights and a new library.

    Parameters
    ----------
    architecture : Architecture
        What is built; nothing is trained.
    T : int
        Library size in sequences.
    trials : int
        Number of networks, each with a library of its own.
    seed : int
        Seeds weights and libraries.

    Returns
    -------
    DataFrame
        Columns ``trial`` and ``guessed``, the number of last tokens predicted of T.

    Raises
    ------
    ValueError
        If T sequences cannot differ in their first N - 1 tokens.
    """
    seeds = np.random.SeedSequence(seed).generate_state(2 * trials).reshape(trials, 2).tolist()
    guessed = [
        count_memorised(
            architecture.build(weights), random_library(T, architecture.N, architecture.K, tokens)
        ).last_count
        for weights, tokens in seeds
    ]
    return pd.DataFrame({"trial": range(trials), "guessed": guessed})


def plot_guesses(counts: pd.DataFrame, T: int, K: int) -> Figure:
    """Draw how often untrained networks guess g of T last tokens, and Binomial(T, 1/K) (paper, eq. 7).

    Parameters
    ----------
    counts : DataFrame
        Column ``guessed``, a row a network.
    T, K : int
        Library size and vocabulary size.
    """
    measured, drawn = COLORS[:2]
    guessed = counts["guessed"]
    g = np.arange(guessed.min() - 2, guessed.max() + 3)
    figure, axes = new_figure()
    shares = guessed.value_counts(normalize=True)
    axes.bar(shares.index, shares, color=measured, width=0.9, label=f"{len(counts)} untrained networks")
    axes.plot(g, guess_distribution(T, K).pmf(g), "o-", color=drawn, markersize=4, label="Binomial(T, 1/K)")
    axes.axvline(expected_guesses(T, K), color="black", linestyle="--", linewidth=1, label="expected, T/K")
    axes.set(xlabel="g, last tokens guessed", ylabel="share of networks", title=f"K={K}, T={T}")
    axes.legend(title=None, fontsize="small")
    return figure
