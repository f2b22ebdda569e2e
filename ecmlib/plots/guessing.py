"""Figure of guessing: what untrained networks predict, against the binomial distribution."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from ecmlib.plots.style import COLORS, new_figure
from ecmlib.statistics import expected_guesses, guess_distribution


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
