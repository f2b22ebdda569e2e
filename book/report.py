"""What the book says in numbers: headlines computed from the committed records."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml
from IPython.display import Math
from numpy.typing import ArrayLike
from pages import percent
from scipy import integrate, stats

from ecmlib.architecture import HEAD_DIM
from ecmlib.chance import FULL
from ecmlib.laws.base import Law
from ecmlib.laws.comparison import CELLS
from ecmlib.laws.points import SIZES, configurations, scored
from ecmlib.laws.scores import relative_errors
from ecmlib.laws.signal import SignalLaw
from ecmlib.reproduction.bits import FLAT, FULL_WIDTH, at_largest_loads, by_width
from ecmlib.reproduction.designs import (
    OF_TEXT,
    OF_TEXT_AS_RANDOM,
    OF_TOKENS,
    SMALLER_OF,
    SPARE,
    drawn_designs,
)
from ecmlib.reproduction.stats import bootstrapped, least_squares
from ecmlib.reproduction.text_claims import statements

GRIDS = Path(__file__).parents[1] / "workflow" / "grids"
FLOOR = (  # of bits after rounding; to be filled with the widest width
    "That no bit is left at {} bits a weight and fewer is a floor: a rounded model is surer of wrong tokens than one "
    "that guesses, so that its bits can be none while its most likely token is still right."
)
LAW_PARAMETERS = {  # of our law: how the book writes each, and what it is
    "bits_ff": ("b_ff", "bits in a weight of the feed-forward block"),
    "bits_att": ("b_att", "bits in a free number of attention"),
    "bits_emb": ("b_emb", "bits in a trained number of the embeddings"),
    "lam": ("λ", "power of L with which layers add up"),
    "uneven": ("\N{GREEK SMALL LETTER SIGMA}", "standard deviation of the signal over tokens, in means"),
    "lacking": ("\N{SCRIPT SMALL L}", "share of the memory that 10,000 steps leave unused at N = 8"),
}


def scores(comparison: pd.DataFrame) -> pd.DataFrame:
    """Return a comparison of laws as a page shows it, its errors in per cent."""
    shown = comparison.drop(index=CELLS).dropna(axis=1, how="all").rename_axis("law").reset_index()
    shares = [name for name in shown if name not in ("law", "parameters", "AICc")]
    return shown.assign(**shown[shares].map(percent), AICc=shown["AICc"].round())


def law_in_numbers(law: SignalLaw) -> Math:
    """Write our law with the numbers that were fitted, for d up to K; C is in sequences, M and A are in bits."""
    return Math(
        rf"\begin{{aligned}} C &= T\, D_K(M / A) , \quad \sigma = {law.uneven:.2f} , \\"
        r"A &= T \bigl( (N-1) \log_2 K \\ &\qquad - \mathrm{E} \log_2 (1 + X) \bigr) , \\"
        rf"M &= t \bigl( L^{{{law.lam:.2f}}} M_1 \\ &\qquad + {law.bits_emb:.2f}\, e\, d\, (2 K + N) \bigr) , \\"
        rf"t &= 1 - {law.lacking:.3f} \sqrt{{70{{,}}000 / (S (N-1))}} , \\"
        rf"M_1 &= {law.bits_ff:.2f} \cdot 8 d\,(d - 1) \\"
        rf"&\qquad + {law.bits_att:.2f} \cdot 2 H r (2 d - 2 - r) \end{{aligned}}"
    )


def by_hand(law: SignalLaw, d: int, H: int, N: int, K: int, T: int) -> pd.DataFrame:
    """Compute a capacity step by step, as a reader would: one layer, 10,000 steps, frozen embeddings, d up to K, u < 1.

    Returns
    -------
    DataFrame
        ``quantity``, ``computed as`` and ``value``, a row a step; the last is C.
    """
    i, r = d - 1, min(d - 1, HEAD_DIM)
    weights, free = 8 * d * i, 2 * H * r * (2 * i - r)
    t = 1 - law.lacking * np.sqrt(70_000 / (10_000 * (N - 1)))
    M = t * (law.bits_ff * weights + law.bits_att * free)
    shared = stats.poisson((T - 1) / K).expect(lambda others: np.log2(1 + others))
    A = T * ((N - 1) * np.log2(K) - shared)
    u = M / A
    square = -2 * np.log(K) * np.log(1 - u)
    mean = np.sqrt(square / (1 + law.uneven**2))
    spread = np.sqrt(1 + law.uneven**2 * mean**2)
    p, _ = integrate.quad(lambda z: stats.norm.pdf(z) * stats.norm.cdf(mean + z * spread) ** (K - 1), -8, 8)
    rows = [
        ("weights of the feed-forward block that count", "8 d (d - 1)", weights),
        ("free numbers of attention", "2 H r (2 d - 2 - r), r = min(d - 1, 64)", free),
        ("t, share of the memory put to use", "1 - \N{SCRIPT SMALL L} √(7 / (N - 1))", t),
        (
            "M, bits stored",
            f"t ({law.bits_ff:.3f} \N{MIDDLE DOT} the first + {law.bits_att:.3f} \N{MIDDLE DOT} the second)",
            M,
        ),
        ("E log2(1 + X), bits", "X Poisson, of mean (T - 1) / K", shared),
        ("A, bits to be known", "T ((N - 1) log2 K - E log2(1 + X))", A),
        ("u, share stored", "M / A", u),
        ("s²", "-2 ln K ln(1 - u)", square),
        ("μ, mean signal", "s / √(1 + \N{GREEK SMALL LETTER SIGMA}²)", mean),
        ("p, chance of the right token", "the integral of the law", p),
        ("C, sequences", "T (p - 1/K) / (1 - 1/K)", T * (p - 1 / K) / (1 - 1 / K)),
    ]
    return pd.DataFrame(rows, columns=["quantity", "computed as", "value"], dtype=object)


def coverage_table(held: pd.DataFrame) -> pd.DataFrame:
    """Write `intervals_by_group`, or several of them in one, as a table of the book."""
    shares = {column: held[column].map(percent) for column in ("covered", "low", "high")}
    names = {"covered": "inside", "low": "at least", "high": "at most", "width": "upper / lower end"}
    return held.assign(**shares).reset_index().rename(columns=names)


def coverage_in_words(table: pd.DataFrame, least: float = 0.85, most: float = 0.95) -> str:
    """Say in which groups of `intervals_by_group` intervals hold too seldom or too often, and where that is sure."""
    counted = table.assign(held=(table["covered"] * table["runs"]).round().astype(int), runs=table["runs"].astype(int))
    together, groups = counted.loc[["all"]], counted.drop(index="all")
    off = groups[~groups["covered"].between(least, most)]
    sure = off[(off["high"] < least) | (off["low"] > most)]
    whole = f"intervals hold in {together['held'].item()} of {together['runs'].item()} runs"
    if off.empty:
        return f"{whole}, and in every group in {percent(least)} to {percent(most)} of them."
    counts = ", ".join(f"*{row.Index}* ({row.held} of {row.runs})" for row in off.itertuples())
    certain = f"only in {', '.join(sure.index)} is that sure" if len(sure) else "with so few runs that is sure of none"
    return f"{whole}. The share lies outside {percent(least)} to {percent(most)} in {counts}; {certain}."


def structure_in_words(errors: pd.DataFrame, clearly: float = 0.75) -> str:
    """Say on which rows of ``ours`` and ``with_process`` a Gaussian process errs clearly less than our law."""
    beats = errors[errors["with_process"] < clearly * errors["ours"]]
    columns = beats["ours"].map(percent), beats["with_process"].map(percent), beats["scored"].astype(int)
    named = [
        f"{name} ({alone} to {bent}, {n} configurations)"
        for name, alone, bent, n in zip(beats.index, *columns, strict=True)
    ]
    if not named:
        return "It nowhere takes a quarter of the error off: the law lacks no structure that a smooth function finds."
    return f"It takes a quarter of the error or more off in: {', '.join(named)}. There the law lacks structure."


def drawn(grid: str) -> int:
    """Return how many configurations a grid lists, whether they are measured or not."""
    return len(yaml.safe_load((GRIDS / f"{grid}.yaml").read_text(encoding="utf-8"))["configurations"])


def estimated(name: str, values: ArrayLike, statistic: Callable[..., Any] = np.median) -> dict[str, float]:
    """Estimate a statistic with its 95 % interval.

    Returns
    -------
    dict
        ``<name>``, ``<name>_low``, ``<name>_high`` and ``<name>_n``, the number of values.
    """
    value, low, high = bootstrapped(statistic, values)
    return {name: value, f"{name}_low": low, f"{name}_high": high, f"{name}_n": np.size(values)}


def errors(law: Law, frame: pd.DataFrame) -> np.ndarray:
    """Return the absolute relative error of a law at each configuration that is neither full nor lost in guessing."""
    return relative_errors(law, scored(frame, law.evidence.target).query("telling"))


def headlines(rows: pd.DataFrame) -> dict[str, float]:
    """Sum up a grid.

    Returns
    -------
    dict
        ``configurations``, ``restarts``, ``core_hours``; ``complete`` and ``unfinished``, the shares of configurations
        that memorised their whole library and of restarts that ended at ``max_steps``; ``paper_rule``, the median share
        of `C_plateau` that the paper's stopping rule finds where the library is not full; ``bits_per_parameter``, the
        largest of all.
    """
    best = configurations(rows, "C_plateau_raw")
    grown = rows[(rows["C_plateau"] > 1) & (rows["C_plateau_raw"] < FULL * rows["T"])]
    return {
        "configurations": len(best),
        "restarts": len(rows),
        "core_hours": rows["core_seconds"].sum() / 3600,
        "complete": float(best["complete"].mean()),
        "unfinished": float((rows["status"] == "max_steps").mean()),
        "paper_rule": float((grown["C_paper_rule"] / grown["C_plateau"]).median()),
        "bits_per_parameter": rows["bits_per_parameter"].max(),
    }


def spread_of_restarts(rows: pd.DataFrame) -> dict[str, float]:
    """Say how much restarts of one configuration differ, from configurations with five or more.

    Returns
    -------
    dict
        ``groups``, the number of those configurations; ``scatter``, the standard deviation by the mean of `C_plateau`,
        and ``best_of_five``, by which share the best of five restarts exceeds the mean, both the median over them.
    """
    groups = [capacities for _, capacities in rows.groupby([*SIZES, "precision"])["C_plateau"] if len(capacities) >= 5]
    return {
        "groups": len(groups),
        "scatter": float(np.median([capacities.std() / capacities.mean() for capacities in groups])),
        "best_of_five": float(np.median([capacities[:5].max() / capacities.mean() - 1 for capacities in groups])),
    }


def proven_designs(results: str | Path, grid: str = OF_TOKENS) -> pd.DataFrame:
    """Return what a page shows of the designs that were drawn for a grid, and of those that have been trained.

    Returns
    -------
    DataFrame
        ``capacity`` (the target), sizes, ``P``, predicted ``C`` with its interval, ``held``, ``reached``; of a
        text also ``share``, ``bits`` and K, of any size also K, T, head_dim and the ``probability`` to reach it, of the
        next smaller ones ``P_design`` in its place; no rows while none is drawn.
    """
    hits = drawn_designs(results, grid)
    of_any = ["capacity", *"NKTLH", "head_dim", "d", "P_design" if grid in SMALLER_OF else "probability"]
    asked = {
        OF_TOKENS: ["capacity", *"NLHd"],
        OF_TEXT: ["share", "capacity", *"NKLHd"],
        OF_TEXT_AS_RANDOM: ["share", "capacity", "bits", *"NKLHd"],
    }.get(grid, of_any)
    return hits if hits.empty else hits[[*asked, "P", "C", "C_low", "C_high", "held", "reached"]]


def text_in_words(cells: pd.DataFrame) -> str:
    """Say how many of the conclusions drawn on random tokens hold for text, and which do not."""
    judged = statements(cells)
    told = {name: said.holds for name, said in judged.items() if said is not None}
    if not told:
        return "Whether conclusions drawn on random tokens hold for text is not measured yet."
    unmet = [name for name, holds in told.items() if not holds]
    waiting = len(judged) - len(told)
    return (
        f"Of {len(told)} conclusions drawn on random tokens, {len(told) - len(unmet)} hold for text"
        + (f"; {len(unmet)} {'do' if len(unmet) > 1 else 'does'} not: {', '.join(unmet)}" if unmet else "")
        + (f"; {waiting} wait for measurements." if waiting else ".")
    )


def levelling_in_words(table: pd.DataFrame) -> str:
    """Say whether bits a parameter level off as more is offered, and at what (`ecmlib.reproduction.bits.levelling`)."""
    largest = at_largest_loads(table)
    if largest.empty:
        return "Whether bits a parameter level off is not measured yet."
    held, rise, level = largest["bits_per_parameter"], largest["rise"], largest["level"].astype(bool)
    two = sorted(largest.loc[level & (largest["loads"] == 2), "d"].astype(int))
    alone = f" (at d = {' and '.join(map(str, two))} that rests on two loads alone)" if two else ""
    return (
        f"At their largest loads, {_range(largest['load'], '.0f')} library bits a parameter, {len(largest)} models of "
        f"{_range(largest['P'], ',')} parameters hold {held.mean():.2f} bits a parameter ({_range(held, '.2f')}). That "
        f"is {rise.mean():.2f} times what they hold at the load before ({_range(rise, '.2f')}); "
        f"{level.sum()} of {len(largest)} have levelled off, that is, rise by less than {percent(FLAT - 1)}"
        f"{alone}.{_over_sizes(largest)}"
    )


def _over_sizes(largest: pd.DataFrame) -> str:
    """Say whether larger models hold more bits a parameter; nothing of fewer than three sizes."""
    if largest["P"].nunique() < 3:
        return ""
    sizes = {"one": np.ones(len(largest)), "doublings": np.log2(largest["P"])}
    slope = least_squares(largest["bits_per_parameter"], sizes)["doublings"]
    if slope.contains(0):
        return f" Whether that changes with P cannot be told: by {slope} bits a parameter for each doubling of P."
    return (
        f" Larger models hold {'more' if slope.value > 0 else 'less'}: {slope} bits a parameter for each doubling of P."
    )


def _range(values: pd.Series[Any], form: str) -> str:
    """Write the least and the largest value, or one where both read alike."""
    low, high = (format(value, form) for value in (values.min(), values.max()))
    return low if low == high else f"{low} to {high}"


def rounding_in_words(table: pd.DataFrame) -> str:
    """Say how many bits of weight a memorised bit needs, and at which width (`ecmlib.reproduction.bits.rounding`)."""
    widths = by_width(table)
    if widths.empty:
        return "How many bits of weight a memorised bit needs is not measured yet."
    best, bare = (widths.sort_values(name).iloc[0] for name in ("per_bit", "per_bit_bare"))
    sequences, bits = (
        ", ".join(f"{percent(row[name])} at {row['weight_bits']:.0f}" for _, row in widths.iterrows())
        for name in ("kept_count", "kept")
    )
    floor = widths.loc[widths["kept"] == 0, "weight_bits"].astype(int).tolist()
    return (
        f"Models that are offered more than they hold keep {sequences} bits a weight of their sequences, and "
        f"{bits} of their bits (medians of {best['models']:.0f}). "
        + (f"{FLOOR.format(max(floor))} " if floor else "")
        + f"A memorised bit needs the fewest bits of weight at {best['weight_bits']:.0f} bits a weight: "
        f"{best['per_bit']:.1f} ({best['per_bit_least']:.1f} to {best['per_bit_most']:.1f}), with the least and "
        f"largest number of each row and all vectors, which are kept at {FULL_WIDTH} bits a number; the rounded "
        f"weights alone take {bare['per_bit_bare']:.1f} ({bare['per_bit_bare_least']:.1f} to "
        f"{bare['per_bit_bare_most']:.1f}), at {bare['weight_bits']:.0f}."
    )


def hits_in_words(designs: pd.DataFrame, level: float = 0.9) -> str:
    """Say how many of the trained designs reached their target."""
    if designs.empty or designs["held"].isna().all():
        return "No design is trained yet."
    trained = designs[designs["held"].notna()]
    inside = trained["held"].between(trained["C_low"], trained["C_high"])
    return (
        f"{trained['reached'].sum():.0f} of {len(trained)} trained designs reached their target, and {inside.sum()} "
        f"ended inside their {percent(level)} interval; {len(designs)} were drawn. They memorised "
        f"{_median(trained['held'] / trained['capacity'])} times what was asked for; to be sure, the law had "
        f"aimed at {_median(trained['C'] / trained['capacity'])} times."
    )


def smaller_in_words(smaller: pd.DataFrame) -> str:
    """Say how many of the next smaller models of designs missed the target that their design was to reach."""
    trained = smaller.dropna(subset="held")
    if trained.empty:
        return "None of these is trained yet."
    reached = trained["reached"].astype(bool)
    more = (trained["P_design"] / trained["P"] - 1)[reached]
    too_many = " and ".join(f"{100 * share:.1f}\N{NO-BREAK SPACE}%" for share in sorted(more))
    least = (
        f"Any model between one of these and its design has {percent(1 / SPARE)} of its parameters or more, so that "
        f"these designs have at most {percent(SPARE - 1)} more than the least that reaches their targets, by one "
        "run each. "
    )
    return (
        f"{(~reached).sum()} of {len(trained)} smaller models missed the target. "
        + least * (not reached.all())
        + f"{reached.sum()} reached it, with designs of at least {too_many} too many. " * bool(too_many)
        + f"The smaller ones memorised {_median(trained['held'] / trained['capacity'])} times what was asked for."
    )


def _median(ratios: pd.Series[float]) -> str:
    return f"{ratios.median():.2f} ({_range(ratios, '.2f')}; median)"
