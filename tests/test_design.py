import inspect
import io
import re
import sys
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import pandas as pd
import pytest
import yaml
from conftest import prose
from grids import Grid, load_grid, notebook_parameters
from hypothesis import given, settings
from hypothesis import strategies as st
from prove_designs import (
    ALL_RESULTS,
    draw_designs,
    draw_smaller,
    draw_text_designs,
    main,
    write_grid,
    write_text_grid,
)

from ecmlib import Architecture, Protocol, load_law, load_results, random_library
from ecmlib.figures import plot_candidates, plot_capacity_over_parameters, plot_design_hits
from ecmlib.laws.base import ExtrapolationWarning, Law
from ecmlib.laws.design import best_design, smallest_architectures
from ecmlib.laws.design_choices import refuse_other_training
from ecmlib.laws.evidence import Evidence
from ecmlib.laws.fitted import Sizes
from ecmlib.laws.points import SIZES
from ecmlib.laws.text_design import bits_a_token, smallest_for_text
from ecmlib.laws.text_law import shipped_text_law
from ecmlib.laws.worth import capacity_over_parameters, predicted
from ecmlib.reproduction.designs import (
    GRIDS_OF_DESIGNS,
    OF_ANY_AGAIN,
    OF_TEXT,
    OF_TEXT_AS_RANDOM,
    PROBABILITY,
    SPARE,
    design_hits,
    drawn_designs,
    promises_kept,
)
from ecmlib.text_record import TextProtocol


class SmoothLaw(Law):
    """A law with known answers: a power of d that bends towards 90 % of T, times a spread of about a tenth."""

    name = "smooth"
    n_parameters: ClassVar = 3
    spread: ClassVar = np.exp(0.1 * np.random.default_rng(0).standard_normal(400))

    def _values(self, sizes: Sizes) -> np.ndarray:
        power = 0.5 * sizes["d"] ** 1.8 * (sizes["H"] * sizes["L"]) ** 0.6 * 8 / sizes["N"]
        return np.asarray(0.9 * sizes["T"] * -np.expm1(-power / sizes["T"]))

    def _draws(self, sizes: Sizes) -> np.ndarray:
        raise NotImplementedError

    def refit(self, frame: pd.DataFrame, bootstraps: int = 0) -> Self:
        raise NotImplementedError

    def predictive_draws(self, frame: pd.DataFrame) -> np.ndarray:
        return np.minimum(self.predict_frame(frame) * self.spread[:, None], frame["T"].to_numpy())


REGION = {"d": [8.0, 64.0], "H": [1.0, 4.0], "N": [4.0, 16.0], "L": [1.0, 1.0], "K": [128.0] * 2, "T": [2048.0] * 2}
FITTED = Evidence(configurations=9, region=REGION, calibration=[[0.5, 0.0]] * 1000)  # that promise up to 0.996
LAW = SmoothLaw(evidence=FITTED)


class BumpyLaw(SmoothLaw):
    """Its scatter is wider at some d, as that of a law may be whose scatter was measured."""

    name = "bumpy"

    def predictive_draws(self, frame: pd.DataFrame) -> np.ndarray:
        width = 1 + 3 * (frame["d"].to_numpy() % 7 < 2)
        return np.minimum(self.predict_frame(frame) * self.spread[:, None] ** width, frame["T"].to_numpy())


def reaches(frame: pd.DataFrame, law: Law, capacity: float, probability: float) -> np.ndarray:
    """Say as `smallest_architectures` defines it which rows reach a capacity."""
    C, T, K = law.predict_frame(frame), frame["T"], frame["K"]
    needed = capacity if probability >= 0.5 else np.minimum(capacity, 1.645 * np.sqrt(T / (K - 1)))
    promised = np.quantile(law.predictive_draws(frame), 1 - probability, axis=0)
    return np.asarray((promised >= capacity * (1 - 1e-9)) & (needed * (1 - 1e-9) <= C))


@settings(max_examples=25, deadline=None)
@given(
    capacity=st.floats(1, 1000),
    N=st.integers(4, 32),
    probability=st.sampled_from([0.05, 0.3, 0.5, 0.75, 0.95, 0.99]),
    law=st.sampled_from([LAW, BumpyLaw(evidence=FITTED)]),
)
def test_search_finds_what_trying_every_d_finds(capacity: float, N: int, probability: float, law: Law) -> None:
    candidates = smallest_architectures(capacity, N, L=(1, 2), H=(1, 3), law=law, probability=probability)
    assert len(candidates) == 4
    for _, row in candidates.iterrows():
        every = pd.DataFrame({"d": range(1, int(row["d"]) + 1), **{size: row[size] for size in SIZES[1:]}})
        reached = reaches(every, law, capacity, probability)
        assert reached.tolist() == [False] * (len(every) - 1) + [True]


@pytest.mark.parametrize("probability", [0.1, 0.5, 0.95])
@pytest.mark.parametrize(("capacity", "N", "T"), [(545, 8, 2048), (60, 16, 512), (500, 16, 600)])
def test_search_of_the_law_that_ships_is_one_through_every_d(capacity: int, N: int, T: int, probability: float) -> None:
    law = load_law()
    wanted = {"N": N, "T": T, "L": (1,), "H": (1, 4)}
    found = smallest_architectures(capacity, **wanted, law=law, probability=probability)
    for H, d in zip(found["H"], found["d"], strict=True):
        every = pd.DataFrame({"d": range(1, 100), "H": H, "N": N, "L": 1, "K": 128, "T": T})
        assert d == 1 + reaches(every, law, capacity, probability).argmax()


def test_bumps_are_there_to_be_searched() -> None:
    law = BumpyLaw(evidence=FITTED)
    every = pd.DataFrame({"d": range(1, 60), "H": 1, "N": 8, "L": 1, "K": 128, "T": 2048})
    assert (np.diff(np.quantile(law.predictive_draws(every), 0.05, axis=0)) < 0).any()


def test_candidates_are_sorted_and_say_what_they_are() -> None:
    candidates = smallest_architectures(500, 16, law=LAW)
    assert len(candidates) == 16
    assert candidates["P"].is_monotonic_increasing
    assert (candidates["C_low"] >= 500).all()
    assert (candidates["C_low"] <= candidates["C"]).all()
    assert (candidates["C"] <= candidates["C_high"]).all()
    assert (candidates["probability"] >= 0.95).all()
    low, high = np.quantile(LAW.predictive_draws(candidates), [0.05, 0.95], axis=0)
    np.testing.assert_allclose(candidates[["C_low", "C_high"]], np.column_stack([low, high]))
    for _, row in candidates.iterrows():
        P = Architecture(*(int(row[size]) for size in SIZES[:-1])).n_params
        assert row["P"] == P
        assert row["MPP"] == pytest.approx(16 * row["C"] / P)
        assert row["outside_region"] == (row["d"] > 64 or row["H"] > 4 or row["L"] > 1)


def test_more_sequences_longer_ones_or_more_certainty_never_take_fewer_parameters() -> None:
    def least(capacity: float, N: int, probability: float) -> float:
        return smallest_architectures(capacity, N, law=LAW, probability=probability)["P"].iloc[0]

    assert least(200, 8, 0.2) < least(200, 8, 0.5) < least(200, 8, 0.95)
    assert least(100, 8, 0.95) <= least(200, 8, 0.95) <= least(200, 16, 0.95) <= least(200, 16, 0.99)
    assert least(100, 8, 0.95) < least(200, 16, 0.99)


def test_interval_of_candidates_is_the_same_whatever_the_probability() -> None:
    sure, bold = (smallest_architectures(300, 8, law=LAW, probability=probability) for probability in (0.95, 0.2))
    for candidates in (sure, bold):
        C, low, high = (candidates[name].to_numpy() for name in ("C", "C_low", "C_high"))
        assert (low < 0.9 * C).all()
        assert (high > 1.1 * C).all()
    assert (bold["C_low"] < 300).all()


def test_less_training_takes_a_larger_model_of_which_the_law_is_told(tmp_path: Path) -> None:
    law = load_law()
    (row,) = smallest_architectures(100, 8, T=2048, L=(1,), H=(1,), max_steps=700).to_dict("records")
    sizes = {name: row[name] for name in (*SIZES, "head_dim")}
    assert [row["C"], row["C_low"], row["C_high"]] == list(law.predict(**sizes, level=0.9, max_steps=700))
    usual = smallest_architectures(100, 8, T=2048, L=(1,), H=(1,))
    assert row["d"] > usual["d"].item()
    same = smallest_architectures(100, 8, T=2048, L=(1,), H=(1,), max_steps=10_000)
    pd.testing.assert_frame_equal(same.drop(columns="max_steps"), usual)
    (tmp_path / "prose.txt").write_text(prose(600), encoding="utf-8")
    of_text = {"N": 8, "K": 64, "share": 0.2, "T": 256, "L": (1,), "H": (1,)}
    short, long = (smallest_for_text(tmp_path / "prose.txt", **of_text, max_steps=steps) for steps in (700, 10_000))
    assert short["d"].item() > long["d"].item()


def test_probability_counts_the_draws() -> None:
    row = smallest_architectures(300, 8, L=(1,), H=(2,), law=LAW, probability=0.75).iloc[0]
    draws = LAW.predictive_draws(pd.DataFrame([row[SIZES].astype(int)]))
    assert row["probability"] == (draws >= 300).mean()
    assert 0.75 <= row["probability"] < 0.9


def test_no_more_is_promised_than_residuals_can() -> None:
    few = SmoothLaw(evidence=FITTED.model_copy(update={"calibration": [[0.5, 0.0]] * 15}))
    assert few.evidence.surest == 9 / 10
    found = smallest_architectures(1, 8, law=few, probability=0.9)
    assert (few.predictive_draws(found) >= 1).all(axis=0).any(), "all draws reach it"
    assert found["probability"].max() == 9 / 10
    refused = "probability = 0.95: the 9 residuals around a prediction of this law promise 0.9 at most"
    with pytest.raises(ValueError, match=refused):
        smallest_architectures(1, 8, law=few)


def test_defaults_ask_for_what_the_laws_that_ship_can_promise() -> None:
    for search, law in ((smallest_architectures, load_law()), (smallest_for_text, shipped_text_law())):
        assert inspect.signature(search).parameters["probability"].default <= law.evidence.surest


def test_best_design_prefers_the_fitted_region() -> None:
    candidates = smallest_architectures(500, 16, law=LAW)
    best = best_design(candidates)
    assert not best["outside_region"]
    assert best["P"] == candidates.loc[~candidates["outside_region"], "P"].min()
    assert candidates["P"].iloc[0] < best["P"], "two layers hold more here, and lie outside"
    assert best_design(candidates[candidates["outside_region"]])["P"] == candidates["P"].iloc[0]


def test_library_is_by_default_the_largest_fitted_on_that_exists() -> None:
    assert (smallest_architectures(100, 8, law=LAW)["T"] == 2048).all()
    assert (smallest_architectures(10, 2, law=LAW)["T"] == 128).all()


def test_candidate_that_saturates_too_early_is_left_out() -> None:
    class Heads(SmoothLaw):
        def _values(self, sizes: Sizes) -> np.ndarray:
            return np.minimum(super()._values(sizes), 100.0 * sizes["H"])

    candidates = smallest_architectures(250, 8, L=(1,), H=range(1, 5), law=Heads(evidence=FITTED))
    assert sorted(candidates["H"]) == [3, 4]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"capacity": 200, "N": 2}, r"K\^\(N-1\) = 128 such beginnings"),
        ({"capacity": 3000, "N": 8}, "capacity = 3000: the library has only T = 2048 sequences"),
        (
            {"capacity": 2000, "N": 8},
            r"probability 0\.95 this law promises at most 15\d\d sequences .* with d up to 1024, H up to 8",
        ),
        ({"capacity": 0, "N": 8}, "capacity = 0.*greater than 0"),
        ({"capacity": float("nan"), "N": 8}, "capacity = nan: input should be"),
        ({"capacity": 100, "N": 1}, "N = 1: input should be greater than or equal to 2"),
        ({"capacity": 100, "N": 8, "K": 1}, "K = 1: input should be greater than or equal to 2"),
        ({"capacity": 100, "N": 8, "T": 0}, "T = 0: input should be greater than or equal to 1"),
        ({"capacity": 100, "N": 8, "H": []}, r"H = \[\]: input should be one integer or more, in a list"),
        ({"capacity": 100, "N": 8, "L": [0]}, "L.0 = 0: input should be greater than or equal to 1"),
        ({"capacity": 100, "N": 8, "probability": 1.0}, "probability = 1.0: input should be less than 1"),
        ({"capacity": 100, "N": 8, "probability": 0.0}, "probability = 0.0: input should be greater than 0"),
        ({"capacity": 100, "N": 8, "probability": 0.999}, "probability = 0.999: the 251 residuals .* 0.996 at most"),
        ({"capacity": 4, "N": 4, "K": 2, "T": 800}, r"T = 800: at most K\^\(N-1\) = 2\^3 = 8 sequences"),
    ],
)
def test_impossible_target_is_refused_with_its_reason(arguments: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        smallest_architectures(**arguments, law=LAW)  # type: ignore[arg-type]


def test_refusal_names_the_highest_probability_that_can_be_asked_for() -> None:
    with pytest.raises(ValueError, match="1700 with probability") as refused:
        smallest_architectures(1700, 8, law=LAW)
    most = float(re.findall(r"1700 with probability ([\d.]+) at most", str(refused.value))[0])
    assert 0.5 < most < 0.95
    assert len(smallest_architectures(1700, 8, law=LAW, probability=most))
    with pytest.raises(ValueError, match=f"1700 with probability {most:g} at most"):
        smallest_architectures(1700, 8, law=LAW, probability=most + 0.002)
    with pytest.raises(ValueError, match="1900 with probability") as refused:
        smallest_architectures(1900, 8, law=LAW)  # more than the law predicts of any
    most = float(re.findall(r"1900 with probability ([\d.]+) at most", str(refused.value))[0])
    assert 0 < most < 0.5
    assert len(smallest_architectures(1900, 8, law=LAW, probability=most))


def test_whole_library_is_promised_to_a_model_far_above_its_need() -> None:
    found = smallest_architectures(1000, 16, T=1000, L=(1,), probability=0.95)
    assert (found["probability"] >= 0.95).all()
    assert load_law().share(found).min() > 1.2  # type: ignore[attr-defined]


def test_capacity_over_parameters_predicts_every_combination() -> None:
    frame = capacity_over_parameters(LAW, d=[8, 128, 16], H=[1, 2], N=[8])
    assert len(frame) == 6
    for _, part in frame.groupby("H"):
        assert part["P"].is_monotonic_increasing
        assert part["C"].is_monotonic_increasing
        assert part["outside_region"].tolist() == [False, False, True]


def test_capacity_over_parameters_takes_for_each_length_a_library_that_exists() -> None:
    frame = capacity_over_parameters(LAW, d=[16], H=[1], N=[2, 8])
    assert frame["T"].tolist() == [128, 2048]
    with pytest.raises(ValueError, match=r"T = 2048: at most K\^\(N-1\) = 128\^1 = 128 sequences"):
        capacity_over_parameters(LAW, d=[16], H=[1], N=[2, 8], T=2048)


@pytest.mark.parametrize(
    "components", [{"ff_mult": 1}, {"embeddings": "trained"}, {"ff": "identity"}, {"head_dim": 8, "ff_mult": 2}]
)
def test_predicted_counts_the_parameters_of_what_it_predicts(components: dict[str, Any]) -> None:
    sizes = {"d": 32, "H": 1, "N": 8, "L": 1, "K": 128}
    (row,) = predicted(pd.DataFrame([sizes | {"T": 2048} | components]), load_law()).to_dict("records")
    assert row["P"] == Architecture(**sizes, **components).n_params
    assert row["C"] == load_law().predict_frame(pd.DataFrame([sizes | {"T": 2048} | components])).item()
    assert row["MPP"] == pytest.approx(8 * row["C"] / row["P"])


def test_measured_rows_are_predicted_whatever_they_hold_in_bits() -> None:
    rows = load_results("results/reference").head(3)
    said = predicted(rows, load_law())
    np.testing.assert_array_equal(said["C"], load_law().predict_frame(rows))
    np.testing.assert_array_equal(said[["P", "bits"]], rows[["P", "bits"]])


def test_hits_compare_the_first_restart_with_the_target() -> None:
    sizes = {"H": 1, "N": 8, "L": 1, "K": 128, "T": 2048}
    designs = pd.DataFrame([{"capacity": 100, "d": d, **sizes} for d in (16, 17, 18, 19)])
    measured = [(16, 0, 100.0), (16, 1, 90.0), (17, 0, 99.9), (17, 1, 200.0), (18, 0, np.nan)]
    results = pd.DataFrame([{"d": d, **sizes, "restart": number, "C": C} for d, number, C in measured])
    hits = design_hits(designs, results)
    assert hits["reached"].tolist() == [True, False, False, pd.NA]
    assert hits["held"].tolist()[:3] == [100.0, 99.9, 0.0]
    assert design_hits(designs, pd.DataFrame())["reached"].isna().all()


def test_promises_are_kept_by_as_many_as_reach_their_targets() -> None:
    designs = pd.DataFrame({"capacity": 100, "C": [120, 110, 130], "probability": 0.5})
    half = designs.assign(held=[150.0, 100.0, np.nan], reached=[True, True, None])
    kept = promises_kept({"first": half, "again": designs.assign(held=np.nan, reached=None)})
    assert kept.to_dict("records") == [
        {"draw": "first", "trained": 2, "promised": 1.0, "reached": 2, "chance": pytest.approx(0.25)}
        | {"aimed": 1.15, "held": 1.25, "above": pytest.approx((150 / 120 + 100 / 110) / 2)}
    ]


def test_drawn_designs_are_the_laws_and_the_same_every_time() -> None:
    law = load_law()
    designs = draw_designs(law, n=5)
    pd.testing.assert_frame_equal(designs, draw_designs(law, n=5))
    assert not designs.equals(draw_designs(law, n=5, seed=1))
    assert len(designs.drop_duplicates(SIZES)) == 5
    assert (designs[["H", "L", "K", "T", "head_dim"]].nunique() > 1).all()
    assert (designs["probability"] >= PROBABILITY).all()
    for _, row in designs.iterrows():
        assert row["d"] <= 64
        assert not row["outside_region"]
        capacity, N, K, T, head_dim = (int(row[name]) for name in ("capacity", "N", "K", "T", "head_dim"))
        options = {"L": [row["L"]], "H": [row["H"]], "probability": PROBABILITY, "head_dim": head_dim}
        best = best_design(smallest_architectures(capacity, N, K, T, law=law, **options))
        assert best[SIZES].tolist() == row[SIZES].tolist()


def test_next_smaller_models_spare_just_enough_parameters() -> None:
    law = load_law()
    designs = draw_designs(law, n=4)
    smaller = draw_smaller(designs, law, n=2)
    pd.testing.assert_frame_equal(smaller, draw_smaller(designs.assign(held=1.0, reached=False), law, n=2))
    assert len({tuple(draw_smaller(designs, law, n=2, seed=seed)["d"]) for seed in range(5)}) > 1
    alike = [name for name in [*SIZES, "head_dim"] if name != "d"]
    for _, row in smaller.iterrows():
        (design,) = designs[designs["P"] == row["P_design"]].to_dict("records")
        assert row[["capacity", *alike]].tolist() == [design[name] for name in ["capacity", *alike]]
        sizes = {name: int(row[name]) for name in ["d", *alike] if name != "T"}
        P, wider = (Architecture(**sizes | {"d": d}).n_params for d in (sizes["d"], sizes["d"] + 1))
        assert row["P"] == P < design["P"] / SPARE <= wider


@pytest.mark.parametrize(
    ("grid", "law", "text", "refusal"),
    [
        (OF_TEXT, "text", [], "--text: None; designs-text-law takes one"),
        (OF_ANY_AGAIN, "signal", ["--text", "kjv.txt"], "--text: kjv.txt; designs-again takes none"),
        (OF_TEXT, "signal", ["--text", "kjv.txt"], "law: signal; designs-text-law is drawn by one of text"),
        (OF_TEXT_AS_RANDOM, "text", ["--text", "kjv.txt"], "law: text; designs-text is drawn by one of random tokens"),
        (OF_ANY_AGAIN, "text", [], "law: text; designs-again is drawn by one of random tokens"),
        ("designs-again-smaller", "signal", [], "results/designs-again/targets.csv is missing or empty"),
    ],
)
def test_designs_are_drawn_by_the_law_that_their_grid_is_of(
    grid: str,
    law: str,
    text: list[str],
    refusal: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr("prove_designs.ALL_RESULTS", tmp_path)
    monkeypatch.setattr(sys, "argv", ["prove_designs.py", "draw", grid, f"results/law-reference/{law}.json", *text])
    with pytest.raises(SystemExit):
        main()
    assert refusal in capsys.readouterr().err
    assert not [*tmp_path.iterdir()]


@pytest.mark.parametrize("grid", GRIDS_OF_DESIGNS[1:])
def test_designs_are_never_drawn_again(
    grid: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["prove_designs.py", "draw", grid, "results/law-reference/signal.json"])
    with pytest.raises(SystemExit):
        main()
    assert "drawn once, never again" in capsys.readouterr().err


def test_grid_of_designs_trains_each_once_on_a_library_of_its_own(tmp_path: Path) -> None:
    designs = draw_designs(load_law(), n=3)
    write_grid(designs, tmp_path / "designs.yaml")
    grid = Grid(**yaml.safe_load((tmp_path / "designs.yaml").read_text()))
    jobs = list(grid.jobs(tmp_path))
    varied = [*SIZES, "head_dim"]
    assert [[job.parameters[size] for size in varied] for job in jobs] == designs[varied].to_numpy().tolist()
    assert {job.restarts for job in jobs} == {1}
    as_fitted = Protocol.reference(seed=1, vary="weights+order").model_dump(exclude={"T"})
    assert all(job.plan.protocol.model_dump(exclude={"T"}) == as_fitted for job in jobs)


def test_designs_for_a_text_are_the_laws_and_each_is_trained_once(tmp_path: Path) -> None:
    path = tmp_path / "prose.txt"
    path.write_text(prose(9000), encoding="utf-8")
    law = load_law("results/law-reference/signal.json")
    designs = draw_text_designs(law, path, n=2)
    assert designs["outside_region"].all(), "the law is one of random tokens"
    assert not law.evidence.outside(designs[SIZES]).any()
    for _, row in designs.iterrows():
        assert row["d"] <= 64
        N, K = int(row["N"]), int(row["K"])
        found = smallest_for_text(path, N, K, row["share"], law=law, T=2048, H=[row["H"]], seed=1)
        assert best_design(found)[SIZES].tolist() == row[SIZES].tolist()
    write_text_grid(designs, tmp_path / "designs.yaml", str(path))
    jobs = list(Grid(**yaml.safe_load((tmp_path / "designs.yaml").read_text())).jobs(tmp_path))
    assert [[job.parameters[size] for size in SIZES] for job in jobs] == designs[SIZES].to_numpy().tolist()
    as_fitted = Protocol.reference(T=2048, seed=1, eval_growth=0.0, eval_every=1000, vary="weights+order")
    for job in jobs:
        assert job.plan.protocol == TextProtocol(content="text", **as_fitted.model_dump())
        untold = {*notebook_parameters("text")} & {*TextProtocol.model_fields} - {*job.parameters}
        assert untold == {"batch_size", "order"}, "the notebook has defaults of its own for the others"


@pytest.mark.parametrize("grid", GRIDS_OF_DESIGNS)
def test_committed_designs_are_trained_and_tabulated_as_they_were_drawn(grid: str) -> None:
    targets = pd.read_csv(ALL_RESULTS / grid / "targets.csv")
    jobs = load_grid(grid).jobs(ALL_RESULTS / grid)
    assert [[job.parameters[size] for size in SIZES] for job in jobs] == targets[SIZES].to_numpy().tolist()
    if (table := ALL_RESULTS / grid / "hits.csv").exists():
        recomputed = drawn_designs(ALL_RESULTS, grid)
        pd.testing.assert_frame_equal(pd.read_csv(table), pd.read_csv(io.StringIO(recomputed.to_csv(index=False))))


def test_capacity_over_parameters_is_dashed_where_it_was_not_fitted() -> None:
    frame = capacity_over_parameters(LAW, d=[8, 16, 128], H=[1, 2], N=[8])
    published = pd.DataFrame({"H": [1, 1, 2], "P": [900, 100, 200], "C": [9.0, 1.0, 2.0]})
    (axes,) = plot_capacity_over_parameters(frame, published).axes
    assert axes.get_legend_handles_labels()[1] == ["H = 1", "H = 2", "published"]
    for H, lines in zip((1, 2), (axes.lines[:3], axes.lines[3:6]), strict=True):
        here = frame[frame["H"] == H]
        dashed, solid, dotted = lines
        assert dashed.get_xydata().tolist() == here[["P", "C"]].to_numpy().tolist()
        assert np.isnan(solid.get_ydata()).tolist() == here["outside_region"].tolist() == [False, False, True]
        assert dotted.get_xdata().tolist() == ([100, 900] if H == 1 else [200]), "by P, whatever the order of rows"
    band = axes.collections[0].get_paths()[0].get_extents()
    assert (band.ymin, band.ymax) == pytest.approx((frame["C_low"][:3].min(), frame["C_high"][:3].max()))
    assert axes.get_xscale() == "log"


def test_candidates_are_drawn_with_their_intervals_target_and_measurement() -> None:
    candidates = smallest_architectures(500, 16, law=LAW)
    measured = candidates[["d", "H", "L"]].iloc[[3]].assign(held=510.0)
    (axes,) = plot_candidates(candidates, 500, measured).axes
    handles = dict(zip(*reversed(axes.get_legend_handles_labels()), strict=True))
    assert set(handles) == {"predicted", "predicted, outside the fitted region", "measured", "target"}
    outside = candidates["outside_region"]
    for label, rows in (
        ("predicted", candidates[~outside]),
        ("predicted, outside the fitted region", candidates[outside]),
    ):
        points, _, (arms,) = handles[label]
        assert points.get_xydata().tolist() == [list(at) for at in zip(rows["C"], rows.index, strict=True)]
        ends = [segment[:, 0].tolist() for segment in arms.get_segments()]
        assert np.allclose(ends, rows[["C_low", "C_high"]])
    assert handles["measured"].get_xydata().tolist() == [[510, 3]]
    assert set(handles["target"].get_xdata()) == {500}
    assert [text.get_text() for text in axes.get_yticklabels()][3].startswith(f"d={candidates['d'][3]}, H=")
    assert axes.yaxis_inverted(), "the smallest is on top"


def test_designs_are_drawn_as_multiples_of_their_targets() -> None:
    designs = draw_designs(load_law(), n=3).assign(held=[1.0, 5000.0, np.nan], reached=[False, True, None])
    (axes,) = plot_design_hits(designs).axes
    handles = dict(zip(*reversed(axes.get_legend_handles_labels()), strict=True))
    assert set(handles) == {"predicted interval", "hit (1)", "miss (1)", "target"}
    missed, hit = designs["capacity"][:2]
    assert handles["hit (1)"].get_xydata().tolist() == [[hit, 5000 / hit]]
    assert handles["miss (1)"].get_xydata().tolist() == [[missed, 1 / missed]]
    intervals = [segment[:, 1] for segment in handles["predicted interval"].get_segments()]
    trained = designs[:2]
    assert np.allclose(intervals, trained[["C_low", "C_high"]].div(trained["capacity"], axis=0)), (
        "untrained ones are left out"
    )


def test_design_for_text_is_told_the_bits_a_token_takes(tmp_path: Path) -> None:
    law = load_law("results/law-reference/signal.json")
    path = tmp_path / "prose.txt"
    path.write_text(prose(4000), encoding="utf-8")
    designs = smallest_for_text(path, N=8, K=128, share=0.4, law=law, L=iter([1]), H=iter([1, 2]))
    bits, T = designs["token_bits"].iloc[0], int(designs["T"].iloc[0])
    assert 2 < bits < 5, "of the 7 of random tokens"
    assert (designs["C"] >= 0.4 * T).all()
    wanted = {"N": 8, "T": T, "law": law, "probability": 0.9, "L": (1,), "H": (1, 2)}
    of_random = smallest_architectures(0.4 * T, **wanted)
    assert (designs["P"].to_numpy() < of_random["P"].to_numpy()).all(), "random tokens take more"
    same = smallest_architectures(0.4 * T, **wanted, token_bits=7.0)
    pd.testing.assert_frame_equal(same.drop(columns="token_bits"), of_random)


def test_bits_of_random_tokens_are_those_of_their_vocabulary() -> None:
    assert bits_a_token(random_library(4000, 8, 16, seed=0).numpy(), 16) == pytest.approx(4, abs=0.05)


@pytest.mark.parametrize(("share", "range_"), [(0.0, "greater than 0"), (1.1, "less than or equal to 1")])
def test_impossible_share_of_a_text_is_refused(share: float, range_: str) -> None:
    with pytest.raises(ValueError, match=f"share = {share}: input should be {range_}"):
        smallest_for_text("nowhere", 8, 128, share, law=LAW)


def test_text_shorter_than_a_sequence_is_refused_by_the_length_asked_for(tmp_path: Path) -> None:
    (tmp_path / "prose.txt").write_text(prose(300), encoding="utf-8")
    with pytest.raises(ValueError, match="N = 100000: the text has no sequence of so many tokens"):
        smallest_for_text(tmp_path / "prose.txt", 100_000, 128, 0.4, law=LAW)


@pytest.mark.parametrize(
    ("token_bits", "refused"),
    [
        (7.5, r"token_bits = 7\.5: a token of K = 128 takes at most log2 K = 7"),
        (0.5, r"token_bits = 0\.5: input should be greater than or equal to 1"),
    ],
)
def test_bits_that_no_token_takes_are_refused(token_bits: float, refused: str) -> None:
    with pytest.raises(ValueError, match=refused):
        smallest_architectures(100, 8, T=2048, token_bits=token_bits)
    with pytest.raises(ValueError, match=refused):
        load_law().predict(16, 1, 8, T=2048, token_bits=token_bits)


def test_bits_of_a_token_need_a_law_that_knows_them_and_are_an_extrapolation_of_one_of_random_tokens() -> None:
    with pytest.raises(ValueError, match=r"token_bits = 6: law 'smooth' knows random tokens alone"):
        smallest_architectures(100, 8, law=LAW, token_bits=6.0)
    with pytest.warns(ExtrapolationWarning, match="fitted to token_bits = log2 K$"):
        load_law().predict(16, 1, 8, T=2048, token_bits=5.0)
    assert load_law().predict(16, 1, 8, T=2048, token_bits=7.0) == load_law().predict(16, 1, 8, T=2048)
    assert smallest_architectures(100, 8, T=2048, token_bits=5.0)["outside_region"].all()


@pytest.mark.parametrize("choices", [1, None, "12", [], ["1"]])
def test_choices_of_a_design_are_a_list_of_integers(choices: Any) -> None:
    with pytest.raises(ValueError, match=r"^H(\.0)? = .*: input should be (one|a valid) integer[^;]*$"):
        smallest_architectures(100, 8, T=2048, H=choices)
    same = smallest_architectures(100, 8, T=2048, L=[1], H=np.array([1, 2]))
    pd.testing.assert_frame_equal(same, smallest_architectures(100, 8, T=2048, L=[1], H=(1, 2)))


@pytest.mark.parametrize(
    ("wrong", "refused"),
    [
        ({"probability": 2.0}, "probability = 2"),
        ({"max_steps": 0}, "max_steps = 0"),
        ({"L": [0]}, r"L\.0 = 0"),
        ({"law": "signal"}, "law = 'signal': input should be a law"),
        ({"seed": "x"}, "seed = 'x'"),
        ({"share": 2.0}, "share = 2"),
    ],
)
def test_a_design_for_text_is_refused_before_the_text_is_read(wrong: dict[str, Any], refused: str) -> None:
    with pytest.raises(ValueError, match=refused):
        smallest_for_text(**{"text": "nowhere.txt", "N": 8, "K": 256, "share": 0.5} | wrong)


def test_n_grams_of_one_sequence_say_nothing(tmp_path: Path) -> None:
    (tmp_path / "prose.txt").write_text(prose(3000), encoding="utf-8")
    with pytest.raises(ValueError, match="T = 1: input should be at least 2"):
        smallest_for_text(tmp_path / "prose.txt", 8, 128, 0.5, T=1, law=load_law())


def test_law_of_another_training_designs_nothing_that_is_trained_by_this_one() -> None:
    refuse_other_training(load_law(), Protocol.reference(T=512, max_steps=5000, seed=1, vary="weights+order"))
    with pytest.raises(
        ValueError, match=r"fitted to target = C_plateau, lr = 0\.001, .*trained with target = C, lr = 0\.02"
    ):
        refuse_other_training(load_law("results/law/signal.json"), Protocol.reference())


@pytest.mark.parametrize(("N", "K", "T"), [(2, 2, 3), (4, 2, 9), (2, 128, 2048)])
def test_library_that_cannot_be_is_not_predicted(N: int, K: int, T: int) -> None:
    most = K ** (N - 1)
    with pytest.raises(ValueError, match=rf"T = {T}: at most K\^\(N-1\) = {K}\^{N - 1} = {most} sequences"):
        load_law().predict(d=8, H=1, N=N, K=K, T=[most, T])
    row = pd.DataFrame([{"d": 8, "H": 1, "N": N, "L": 1, "K": K, "T": most}])
    assert load_law().predict_frame(row) <= most
    assert load_law().predict_frame(row.assign(N=1000, K=10_000, T=10**9)) > 0, "of a huge number of beginnings"
