"""Experiments on invented records, whose answers are known."""

import ast
import json
import math
import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from grids import load_grid

import ecmlib.reproduction.measure as measuring
from ecmlib import Architecture, CapacityRecord, MlsRecord, Protocol
from ecmlib.laws.ecm import EmpiricalCapacityModel
from ecmlib.laws.evidence import Evidence
from ecmlib.provenance import provenance
from ecmlib.record import record_name
from ecmlib.reproduction import batch_size, feedforward, layers, stopping, vocabulary
from ecmlib.reproduction.critical_batch import critical_batch_sizes, judge_noise_scale, noise_scales
from ecmlib.reproduction.measure import combinations, measure_all
from ecmlib.reproduction.stats import NOT_MEASURED
from ecmlib.restart import Restart, seeds_of_restart

T = 4096
PROVENANCE = provenance("cpu", threads=1, compiled=False, seconds=1, core_seconds=1)
STEPS = np.arange(0, 2001, 50)
BITS = 2.0  # that a prediction of an invented model lacks


def invented(values: dict[str, Any], capacity: float, curve: np.ndarray | None = None) -> CapacityRecord:
    """A record whose count, less its guesses, is ``capacity`` times ``curve``, which rises to 1."""
    values = {"T": T, "max_steps": int(STEPS[-1])} | values
    architecture, protocol = measuring.configured(values, Protocol)
    if curve is None:
        curve = 1 - np.exp(-STEPS / 100)
    guesses = protocol.T / architecture.K
    counts = [int(count) for count in np.round(guesses + capacity * (1 - 1 / architecture.K) * curve)]
    restart = Restart(
        seed=seeds_of_restart(protocol, 0).weights,
        status="max_steps",
        step=np.linspace(0, protocol.max_steps, len(counts)).astype(int).tolist(),
        last_count=counts,
        full_count=counts,
        bits=[min(BITS, math.log2(architecture.K))] * len(counts),
        provenance=PROVENANCE,
    )
    return CapacityRecord(architecture=architecture, protocol=protocol, restarts=[restart])


def pairs(ratio_small: float, ratio_large: float) -> list[CapacityRecord]:
    records = []
    for d in (8, 16, 32, 48, 64):
        ratio = ratio_small if d <= 32 else ratio_large
        wobble = 1 + 0.02 * (-1) ** (d // 8)
        records.append(invented({"d": d, "N": 16, "ff": "identity"}, 10 * d))
        records.append(invented({"d": d, "N": 16, "ff": "train"}, 10 * d * ratio * wobble))
    return records


@pytest.mark.parametrize(
    ("ratio_small", "ratio_large", "verdict"),
    [(1, 0.8, "supported"), (1, 1.4, "mixed"), (2, 0.8, "mixed"), (2, 3, "not supported")],
)
def test_feedforward_verdict_follows_the_ratios(ratio_small: float, ratio_large: float, verdict: str) -> None:
    compared = feedforward.compare(pairs(ratio_small, ratio_large))
    assert len(compared) == 5
    assert (compared["P_train"] > compared["P_identity"]).all()
    assert compared["ratio"].to_numpy() == pytest.approx([ratio_small] * 3 + [ratio_large] * 2, rel=0.05)
    assert feedforward.judge(compared).verdict == verdict


def test_feedforward_is_not_judged_by_full_libraries() -> None:
    full = [invented({"d": 96, "N": 16, "ff": ff}, count) for ff, count in (("train", T), ("identity", 2000))]
    compared = feedforward.compare([*pairs(1, 0.8), *full])
    assert compared["full"].tolist() == [False] * 5 + [True]
    assert feedforward.judge(compared).statements == feedforward.judge(feedforward.compare(pairs(1, 0.8))).statements
    assert "At d = 96 models with feed-forward blocks hold their whole library, at least 2.05" in (
        feedforward.judge(compared).note
    )
    assert feedforward.judge(compared.assign(full=True)) == NOT_MEASURED


def test_feedforward_is_read_at_equal_steps_too() -> None:
    shorter = invented({"d": 8, "N": 4, "ff": "identity", "max_steps": 1000}, 50, np.linspace(0, 1, 41))
    longer = invented({"d": 8, "N": 4, "ff": "train", "max_steps": 2000}, 100, np.linspace(0, 1, 41))
    (pair,) = feedforward.compare([shorter, longer]).to_dict("records")
    assert pair["equal_steps"] == 1000
    assert (pair["ratio"], pair["ratio_equal_steps"]) == pytest.approx((2, 1), rel=0.05)


def test_feedforward_without_pairs_gives_no_verdict() -> None:
    records = pairs(1, 1)
    assert feedforward.judge(feedforward.compare(records[:1])) == NOT_MEASURED
    assert feedforward.judge(feedforward.compare(records[:4])) == NOT_MEASURED


@pytest.mark.parametrize(
    ("other", "message"), [({"N": 8}, "N = 8, 16"), ({"lr": 0.01}, r"lr = 0\.001, 0\.01"), ({"seed": 1}, "seed = 0, 1")]
)
def test_pairs_that_differ_in_more_than_feed_forward_are_refused(other: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=f"the frame mixes {message}"):
        feedforward.compare([*pairs(1, 0.8)[1:], invented({"d": 8, "N": 16, "ff": "identity"} | other, 80)])


def test_two_records_of_one_model_are_refused_by_what_differs() -> None:
    longer = {"max_steps": 4000}
    with pytest.raises(ValueError, match="the frame mixes max_steps = 2000, 4000"):
        feedforward.compare([*pairs(1, 0.8), invented({"d": 8, "N": 16, "ff": "train"} | longer, 80)])
    for compare in (batch_size.compare, critical_batch_sizes):
        for other, message in (({"H": 2}, "H = 1, 2"), ({"seed": 1}, "seed = 0, 1")):
            configuration = batch_size.plan([32], [32], [[64]], [1240])[0] | {"T": 8 * 2048}
            with pytest.raises(ValueError, match=f"the frame mixes {message}"):
                compare([*batches(1.3, 1.0), invented(configuration | other, 80)])


def deeper(exponent_d: float, exponent_P: float) -> list[CapacityRecord]:
    sizes = layers.plan(32, [1, 2, 3, 4], H=1, N=8)
    wobbles = (1, 1.02, 0.98, 1, 0.98, 1.02, 1)
    return [
        invented({"N": 8, **size}, wobble * 200 * size["L"] ** (exponent_d if size["d"] == 32 else exponent_P))
        for size, wobble in zip(sizes, wobbles, strict=True)
    ]


def test_layers_are_planned_at_equal_d_and_at_nearest_P() -> None:
    sizes = layers.plan(32, [1, 2, 3, 4], H=1, N=8)
    assert {(size["d"], size["L"]) for size in sizes} == {(32, 1), (32, 2), (32, 3), (32, 4), (20, 2), (15, 3), (12, 4)}
    assert [size["L"] for size in layers.plan(10**9, [2], H=1, N=8)] == [2, 2], "at once, whatever the size"


@pytest.mark.parametrize(("exponent", "verdict"), [(0.7, "supported"), (2.0, "supported"), (-0.5, "not supported")])
def test_layers_verdict_follows_the_exponent(exponent: float, verdict: str) -> None:
    finding = layers.judge(layers.compare(deeper(exponent, 0.3)))
    assert finding.verdict == verdict
    assert finding.statements[0].estimate.value == pytest.approx(2**exponent, rel=0.03)
    assert float(re.findall(r"At equal P the factor is (\S+)", finding.note)[0]) == pytest.approx(2**0.3, rel=0.03)


def test_layers_without_the_first_give_no_verdict() -> None:
    assert layers.judge(layers.compare(deeper(1, 1)[1:])) == NOT_MEASURED


def test_layers_without_the_second_are_not_compared_with_table_1() -> None:
    without = [record for record in deeper(0.7, 0.3) if record.architecture.L != 2]
    finding = layers.judge(layers.compare(without))
    assert finding.verdict == "supported"
    assert "Table 1" not in f"{finding}"
    assert "nan" not in f"{finding} {[statement.criterion for statement in finding.statements]}"


@pytest.mark.parametrize(
    ("exponent", "bits_constant", "verdict"),
    [(-1, True, "supported"), (-0.5, False, "mixed"), (0, False, "not supported")],
)
def test_vocabulary_verdict_follows_the_exponents(exponent: float, bits_constant: bool, verdict: str) -> None:
    rows = [
        {
            "d": d,
            "K": K,
            "C": d * math.log2(K) ** exponent * wobble,
        }
        for d in (16, 32)
        for K, wobble in ((8, 1.01), (32, 0.99), (128, 1.0), (512, 0.99), (2048, 1.01))
    ]
    table = pd.DataFrame(rows).assign(bits=lambda frame: 100 * frame["C"] * np.log2(frame["K"]))
    of = vocabulary.exponents(table)
    assert of["C"].value == pytest.approx(exponent, abs=0.02)
    assert of["bits"].contains(0) == bits_constant
    assert vocabulary.judge(table).verdict == verdict


def test_vocabulary_measured_too_loosely_gives_no_verdict() -> None:
    table = pd.DataFrame({"d": 16, "K": [8, 128, 2048], "C": [90, 40, 60], "bits": [90 * 3, 40 * 7, 60 * 11]})
    assert vocabulary.judge(table) == NOT_MEASURED


def test_vocabulary_is_compared_in_bits_of_all_predictions() -> None:
    (row,) = vocabulary.compare([invented({"d": 16, "N": 8, "K": 32}, 100)]).to_dict("records")
    assert row["C"] == pytest.approx(100, abs=1)
    assert row["bits"] == pytest.approx(7 * T * (5 - BITS))


def batches(before: float, after: float, N: int = 32, capacity: float = 100) -> list[CapacityRecord]:
    """Curves that depend on steps alone: capacity grows by a factor a doubling before 512 and after."""
    configurations = batch_size.plan([N], [32], [[64, 128, 256, 512, 1024, 2048]], [1240])
    records = []
    for configuration in configurations:
        doublings = math.log2(configuration["batch_size"] / 512)
        grown = capacity * (before ** min(doublings, 0)) * (after ** max(doublings, 0))
        records.append(invented({"T": 8 * 2048} | configuration, grown, np.ones(41)))
    return records


def test_batch_sizes_are_planned_for_equal_epochs() -> None:
    small, middle, large = batch_size.plan([32], [16], [[64, 512, 2048]], [100])
    assert small == {"N": 32, "d": 16, "batch_size": 64, "min_steps": 800, "max_steps": 800, "eval_every": 248}
    assert middle["max_steps"] == large["max_steps"] == 100


def test_batch_size_growth_is_found_on_both_sides_of_512() -> None:
    readings = batch_size.compare(batches(1.3, 1.1))
    assert readings["steps"].unique() == [1240]
    assert readings["epochs"].unique() == [1240 * 512 / (8 * 2048)]
    growth = batch_size.growth(readings, "C_steps")
    assert (growth["before"].value, growth["after"].value) == pytest.approx((1.3, 1.1), rel=0.02)


@pytest.mark.parametrize(
    ("before", "after", "verdict"), [(1.3, 1.0, "supported"), (1.3, 1.3, "mixed"), (0.8, 1.2, "not supported")]
)
def test_batch_size_verdict_follows_the_growth(before: float, after: float, verdict: str) -> None:
    assert batch_size.judge(batch_size.compare(batches(before, after))).verdict == verdict


def test_lengths_at_which_nothing_is_memorised_are_left_out_and_named() -> None:
    readings = batch_size.compare([*batches(1.3, 1.0), *batches(1.0, 1.0, N=128, capacity=2)])
    finding = batch_size.judge(readings)
    assert finding.verdict == "supported"
    assert "N = 128 is left out, where no batch size got beyond guessing" in finding.note
    assert batch_size.judge(readings[readings["N"] == 128]) == NOT_MEASURED


def test_batches_that_are_no_samples_of_their_library_tell_nothing() -> None:
    finding = batch_size.judge(batch_size.compare(batches(1.3, 1.0)).assign(T=2048, core_hours=1.0))
    assert finding.verdict == "not testable here"
    # What a batch of 512 takes, an hour here, times the sequences, at so many sizes, seeds and architectures.
    assert f"about {16000 / 2048 * 7 * 3 * 2:.0f} core-hours" in finding.note


def test_critical_batch_size_of_a_known_trade_off_is_found() -> None:
    records = []
    for size in (16, 32, 64, 128, 256, 512, 1024):
        needed = 100 * (1 + 300 / size)  # steps until everything is memorised
        configuration = {"N": 32, "d": 32, "batch_size": size, "max_steps": 4000, "T": 32768}
        records.append(invented(configuration, 500, np.minimum(1, np.linspace(0, 4000, 401) / needed)))
    critical = critical_batch_sizes(records)
    assert critical["C"].to_list() == pytest.approx([450], abs=1)
    assert critical["B_crit"].to_list() == pytest.approx([300], rel=0.1)

    def noise(scale: float) -> pd.DataFrame:
        return pd.DataFrame({"N": 32, "step": [0, 50, 100], "noise_scale": [1, 0.8 * scale, 1.2 * scale]})

    assert judge_noise_scale(critical, noise(300)).verdict == "supported"
    assert judge_noise_scale(critical, noise(3000)).verdict == "not supported"
    wide = critical.assign(low=1, high=1e6)
    assert judge_noise_scale(wide, noise(300)).verdict == "not testable here", "it would meet almost anything"
    small = critical.assign(T=8 * 299)
    assert judge_noise_scale(small, noise(300)).verdict == "not testable here", "no batch of 300 is a sample of it"
    assert judge_noise_scale(critical[:0], noise(300)) == NOT_MEASURED


def test_patience_is_replayed_and_its_share_averaged() -> None:
    two_steps = np.where(STEPS < 100, 0, np.where(STEPS < 1000, 0.5, 1.0))
    replayed = stopping.replay([invented({"d": d, "N": 8}, 200, two_steps) for d in (8, 16, 24)], [310, 1500])
    shares = stopping.shares(replayed).set_index("patience_steps")
    assert shares.loc[310, "share"] == pytest.approx(0.5, abs=0.01)
    assert shares.loc[310, "step"] == 450  # 350 steps, the first multiple of 50 beyond 310, after the rise at 100
    assert shares.loc[1500, ["share", "struck"]].tolist() == [1, 0]
    with pytest.raises(ValueError, match=r"patience_steps\.0 = 0: input should be greater"):
        stopping.replay([], [0])


def test_law_follows_the_capacities_that_a_patience_finds() -> None:
    """Runs stopped by the paper's patience hold half: so do the slopes of the law fitted to them."""
    two_steps = np.where(STEPS < 100, 0, np.where(STEPS < 1000, 0.5, 1.0))
    records = [
        invented({"d": d, "H": H, "N": N}, d * (1 + H) * 40 / N, two_steps)
        for d in (16, 32)
        for H in (1, 2, 4)
        for N in (8, 16, 32)
    ]
    replayed = stopping.replay(records, [310, 1500])
    laws = stopping.fit_laws(replayed, starts=8, bootstraps=4)
    values = stopping.parameters_of(laws).pivot(index="quantity", columns="patience_steps", values="value")
    assert values.loc["f(1, 8)", 310] / values.loc["f(1, 8)", 1500] == pytest.approx(0.5, abs=0.05)
    finding = stopping.judge(replayed, laws)
    assert finding.verdict == "not supported"
    assert finding.statements[0].estimate.value == pytest.approx(0.5, abs=0.01)


@pytest.mark.parametrize(("times", "holds"), [(2.0, False), (1.0, True), (math.nan, None)])
def test_slopes_are_the_same_only_if_their_ratio_can_be_one(times: float, holds: bool | None) -> None:
    replayed = stopping.replay([invented({"d": d, "N": 8}, 200, np.sqrt(STEPS / 2000)) for d in (8, 16, 24)], [310])

    def law(factor: float) -> EmpiricalCapacityModel:
        a, b, c, d0, e, *flat = EmpiricalCapacityModel.published().parameters.tolist()
        draw = [factor * a, b, c, d0, factor * e, *flat]
        return EmpiricalCapacityModel.from_parameters(draw).model_copy(update={"evidence": Evidence(draws=[draw] * 9)})

    laws = {310: law(times), 1500: law(1.0)}
    assert {slope.holds for slope in stopping.judge(replayed, laws).statements[1:]} == {holds}


QUICK = {"N": 4, "K": 8, "head_dim": 4, "T": 64, "max_steps": 10, "eval_every": 10, "compiled": False}


def test_stored_configurations_are_not_measured_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    configurations = combinations(d=[4, 8])
    measured = measure_all(configurations, **QUICK, results=tmp_path)
    assert [record.architecture.d for record in measured] == [4, 8]

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("nothing may be trained")

    monkeypatch.setattr(measuring, "measure_mac", refuse)
    assert measure_all([*configurations, {"d": 12}], **QUICK, results=tmp_path, train=False) == measured
    with pytest.raises(FileNotFoundError, match="none of the 1 configurations is there; train = True measures them"):
        measure_all([{"d": 12}], **QUICK, results=tmp_path, train=False)
    with pytest.raises(FileNotFoundError, match="no noise scale is there"):
        noise_scales([4], [8], [10], [10], results=tmp_path, train=False)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: combinations(d=8), "d = 8: input should be a list of one value or more"),
        (lambda: combinations(d=[]), r"d = \[\]: input should be a list"),
        (lambda: measure_all([{"d": 8}, {"d": -1}], results="nowhere"), "d = -1: input should be greater than"),
        (lambda: measure_all([{"d": 8}], results="nowhere", steps=3), "steps = 3: extra inputs are not permitted"),
        (lambda: measure_all([{"d": 8, "N": 2, "K": 2}], results="nowhere"), "T = 16000: at most"),
        (
            lambda: noise_scales([4, 4], [8, 0], [10, 10], [10, 10], T=64, K=8, results="nowhere"),
            "d = 0: input should be greater than",
        ),
        (lambda: layers.plan(8, 2), "L = 2: input should be a list"),  # type: ignore[arg-type]
        (lambda: layers.plan(8, [0]), "L = 0: input should be greater than"),
        (lambda: batch_size.plan([8], [8], [[512], [16]], [31]), "batch_size = .*: input should have one value for"),
        (lambda: batch_size.plan([8], [8], [[]], [31]), r"batch_size = \[\]: input should be a list"),
        (lambda: batch_size.plan([8], [8], [[0]], [31]), "batch_size = 0: input should be greater than"),
        (lambda: batch_size.plan([8], [8], [[512]], [None]), "steps = None: input should be a valid integer"),  # type: ignore[list-item]
    ],
)
def test_bad_value_is_named_before_anything_is_measured(call: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()
    assert not Path("nowhere").exists()


def defaults(notebook: str) -> dict[str, Any]:
    """The parameters cell of a notebook."""
    cells = json.loads(Path("notebooks", f"{notebook}.ipynb").read_text())["cells"]
    (source,) = ["".join(cell["source"]) for cell in cells if "parameters" in cell["metadata"].get("tags", [])]
    assigned = [line for line in ast.parse(source).body if isinstance(line, ast.Assign)]
    return {line.targets[0].id: ast.literal_eval(line.value) for line in assigned}  # type: ignore[attr-defined]


@pytest.mark.parametrize("notebook", ["feedforward", "layers", "vocabulary", "batch_size"])
def test_notebook_shows_the_configurations_of_its_grid(notebook: str) -> None:
    values = defaults(notebook)
    match notebook:
        case "feedforward":
            configurations = combinations(d=values["d"], ff=["train", "identity"])
        case "layers":
            configurations = layers.plan(values["d"], values["L"], H=values["H"], N=values["N"], K=values["K"])
        case "vocabulary":
            configurations = combinations(K=values["K"], d=values["d"])
        case "batch_size":
            configurations = batch_size.plan(values["N"], values["d"], values["batch_size"], values["steps"])
    known = {*Architecture.model_fields, *Protocol.model_fields} - {"batch_size"}
    shared = {name: value for name, value in values.items() if name in known and not isinstance(value, list)}
    names = {record_name(*measuring.configured({**shared, **point}, Protocol)) for point in configurations}
    jobs = list(load_grid(Path(values["results"]).name).jobs(Path(values["results"])))
    assert names == {job.record.name for job in jobs}
    assert values["restarts"] == jobs[0].restarts


@pytest.mark.parametrize("grid", sorted(path.stem for path in Path("workflow/grids").glob("*.yaml")))
def test_what_a_grid_leaves_out_is_in_its_notebook_what_its_plan_says(grid: str) -> None:
    """Else a job would measure, and name, something else than what the workflow waits for."""
    loaded = load_grid(grid)
    shown = defaults(loaded.experiment)
    for job in loaded.jobs(Path("results", grid)):
        planned = job.plan.architecture.model_dump() | job.plan.protocol.model_dump()
        if isinstance(job.plan, MlsRecord):  # T is in the notebook that of the capacity it compares with
            planned |= job.plan.protocol.training.model_dump(exclude={"T"})
        left_out = shown.keys() & planned.keys() - job.parameters.keys()
        several = {name: [planned[name]] if name in job.experiment.lists else planned[name] for name in left_out}
        assert {name: shown[name] for name in left_out} == several


def test_of_runs_that_were_all_complete_no_patience_finds_a_share() -> None:
    replayed = stopping.replay([invented({"d": d, "N": 8}, T) for d in (8, 16)], [310]).assign(status="complete")
    assert stopping.shares(replayed).empty
    assert list(stopping.shares(replayed)) == list(stopping.shares(replayed.assign(status="plateau")))


def test_best_restart_counts_in_a_replay_as_in_the_paper() -> None:
    records = [invented({"d": d, "N": 8}, 10 * d) for d in (8, 16, 24, 32, 48, 64, 96, 128)]
    replayed = stopping.replay(records, [310])
    worse = replayed.assign(restart=1, C_paper_rule=replayed["C_paper_rule"] / 4)
    once, twice = (stopping.fit_laws(rows, 4, 1)[310] for rows in (replayed, pd.concat([replayed, worse])))
    assert twice.parameters == pytest.approx(once.parameters, rel=1e-3)


def test_readings_that_determine_nothing_give_no_verdict() -> None:
    apart = [one for one in batches(1.3, 1.0) if one.protocol.batch_size == 256]
    larger = [one for one in batches(1.3, 1.0, N=128) if one.protocol.batch_size > 512]
    assert batch_size.judge(batch_size.compare([*apart, *larger])) == NOT_MEASURED
    table = pd.DataFrame({"d": [32, 32, 64, 64], "K": [64, 64, 128, 128], "C": 50.0, "bits": 500.0})
    assert vocabulary.judge(table) == NOT_MEASURED


def test_batches_that_do_not_divide_512_are_trained_for_as_many_epochs_at_least() -> None:
    (odd,) = batch_size.plan([32], [16], [[384]], [100])
    assert odd["max_steps"] * 384 >= 100 * 512
