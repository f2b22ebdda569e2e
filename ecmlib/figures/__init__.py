"""Figures of records, laws and designs; each returns a matplotlib figure and computes nothing that it does not draw."""

from ecmlib.figures.collapse import plot_loads
from ecmlib.figures.curves import plot_curves
from ecmlib.figures.design import (
    plot_candidates,
    plot_capacity_over_parameters,
    plot_design_hits,
)
from ecmlib.figures.grid import plot_grid
from ecmlib.figures.law import (
    plot_extrapolation,
    plot_predicted,
    plot_ratios,
    plot_residuals,
    plot_slopes,
)

__all__ = [
    "plot_candidates",
    "plot_capacity_over_parameters",
    "plot_curves",
    "plot_design_hits",
    "plot_extrapolation",
    "plot_grid",
    "plot_loads",
    "plot_predicted",
    "plot_ratios",
    "plot_residuals",
    "plot_slopes",
]
