"""Every figure, one function each; it returns a matplotlib figure and computes nothing that it does not draw."""

from ecmlib.plots.curves import plot_curves
from ecmlib.plots.grid import plot_grid
from ecmlib.plots.guessing import plot_guesses

__all__ = ["plot_curves", "plot_grid", "plot_guesses"]
