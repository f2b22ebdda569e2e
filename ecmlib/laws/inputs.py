"""What a law asks of a frame: columns of sizes and of components, as numbers in their ranges."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ecmlib.architecture import FEED_FORWARD_WIDTH, HEAD_DIM
from ecmlib.laws.points import COMPONENTS, numbers
from ecmlib.library import LibrarySize

USUAL_STEPS = 10_000  # of training, for a law that asks how many
OPTIONAL = (*COMPONENTS, "max_steps", "token_bits")  # columns that a law may know besides sizes
_LEAST = {"d": 1, "H": 1, "N": 2, "L": 1, "K": 2, "T": 1, "head_dim": 1, "ff_mult": 0, "max_steps": 1, "token_bits": 1}
_KINDS = {"ff": ("train", "identity"), "embeddings": ("frozen", "trained")}


def checked_sizes(frame: pd.DataFrame, names: Sequence[str]) -> dict[str, NDArray[np.float64]]:
    """Return columns of sizes as numbers.

    Raises
    ------
    ValueError
        If a column is missing, if a size is out of range, or if N and K do not give T sequences.
    """
    missing = [name for name in names if name not in frame]
    if missing:
        raise ValueError(f"the frame lacks the column {', '.join(missing)}: a law needs {', '.join(names)}")
    sizes = {name: _in_range(name, numbers(name, frame[name])) for name in names}
    if {"N", "K", "T"} <= set(names):
        _refuse_impossible_libraries(sizes["N"], sizes["K"], sizes["T"])
    return sizes


def checked_components(frame: pd.DataFrame, known: Collection[str]) -> dict[str, NDArray[np.float64]]:
    """Return what a law knows of `COMPONENTS`, and of ``max_steps`` and ``token_bits``, as numbers.

    No feed-forward is a ``ff_mult`` of 0, trained embeddings are 1 and frozen ones 0; a token takes log2 K bits where
    the frame does not say otherwise.

    Raises
    ------
    ValueError
        If a column holds what is out of range or, where the law does not know it, anything but the usual value; the
        message names it.
    """
    for name, allowed in _KINDS.items():
        if name in frame and len(other := frame.loc[~frame[name].isin(allowed), name]):
            raise ValueError(f"{name} = {other.iloc[0]}: input should be {' or '.join(map(repr, allowed))}")
    for name, usual in COMPONENTS.items():
        if name in frame and name not in known and len(other := frame.loc[frame[name] != usual, name]):
            raise ValueError(f"{name} = {other.iloc[0]}: this law knows {name} = {usual} alone")
    usual_numbers = {"head_dim": HEAD_DIM, "ff_mult": FEED_FORWARD_WIDTH, "max_steps": USUAL_STEPS}
    values = {
        name: _in_range(name, np.broadcast_to(numbers(name, frame.get(name, usual)), len(frame)))
        for name, usual in usual_numbers.items()
        if name in known
    }
    if "token_bits" in known:
        most = np.log2(numbers("K", frame["K"]))
        given = _in_range("token_bits", numbers("token_bits", frame.get("token_bits", most)))
        if len(wrong := np.flatnonzero(given > most + 1e-9)):
            K, bits = frame["K"].iloc[wrong[0]], given[wrong[0]]
            raise ValueError(f"token_bits = {bits:g}: a token of K = {K:g} takes at most log2 K = {most[wrong[0]]:g}")
        values["token_bits"] = given
    if "embeddings" in known:
        values["embeddings"] = np.broadcast_to(np.asarray(frame.get("embeddings", "") == "trained", float), len(frame))
    if "ff" in known and "ff" in frame:
        values["ff_mult"] = np.where(frame["ff"] == "identity", 0.0, values["ff_mult"])
    return values


def _in_range(name: str, values: NDArray[np.float64]) -> NDArray[np.float64]:
    wrong = values[~(values >= _LEAST[name]) | np.isinf(values)]
    if len(wrong):
        allowed = "a finite number" if np.isinf(wrong[0]) else f"greater than or equal to {_LEAST[name]}"
        raise ValueError(f"{name} = {wrong[0]:g}: input should be {allowed}")
    return values


def _refuse_impossible_libraries(N: NDArray[np.float64], K: NDArray[np.float64], T: NDArray[np.float64]) -> None:
    with np.errstate(over="ignore"):
        impossible = np.flatnonzero(T > K ** (N - 1))
    if len(impossible):
        LibrarySize(**{name: int(values[impossible[0]]) for name, values in (("T", T), ("N", N), ("K", K))})
