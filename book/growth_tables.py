"""What the chapter on training shows of growth over budgets: tables of forms and limits, and what is said of them."""

from __future__ import annotations

from typing import Any

import pandas as pd
from pages import percent

from ecmlib.laws.points import SIZES
from ecmlib.reproduction.budget import largest_limits, protocol_name, with_load
from ecmlib.reproduction.limits import CURVE, FORMS, PROTOCOL
from ecmlib.reproduction.stats import Estimate

_QUANTITIES = {"bits": "bits", "C": "sequences"}


def side_by_side(fitted: pd.DataFrame, what: str, quantity: str = "bits") -> pd.DataFrame:
    """Set the forms of growth beside each other: a row a curve of `ecmlib.reproduction.limits.limits`.

    Parameters
    ----------
    fitted : DataFrame
    what : {"told", "limit"}
        What each form told of the longest budget before it had seen it, as a share of what is held there; or its limit
        with its interval, if one is known.
    quantity : {"bits", "C"}

    Returns
    -------
    DataFrame
        Sizes and protocol; the ``longest`` budget and what is ``held`` there; ``what`` by each form's first word; and,
        of limits, whether both ``agreed``.
    """
    rows = fitted[fitted["quantity"] == quantity]
    told = (rows["told"] / rows["held"]).map("{:.2f}".format).replace("nan", "no fit")
    rows = rows.assign(limit=_written(rows), told=told)
    wide = rows.pivot(index=[*CURVE, "longest", "held", "agreed"], columns="form", values=what)
    forms = [form for form in FORMS if what == "told" or FORMS[form].has_limit]
    shown = wide[forms].set_axis([form.split()[0] for form in forms], axis=1).reset_index().drop(columns="P")
    agreed = shown.pop("agreed")
    return _short(shown if what == "told" else shown.assign(agreed=agreed))


def known_limits(limited: pd.DataFrame, budgets: pd.DataFrame) -> pd.DataFrame:
    """Set known limits of bits and of sequences beside each other: a row a curve that has either.

    Parameters
    ----------
    limited, budgets : DataFrame
        What `ecmlib.reproduction.limits.of_best_form` and `ecmlib.reproduction.budget.compare` return.
    """
    rows = with_load(limited.assign(limit=_written(limited))[limited["known"]], budgets)
    wide = rows.pivot(index=[*CURVE, "load"], columns="quantity", values=["limit", "reached", "steps_90"])
    asked = [(what, quantity) for quantity in ("bits", "C") for what in ("limit", "reached", "steps_90")]
    shown = wide.reindex(columns=asked).set_axis([f"{quantity}: {what}" for what, quantity in asked], axis=1)
    return _short(shown.reset_index())


def rules_beside_limits(found: pd.DataFrame, limited: pd.DataFrame) -> pd.DataFrame:
    """Add to what two rules find (`ecmlib.reproduction.budget.shares`) its shares of the largest known limit.

    The limit's interval gives each share its ends, in columns that end in "low" and "high". A limit whose upper end is
    less than what some protocol holds is that of its protocol, not of the architecture, and not known here.
    """
    largest = largest_limits(limited, "C").merge(found[[*SIZES, "most"]], on=SIZES)
    largest = largest[largest["high"] >= largest.pop("most")]
    kept = [*SIZES, "limit", "low", "high", "written"]
    both = found.merge(largest.assign(written=_written(largest))[kept], on=SIZES, how="left")
    of_limit = {
        f"{rule} of limit{end}": both[rule] / both[limit]
        for rule in ("found", "plateau")
        for end, limit in (("", "limit"), (", low", "high"), (", high", "low"))
    }
    shown = both.assign(**of_limit, limit=both["written"].astype(object).fillna("not known")).drop(
        columns=["low", "high", "written"]
    )
    return _short(shown.rename(columns={"share": "found of most"}))


def with_sizes_in_one(table: pd.DataFrame) -> pd.DataFrame:
    """Write d, H, N and L in one column, the first, so that a table is less wide."""
    sizes = ["d", "H", "N", "L"]
    written = table[sizes].astype(str).agg(", ".join, axis=1)
    rest = table.drop(columns=sizes)
    rest.insert(0, ", ".join(sizes), written)
    return rest


def restarts_in_words(budgets: pd.DataFrame) -> str:
    """Say how often each architecture and protocol was trained (`ecmlib.reproduction.budget.compare`)."""
    often = budgets.groupby(CURVE)["restarts"].max()
    if (repeated := int((often > 1).sum())) == 0:
        return "each architecture is trained once under each protocol"
    return f"{repeated} of {len(often)} pairs of architecture and protocol are trained more than once, the others once"


def forms_in_words(foretold: pd.DataFrame) -> str:
    """Say which form foretells each quantity best, and whether others can be told from it (`foretelling`)."""
    return " ".join(_forms(name, foretold[foretold["quantity"] == quantity]) for quantity, name in _QUANTITIES.items())


def _forms(name: str, forms: pd.DataFrame) -> str:
    if forms.empty:
        return f"Of the {name} nothing is foretold."
    best, *others = [row for _, row in forms.iterrows()]
    return f"For the {name} it is the {best['form']}: " + "; ".join(_behind(row) for row in others) + "."


def _behind(row: Any) -> str:
    behind = Estimate(*(100 * row[["behind", "behind_low", "behind_high"]].to_numpy(float)))
    shown = f"{behind.value:.1f} ({behind.low:.1f} to {behind.high:.1f}) points"
    alike = behind.contains(0)
    apart = "cannot be told from it by that" if alike else "can be told from it by that"
    text = f"the {row['form']} is off by {shown} more and {apart}"
    if not row["leans"]:
        return text
    side = "too little" if 2 * row["too_little"] > row["curves"] else "too much"
    many = row["too_little"] if side == "too little" else row["curves"] - row["too_little"]
    return f"{text}, {'but' if alike else 'and'} says {side} of {many} of {row['curves']} curves"


def orders_in_words(budgets: pd.DataFrame) -> str:
    """Say whether counts order protocols of one architecture as bits do, after the longest budget that most have."""
    shared = budgets.groupby("max_steps")[PROTOCOL[0]].transform("size")
    last = budgets[shared == shared.max()]
    last = last[last["max_steps"] == last["max_steps"].max()]
    by_bits, by_counts = (
        [protocol_name(row) for _, row in last.sort_values(quantity, ascending=False).iterrows()]
        for quantity in ("bits", "C")
    )
    steps = f"After {last['max_steps'].iloc[0]:,} steps"
    if by_bits == by_counts:
        return f"{steps} bits and counts order the protocols alike: {_listed(by_bits)}."
    return f"{steps} the order by bits is {_listed(by_bits)}; by counts, of one run each, it is {_listed(by_counts)}."


def _listed(names: list[str]) -> str:
    return ", ".join(name.replace(", decay", " with decay") for name in names)


def steps_in_words(limited: pd.DataFrame, budgets: pd.DataFrame) -> str:
    """Say whether known limits of the bits take longer where a library offers more, and what else differs there."""
    known = with_load(limited[limited["known"] & (limited["quantity"] == "bits")], budgets)
    each = known.groupby(SIZES)[["load", "P", "steps_90"]].median()
    if len(each) < 3:
        return "Too few limits are known to say how long they take over size and load."
    of_steps, of_size = (each["load"].corr(each[other], method="spearman") for other in ("steps_90", "P"))
    more = "longer" if of_steps > 0 else "shorter"
    return (
        f"Over {len(each)} architectures with a known limit, the more a library offers to each parameter, the {more} "
        f"it takes, by rank (Spearman's correlation {of_steps:.2f}, medians of protocols); so few "
        f"establish no law, and since load depends on size among them ({of_size:.2f}), neither can "
        "be told to be the cause."
    )


def with_ends(table: pd.DataFrame, *names: str) -> pd.DataFrame:
    """Write each of these columns with its ends, which the columns of its name and "low" and "high" hold, as one."""
    ends = {name: [name, f"{name}, low", f"{name}, high"] for name in names}
    written = {
        name: [str(Estimate(*row)) if pd.notna(row[0]) else "not known" for row in table[columns].to_numpy()]
        for name, columns in ends.items()
    }
    return table.drop(columns=[column for columns in ends.values() for column in columns[1:]]).assign(**written)


def reference_in_words(beside: pd.DataFrame, aim: float = 0.9) -> str:
    """Say whether a protocol reaches a share of the limit, and at what cost (what `beside_limits` returns)."""
    if beside.empty:
        return (
            f"Whether it reaches {percent(aim)} of the limit is not known: no size that it trained has a known limit."
        )
    each = "; ".join(_beside(row, aim) for _, row in beside.iterrows())
    return (
        f"It was to reach {percent(aim)} of the limit of the bits. In its {beside['max_steps'].max():,} steps it does "
        f"so at {(beside['share'] >= aim).sum()} of the {len(beside)} sizes that it trained and whose limit is known; "
        f"at {(beside['share_high'] < aim).sum()} it falls short even by the lower end of the limit's interval: {each}."
    )


def _beside(row: Any, aim: float) -> str:
    share = Estimate(row["share"], row["share_low"], row["share_high"])
    return (
        f"at d = {row['d']:.0f}, H = {row['H']:.0f}, N = {row['N']:.0f} it holds {share} of the limit, and the "
        f"protocol of that limit takes about {float(f'{row.steps_90:.1e}'):,.0f} steps to {percent(aim)}"
    )


def _written(limits: pd.DataFrame) -> list[str]:
    """Write each known limit with its interval."""
    return [_interval(row) if row["known"] else "not known" for _, row in limits.iterrows()]


def _interval(row: Any) -> str:
    return f"{row['limit']:,.0f} ({row['low']:,.0f} to {row['high']:,.0f})"


def _short(table: pd.DataFrame) -> pd.DataFrame:
    """Name protocols in one column, and leave out the vocabulary, which all have in common."""
    if "optimizer" in table:
        table.insert(list(table).index("optimizer"), "protocol", [protocol_name(row) for _, row in table.iterrows()])
    return table.drop(columns=["K", *PROTOCOL], errors="ignore")
