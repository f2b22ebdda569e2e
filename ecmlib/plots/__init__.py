"""Every figure, one function each; it returns a matplotlib figure and computes nothing that it does not draw."""

from ecmlib.plots.curves import plot_curves
from ecmlib.plots.design import (
    plot_candidates,
    plot_capacity_over_parameters,
    plot_design_hits,
    plot_memory_per_parameter,
)

__all__ = [
    "plot_candidates",
    "plot_capacity_over_parameters",
    "plot_curves",
    "plot_design_hits",
    "plot_memory_per_parameter",
]
