"""The one look of all figures."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, TextIO, TypeVar

import matplotlib as mpl
import matplotlib.pyplot as plt
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, ScalarFormatter

Value = TypeVar("Value")
Color = tuple[float, float, float]

PALETTE = "colorblind"
COLORS: list[Color] = sns.color_palette(PALETTE)
_MARKERS = "osD^vPX*<>ph"
FEW_MARKS: dict[str, Any] = {"markersize": 5, "markevery": 0.25}  # on a smooth line: shares of the picture's diagonal


def styled(values: Iterable[Value]) -> Iterator[tuple[Value, Color, str]]:
    """Give each value a colour and a marker, by its place; both begin again at their end, together only after sixty."""
    return zip(values, itertools.cycle(COLORS), itertools.cycle(_MARKERS), strict=False)


def new_figure(width: float = 5, height: float = 3.2) -> tuple[Figure, Axes]:
    """Return a figure with one pair of axes, sizes in inches; a phone shows 5 inches readably."""
    with sns.axes_style("whitegrid"):
        figure, axes = plt.subplots(figsize=(width, height), layout="constrained")
    plt.close(figure)  # else a notebook that displays it would show it twice
    return figure, axes


def new_panels(count: int, share_y: bool = True, share_x: bool = True) -> tuple[Figure, list[Axes]]:
    """Return a figure of equal panels, two abreast, that share their axes unless asked not to; columns end in ticks."""
    rows = (count + 1) // 2
    with sns.axes_style("whitegrid"):
        figure, grid = plt.subplots(
            rows, 2, figsize=(5, 0.4 + 2.1 * rows), sharex=share_x, sharey=share_y, squeeze=False, layout="constrained"
        )
    plt.close(figure)
    for unused in grid.flat[count:]:
        unused.remove()
    for lowest in grid.flat[max(count - 2, 0) : count]:
        lowest.tick_params(labelbottom=True)
    return figure, list(grid.flat[:count])


def shared_legend(figure: Figure, axes: Axes, ncols: int | None = None) -> None:
    """Say above all panels what one of them names, by default in one row."""
    handles, labels = axes.get_legend_handles_labels()
    spacing = {"columnspacing": 1, "handletextpad": 0.4}
    figure.legend(handles, labels, loc="outside upper center", ncols=ncols or len(labels), fontsize="small", **spacing)


def scale_by_doublings(axes: Axes) -> None:
    """Make x logarithmic, its ticks powers of two in plain numbers: so sizes are chosen."""
    axes.set_xscale("log", base=2)
    axes.xaxis.set_major_locator(LogLocator(2, numticks=20))
    axes.xaxis.set_major_formatter(ScalarFormatter())


def save_svg(figure: Figure, file: str | Path | TextIO, name: str) -> None:
    """Write a figure as SVG, the same text for the same figure; ``name`` keeps its ids apart from other figures'."""
    with mpl.rc_context({"svg.hashsalt": name}):
        figure.savefig(file, format="svg", metadata={"Date": None})
