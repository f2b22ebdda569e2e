"""A verdict follows from statements; and no judge of a claim is a constant."""

from collections.abc import Callable

import pandas as pd
import pytest
from test_experiments import batches, pairs
from test_experiments_of_memorising import both_ways, drawn
from test_law_claims import (
    BITS,
    STOPPING,
    TRUTH,
    against_polynomial,
    efficiency,
    extrapolation,
    grid,
    heads,
    heat_maps,
    slopes,
)
from test_law_claims import table_1 as judged_table_1

from ecmlib import Architecture
from ecmlib.reproduction import (
    batch_size,
    critical_batch,
    feedforward,
    four_heads,
    growth,
    mac_and_mls,
    parameters,
    shattering,
)
from ecmlib.reproduction.claims import CLAIMS
from ecmlib.reproduction.stats import Estimate, Finding, Statement, Verdict, above, below, equals


def noise_scale(scale: float) -> Finding:
    critical = pd.DataFrame([{"N": 32, "T": 16000, "C": 100.0, "B_crit": 300.0, "low": 200.0, "high": 450.0}])
    critical = critical.assign(core_hours=0.1)
    noise = pd.DataFrame({"N": 32, "step": [0, 50, 100], "noise_scale": [1, 0.9 * scale, 1.1 * scale]})
    return critical_batch.judge_noise_scale(critical, noise)


def parameter_counts(off: int) -> Finding:
    table = parameters.count([Architecture(8), Architecture(8, H=2)])
    return parameters.judge(table.assign(built=table["built"] + off))


JUDGED: dict[str, list[Callable[[], Finding]]] = {  # made-up data on both sides of each claim's criterion
    "R1": [
        lambda: feedforward.judge(feedforward.compare(pairs(1, 0.8))),
        lambda: feedforward.judge(feedforward.compare(pairs(2, 3))),
    ],
    "R2": [lambda: parameter_counts(0), lambda: parameter_counts(1)],
    "R3": [lambda: mac_and_mls.judge(both_ways()), lambda: mac_and_mls.judge(both_ways(power=1.2, lag=1))],
    "R4": [
        lambda: shattering.judge(shattering.compare([drawn("negative binomial")], bootstraps=10)),
        lambda: shattering.judge(shattering.compare([drawn("log-normal")], bootstraps=10)),
    ],
    "R5": [
        lambda: batch_size.judge(batch_size.compare(batches(1.3, 1.0))),
        lambda: batch_size.judge(batch_size.compare(batches(0.8, 1.2))),
    ],
    "R6": [lambda: growth.judge_linear_rise(grid(STOPPING)), lambda: growth.judge_linear_rise(grid(BITS))],
    "R7": [lambda: heat_maps(TRUTH), lambda: heat_maps(BITS)],
    "R8": [lambda: slopes(TRUTH), lambda: slopes(BITS)],
    "R9": [lambda: against_polynomial(0.2, 0.4), lambda: against_polynomial(0.4, 0.2)],
    "R10": [lambda: judged_table_1(1.0), lambda: judged_table_1(0.3, 1.0)],
    "R11": [lambda: extrapolation(BITS), lambda: extrapolation(TRUTH)],
    "R12": [lambda: four_heads.judge(heads(2.0)), lambda: four_heads.judge(heads(0.8))],
    "R13": [lambda: efficiency(1.0), lambda: efficiency(3.0)],
    "R14": [lambda: noise_scale(300), lambda: noise_scale(1500)],
}


@pytest.mark.parametrize("name", [claim.name for claim in CLAIMS])
def test_no_judge_is_a_constant(name: str) -> None:
    verdicts = [judge().verdict for judge in JUDGED[name]]
    assert verdicts[0] == "supported"
    assert verdicts[1] in ("mixed", "not supported")


@pytest.mark.parametrize(
    ("holds", "verdict"),
    [
        ([True, True], "supported"),
        ([True, False], "mixed"),
        ([False], "not supported"),
        ([True, None], "not testable here"),
        ([False, None], "not supported"),
        ([True, False, None], "mixed"),
        ([], "not measured yet"),
    ],
)
def test_verdict_follows_from_statements(holds: list[bool | None], verdict: Verdict) -> None:
    assert Finding([Statement("It is.", "It was.", each) for each in holds]).verdict == verdict


def test_intervals_tell_or_do_not() -> None:
    wide, narrow = Estimate(1.0, 0.4, 2.5), Estimate(1.0, 0.9, 1.1)
    alone = Estimate(1.0, float("nan"), float("nan"))
    assert [below(narrow, bound) for bound in (2, 1, 0.5)] == [True, None, False]
    assert [above(narrow, bound) for bound in (2, 1, 0.5)] == [False, None, True]
    assert [equals(narrow, number, 2) for number in (1, 3)] == [True, False]
    assert equals(wide, 1, 2) is None
    assert {below(alone, 9), above(alone, 0), equals(alone, 1)} == {None}


def test_finding_reads_as_sentences() -> None:
    finding = Finding([Statement("It is 1.", "It is {}.", True, Estimate(1.0, 0.9, 1.1))], "So far.")
    assert str(finding) == "Supported. It is 1.00 (0.90 to 1.10). So far."
