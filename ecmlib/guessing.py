"""What a network that has learnt nothing gets right."""

from __future__ import annotations

import numpy as np
import pandas as pd

from ecmlib.architecture import Architecture
from ecmlib.capacity import count_memorised
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
