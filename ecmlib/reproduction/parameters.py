"""How many parameters do the configurations have? The formula against built models (paper, Fig. 3; claim R2)."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
from matplotlib.figure import Figure

from ecmlib.architecture import Architecture
from ecmlib.figures.style import new_panels, scale_by_doublings, shared_legend, styled
from ecmlib.reproduction.stats import Finding, Statement


def count(architectures: Sequence[Architecture]) -> pd.DataFrame:
    """Count the trainable parameters of every architecture by the formula and in a model that is built.

    Returns
    -------
    DataFrame
        ``d``, ``H``, ``L``, ``P``, and ``built``, the number of weights of the built model that are trained.
    """
    return pd.DataFrame(
        {"d": size.d, "H": size.H, "L": size.L, "P": size.n_params, "built": _trained(size)} for size in architectures
    )


def judge(table: pd.DataFrame) -> Finding:
    """R2: the formula's P is that of the built models."""
    off = int((table["P"] != table["built"]).sum())
    found = (
        f"Formula and built model differ in {off} of {len(table)} configurations, "
        f"P from {table['P'].min():,} to {table['P'].max():,}."
    )
    return Finding([Statement("The formula's P is the number of weights that a built model trains.", found, off == 0)])


def plot_parameters(table: pd.DataFrame) -> Figure:
    """Draw P against d: a panel a number of layers, a line a number of heads; crosses are built models.

    Parameters
    ----------
    table : DataFrame
        As `ecmlib.reproduction.parameters.count` returns it.
    """
    layers, heads = sorted(table["L"].unique()), sorted(table["H"].unique())
    figure, panels = new_panels(len(layers))
    for L, axes in zip(layers, panels, strict=True):
        for H, color, _ in styled(heads):
            here = table[(table["L"] == L) & (table["H"] == H)].sort_values("d")
            axes.plot(here["d"], here["P"], color=color, label=f"H={H}")
            axes.plot(here["d"], here["built"], "x", color=color, markersize=4)
        axes.set(title=f"L = {L}", xlabel="d", ylabel="P", yscale="log")
        scale_by_doublings(axes)
    shared_legend(figure, panels[0])
    return figure


def _trained(size: Architecture) -> int:
    return sum(weights.numel() for weights in size.build(seed=0).parameters() if weights.requires_grad)
