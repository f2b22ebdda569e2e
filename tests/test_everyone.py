"""Everyone's numbers on one picture."""

import re
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from ecmlib import SignalLaw, load_law
from ecmlib.laws.ecm import EmpiricalCapacityModel
from ecmlib.reproduction.everyone import (
    FRESH,
    MORRIS,
    OURS,
    TABLE_1,
    TWO_MILLION,
    WHO,
    gather,
    of_dana,
    of_morris,
    of_ours,
    of_table_1,
    of_two_million,
    plot_everyone,
)
from ecmlib.reproduction.external import DANA, dana, predict_dana, statements, stored_per_parameter

law = load_law()
assert isinstance(law, SignalLaw)
LAW: SignalLaw = law
SIZES = {"d": 16, "H": 1, "N": 8, "L": 1, "K": 128, "T": 2048}


def test_sizes_outside_the_fitted_region_are_named() -> None:
    rows = pd.DataFrame([SIZES, SIZES | {"d": 4, "K": 4096}, SIZES | {"T": int(LAW.region["T"][1]) + 1}])
    assert LAW.evidence.outside(rows).tolist() == ["", "d, K", "T"]


def test_ours_are_those_of_the_scope_that_can_be_wrong() -> None:
    rows = [{"C": 90.0, "ff": "train"}, {"C": 2040.0, "ff": "train", "d": 17}, {"C": 90.0, "ff": "identity", "d": 18}]
    frame = pd.DataFrame([SIZES | row for row in rows])
    (row,) = of_ours(LAW, frame, FRESH).to_dict("records")
    assert (row["who"], row["measured"], row["outside"]) == (FRESH, 90, "")
    assert row["predicted"] == pytest.approx(float(LAW.predict(d=16, H=1, N=8, T=2048)))


def test_accuracies_become_contexts() -> None:
    predicted = predict_dana(LAW, dana("results/external")).head(1)
    (row,) = of_dana(LAW, predicted).to_dict("records")
    assert row["measured"] == pytest.approx(0.058625 * 2500)
    assert row["measured"] / row["predicted"] == pytest.approx(1 / predicted["ratio"].item())
    assert row["outside"] == "d, N"


def test_table_1_is_asked_at_the_steps_after_which_its_rule_ended_runs() -> None:
    runs = pd.DataFrame([SIZES | {"d": 64, "T": 16000, "steps": steps, "max_steps": 20_000} for steps in (2000, 4000)])
    (row,) = of_table_1(LAW, runs).to_dict("records")
    assert row["measured"] == pytest.approx(float(EmpiricalCapacityModel.published(L=1).predict(d=64, H=1, N=8)))
    assert row["predicted"] == pytest.approx(float(LAW.predict(d=64, H=1, N=8, T=16000, max_steps=3000)))


def test_bits_become_sequences_of_so_many_bits() -> None:
    like = stored_per_parameter(LAW, d=[128], L=[2]).iloc[0]
    (row,) = of_morris(LAW, like, statements("results/external")).to_dict("records")
    assert row["measured"] == pytest.approx(2.29e6 / (64 * 11))
    assert row["predicted"] == pytest.approx(like["P"] * like["bits_per_parameter"] / 704)
    assert row["outside"] == "d, N"
    (full,) = of_morris(LAW, like * [1, 1, 1, 100, 1, 1], statements("results/external")).to_dict("records")
    assert full["predicted"] == 4096


@pytest.fixture
def some_results(tmp_path: Path) -> Path:
    """A few records of each grid, and what others have published."""
    for grid in ("reference", "axes", "holdout-2025", "paper-conditions", "two-million", "external"):
        (tmp_path / grid).mkdir()
        for path in sorted(Path("results", grid).iterdir())[:12]:
            shutil.copy(path, tmp_path / grid)
    return tmp_path


def test_everyone_is_gathered_where_predictions_can_be_wrong(some_results: Path) -> None:
    rows = gather(LAW, LAW, some_results)
    of_each = rows["who"].value_counts()
    assert set(of_each.index) == {OURS, FRESH, MORRIS, TABLE_1, TWO_MILLION, *(f"Dana et al., {kind}" for kind in DANA)}
    published = dana("results/external")
    open_ = published[published["accuracy"] < 0.9]["kind"].value_counts()
    assert {kind: of_each[f"Dana et al., {kind}"] for kind in DANA} == open_.to_dict()


def test_picture_shows_every_row_once_and_extrapolations_hollow() -> None:
    table = pd.DataFrame([SIZES | {"d": 440, "published": 3300.0, "predicted": 5000.0}])
    rows = pd.DataFrame(
        {"who": OURS, "predicted": [10.0, 20, 30], "measured": [11.0, 19, 33], "outside": ["", "d", ""]}
    )
    rows = pd.concat([rows, of_two_million(LAW, table)])
    assert list(rows) == WHO
    figure = plot_everyone(rows)
    (axes,), (legend,) = figure.axes, figure.legends
    drawn = [line for line in axes.lines if line.get_marker() not in ("None", None)]
    hollow = np.concatenate([line.get_xdata() for line in drawn if line.get_markerfacecolor() == "none"])
    solid = np.concatenate([line.get_xdata() for line in drawn if line.get_markerfacecolor() != "none"])
    assert sorted(hollow) == [20, 5000]
    assert sorted(solid) == [10, 30]
    assert [text.get_text() for text in legend.get_texts()] == [f"{OURS}: 9%", "the paper's 2 million: 52%"]


def test_pictures_of_the_readme_are_there_and_drawn_by_one_command() -> None:
    shown = set(re.findall(r"book/_static/\w+\.svg", Path("README.md").read_text()))
    (recipe,) = re.findall(r"^picture:.*\n((?:\t.*\n| {4,}.*\n)+)", Path("Makefile").read_text(), flags=re.MULTILINE)
    assert shown == set(re.findall(r"book/_static/\w+\.svg", recipe))
    assert len(shown) == 2
    assert all(Path(path).is_file() for path in shown)


def test_law_answers_as_the_readme_asks_it() -> None:
    (asked,) = re.findall(r"`(load_law\(\)\.predict\(.*?\))`", Path("README.md").read_text())
    assert 0 < float(eval(asked, {"load_law": load_law})) < 2048
