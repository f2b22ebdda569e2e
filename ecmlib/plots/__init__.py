"""Every figure, one function each; it returns a matplotlib figure and computes nothing that it does not draw."""

from ecmlib.plots.bits import plot_bits_per_parameter
from ecmlib.plots.curves import plot_curves
from ecmlib.plots.design import plot_candidates, plot_capacity_over_parameters, plot_memory_per_parameter
from ecmlib.plots.experiments import (
    plot_batch_size,
    plot_feedforward,
    plot_layers,
    plot_noise_scale,
    plot_patience,
    plot_slopes_over_patience,
    plot_vocabulary,
)
from ecmlib.plots.grid import plot_grid
from ecmlib.plots.guessing import plot_guesses
from ecmlib.plots.theory import plot_promised

__all__ = [
    "plot_batch_size",
    "plot_bits_per_parameter",
    "plot_candidates",
    "plot_capacity_over_parameters",
    "plot_curves",
    "plot_feedforward",
    "plot_grid",
    "plot_guesses",
    "plot_layers",
    "plot_memory_per_parameter",
    "plot_noise_scale",
    "plot_patience",
    "plot_promised",
    "plot_slopes_over_patience",
    "plot_vocabulary",
]
