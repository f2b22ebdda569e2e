"""Figures of one measurement: its curves."""

from __future__ import annotations

from matplotlib.figure import Figure

from ecmlib.chance import expected_guesses
from ecmlib.curve import patience_stop
from ecmlib.figures.style import new_figure, styled
from ecmlib.results import CapacityRecord


def plot_curves(record: CapacityRecord) -> Figure:
    """Draw memorised sequences against training steps, a line a restart.

    A filled circle marks where the paper's stopping rule would have ended a restart, a square where it ended here;
    the dashed line is the level of guessing, T/K.
    """
    protocol, architecture = record.protocol, record.architecture
    figure, axes = new_figure()
    runs = [(number, *run) for number, run in enumerate(styled(record.restarts), 1) if run[0].step]
    for number, restart, color, _ in runs:
        axes.plot(restart.step, restart.last_count, color=color, linewidth=1.2, label=f"restart {number}")
    labels = {"o": "the paper's rule stops", "s": "this run ended"}
    for _, restart, color, _ in runs:
        stop = patience_stop(restart.step, restart.last_count, protocol.patience_steps)
        for marker, index in (("o", stop), ("s", -1)):
            if index is not None:
                at = restart.step[index], restart.last_count[index]
                axes.plot(*at, marker, color=color, markeredgecolor="black", label=labels.pop(marker, None))
    guesses = expected_guesses(protocol.T, architecture.K)
    axes.axhline(guesses, color="black", linestyle="--", linewidth=0.8, label="guessing, T/K")
    sizes = ", ".join(f"{name}={getattr(architecture, name)}" for name in ("d", "H", "N", "L", "K"))
    axes.set(xlabel="training steps", ylabel="sequences memorised", ylim=(0, None), title=f"{sizes}, T={protocol.T}")
    axes.legend(title=None, fontsize="small")
    return figure
