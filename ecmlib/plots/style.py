"""The one look of all figures."""

from __future__ import annotations

import matplotlib.pyplot as plt
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure

PALETTE = "colorblind"


def new_figure(width: float = 6, height: float = 3.6) -> tuple[Figure, Axes]:
    """Return a figure with one pair of axes, sizes in inches, readable at a phone's width."""
    with sns.axes_style("whitegrid"):
        figure, axes = plt.subplots(figsize=(width, height), layout="constrained")
    plt.close(figure)  # else a notebook that displays it would show it twice
    return figure, axes
