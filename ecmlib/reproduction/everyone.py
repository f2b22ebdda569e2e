"""Everyone's numbers on one picture: what our laws predict of our own models and of others', and what was measured."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from numpy.typing import ArrayLike

from ecmlib.figures.style import new_figure, styled
from ecmlib.files import named_folder
from ecmlib.laws.ecm import EmpiricalCapacityModel
from ecmlib.laws.points import SIZES, scored
from ecmlib.laws.scope import out_of_scope
from ecmlib.laws.signal import SignalLaw
from ecmlib.reproduction.external import (
    at_two_million,
    dana,
    like_worked_example,
    predict_dana,
    statements,
    stored_per_parameter,
)
from ecmlib.reproduction.measure import measured

OURS = "ours, fitted"
FRESH = "ours, fresh holdout"
TABLE_1 = "Table 1 at T = 16,000"
TWO_MILLION = "the paper's 2 million"
MORRIS = "Morris et al., worked example"
WHO = ["who", "predicted", "measured", "outside"]


def gather(law: SignalLaw, papers_law: SignalLaw, results: str | Path) -> pd.DataFrame:
    """Predict everyone's numbers; of Dana et al. those models that know less than nine tenths.

    Parameters
    ----------
    law : SignalLaw
        Of models that were trained well.
    papers_law : SignalLaw
        Fitted to what the paper's protocol holds; it is asked about the paper's own numbers.
    results : path
        The folder of all grids, and of what others published.

    Returns
    -------
    DataFrame
        The columns `WHO`, a row a model.
    """
    external = named_folder(results) / "external"
    grids = ("reference", "axes", "holdout-2025", "paper-conditions", "two-million")
    fitted, axes, fresh, papers, two_million = (measured(results, grid) for grid in grids)
    said, published = statements(external), predict_dana(law, dana(external))
    sources = [
        of_ours(law, pd.concat([fitted, axes])),
        of_ours(law, fresh, FRESH),
        of_dana(law, published[~published["full"]]),
        of_morris(law, like_worked_example(stored_per_parameter(law), said), said),
        of_table_1(papers_law, papers),
        of_two_million(papers_law, at_two_million(papers_law, two_million, said)),
    ]
    return pd.concat(sources, ignore_index=True)


def of_ours(law: SignalLaw, frame: pd.DataFrame, who: str = OURS) -> pd.DataFrame:
    """Predict our own models, where the law speaks and can be wrong.

    Returns
    -------
    DataFrame
        `WHO`: whose numbers, ``predicted`` and ``measured`` in sequences, and the sizes ``outside`` the law's region.
    """
    points = scored(frame[out_of_scope(frame) == ""], law.evidence.target, law.same).query("telling")
    return _rows(who, law.predict_frame(points), points[law.evidence.target], _sizes_outside(law, points))


def of_dana(law: SignalLaw, predicted: pd.DataFrame) -> pd.DataFrame:
    """Turn accuracies (`ecmlib.reproduction.external.predict_dana`) into sequences of three tokens, of K^2."""
    contexts = predicted["K"] ** 2
    sizes = predicted[["d", "H", "K"]].assign(N=3, L=1, T=contexts)
    who = "Dana et al., " + predicted["kind"]
    return _rows(who, predicted["predicted"] * contexts, predicted["accuracy"] * contexts, _sizes_outside(law, sizes))


def of_table_1(law: SignalLaw, ours: pd.DataFrame) -> pd.DataFrame:
    """Ask a law of the paper's protocol about Table 1, at the sizes and after the steps of our copies of its runs.

    Parameters
    ----------
    law : SignalLaw
        Fitted to what the paper's protocol holds.
    ours : DataFrame
        Rows of `ecmlib.load_results` of the grid ``paper-conditions``, whose runs the paper's rule ended.
    """
    sizes = ours.groupby(SIZES, as_index=False).agg(max_steps=("steps", "mean"))
    published = EmpiricalCapacityModel.published(L=1).predict_frame(sizes)
    return _rows(TABLE_1, law.predict_frame(sizes), published, _sizes_outside(law, sizes))


def of_two_million(law: SignalLaw, table: pd.DataFrame) -> pd.DataFrame:
    """Turn the table of `ecmlib.reproduction.external.at_two_million` into rows of the picture."""
    return _rows(TWO_MILLION, table["predicted"], table["published"], _sizes_outside(law, table))


def of_morris(law: SignalLaw, like_theirs: pd.Series[float], said: pd.DataFrame) -> pd.DataFrame:
    """Turn the bits of Morris et al.'s worked example into sequences, beside the size with as many parameters.

    Parameters
    ----------
    law : SignalLaw
    like_theirs : Series
        A row of `ecmlib.reproduction.external.stored_per_parameter`.
    said : DataFrame
        What `ecmlib.reproduction.external.statements` returns.
    """
    point = said.loc["Morris point"]
    of_a_sequence = point["N"] * np.log2(point["K"])
    sizes = pd.DataFrame([dict(like_theirs[["d", "H", "L"]]) | dict(point[["N", "K", "T"]])])
    stored = like_theirs["P"] * like_theirs["bits_per_parameter"] / of_a_sequence
    return _rows(MORRIS, [min(stored, point["T"])], [point["value"] / of_a_sequence], _sizes_outside(law, sizes))


def plot_everyone(rows: pd.DataFrame) -> Figure:
    """Draw measured over predicted sequences, a colour and marker a source; hollow, where the law extrapolates.

    The legend says of each source by how much the law is off, relative to what is measured (median).

    Parameters
    ----------
    rows : DataFrame
        With the columns `WHO`.
    """
    figure, axes = new_figure(5, 5.6)
    ends = np.array(
        [rows[["predicted", "measured"]].min().min() * 0.7, rows[["predicted", "measured"]].max().max() * 1.4]
    )
    axes.fill_between(ends, ends / 2, ends * 2, color="gray", alpha=0.12, linewidth=0)
    axes.plot(ends, ends, color="gray", linewidth=1)
    off = np.abs(rows["predicted"] / rows["measured"] - 1).groupby(rows["who"]).median()
    for (who, of_one), color, marker in styled(rows.groupby("who", sort=False)):
        for hollow in (False, True):
            here = of_one[(of_one["outside"] != "") == hollow]
            label = f"{who}: {off[who]:.0%}" if hollow == (of_one["outside"] != "").all() else f"_{who}, hollow"
            face = "none" if hollow else color
            axes.plot(
                here["predicted"],
                here["measured"],
                marker,
                color=color,
                markerfacecolor=face,
                markersize=5,
                label=label,
            )
    axes.set(xscale="log", yscale="log", xlim=ends, ylim=ends)
    axes.set(xlabel="predicted, sequences", ylabel="measured or published, sequences")
    title = "predictions are off by (median, of what is measured)"
    figure.legend(loc="outside lower center", ncols=2, fontsize="x-small", title=title, title_fontsize="x-small")
    return figure


def _sizes_outside(law: SignalLaw, frame: pd.DataFrame) -> pd.Series[str]:
    return law.evidence.outside(frame.filter(items=SIZES))


def _rows(who: str | pd.Series[str], predicted: ArrayLike, measured: ArrayLike, beyond: pd.Series[str]) -> pd.DataFrame:
    names = who if isinstance(who, str) else who.to_numpy()
    both = {"predicted": np.asarray(predicted, float), "measured": np.asarray(measured, float)}
    return pd.DataFrame({"who": names, **both, "outside": beyond.to_numpy()})
