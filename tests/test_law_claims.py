"""The claims on the paper's law, judged on data that a law has made."""

import warnings
from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from ecmlib.laws.ecm import EmpiricalCapacityModel
from ecmlib.laws.fitting import FitWarning
from ecmlib.laws.signal import SignalLaw
from ecmlib.reproduction import four_heads, growth, published_law
from ecmlib.reproduction.stats import NOT_MEASURED, Finding

ECM = EmpiricalCapacityModel
TRUTH = ECM(a=300.0, b=-0.05, c=1.4, d0=2.0, e=0.7, alpha=60.0, beta=15000.0)
STOPPING = TRUTH.model_copy(update={"a": 1200.0})  # some of its lines have stopped rising
BITS = SignalLaw(bits_ff=1.8, bits_att=2.9)


def grid(law: EmpiricalCapacityModel | SignalLaw) -> pd.DataFrame:
    axes = {"d": [32, 64, 96, 128, 192, 256], "H": [1, 2, 4], "N": [4, 8, 16]}
    frame = pd.MultiIndex.from_product(axes.values(), names=list(axes)).to_frame(index=False)
    frame = frame.assign(L=1, K=128, T=16000, P=1)
    noise = np.exp(0.02 * np.random.default_rng(0).standard_normal(len(frame)))
    C = np.minimum(law.predict_frame(frame) * noise, 16000)
    return frame.assign(C_plateau=C, C_plateau_raw=C + (16000 - C) / 128, C_paper_rule=C, status="plateau")


def fitted(frame: pd.DataFrame) -> EmpiricalCapacityModel:
    with warnings.catch_warnings(action="ignore", category=FitWarning):
        return ECM.fit(frame, starts=4, bootstraps=0)


def heat_maps(law: EmpiricalCapacityModel | SignalLaw) -> Finding:
    frame = grid(law)
    return published_law.heat_maps({1: (frame, fitted(frame)), 2: (frame, fitted(frame))})


def slopes(law: EmpiricalCapacityModel | SignalLaw) -> Finding:
    return published_law.slopes(grid(law), fitted(grid(law)))


def extrapolation(law: EmpiricalCapacityModel | SignalLaw) -> Finding:
    return published_law.extrapolation(grid(law), fitted(grid(law)))


def against_polynomial(ecm: float, polynomial: float) -> Finding:
    cells = [(d, H, 8) for d in (8, 16, 32) for H in (1, 2)]
    rows = [
        {"loss": loss, "law": law, "d": d, "H": H, "N": N, "in_sample": error + d / 1000, "left_out": error + H / 1000}
        for loss in published_law.LOSSES
        for law, error in (("ECM", ecm), ("polynomial", polynomial))
        for d, H, N in cells
    ]
    return published_law.against_polynomial(pd.DataFrame(rows))


def table_1(factor: float, power: float = 0.0) -> Finding:
    frame = grid(ECM.published(L=1))
    return published_law.table_1(frame.assign(C_paper_rule=factor * frame["C_paper_rule"] * (frame["d"] / 32) ** power))


def efficiency(exponent: float) -> Finding:
    frame = grid(TRUTH)
    C = 400.0 * (frame["d"] / 32) ** exponent * frame["H"] / frame["N"]
    raw = {"P": frame["d"] ** 2 * frame["H"], "C_plateau": C, "C_plateau_raw": C + 125}
    return growth.judge_efficiency(frame.assign(**raw))


def heads(ratio: float, seeds: int = 3) -> pd.DataFrame:
    rows = [
        {"H": H, "T": 16000, "P": 2e6, "status": "max_steps", "steps": 9, "paper_rule_step": 5}
        | {"C_paper_rule": C * (1 + 0.01 * seed), "C": C * (1 + 0.02 * seed), "C_raw": C}
        for H, C in ((2, 2000.0), (4, 2000.0 * ratio))
        for seed in range(seeds)
    ]
    return pd.DataFrame(rows)


@pytest.mark.parametrize(
    ("judge", "verdict"),
    [
        (lambda: heat_maps(TRUTH), "supported"),
        (lambda: heat_maps(BITS), "not supported"),
        (lambda: slopes(TRUTH), "supported"),
        (lambda: slopes(BITS), "not supported"),
        (lambda: growth.judge_linear_rise(grid(STOPPING)), "supported"),
        (lambda: growth.judge_linear_rise(grid(BITS)), "mixed"),
        (lambda: extrapolation(TRUTH), "not supported"),
        (lambda: extrapolation(BITS), "supported"),
        (lambda: against_polynomial(0.2, 0.4), "supported"),
        (lambda: against_polynomial(0.4, 0.2), "not supported"),
        (lambda: table_1(1.0), "supported"),
        (lambda: table_1(0.3), "mixed"),
        (lambda: table_1(0.3, 1.0), "not supported"),
        (lambda: four_heads.judge(heads(2.0)), "supported"),
        (lambda: four_heads.judge(heads(1.3)), "mixed"),
        (lambda: four_heads.judge(heads(0.8)), "not supported"),
        (lambda: four_heads.judge(heads(2.0, seeds=1)), "not testable here"),
        (lambda: efficiency(1.0), "supported"),
        (lambda: efficiency(3.0), "not supported"),
    ],
)
def test_verdict_follows_the_law_that_made_the_data(judge: Callable[[], Finding], verdict: str) -> None:
    finding = judge()
    assert finding.verdict == verdict, str(finding)


def test_lines_that_stop_far_below_the_library_do_not_stop_just_under_it() -> None:
    half = STOPPING.model_copy(update={"beta": 8000.0})
    stop = growth.judge_linear_rise(grid(half)).statements[1]
    assert stop.holds is False
    assert stop.estimate is not None
    assert 0.4 < stop.estimate.value < 0.6


def test_claims_wait_for_their_data() -> None:
    assert published_law.heat_maps({1: (grid(TRUTH), TRUTH)}) == NOT_MEASURED, "two layers are missing"
    assert published_law.slopes(grid(TRUTH).query("d < 64"), TRUTH) == NOT_MEASURED
    few = grid(TRUTH).query("d in [32, 256] and H < 4 and N < 16")
    restarts = pd.concat([few.assign(restart=number) for number in range(5)], ignore_index=True)
    assert published_law.extrapolation(restarts, fitted(grid(TRUTH))) == NOT_MEASURED, (
        "restarts are no more configurations"
    )
    assert published_law.against_polynomial(pd.DataFrame()) == NOT_MEASURED
    assert published_law.table_1(pd.DataFrame()) == NOT_MEASURED
    assert four_heads.judge(heads(2).query("H == 2")) == NOT_MEASURED
    for judge in (growth.judge_linear_rise, growth.judge_efficiency, four_heads.judge):
        assert judge(pd.DataFrame()) == NOT_MEASURED


def test_two_witnesses_are_compared() -> None:
    first, second = against_polynomial(0.2, 0.4), against_polynomial(0.4, 0.2)
    assert first.beside(second, "the other").note == "The records of the other lead to another: not supported."
    assert first.beside(first, "the other").note == "The records of the other lead to the same verdict."
    assert NOT_MEASURED.beside(second, "the other").verdict == "not supported"
    assert NOT_MEASURED.beside(second, "the other").note == "Judged on the other."
    assert NOT_MEASURED.beside(NOT_MEASURED, "the other") == NOT_MEASURED


def test_law_published_stands_beside_the_best_surviving_restart() -> None:
    law = ECM.published(L=1)
    rows = [
        (32, 1, 8, 500.0, 700.0, "plateau"),
        (64, 4, 8, 1800.0, 2000.0, "plateau"),
        (64, 4, 8, 1900.0, 1950.0, "plateau"),
    ]
    diverged = (64, 4, 8, 5000.0, 5000.0, "diverged")
    frame = pd.DataFrame([*rows, diverged], columns=["d", "H", "N", "C_paper_rule", "C_plateau", "status"])
    frame = frame.assign(L=1, K=128, T=16000)
    beside = published_law.beside_published(frame)
    assert beside[["C_paper_rule", "C_plateau"]].to_numpy().tolist() == [[500, 700], [1900, 2000]]
    assert beside["published"].tolist() == law.predict([32, 64], [1, 4], [8, 8]).tolist()
    assert published_law.beside_published(pd.DataFrame()).empty


def test_a_claim_on_both_numbers_of_layers_is_not_judged_by_one() -> None:
    both = grid(TRUTH)
    full = both.assign(C_plateau=16000.0, C_plateau_raw=16000.0, C_paper_rule=16000.0)
    assert published_law.heat_maps({1: (both, fitted(both)), 2: (full, fitted(both))}) == NOT_MEASURED
