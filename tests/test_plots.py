import pandas as pd

from ecmlib import EmpiricalCapacityModel
from ecmlib.figures import plot_slopes
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
