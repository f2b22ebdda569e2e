"""Random tokens beside natural language (the paper's future work): cells, pairs, growth, and a law's errors."""

from __future__ import annotations

import warnings
from collections.abc import Sequence

import numpy as np
import pandas as pd

from ecmlib.chance import FULL
from ecmlib.contents import CONTENTS
from ecmlib.laws.fitting import FitWarning
from ecmlib.laws.points import ONE_BUDGET, SIZES, configurations, surviving
from ecmlib.laws.signal import SignalLaw
from ecmlib.reproduction.stats import Estimate, factors, if_determined, mean
from ecmlib.text_record import TextRecord, cannot_be_told_apart

GROWTH = ("d", "H", "N")  # with what the paper says that capacity grows or falls
_BITS_COLUMNS = {"": "reference_bits", "_ngram": "ngram_bits", "_K": None}  # that replace a law's log2 K
_RATIO_COLUMNS = {"C": "ratio", "bits_per_parameter": "ratio_bits"}
_CELL = ["content", *SIZES]
_MEANS = ["C", "reference_bits", "ngram_bits", "memorised", "memorised_net", "memorised_ngram", "bits_per_parameter"]


def compare(records: Sequence[TextRecord]) -> pd.DataFrame:
    """Return a row a cell: a content with its sizes; the mean over seeds and restarts that did not diverge.

    No rows while there are no records.

    Returns
    -------
    DataFrame
        ``content``, d, H, N, L, K, T, P, ``C`` (sequences beyond generalising), ``known`` (share of sequences predicted
        without having been seen), ``reference_bits`` and ``ngram_bits`` a token, ``memorised``, ``memorised_net`` and
        ``memorised_ngram`` bits, ``bits_per_parameter``; ``lost``, whether library and held-out counts cannot be told
        apart at 95 % (one-sided), and ``full``, whether 0.9 T are counted; ``runs``.
    """
    if not records:
        columns = dict.fromkeys([*_CELL, "P", *_MEANS, "known", "full", "lost", "runs"], float)
        return pd.DataFrame(columns=[*columns]).astype(columns | {"content": str, "full": bool, "lost": bool})
    frame = surviving(pd.concat([record.frame() for record in records], ignore_index=True))
    means = configurations(frame, _MEANS, ONE_BUDGET, by=["content"])
    counts = frame.groupby(_CELL)[["counted", "counted_held_out", "T"]].sum()
    told = pd.DataFrame(
        {
            "known": counts["counted_held_out"] / counts["T"],
            "full": counts["counted"] >= FULL * counts["T"],
            "lost": [cannot_be_told_apart(*row) for row in counts.to_numpy()],
        },
        counts.index,
    )
    cells = means.merge(told.reset_index(), on=_CELL).rename(columns={"restarts": "runs"})
    cells = cells[[*_CELL, "P", *_MEANS, *told, "runs"]]
    order = cells["content"].map(CONTENTS.index)
    return cells.assign(order=order).sort_values([*SIZES, "order"], ignore_index=True).drop(columns="order")


def paired(cells: pd.DataFrame) -> pd.DataFrame:
    """Put beside each cell the one of uniform tokens of equal sizes: ``C_uniform``, ``ratio`` (of C), ``ratio_bits``.

    Pairs of which either is lost or full are left out: they say nothing of capacity.
    """
    usable = usable_cells(cells)
    uniform = usable[usable["content"] == "uniform"].set_index(SIZES)[["C", "bits_per_parameter"]]
    both = usable[usable["content"] != "uniform"].join(uniform.add_suffix("_uniform"), on=SIZES, how="inner")
    ratio_bits = both["bits_per_parameter"] / both["bits_per_parameter_uniform"]
    return both.assign(ratio=both["C"] / both["C_uniform"], ratio_bits=ratio_bits)


def usable_cells(cells: pd.DataFrame) -> pd.DataFrame:
    """Leave out what is lost or full, which says nothing of capacity."""
    return cells[~cells["lost"] & ~cells["full"] & (cells["C"] > 0)]


def law_errors(cells: pd.DataFrame) -> pd.DataFrame:
    """Predict every content by a law of random tokens, fitted to this table's uniform cells alone.

    The law's log2 K, the bits that a token takes, is replaced by the reference's bits a token.

    Returns
    -------
    DataFrame
        The cells that are neither lost nor full, with ``predicted`` by the reference's bits, ``predicted_ngram`` by
        those of n-grams, ``predicted_K`` by log2 K as it is; and ``error``, ``error_ngram`` and ``error_K``, the
        logarithms of predicted over measured. No rows if too few uniform cells are there to fit a law.
    """
    usable = usable_cells(cells)
    uniform = usable[usable["content"] == "uniform"]
    if len(uniform) <= SignalLaw.n_free(uniform):
        return usable.iloc[:0].assign(**{f"{what}{of}": 0.0 for what in ("predicted", "error") for of in _BITS_COLUMNS})
    with warnings.catch_warnings(action="ignore", category=FitWarning):  # the data may have a single L
        law = SignalLaw.fit(uniform, "C", starts=8, bootstraps=0)
    for of, bits in _BITS_COLUMNS.items():
        of_random = np.log2(usable["K"])
        of_a_token = of_random if bits is None else np.minimum(usable[bits], of_random)
        predicted = np.maximum(law.predict_frame(usable.assign(token_bits=of_a_token)), 1e-3)
        usable = usable.assign(**{f"predicted{of}": predicted, f"error{of}": np.log(predicted / usable["C"])})
    return usable


def errors_by_content(errors: pd.DataFrame) -> pd.DataFrame:
    """Sum up `law_errors`: for each content its ``cells`` and the mean relative error, told each kind of bits."""
    rows = [
        {"content": content, "cells": len(of)}
        | {f"error{kind}": float(np.mean(np.abs(np.expm1(of[f"error{kind}"])))) for kind in _BITS_COLUMNS}
        for content in CONTENTS
        if len(of := errors[errors["content"] == content])
    ]
    return pd.DataFrame(rows)


def growth(cells: pd.DataFrame, errors: pd.DataFrame) -> dict[str, dict[str, Estimate | None]]:
    """Fit how capacity grows with d, H and N: as powers, with a factor for each L, K and T.

    Parameters
    ----------
    cells, errors : DataFrame
        What `compare` returns, and what `law_errors` returns for it.

    Returns
    -------
    dict
        For each size its exponents: ``uniform`` and ``text``; ``larger``, that of the ratio of C for text to C for
        uniform tokens of equal sizes; and ``predicted``, the same of the capacities that the law predicts, which
        says what of it is load alone: text is nearer to saturation. None where the cells do not determine one.
    """
    usable = usable_cells(cells)
    tables = {
        "uniform": usable[usable["content"] == "uniform"],
        "text": usable[usable["content"] == "text"],
        "larger": paired(cells).query("content == 'text'"),
        "predicted": paired(errors.assign(C=errors["predicted"])).query("content == 'text'"),
    }
    quantity = {"uniform": "C", "text": "C", "larger": "ratio", "predicted": "ratio"}
    return {size: {of: _exponent(rows, quantity[of], size) for of, rows in tables.items()} for size in GROWTH}


def by_content(cells: pd.DataFrame) -> pd.DataFrame:
    """Compare each content with uniform tokens of equal sizes.

    Returns
    -------
    DataFrame
        A row a content: ``pairs`` of cells (`paired`), and the geometric means of ``C`` and of ``bits_per_parameter``
        over those of uniform tokens, each with its 95 % t interval.
    """
    rows = []
    pairs = paired(cells)
    for content in CONTENTS[1:]:
        here = pairs[pairs["content"] == content]
        if len(here) > 1:
            ratios = {name: str(mean(np.log(here[column])).exp()) for name, column in _RATIO_COLUMNS.items()}
            rows.append({"content": content, "pairs": len(here)} | ratios)
    return pd.DataFrame(rows)


def power_of_bits(cells: pd.DataFrame, quantity: str) -> Estimate | None:
    """Fit a quantity as a power of the reference's bits, over all contents, with a factor for each set of sizes."""
    usable = usable_cells(cells)
    if usable.empty:
        return None
    terms = {"power": np.log(usable["reference_bits"])} | factors(usable, SIZES)
    fitted = if_determined(np.log(usable[quantity]), terms)
    return None if fitted is None else fitted["power"]


def _exponent(rows: pd.DataFrame, quantity: str, size: str) -> Estimate | None:
    """Fit powers of d, H and N, with a factor for each L, K and T; None where the rows do not determine them."""
    varied = [name for name in GROWTH if rows[name].nunique() > 1]
    if size not in varied:
        return None
    terms = {name: np.log(rows[name]) for name in varied} | factors(rows, ["L", "K", "T"])
    fitted = if_determined(np.log(rows[quantity]), terms)
    return None if fitted is None else fitted[size]
