"""Figures of one measurement: its curves."""

from __future__ import annotations

import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure

from ecmlib.chance import expected_guesses
from ecmlib.curve import patience_stop
from ecmlib.figures.style import PALETTE, new_figure, styled
from ecmlib.results import CapacityRecord


def plot_curves(record: CapacityRecord) -> Figure:
    """Draw memorised sequences against training steps, a line a restart.

    A filled circle marks where the paper's stopping rule would have ended a restart, a square where it ended here;
    the dashed line is the level of guessing, T/K.
    """
    protocol, architecture = record.protocol, record.architecture
    curves = pd.concat(
        pd.DataFrame({"step": restart.step, "count": restart.last_count, "restart": f"restart {number + 1}"})
        for number, restart in enumerate(record.restarts)
    )
    figure, axes = new_figure()
    sns.lineplot(curves, x="step", y="count", hue="restart", palette=PALETTE, ax=axes, linewidth=1.2)
    for number, (restart, color, _) in enumerate(styled(record.restarts)):
        if not restart.step:
            continue
        stop = patience_stop(restart.step, restart.last_count, protocol.patience_steps)
        stops = [("o", "the paper's rule stops", stop), ("s", "this run ended", -1)]
        for marker, meaning, index in stops:
            if index is not None:
                label = meaning if number == 0 else None
                at = restart.step[index], restart.last_count[index]
                axes.plot(*at, marker, color=color, markeredgecolor="black", label=label)
    guesses = expected_guesses(protocol.T, architecture.K)
    axes.axhline(guesses, color="black", linestyle="--", linewidth=0.8, label="guessing, T/K")
    sizes = ", ".join(f"{name}={getattr(architecture, name)}" for name in ("d", "H", "N", "L", "K"))
    axes.set(xlabel="training steps", ylabel="sequences memorised", ylim=(0, None), title=f"{sizes}, T={protocol.T}")
    axes.legend(title=None, fontsize="small")
    return figure
