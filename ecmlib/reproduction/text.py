"""Do conclusions drawn on random tokens hold for natural language? (the paper's future work)"""

from __future__ import annotations

import warnings
from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from ecmlib.chance import FULL
from ecmlib.contents import CONTENTS
from ecmlib.figures.style import new_panels, styled
from ecmlib.laws.fitting import FitWarning
from ecmlib.laws.points import SIZES, with_bits
from ecmlib.laws.signal import SignalLaw
from ecmlib.reproduction.stats import NOT_MEASURED, Estimate, Finding, Statement, least_squares, mean
from ecmlib.text_record import TextRecord, cannot_be_told_apart

GROWTH = ("d", "H", "N")  # with what the paper says that capacity grows or falls
MARGIN = 0.1  # by which bits a parameter may differ, relatively, and still be called the same
FEWEST = 4  # cells from which a law of uniform tokens is fitted: it has three parameters
_CELL = ["content", *SIZES]
_MEANS = [
    "P",
    "C",
    "reference_bits",
    "ngram_bits",
    "memorised",
    "memorised_net",
    "memorised_ngram",
    "bits_per_parameter",
]


def compare(records: Sequence[TextRecord]) -> pd.DataFrame:
    """Return a row a cell: a content with its sizes; the mean over seeds and restarts that did not diverge.

    Returns
    -------
    DataFrame
        ``content``, d, H, N, L, K, T, P, ``C`` (sequences beyond generalising), ``known`` (share of sequences predicted
        without having been seen), ``reference_bits`` and ``ngram_bits`` a token, ``memorised``, ``memorised_net`` and
        ``memorised_ngram`` bits, ``bits_per_parameter``; ``lost``, whether library and held-out counts cannot be told
        apart at 95 % (one-sided), and ``full``, whether 0.9 T are counted; ``runs``.
    """
    frame = pd.concat([record.frame() for record in records], ignore_index=True)
    alive = frame[frame["status"] != "diverged"]
    by_cell = alive.groupby(_CELL)
    counts = by_cell[["counted", "counted_held_out", "T"]].sum().set_axis(["counted", "held_out", "of"], axis="columns")
    cells = (
        by_cell[_MEANS]
        .mean()
        .assign(
            known=counts["held_out"] / counts["of"],
            full=counts["counted"] >= FULL * counts["of"],
            lost=[cannot_be_told_apart(*row) for row in counts.to_numpy()],
            runs=by_cell.size(),
        )
    )
    cells = cells.reset_index()
    order = cells["content"].map(CONTENTS.index)
    return cells.assign(order=order).sort_values([*SIZES, "order"], ignore_index=True).drop(columns="order")


def paired(cells: pd.DataFrame) -> pd.DataFrame:
    """Put beside each cell the one of uniform tokens of equal sizes: ``C_uniform``, ``ratio`` (of C), ``ratio_bits``.

    Pairs of which either is lost or full are left out: they say nothing of capacity.
    """
    usable = _usable(cells)
    uniform = usable[usable["content"] == "uniform"].set_index(SIZES)[["C", "bits_per_parameter"]]
    both = usable[usable["content"] != "uniform"].join(uniform.add_suffix("_uniform"), on=SIZES, how="inner")
    ratio_bits = both["bits_per_parameter"] / both["bits_per_parameter_uniform"]
    return both.assign(ratio=both["C"] / both["C_uniform"], ratio_bits=ratio_bits)


def law_errors(cells: pd.DataFrame) -> pd.DataFrame:
    """Predict every content by a law of random tokens, fitted to this table's uniform cells alone.

    The law's log2 K, the bits that a token takes, is replaced by the reference's bits a token.

    Returns
    -------
    DataFrame
        The cells that are neither lost nor full, with ``predicted`` by the reference's bits, ``predicted_ngram`` by
        those of n-grams, ``predicted_K`` by log2 K as it is; and ``error``, ``error_ngram`` and ``error_K``, the
        logarithms of predicted over measured. Empty if too few uniform cells are there to fit a law.
    """
    usable = _usable(cells)
    uniform = usable[usable["content"] == "uniform"]
    if len(uniform) < FEWEST:
        return usable.iloc[:0].assign(error=0.0)
    with warnings.catch_warnings(action="ignore", category=FitWarning):  # the data may have a single L
        law = SignalLaw.fit(uniform, "C", starts=8, bootstraps=0)
    bits = {"": usable["reference_bits"], "_ngram": usable["ngram_bits"], "_K": np.log2(usable["K"])}
    for name, of_a_token in bits.items():
        predicted = np.maximum(law.predict_frame(with_bits(usable, of_a_token)), 1e-3)
        usable = usable.assign(**{f"predicted{name}": predicted, f"error{name}": np.log(predicted / usable["C"])})
    return usable


def statements(cells: pd.DataFrame) -> dict[str, Statement | None]:
    """Judge "conclusions drawn on random tokens hold for text", statement by statement.

    Capacity in sequences grows with d, H or N as that for uniform tokens does if the exponent of their ratio can be 0;
    bits a parameter are the same if their ratio can be within a tenth of 1; the law holds if its mean error can be
    factor 1 and is no larger than twice that for uniform tokens; sequences follow the bits they need if C times the
    reference's bits can be constant over contents. "Can be" means: its 95 % t interval contains it.
    None stands for what is not measured yet.
    """
    text = paired(cells).query("content == 'text'")
    judged = {f"growth with {size}": _growth(cells, text, size) for size in GROWTH}
    judged["bits a parameter"] = _bits(text)
    judged["the law's error"] = _law(law_errors(cells))
    judged["sequences follow the bits they need"] = _following(cells)
    return judged


def judge(cells: pd.DataFrame) -> Finding:
    """Sum up `statements`: not measured as long as one of them is not."""
    judged = [statement for statement in statements(cells).values() if statement is not None]
    if len(judged) < len(statements(cells)):
        return NOT_MEASURED
    return Finding(judged, f"Judged by {len(cells)} cells of {int(cells['runs'].sum())} runs.")


def plot_text(cells: pd.DataFrame) -> Figure:
    """Draw what the contents have in common: capacity by bits a token, bits a parameter, and the law's predictions.

    Parameters
    ----------
    cells : DataFrame
        What `compare` returns. Lost and full cells are left out.
    """
    usable = _usable(cells)
    errors = law_errors(cells)
    figure, (capacity, bits, law) = new_panels(3, share_y=False, share_x=False)
    for content, color, marker in styled(CONTENTS):
        here = usable[usable["content"] == content]
        capacity.plot(here["reference_bits"], here["C"], marker, color=color, label=content)
        bits.plot(here["P"], here["bits_per_parameter"], marker, color=color)
        if len(errors):
            predicted = errors[errors["content"] == content]
            law.plot(predicted["C"], predicted["predicted"], marker, color=color)
    capacity.set(xlabel="reference's bits a token", ylabel="C, sequences", yscale="log")
    bits.set(xlabel="P, parameters", ylabel="memorised bits\na parameter", xscale="log", ylim=(0, None))
    law.set(xlabel="C, sequences", ylabel="predicted C", xscale="log", yscale="log")
    if len(errors):
        law.axline((1, 1), (10, 10), color="black", linewidth=0.8, linestyle="--")
    figure.legend(loc="outside upper center", ncols=len(CONTENTS), fontsize="small")
    return figure


def _usable(cells: pd.DataFrame) -> pd.DataFrame:
    """Leave out what is lost or full, which says nothing of capacity."""
    return cells[~cells["lost"] & ~cells["full"] & (cells["C"] > 0)]


def _growth(cells: pd.DataFrame, text: pd.DataFrame, size: str) -> Statement | None:
    """Compare exponents: of C for uniform tokens, and of the ratio of C for text to it."""
    alone = _usable(cells).query("content == 'uniform'")
    of_uniform, of_ratio = _exponent(alone, "C", size), _exponent(text, "ratio", size)
    if of_uniform is None or of_ratio is None or (of_ratio.contains(0) and of_ratio.contains(-of_uniform.value)):
        return None
    return Statement(
        f"Capacity grows with {size} as it does for uniform tokens: the exponents can be equal.",
        f"Capacity grows as {size} to the power {of_uniform.value:.2f} for uniform tokens; for text the exponent is "
        f"larger "
        "by {}.",
        of_ratio.contains(0),
        of_ratio,
    )


def _exponent(rows: pd.DataFrame, quantity: str, size: str) -> Estimate | None:
    """Fit powers of d, H and N, with a factor for each L, K and T; None where the rows do not determine them."""
    varied = [name for name in GROWTH if rows[name].nunique() > 1]
    if size not in varied:
        return None
    settings = rows[["L", "K", "T"]].astype(str).agg("/".join, axis=1)
    terms = {name: np.log(rows[name]) for name in varied} | {each: settings == each for each in settings.unique()}
    try:
        return least_squares(np.log(rows[quantity]), terms)[size]
    except ValueError:
        return None


def _bits(text: pd.DataFrame) -> Statement | None:
    if len(text) < 2:
        return None
    ratio = mean(np.log(text["ratio_bits"])).exp()
    return Statement(
        "A parameter holds as many bits of text as of uniform tokens: their ratio can be within a tenth of 1.",
        f"A parameter holds {{}} times as many bits of text as of uniform tokens ({len(text)} pairs).",
        ratio.low <= 1 + MARGIN and ratio.high >= 1 / (1 + MARGIN),
        ratio,
    )


def _law(errors: pd.DataFrame) -> Statement | None:
    text, uniform = (errors[errors["content"] == content] for content in ("text", "uniform"))
    if len(text) < 2:
        return None
    average = mean(text["error"])
    size, of_uniform, unchanged = (
        float(np.mean(np.abs(np.expm1(of)))) for of in (text["error"], uniform["error"], text["error_K"])
    )
    return Statement(
        "A law of uniform tokens that is told the reference's bits a token predicts text: on average its predictions "
        "can be "
        "right, and they err by no more than twice what they err for uniform tokens.",
        f"Told the reference's bits a token, a law of uniform tokens predicts {{}} times what is measured for text; "
        f"it errs by "
        f"{size:.0%}, where it errs by {of_uniform:.0%} for the tokens it was fitted to; told log2 K, by "
        f"{unchanged:.0%}.",
        average.contains(0) and size <= 2 * of_uniform,
        average.exp(),
    )


def _following(cells: pd.DataFrame) -> Statement | None:
    """Fit C as a power of the reference's bits, over all contents, with a factor for each set of sizes."""
    usable = _usable(cells)
    if usable.empty:
        return None
    sizes = usable[SIZES].astype(str).agg("/".join, axis=1)
    terms = {"power": np.log(usable["reference_bits"])} | {each: sizes == each for each in sizes.unique()}
    try:
        power = least_squares(np.log(usable["C"]), terms)["power"]
    except ValueError:
        return None
    if power.contains(0) and power.contains(-1):
        return None
    return Statement(
        "Capacity in bits is constant over contents: in sequences it goes as the bits of a sequence to a power that "
        "can be "
        "-1.",
        f"Capacity in sequences goes as the bits of a sequence to the power {{}} ({usable['content'].nunique()} "
        f"contents).",
        power.contains(-1),
        power,
    )
