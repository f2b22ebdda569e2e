"""Every figure, one function each; it returns a matplotlib figure and computes nothing that it does not draw."""

from ecmlib.plots.curves import plot_curves

__all__ = ["plot_curves"]
