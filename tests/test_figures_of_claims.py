"""Each figure of the paper's questions draws the numbers that it is given, and nothing else."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ecmlib.chance import guess_distribution
from ecmlib.reproduction.batch_size import plot_batch_size
from ecmlib.reproduction.bits import BITS_PER_PARAMETER, plot_bits_per_parameter
from ecmlib.reproduction.critical_batch import plot_noise_scale
from ecmlib.reproduction.distributions import FITS
from ecmlib.reproduction.feedforward import plot_feedforward
from ecmlib.reproduction.growth import plot_doublings
from ecmlib.reproduction.guessing import plot_guesses
from ecmlib.reproduction.hopfield_claims import plot_cues, plot_dilution, plot_storage
from ecmlib.reproduction.layers import plot_layers
from ecmlib.reproduction.parameters import plot_parameters
from ecmlib.reproduction.shattering import plot_epochs
from ecmlib.reproduction.stopping import plot_patience, plot_slopes_over_patience
from ecmlib.reproduction.theory import plot_promised
from ecmlib.reproduction.vocabulary import plot_vocabulary


def only(figure: Figure) -> Axes:
    (axes,) = figure.axes
    return axes


def legend(owner: Any) -> list[str]:
    box = owner.get_legend() if isinstance(owner, Axes) else owner.legends[0]
    return [text.get_text() for text in box.get_texts()]


def drawn(axes: Axes) -> list[list[list[float]]]:
    """Return the points of every line but those across the whole figure."""
    return [line.get_xydata().tolist() for line in axes.lines if line.get_transform() == axes.transData]


def across(axes: Axes) -> list[float]:
    """Return where lines across the whole figure stand."""
    lines = [line for line in axes.lines if line.get_transform() != axes.transData]
    return [next(iter(at)) for line in lines for at in (set(line.get_xdata()), set(line.get_ydata())) if len(at) == 1]


def test_layers() -> None:
    table = pd.DataFrame(
        {"equal": ["P", "P", "d", "d"], "L": [1, 2, 1, 2], "d": [8, 6, 8, 8], "P": [900, 900, 900, 1800]}
    ).assign(C=[10.0, 11, 10, 15], published=[np.nan, np.nan, 20, 30])
    axes = only(plot_layers(table))
    assert legend(axes) == ["equal P", "equal d", "Table 1, equal d"]
    assert drawn(axes) == [[[1, 10], [2, 11]], [[1, 10], [2, 15]], [[1, 20], [2, 30]]]
    assert [text.get_text() for text in axes.texts] == ["d=6", "P=1,800"]
    assert axes.get_ylim()[0] == 0


def test_feedforward() -> None:
    pairs = pd.DataFrame({"d": [8, 8, 16], "C_train": [3.0, 4, 9], "C_identity": [2.0, 1, 5]})
    pairs = pairs.assign(C_train_equal_steps=pairs["C_train"] - 1, C_identity_equal_steps=pairs["C_identity"] - 1)
    axes = only(plot_feedforward(pairs))
    ways = ["feed-forward trained", "identity instead"]
    assert legend(axes) == [label for way in ways for label in (way, f"{way}, equal steps")]
    assert drawn(axes) == [[[8, 4], [16, 9]], [[8, 3], [16, 8]], [[8, 2], [16, 5]], [[8, 1], [16, 4]]]
    assert axes.get_ylim()[0] == 0


def test_batch_size() -> None:
    readings = pd.DataFrame({"N": 8, "batch_size": [256, 256, 512], "C_steps": [5.0, 6, 9], "C_epochs": [7.0, 6, 8]})
    equal_steps, equal_epochs = plot_batch_size(readings.assign(steps=310, epochs=10)).axes
    assert drawn(equal_steps) == [[[256, 6], [512, 9]]], "the best restart"
    assert drawn(equal_epochs) == [[[256, 7], [512, 8]]]
    assert (legend(equal_steps), legend(equal_epochs)) == (["N=8, 310 steps"], ["N=8, 10 epochs"])
    assert across(equal_steps) == [512]


def test_noise_scale() -> None:
    noise = pd.DataFrame({"N": 8, "step": [62, 31, 93], "noise_scale": [8.0, 9, np.inf], "low": 7.0, "high": 10.0})
    critical = pd.DataFrame({"N": [8, 32], "B_crit": [20.0, 99], "low": [15.0, 90], "high": [30.0, 100]})
    axes = only(plot_noise_scale(noise, critical))
    assert legend(axes) == ["noise scale, N=8", "critical batch size, N=8"]
    assert drawn(axes) == [[[31, 9], [62, 8]]], "by steps, without what is infinite"
    assert across(axes) == [20]
    assert axes.get_ylim() == pytest.approx((0.8, 90))


def test_vocabulary() -> None:
    table = pd.DataFrame({"d": [8, 8, 16, 16], "K": [4, 8, 4, 8], "C": [10.0, 5, 20, 10], "bits": [20.0, 20, 40, 60]})
    sequences, bits = plot_vocabulary(table).axes
    assert drawn(sequences) == [[[4, 1], [8, 0.5]], [[4, 1], [8, 0.5]]]
    assert drawn(bits) == [[[4, 1], [8, 1]], [[4, 1], [8, 1.5]]]
    assert legend(sequences) == ["d=8", "d=16"]
    assert (across(sequences), sequences.get_ylim()[0]) == ([1], 0)


def test_parameters() -> None:
    table = pd.DataFrame({"L": [1, 1, 2], "H": 1, "d": [16, 8, 8], "P": [400, 100, 200], "built": [400, 100, 200]})
    one, two = (figure := plot_parameters(table)).axes
    assert drawn(one) == [[[8, 100], [16, 400]]] * 2, "a line, and crosses on it"
    assert drawn(two) == [[[8, 200]]] * 2
    assert legend(figure) == ["H=1"]


def test_guesses() -> None:
    axes = only(plot_guesses(pd.DataFrame({"guessed": [1, 2, 2, 5]}), T=64, K=8))
    assert [(bar.get_x() + bar.get_width() / 2, bar.get_height()) for bar in axes.patches] == [
        pytest.approx(bar) for bar in ((2, 0.5), (1, 0.25), (5, 0.25))
    ]
    (binomial,) = drawn(axes)
    assert binomial == [[g, guess_distribution(64, 8).pmf(g)] for g in range(-1, 8)]
    assert across(axes) == [8]
    assert sorted(legend(axes)) == ["4 untrained networks", "Binomial(T, 1/K)", "expected, T/K"]


def test_epochs() -> None:
    counts = [5, 6, 7, 7, 8, 8, 9, 12, 20, 31]
    axes = only(plot_epochs(counts))
    assert legend(axes) == ["measured", *FITS]
    measured, *fits = axes.lines
    assert measured.get_xydata()[-1].tolist() == [31, 1]
    assert all((np.diff(fit.get_ydata()) >= 0).all() and fit.get_ydata()[-1] > 0.9 for fit in fits)
    assert axes.get_xscale() == "log"


def test_patience() -> None:
    shares = pd.DataFrame({"patience_steps": [62, 310], "share": [0.5, 0.7], "low": 0.4, "high": 0.9})
    axes = only(figure := plot_patience(shares.assign(struck=[1.0, 0.8])))
    assert drawn(axes) == [[[62, 0.5], [310, 0.7]], [[62, 1], [310, 0.8]]]
    assert legend(figure) == ["share of the final capacity", "runs that the rule ended", "the paper's patience"]
    assert (across(axes), axes.get_ylim()) == ([310], (0, 1.05))


def test_slopes_over_patience() -> None:
    rows = pd.DataFrame({"quantity": ["a", "f(1, 8)", "f(1, 8)"], "patience_steps": [62, 62, 310]})
    axes = only(plot_slopes_over_patience(rows.assign(value=[9.0, 3, 4], low=[8.0, 2, 3.5], high=[10.0, 5, 6])))
    points, _, (bars,) = axes.containers[0]
    assert points.get_xydata().tolist() == [[62, 3], [310, 4]], "slopes alone"
    assert [segment[:, 1].tolist() for segment in bars.get_segments()] == [[2, 5], [3.5, 6]]
    assert axes.get_title() == "f(1, 8)"


def test_doublings() -> None:
    ratios = pd.DataFrame({"doubled": ["d", "d", "d", "N"], "ratio": [2.0, 3, 8, 0.5]})
    figure = plot_doublings(ratios, "C")
    axes = only(figure)
    assert drawn(axes) == [[[3, 0], [0.5, 1]]], "medians"
    assert sorted(x for points in axes.collections for x, _ in points.get_offsets()) == [0.5, 2, 3, 8]
    assert (across(axes), legend(figure)) == ([1], ["median", "unchanged"])
    assert axes.get_xlabel() == "C is multiplied by"
    assert [text.get_text() for text in axes.get_yticklabels()] == ["d", "N"]


def test_promised() -> None:
    rows = pd.DataFrame(
        {"promised": [10.0, 20, 5], "C": [9.0, 30, 1], "bound": ["b", "b", "b"], "author": ["x", "y", "x"]}
    )
    axes = only(figure := plot_promised(rows))
    assert legend(figure) == ["b, x", "b, y"]
    assert axes.collections[0].get_offsets().tolist() == [[10, 9], [20, 30]], "more than chance"
    assert drawn(axes)[-1] == [[9, 9], [30, 30]]


def test_bits_per_parameter() -> None:
    sizes = {"H": 1, "N": 8, "L": 1, "K": 128, "T": 64}
    rows = pd.DataFrame({"d": [8, 16], "P": [900, 2000], "C_plateau_raw": [9.0, 64], "bits_per_parameter": [1.5, 2.0]})
    axes = only(figure := plot_bits_per_parameter(rows.assign(**sizes)))
    filled, hollow, *_ = axes.lines
    assert (filled.get_xydata().tolist(), hollow.get_xydata().tolist()) == ([[900, 1.5]], [[2000, 2]])
    assert hollow.get_markerfacecolor() == "none"
    names = [text.get_text() for text in axes.texts]
    assert dict(zip(names, across(axes), strict=True)) == BITS_PER_PARAMETER
    assert (legend(figure), axes.get_ylim()[0]) == (["N=8"], 0)


def test_storage_and_cues() -> None:
    storage = only(plot_storage(pd.DataFrame({"n": [20, 20, 40], "load": [0.5, 0.5, 1.0], "fixed": [1.0, 0.8, 0.6]})))
    assert {"n=20", "n=40", "n / (2 ln n)"} == set(legend(storage))
    assert drawn(storage)[:2] == [[[0.5, pytest.approx(0.9)]], [[1.0, 0.6]]], "the mean of the trials"
    assert across(storage) == [1]
    cues = only(plot_cues(pd.DataFrame({"cue": [0.1, 0.5], "recalled": [0.2, 1.0]}), minimum=0.3))
    assert drawn(cues)[0] == [[0.1, 0.2], [0.5, 1]]
    assert (across(cues), cues.get_ylim()) == ([0.3], (0, 1.05))


def test_dilution() -> None:
    table = pd.DataFrame(
        {"cut": ["a", "a", "b"], "kept": [0.5, 1.0, 1.0], "symmetry": [0.5, 1, 0.7], "overlap": [0.6, 1, 0.8]}
    )
    symmetry, overlap = (figure := plot_dilution(table)).axes
    assert drawn(symmetry)[:2] == [[[0.5, 0.5], [1, 1]], [[1, 0.7]]]
    assert drawn(overlap)[:2] == [[[0.5, 0.6], [1, 1]], [[1, 0.8]]]
    assert legend(figure) == ["a", "b"]
    assert symmetry.get_ylim() == (0, 1.05)
