"""Other groups' numbers: what a law fitted to our records alone says of what other groups have published."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from ecmlib.chance import FULL
from ecmlib.figures.style import new_figure, styled
from ecmlib.files import named_folder
from ecmlib.laws.detection import detected
from ecmlib.laws.fitting import Array
from ecmlib.laws.points import configurations
from ecmlib.laws.signal import SignalLaw, in_layer
from ecmlib.reproduction.stats import Estimate, bootstrapped

PAPER_AT_TWO_MILLION = {2: 1600, 4: 3300}  # sequences by heads, as the paper says (its Fig. 11); T = 16000, N = 32
MORRIS = {"least": 2.86, "most": 4.23, "mean in bfloat16": 3.51}  # bits a parameter (Morris et al. 2025)
MORRIS_SIZES = (2048, 64)  # vocabulary, and tokens a sequence
MORRIS_POINT = (6.67e5, 2.29e6)  # their worked example: parameters, and bits memorised of 2.88e6
DANA_STEPS = 4096  # 64 epochs of 64 batches, taken for steps of ours with N = 8
DANA = ("attention only, d = head_dim", "attention only, shared compressions", "with an MLP")


def dana(folder: str | Path) -> pd.DataFrame:
    """Read the accuracies of Dana et al. (2025) from ``dana2025.csv``, with the ``kind`` of each row (`DANA`)."""
    table = pd.read_csv(named_folder(folder, "external") / "dana2025.csv")
    kind = np.where(table["ff_width"] > 0, DANA[2], np.where(table["d"] == table["head_dim"], DANA[0], DANA[1]))
    return table.assign(kind=kind)


def shared_numbers(d: Array, H: Array, head_dim: Array) -> Array:
    """Numbers that attention is free to choose where all heads share a matrix before and one after them.

    Each head has two r x r matrices, r = min(d, head_dim), and the shared ones choose an r-dimensional part of what
    comes in and of what goes out: 2 r (d - r) numbers. At d = head_dim that is what heads of their own have.
    """
    rank = np.minimum(d, head_dim)
    return np.asarray(2 * rank * (H * rank + d - rank))


def predict_dana(law: SignalLaw, table: pd.DataFrame, embeddings: bool = False) -> pd.DataFrame:
    """Predict accuracies: the library asks for the last of three tokens alone, K^2 log2 K bits; guesses count.

    Their steps are taken for ours at N = 8.

    Parameters
    ----------
    law : SignalLaw
    table : DataFrame
        As `dana` returns it.
    embeddings : bool
        Whether what the law gives to trained embeddings counts: d (2 K + 2) numbers. It was fitted to such embeddings
        beside feed-forward blocks.

    Returns
    -------
    DataFrame
        ``table`` with ``load`` (those bits over the stored ones), ``predicted``, ``ratio`` of that to the accuracy, and
        ``full``: accuracies of 0.9 or more, where no law can be far off.
    """
    d, H, head_dim, width, K = (table[name].to_numpy(float) for name in ("d", "H", "head_dim", "ff_width", "K"))
    in_model = law.bits_att * shared_numbers(d, H, head_dim) + law.bits_ff * 2 * d * width
    stored = (in_model + embeddings * law.bits_emb * d * (2 * K + 2)) * law.trained(DANA_STEPS)
    asked = K**2 * np.log2(K)
    predicted = detected(stored / asked, K, law.uneven) * (1 - 1 / K) + 1 / K
    accuracy = table["accuracy"].to_numpy(float)
    return table.assign(load=asked / stored, predicted=predicted, ratio=predicted / accuracy, full=accuracy >= FULL)


def agreement(predicted: pd.DataFrame, by: str = "kind") -> pd.DataFrame:
    """Sum up predictions where they can be wrong.

    Returns
    -------
    DataFrame
        A row a value of ``by``: ``full``, rows that are full and count no further, and ``right_full``, those that are
        predicted to be; of the ``n`` others the median ``ratio`` of predicted to published and the median ``error``
        ``|ratio - 1|``, each with the ends of its 95 % interval (rows resampled) where there are three rows or more.
    """
    rows = []
    for name, group in predicted.groupby(by, sort=False):
        open_ = group[~group["full"]]
        ratio, error = _median(open_["ratio"]), _median(np.abs(open_["ratio"] - 1))
        rows.append(
            {by: name, "n": len(open_), "full": int(group["full"].sum())}
            | {"right_full": int((group["full"] & (group["predicted"] >= FULL)).sum())}
            | {"ratio": ratio.value, "ratio_low": ratio.low, "ratio_high": ratio.high}
            | {"error": error.value, "error_low": error.low, "error_high": error.high}
        )
    return pd.DataFrame(rows)


def beside_copies(published: pd.DataFrame, copies: pd.DataFrame) -> pd.DataFrame:
    """Put small copies of Dana et al.'s models, trained with our block and protocol, beside what they publish.

    Parameters
    ----------
    published : DataFrame
        What `dana` returns.
    copies : DataFrame
        Rows of `ecmlib.load_results` of the grid ``dana``: every context once, attention alone, loss on the last token.

    Returns
    -------
    DataFrame
        A row a copy: d, H, ``embeddings``, ``accuracy`` (theirs), ``copy`` (ours, guesses included) and its ``ratio``.
    """
    columns = ["d", "H", "embeddings", "accuracy", "copy", "ratio"]
    if copies.empty:
        return pd.DataFrame(columns=columns)
    theirs = published.loc[published["kind"] == DANA[0], ["d", "H", "K", "accuracy"]]
    ours = configurations(copies, "C_raw", SignalLaw.same)
    table = ours.merge(theirs, on=["d", "H", "K"], validate="many_to_one")
    table = table.assign(copy=table["C_raw"] / table["T"])
    table = table.assign(ratio=table["copy"] / table["accuracy"])
    table = table.sort_values(["embeddings", "d", "H"], ascending=[False, True, True], ignore_index=True)
    return pd.DataFrame(table, columns=columns)


def at_two_million(law: SignalLaw, measured: pd.DataFrame) -> pd.DataFrame:
    """Put the law beside the paper's sentence on 2 million parameters, and beside what our runs of those sizes hold.

    Parameters
    ----------
    law : SignalLaw
    measured : DataFrame
        Rows of `ecmlib.load_results` of the grid ``two-million``.

    Returns
    -------
    DataFrame
        A row a configuration: d, H, N, P, ``published``, ``predicted``, ``C`` (mean of the restarts).

    Raises
    ------
    ValueError
        If nothing is measured, or models of other numbers of heads than the paper's.
    """
    heads = [] if measured.empty else sorted(set(measured["H"]))
    if not heads or not set(heads) <= set(PAPER_AT_TWO_MILLION):
        raise ValueError(f"two_million: holds H = {heads}; the paper speaks of H = {sorted(PAPER_AT_TWO_MILLION)}")
    table = configurations(measured, "C")
    published = [PAPER_AT_TWO_MILLION[int(H)] for H in table["H"]]
    table = table.assign(published=published, predicted=law.predict_frame(table))
    return table[["d", "H", "N", "P", "published", "predicted", "C"]]


def stored_per_parameter(law: SignalLaw, d: Sequence[int], L: Sequence[int]) -> pd.DataFrame:
    """Say how many bits a parameter the law finds in GPT-2 models of Morris et al., trained without end.

    Heads are d / 64, at least one, as in GPT-2. P counts what they count: one matrix of 2048 embeddings, used twice,
    64 positions, and blocks with biases and norms.

    Returns
    -------
    DataFrame
        d, L, P, ``bits_per_parameter``, and ``of_blocks``, what the blocks store over their parameters alone.
    """
    V, S = MORRIS_SIZES
    rows = []
    for width in d:
        for layers in L:
            H = max(1, width // 64)
            blocks = layers * (12 * width**2 + 13 * width)
            P = blocks + (V + S) * width + 2 * width
            values = {"d": width, "H": H, "N": S, "K": V}
            sizes = {name: np.array(value) for name, value in values.items()}
            of_blocks = float(in_layer(law.bits_ff, law.bits_att, sizes)) * layers**law.lam
            stored = of_blocks + law.bits_emb * (V + S) * width
            rows.append(
                {"d": width, "L": layers, "P": P, "bits_per_parameter": stored / P, "of_blocks": of_blocks / blocks}
            )
    return pd.DataFrame(rows)


def plot_external(predicted: pd.DataFrame) -> Figure:
    """Draw predicted over published accuracies, a colour a kind of model; on the line they agree, grey is 15 % off."""
    figure, axes = new_figure(height=3.8)
    ends = np.array([predicted["accuracy"].min() * 0.8, 1.0])
    axes.fill_between(ends, ends * 0.85, ends * 1.15, color="gray", alpha=0.2, linewidth=0)
    axes.plot(ends, ends, color="gray", linewidth=1)
    for (kind, rows), color, marker in styled(predicted.groupby("kind", sort=False)):
        axes.plot(rows["accuracy"], rows["predicted"], marker, color=color, label=kind, markersize=5, linestyle="none")
    axes.set(
        xscale="log", yscale="log", xlabel="accuracy, published by Dana et al.", ylabel="accuracy, predicted by our law"
    )
    axes.legend(fontsize="small")
    return figure


def _median(values: pd.Series) -> Estimate:
    if len(values) < 3:
        return Estimate(float(values.median()), np.nan, np.nan)
    return bootstrapped(np.median, values)
