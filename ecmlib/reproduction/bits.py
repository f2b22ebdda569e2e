"""Figure of bits: how much information a parameter holds."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd
from matplotlib.figure import Figure

from ecmlib.figures.style import new_figure, styled
from ecmlib.laws.points import configurations

BITS_PER_PARAMETER = {  # what others found
    "Morris et al. 2025, float32": 3.8,
    "Morris et al. 2025, bfloat16": 3.5,
    "Allen-Zhu and Li 2024, knowledge": 2.0,
}


def plot_bits_per_parameter(results: pd.DataFrame, references: Mapping[str, float]) -> Figure:
    """Draw bits per parameter against parameters, a colour a sequence length.

    Hollow points memorised their whole library: they could hold more bits than there were.

    Parameters
    ----------
    results : DataFrame
        Rows of `ecmlib.load_results`; the best restart of a configuration counts.
    references : mapping
        Values that others measured, drawn as dashed lines with their names.
    """
    best = configurations(results, ["C_plateau_raw", "bits_per_parameter"])
    figure, axes = new_figure(height=3.6)
    lengths = sorted(best["N"].unique())
    for N, color, marker in styled(lengths):
        for full, face in ((False, color), (True, "none")):
            here = best[(best["N"] == N) & (best["complete"] == full)]
            label = "_hollow" if full else f"N={N}"
            axes.plot("P", "bits_per_parameter", marker, data=here, color=color, markerfacecolor=face, label=label)
    for name, value in references.items():
        axes.axhline(value, color="black", linestyle="--", linewidth=0.8)
        axes.annotate(name, (best["P"].max(), value), (0, 2), textcoords="offset points", ha="right", fontsize="small")
    axes.set(xscale="log", xlabel="P, parameters", ylabel="bits per parameter", ylim=(0, None))
    figure.legend(loc="outside upper center", ncols=len(lengths), fontsize="small")
    return figure
