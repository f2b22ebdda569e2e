"""Other groups' numbers: what a law fitted to our records alone says of what other groups have published."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from ecmlib.chance import FULL
from ecmlib.files import named_folder
from ecmlib.laws.detection import detected
from ecmlib.laws.fitting import Array
from ecmlib.laws.points import SIZES, configurations
from ecmlib.laws.signal import SignalLaw, in_layer
from ecmlib.reproduction.stats import Estimate, bootstrapped

MORRIS_SIZES = (2048, 64)  # vocabulary, and tokens a sequence (Morris et al. 2025)
MORRIS_D, MORRIS_L = (32, 64, 128, 256, 512), (1, 2, 4, 8)  # between which their models lie
DANA_EPOCHS = 64
DANA_BATCH, DANA_SAMPLES = (256, 1_024), (16_384, 262_144)  # in experiments without an MLP, and in those with one
OUR_BATCH = 512
BANDS = (0.0, 0.1, 0.5, 1.0)  # ends of accuracies that are summed up together
DANA = ("attention only, d = head_dim", "attention only, shared compressions", "with an MLP")


def dana(folder: str | Path) -> pd.DataFrame:
    """Read the accuracies of Dana et al. (2025) from ``dana2025.csv``.

    Returns
    -------
    DataFrame
        With the ``kind`` of each row (`DANA`), the contexts in a ``batch``, each with one token to be learnt, and the
        ``steps``. Both are the experiment's: one with an MLP begins with a model that has none, trained as the others.
    """
    table = pd.read_csv(named_folder(folder, "external") / "dana2025.csv")
    kind = np.where(table["ff_width"] > 0, DANA[2], np.where(table["d"] == table["head_dim"], DANA[0], DANA[1]))
    with_mlp = table["experiment"].str.endswith("mlp").astype(int)
    batch, samples = np.take(DANA_BATCH, with_mlp), np.take(DANA_SAMPLES, with_mlp)
    return table.assign(kind=kind, batch=batch, steps=DANA_EPOCHS * samples // batch)


def steps_by_tokens(table: pd.DataFrame) -> pd.DataFrame:
    """Replace the steps of Dana et al. by as many of ours, with N = 8, as train the same number of tokens."""
    return table.assign(steps=table["steps"] * table["batch"] / (OUR_BATCH * 7))


def statements(folder: str | Path) -> pd.DataFrame:
    """Read what others say in single numbers from ``statements.csv``, each with its source, by their names."""
    return pd.read_csv(named_folder(folder, "external") / "statements.csv", index_col="name")


def shared_numbers(d: Array, H: Array, head_dim: Array) -> Array:
    """Numbers that attention is free to choose where all heads share a matrix before and one after them.

    Each head has two r x r matrices, r = min(d, head_dim), and the shared ones choose an r-dimensional part of what
    comes in and of what goes out: 2 r (d - r) numbers. At d = head_dim that is what heads of their own have.
    """
    rank = np.minimum(d, head_dim)
    return np.asarray(2 * rank * (H * rank + d - rank))


def predict_dana(law: SignalLaw, table: pd.DataFrame, embeddings: bool = False) -> pd.DataFrame:
    """Predict accuracies: the library asks for the last of three tokens alone, K^2 log2 K bits; guesses count.

    All d dimensions count, where the law takes d - 1 of ours: their models have no norm that takes the mean away.

    Parameters
    ----------
    law : SignalLaw
    table : DataFrame
        As `dana` returns it. Each of its ``steps`` is taken for one of ours with N = 8.
    embeddings : bool
        Whether what the law gives to trained embeddings counts: d (2 K + 2) numbers. It was fitted to such embeddings
        beside feed-forward blocks.

    Returns
    -------
    DataFrame
        ``table`` with ``asked_over_stored`` (bits), ``predicted``, ``ratio`` of that to the accuracy, and
        ``full``: accuracies of 0.9 or more, where no law can be far off.
    """
    d, H, head_dim, width, K = (table[name].to_numpy(float) for name in ("d", "H", "head_dim", "ff_width", "K"))
    in_model = law.bits_att * shared_numbers(d, H, head_dim) + law.bits_ff * 2 * d * width
    trained = table["steps"].map(law.trained).to_numpy()
    stored = (in_model + embeddings * law.bits_emb * d * (2 * K + 2)) * trained
    asked = K**2 * np.log2(K)
    predicted = detected(stored / asked, K, law.uneven) * (1 - 1 / K) + 1 / K
    accuracy = table["accuracy"].to_numpy(float)
    ratios = {"asked_over_stored": asked / stored, "ratio": predicted / accuracy}
    return table.assign(**ratios, predicted=predicted, full=accuracy >= FULL)


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


def by_accuracy(predicted: pd.DataFrame) -> pd.DataFrame:
    """Sum up predictions as `agreement` does, by how much of the contexts was published to be known (``accuracy``)."""
    words = [f"{low} to {high}" for low, high in itertools.pairwise(BANDS)]
    return agreement(predicted.assign(accuracy=pd.cut(predicted["accuracy"], BANDS, labels=words)), "accuracy")


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


def at_two_million(law: SignalLaw, measured: pd.DataFrame, said: pd.DataFrame) -> pd.DataFrame:
    """Put the law beside the paper's sentence on 2 million parameters, and beside what our runs of those sizes hold.

    Parameters
    ----------
    law : SignalLaw
    measured : DataFrame
        Rows of `ecmlib.load_results` of the grid ``two-million``.
    said : DataFrame
        What `statements` returns.

    Returns
    -------
    DataFrame
        A row a configuration: its sizes, P and steps, ``published``, ``predicted``, ``C`` (mean of the restarts).

    Raises
    ------
    ValueError
        If nothing is measured, or models of other numbers of heads than the paper's.
    """
    papers = said[said["quantity"] == "sequences"].set_index("H")["value"]
    heads = [] if measured.empty else sorted(set(measured["H"]))
    if not heads or not set(heads) <= set(papers.index):
        raise ValueError(f"measured: holds H = {heads}; the paper speaks of H = {sorted(papers.index.astype(int))}")
    table = configurations(measured, "C")
    table = table.assign(published=table["H"].map(papers), predicted=law.predict_frame(table))
    kept = [*SIZES, *(["max_steps"] if "max_steps" in table else []), "P", "published", "predicted", "C"]
    return table[kept]


def stored_per_parameter(law: SignalLaw, d: Sequence[int] = MORRIS_D, L: Sequence[int] = MORRIS_L) -> pd.DataFrame:
    """Say how many bits a parameter the law finds in GPT-2 models of Morris et al., trained without end.

    Heads are d / 64, at least one, as in GPT-2. P counts what they count: one matrix of 2048 embeddings, used twice,
    64 positions, and blocks with biases and norms.

    Returns
    -------
    DataFrame
        d, H, L, P, ``bits_per_parameter``, and ``of_blocks``, what the blocks store over their parameters alone.
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
            shape = {"d": width, "H": H, "L": layers, "P": P}
            rows.append(shape | {"bits_per_parameter": stored / P, "of_blocks": of_blocks / blocks})
    return pd.DataFrame(rows)


def like_worked_example(sizes: pd.DataFrame, said: pd.DataFrame) -> pd.Series[float]:
    """Return the row of `stored_per_parameter` with as many parameters as the worked example of Morris et al."""
    return sizes.iloc[int(np.argmin(np.abs(sizes["P"].to_numpy() - said["P"]["Morris point"])))]


def _median(values: pd.Series) -> Estimate:
    if len(values) < 3:
        return Estimate(float(values.median()), np.nan, np.nan)
    return bootstrapped(np.median, values)
