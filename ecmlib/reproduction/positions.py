"""What is known at each position of a sequence: are last tokens, which follow the longest context, known better?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from ecmlib.chance import FULL, guess_corrected
from ecmlib.figures.style import new_panels, styled
from ecmlib.laws.demand import knowable_by_position
from ecmlib.laws.detection import detected
from ecmlib.laws.points import SIZES
from ecmlib.results import CapacityRecord

_RUN = [*SIZES, "run"]


def by_position(records: Sequence[CapacityRecord]) -> pd.DataFrame:
    """Return what each run that says it has told at each position, at its end.

    Returns
    -------
    DataFrame
        A row a position of a run whose library is not full: `SIZES`, ``run`` (a number), ``position``, from 2 to N,
        ``told``, the share of sequences whose token is the most likely one, less guesses, and bits a token: ``known``,
        of log2 K what the run does not lack, and ``knowable`` (`ecmlib.laws.demand.knowable_by_position`).
    """
    rows = []
    for record in records:
        size, T = record.architecture, record.protocol.T
        sizes = {"d": size.d, "H": size.H, "N": size.N, "L": size.L, "K": size.K, "T": T}
        for restart in record.restarts:
            if restart.positions is None or restart.positions.count[-1] >= FULL * T:
                continue
            each = zip(
                restart.positions.count, restart.positions.bits, knowable_by_position(size.N, size.K, T), strict=True
            )
            rows += [
                sizes
                | {"run": restart.seed, "position": position, "told": guess_corrected(count, T, size.K) / T}
                | {"known": np.log2(size.K) - lacking, "knowable": knowable}
                for position, (count, lacking, knowable) in enumerate(each, 2)
            ]
    return pd.DataFrame(rows, columns=[*_RUN, "position", "told", "known", "knowable"])


def last_beside_all(table: pd.DataFrame, uneven: float) -> pd.DataFrame:
    """Compare the last token with all, and what is told of it with what its own bits let our law tell.

    Parameters
    ----------
    table : DataFrame
        What `by_position` returns.
    uneven : float
        Of `ecmlib.laws.signal.SignalLaw`.

    Returns
    -------
    DataFrame
        A row a run: `SIZES`; the share of what can be known that is known, of ``all`` tokens and of the ``last``;
        ``told`` of the last; and that over what the law lets either share tell, ``by_all`` and ``by_last``.
    """
    runs = table.groupby(_RUN)
    last = runs.last()
    shares = pd.DataFrame(
        {"all": runs["known"].sum() / runs["knowable"].sum(), "last": last["known"] / last["knowable"]}
    ).clip(lower=0)
    K = last.index.get_level_values("K").to_numpy(float)
    told = {f"by_{which}": last["told"] / detected(share.to_numpy(float), K, uneven) for which, share in shares.items()}
    return shares.assign(told=last["told"], **told).reset_index().drop(columns="run")


def plot_positions(table: pd.DataFrame) -> Figure:
    """Draw the share of knowable bits that is known over the position: panels for T and K, a line each of its values.

    Parameters
    ----------
    table : DataFrame
        What `by_position` returns, of sizes that differ from the most frequent ones in one at a time.
    """
    found = {axis: _along(table, axis) for axis in ("T", "K")}
    shown = {axis: rows for axis, rows in found.items() if len(rows)}
    figure, panels = new_panels(len(shown))
    for panel, (axis, several) in zip(panels, shown.items(), strict=True):
        for (value, rows), color, marker in styled(several.groupby(axis)):
            shares = (rows["known"] / rows["knowable"]).groupby(rows["position"]).mean()
            panel.plot(shares.index, shares, color=color, marker=marker, markersize=4, label=f"{value:,}")
        panel.set(xlabel="position")
        outside: dict[str, Any] = {"loc": "lower center", "bbox_to_anchor": (0.5, 1), "ncols": 3, "columnspacing": 1}
        panel.legend(title=axis, fontsize="x-small", title_fontsize="small", **outside)
    panels[0].set(ylabel="known of what can be known")
    return figure


def _along(table: pd.DataFrame, axis: str) -> pd.DataFrame:
    others = [size for size in SIZES if size != axis]
    return table[table.groupby(others)[axis].transform("nunique") > 2]
