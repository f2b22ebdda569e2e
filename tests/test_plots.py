import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

from ecmlib import CapacityRecord, EmpiricalCapacityModel, SignalLaw, load_law
from ecmlib.curve import Curve
from ecmlib.figures import (
    plot_curves,
    plot_extrapolation,
    plot_grid,
    plot_loads,
    plot_predicted,
    plot_ratios,
    plot_residuals,
    plot_slopes,
)
from ecmlib.figures.style import styled
from ecmlib.laws.loads import loads
from ecmlib.reproduction.critical_batch import plot_noise_scale


def test_noise_scale_is_drawn_before_any_batch_size_is_measured() -> None:
    noise = pd.DataFrame({"N": [8, 8], "step": [31, 62], "noise_scale": [9.0, 8.0], "low": [7.0, 7], "high": [10.0, 9]})
    (axes,) = plot_noise_scale(noise, critical=pd.DataFrame()).axes
    assert [label.get_text() for label in axes.get_legend().get_texts()] == ["noise scale, N=8"]


def test_no_value_is_left_out_of_a_figure_and_no_two_look_alike() -> None:
    assert len({(color, marker) for _, color, marker in styled(range(60))}) == 60


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
        assert axes.get_ylim() == pytest.approx((-0.05 * 2048, 1.15 * 2048))


def test_lowest_panel_of_each_column_names_its_ticks() -> None:
    lengths = pd.concat([grid(heads=(1,)).assign(N=N) for N in (4, 8, 16)]).drop_duplicates(["d", "N"])
    figure = plot_grid(lengths)
    figure.draw_without_rendering()
    named = [any(label.get_visible() for label in axes.get_xticklabels()) for axes in figure.axes]
    assert named == [False, True, True]


def test_law_is_drawn_through_the_points_that_it_made() -> None:
    law = load_law("results/law/signal.json")
    frame = grid(heads=(1, 2))
    frame = frame.assign(C_plateau=law.predict_frame(frame))
    for N, axes in zip((4, 8), plot_grid(frame, law).axes, strict=True):
        curves = [line for line in axes.lines if len(line.get_xdata()) == 100]
        points = [line for line in axes.lines if len(line.get_xdata()) == 3]
        assert len(curves) == len(points) == 2, f"two numbers of heads at N = {N}"
        assert {point.get_linestyle() for point in points} == {"None"}, "points of a law are not joined"
        for curve, point in zip(curves, points, strict=True):
            assert curve.get_ydata()[[0, -1]].tolist() == pytest.approx(point.get_ydata()[[0, -1]].tolist())


def test_heat_map_shows_the_ratio_of_measured_to_predicted() -> None:
    law = load_law("results/law/signal.json")
    frame = grid(heads=(1, 2))
    frame = frame.assign(C_plateau=np.where(frame["H"] == 1, 2.0, 0.5) * np.maximum(law.predict_frame(frame), 1.0))
    one, two, bar = plot_ratios(frame, law).axes
    assert {text.get_text() for text in one.texts} == {"2"}
    assert {text.get_text() for text in two.texts} == {"0.5"}
    assert bar.get_ylabel() == "measured / predicted"


def test_curves_are_drawn_with_where_they_ended_and_where_the_paper_would_have_ended_them() -> None:
    record = CapacityRecord.load("results/precision/d16_H1_N8_L1_K128_T2048_max_steps10000_precisionbfloat16.json")
    (axes,) = plot_curves(record).axes
    n = len(record.restarts)
    assert [text.get_text() for text in axes.get_legend().get_texts()] == [
        *(f"restart {number + 1}" for number in range(n)),
        *("the paper's rule stops", "this run ended", "guessing, T/K"),
    ]
    whole = [line for line in axes.lines if line.get_marker() == "None" and line.get_linestyle() == "-"]
    drawn = [line for line in whole if len(line.get_xdata()) > 2]
    assert [line.get_xydata().tolist() for line in drawn] == [
        [list(point) for point in zip(restart.step, restart.last_count, strict=True)] for restart in record.restarts
    ]
    ends = [line for line in axes.lines if line.get_marker() == "s"]
    assert [line.get_xydata().tolist() for line in ends] == [[[r.step[-1], r.last_count[-1]]] for r in record.restarts]
    stops = [line for line in axes.lines if line.get_marker() == "o"]
    assert [line.get_xdata()[0] for line in stops] == record.frame()["paper_rule_step"].tolist()
    assert [line.get_ydata()[0] for line in axes.lines if line.get_linestyle() == "--"] == [2048 / 128]
    assert axes.get_ylim()[0] == 0


def test_marks_of_a_later_restart_are_explained_and_no_restart_is_no_line() -> None:
    record = CapacityRecord.load("results/precision/d16_H1_N8_L1_K128_T2048_max_steps10000_precisionbfloat16.json")
    rising = Curve(step=[0, 31], last_count=[0, 9], full_count=[0, 0], bits=[7.0, 6.0])
    first = record.restarts[0].model_copy(update=dict(rising))
    (axes,) = plot_curves(record.model_copy(update={"restarts": [first, record.restarts[1]]})).axes
    assert [text.get_text() for text in axes.get_legend().get_texts()] == [
        *("restart 1", "restart 2", "this run ended", "the paper's rule stops", "guessing, T/K")
    ]
    (axes,) = plot_curves(record.model_copy(update={"restarts": []})).axes
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["guessing, T/K"]


def test_published_law_is_drawn_dotted_in_every_panel() -> None:
    published = EmpiricalCapacityModel.published()
    for figure in (
        plot_grid(grid((1, 2)), published=published),
        plot_grid(grid((1, 2)), load_law("results/law/signal.json"), published=published),
    ):
        assert labels_of(figure) == ["H=1", "H=2", "published", "T"]
        for N, axes in zip((4, 8), figure.axes, strict=True):
            dotted = [line for line in axes.lines if line.get_linestyle() == ":" and len(line.get_xdata())]
            ends = [line.get_xydata()[[0, -1]].ravel().tolist() for line in dotted]
            said = [published.predict(d=[8, 32], H=H, N=N) for H in (1, 2)]
            assert ends == [pytest.approx([8, first, 32, last]) for first, last in said]
            assert axes.get_ylim()[1] == 1.15 * 2048


def test_slopes_are_geometric_means_with_bars_from_the_smallest_to_the_largest() -> None:
    law = EmpiricalCapacityModel.published()
    frame = grid((1,)).assign(P=9000)
    frame["C_plateau"] = np.where(frame["d"] == 16, 36.0, 9.0) * frame["d"]
    (axes,) = plot_slopes(frame.assign(C_plateau_raw=frame["C_plateau"]), law).axes
    points, _, (bars,) = axes.containers[0]
    assert points.get_xydata().tolist() == [pytest.approx([N, 9 * 4 ** (1 / 3)]) for N in (4, 8)]
    assert [segment[:, 1].tolist() for segment in bars.get_segments()] == [pytest.approx([9, 36])] * 2
    (line,) = [line for line in axes.lines if len(line.get_xdata()) == 100]
    assert line.get_ydata()[[0, -1]].tolist() == pytest.approx(law.slope(1, np.array([4, 8])).tolist())
    assert (axes.get_xscale(), axes.get_yscale()) == ("log", "log")
    assert [text.get_text() for text in axes.get_xticklabels()] == ["4", "8"]


@pytest.mark.parametrize("across", ["d", "C_plateau"])
def test_laws_are_drawn_as_predicted_over_measured_and_what_was_fitted_is_shaded(across: str) -> None:
    law = load_law("results/law/signal.json")
    frame = grid((1, 2)).assign(L=1)
    frame["C_plateau"] = np.maximum(law.predict_frame(frame), 1) / np.where(frame["d"] == 32, 100, 2)
    laws = {"one": law, "other": law}
    figure = plot_extrapolation(frame, laws, largest=16) if across == "d" else plot_residuals(frame, laws)
    assert labels_of(figure) == ["H=1", "H=2"]
    assert [axes.get_title() for axes in figure.axes] == ["one", "other"]
    for axes in figure.axes:
        for H, line in zip((1, 2), axes.lines, strict=False):
            here = frame[frame["H"] == H].sort_values(["d", "N"])
            ratios = np.where(here["d"] == 32, 50, 2)  # at most 50 is drawn
            assert sorted(line.get_xydata().tolist()) == [
                pytest.approx(point) for point in sorted(zip(here[across], ratios, strict=True))
            ]
        assert set(axes.lines[2].get_ydata()) == {1}
        assert axes.get_ylim() == (0.02, 50)
        shaded = [(patch.get_x(), patch.get_x() + patch.get_width()) for patch in axes.patches]
        assert shaded == ([(8, 16)] if across == "d" else [])


def test_capacities_of_all_sizes_fall_on_the_curve_of_the_law_that_made_them() -> None:
    law = load_law("results/law/signal.json").model_copy(update={"uneven": 0.3})
    assert isinstance(law, SignalLaw)
    rows = pd.concat([grid((1,)).assign(K=K) for K in (32, 128)])
    cells = loads(law, rows.assign(C_plateau=np.maximum(law.predict_frame(rows), 1)))
    alone = cells.head(1).assign(spoken=False, kind="a")
    (axes, bar) = plot_loads(pd.concat([cells.assign(kind=np.where(cells["d"] > 16, "a", "b")), alone]), 0.3).axes
    curves = {line.get_label(): line for line in axes.lines}
    assert list(curves) == ["_law, K=32", "_law, K=128"]
    drawn = {points.get_label(): np.asarray(points.get_offsets()) for points in axes.collections}
    assert sorted(drawn) == ["a", "b", "not of the law's scope"]
    assert sum(map(len, drawn.values())) == len(cells) + 1
    for K, of_K in cells.groupby("K"):
        curve = curves[f"_law, K={K}"]
        at = np.log(of_K["asked_over_stored"]), np.log(curve.get_xdata())
        np.testing.assert_allclose(np.interp(*at, np.asarray(curve.get_ydata())), of_K["memorised"], rtol=0.01)
    assert bar.get_xlabel() == "K"


def test_runs_that_the_papers_rule_ended_count_with_the_steps_they_took() -> None:
    law = load_law("results/law/signal.json")
    assert isinstance(law, SignalLaw)
    rows = grid((1,)).query("d == 16").assign(C_plateau=300.0, max_steps=20_000, steps=900, status="patience")
    stopped, allowed = (loads(law, rows.assign(stop=stop)) for stop in ("patience", "plateau"))
    assert set(stopped["max_steps"]) == {900}
    assert set(allowed["max_steps"]) == {20_000}
    assert (stopped["asked_over_stored"] > allowed["asked_over_stored"]).all()
    beside = rows.assign(stop="plateau", steps=20_000, status="max_steps", lr=0.02)
    both = loads(law, pd.concat([rows.assign(stop="patience", lr=0.001), beside]))
    assert set(both["max_steps"]) == {900, 20_000}, "steps of another training are none of its own"


def test_the_same_sizes_trained_in_two_ways_are_two_points() -> None:
    law = load_law("results/law/signal.json")
    assert isinstance(law, SignalLaw)
    rows = grid((1,)).query("d == 16").assign(C_plateau=300.0)
    both = loads(law, pd.concat([rows.assign(lr=lr, C_plateau=C) for lr, C in ((0.001, 300.0), (0.02, 600.0))]))
    for share in (300, 600):
        assert ((both["memorised"] * both["T"]).round() == share).sum() == len(loads(law, rows))
    assert len(both) == 2 * len(loads(law, rows))


@pytest.mark.parametrize("target", ["C_plateau", "C"])
def test_predicted_capacities_are_drawn_with_their_intervals_and_full_ones_hollow(target: str) -> None:
    law = load_law("results/law/signal.json")
    law = law.model_copy(update={"evidence": law.evidence.model_copy(update={"target": target})})
    frame = grid((1,)).assign(**{target: lambda here: np.where(here["d"] == 32, 2048.0, 100.0)})
    figure = plot_predicted({"a grid": frame}, law)
    (axes,), (legend,) = figure.axes, figure.legends
    C, low, high = law.predict_interval(frame, 0.9)
    full = (frame[target] == 2048).to_numpy()
    error = np.mean(np.abs(C / frame[target] - 1)[~full])
    assert [text.get_text() for text in legend.get_texts()] == [f"a grid: {100 * error:.0f} % of 4", "equal"]
    filled, hollow = (line for line in axes.lines if line.get_marker() != "None")
    assert sorted(filled.get_xdata().tolist()) == pytest.approx(sorted(C[~full]))
    assert set(filled.get_ydata()) == {100}
    assert sorted(hollow.get_xdata().tolist()) == pytest.approx(sorted(C[full]))
    assert hollow.get_markerfacecolor() == "none"
    ends = sorted(segment[:, 0].tolist() for segment in axes.collections[0].get_segments())
    assert np.allclose(ends, sorted(map(list, zip(np.minimum(low, C), np.maximum(high, C), strict=True))))
    least, most = min(C.min(), 100), max(C.max(), 2048)
    assert axes.lines[-1].get_xydata().tolist() == [[least, least], [most, most]]
