"""Every figure, one function each; it returns a matplotlib figure and computes nothing that it does not draw."""

from ecmlib.plots.bits import plot_bits_per_parameter
from ecmlib.plots.curves import plot_curves
from ecmlib.plots.design import (
    plot_candidates,
    plot_capacity_over_parameters,
    plot_design_hits,
    plot_memory_per_parameter,
)
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
from ecmlib.plots.hopfield import plot_cues, plot_dilution, plot_storage
from ecmlib.plots.law import (
    plot_extrapolation,
    plot_law,
    plot_predicted,
    plot_ratios,
    plot_residuals,
    plot_slopes,
)
from ecmlib.plots.mls import plot_mac_and_mls
from ecmlib.plots.parameters import plot_parameters
from ecmlib.plots.shatter import plot_epochs, plot_quantiles, plot_reach
from ecmlib.plots.theory import plot_promised

__all__ = [
    "plot_batch_size",
    "plot_bits_per_parameter",
    "plot_candidates",
    "plot_capacity_over_parameters",
    "plot_cues",
    "plot_curves",
    "plot_design_hits",
    "plot_dilution",
    "plot_epochs",
    "plot_extrapolation",
    "plot_feedforward",
    "plot_grid",
    "plot_guesses",
    "plot_law",
    "plot_layers",
    "plot_mac_and_mls",
    "plot_memory_per_parameter",
    "plot_noise_scale",
    "plot_parameters",
    "plot_patience",
    "plot_predicted",
    "plot_promised",
    "plot_quantiles",
    "plot_ratios",
    "plot_reach",
    "plot_residuals",
    "plot_slopes",
    "plot_slopes_over_patience",
    "plot_storage",
    "plot_vocabulary",
]
