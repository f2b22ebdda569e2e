import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

from ecmlib import EmpiricalCapacityModel, load_law
from ecmlib.figures import plot_grid, plot_law, plot_ratios, plot_slopes
from ecmlib.figures.style import styled
from ecmlib.reproduction.critical_batch import plot_noise_scale


def test_noise_scale_is_drawn_before_any_batch_size_is_measured() -> None:
    noise = pd.DataFrame({"N": [8, 8], "step": [31, 62], "noise_scale": [9.0, 8.0], "low": [7.0, 7], "high": [10.0, 9]})
    (axes,) = plot_noise_scale(noise, critical=pd.DataFrame()).axes
    assert [label.get_text() for label in axes.get_legend().get_texts()] == ["noise scale, N=8"]


def test_no_value_is_left_out_of_a_figure_and_no_two_look_alike() -> None:
    assert len({(color, marker) for _, color, marker in styled(range(40))}) == 40


def test_slope_of_a_single_capacity_is_drawn_whatever_rounding_makes_of_its_logarithm() -> None:
    sizes = {"H": 1, "N": 32, "L": 1, "K": 128, "T": 2048, "P": 9000}
    for C in range(50, 90):
        frame = pd.DataFrame([{"d": 16, "C_plateau": C + 0.1, "C_plateau_raw": C + 16, **sizes}])
        plot_slopes(frame, EmpiricalCapacityModel.published())


def grid(heads: tuple[int, ...]) -> pd.DataFrame:
    sizes = [{"d": d, "H": H, "N": N} for d in (8, 16, 32) for H in heads for N in (4, 8)]
    return pd.DataFrame([{**size, "L": 1, "K": 128, "T": 2048, "C_plateau": 9.0 * size["d"]} for size in sizes])


def labels_of(figure: Figure) -> list[str]:
    return [text.get_text() for text in figure.legends[0].get_texts()]


def test_grid_draws_every_number_of_heads_in_every_panel() -> None:
    figure = plot_grid(grid(heads=(1, 2, 3, 4, 5, 6, 7, 8)))
    assert labels_of(figure) == [*(f"H={H}" for H in range(1, 9)), "T"]
    assert [axes.get_title() for axes in figure.axes] == ["N = 4", "N = 8"]
    for axes in figure.axes:
        *lines, T = axes.lines
        assert [line.get_xydata().tolist() for line in lines] == [[[8, 72], [16, 144], [32, 288]]] * 8
        assert len({(line.get_color(), line.get_marker()) for line in lines}) == 8
        assert set(T.get_ydata()) == {2048}
        assert axes.get_ylim()[0] == 0


def test_law_is_drawn_through_the_points_that_it_made() -> None:
    law = load_law()
    frame = grid(heads=(1, 2))
    frame = frame.assign(C_plateau=law.predict_frame(frame))
    for N, axes in zip((4, 8), plot_law(frame, law).axes, strict=True):
        curves = [line for line in axes.lines if len(line.get_xdata()) == 100]
        points = [line for line in axes.lines if len(line.get_xdata()) == 3]
        assert len(curves) == len(points) == 2, f"two numbers of heads at N = {N}"
        for curve, point in zip(curves, points, strict=True):
            assert curve.get_ydata()[[0, -1]].tolist() == pytest.approx(point.get_ydata()[[0, -1]].tolist())


def test_heat_map_shows_the_ratio_of_measured_to_predicted() -> None:
    law = load_law()
    frame = grid(heads=(1, 2))
    frame = frame.assign(C_plateau=np.where(frame["H"] == 1, 2.0, 0.5) * np.maximum(law.predict_frame(frame), 1.0))
    one, two, bar = plot_ratios(frame, law).axes
    assert {text.get_text() for text in one.texts} == {"2"}
    assert {text.get_text() for text in two.texts} == {"0.5"}
    assert bar.get_ylabel() == "measured / predicted"
