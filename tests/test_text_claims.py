"""Conclusions from random tokens to text, on invented measurements whose answers are known."""

import itertools
import math
import re
from typing import Any

import numpy as np
import pandas as pd
import pytest

from ecmlib import Architecture, SignalLaw
from ecmlib.laws.points import SIZES
from ecmlib.provenance import Provenance
from ecmlib.reproduction.stats import NOT_MEASURED, Statement
from ecmlib.reproduction.text import by_content, compare, errors_by_content, growth, law_errors, paired
from ecmlib.reproduction.text_claims import judge, statements
from ecmlib.reproduction.text_figures import plot_contents, plot_growth, plot_law
from ecmlib.restart import seed_of_restart, seeds_of_restart
from ecmlib.text import TextSource, TokenizerSettings
from ecmlib.text_record import REFERENCE, Reference, TextProtocol, TextRecord, TextRestart, Told, Unintended

BITS = {"uniform": 7.0, "unigram": 6.0, "bigram": 5.0, "shuffled": 4.5, "text": 4.0}
PROVENANCE = Provenance(commit=None, versions={}, device="cpu", threads=1, compiled=False, seconds=0, core_seconds=2)
LAW = SignalLaw(bits_ff=1.0, bits_att=0.5)


def cells(
    power: float = -1.0,
    of_ratio: dict[str, float] | None = None,
    bits_ratio: float = 1.0,
    lawful: bool = False,
    T: int = 8192,
) -> pd.DataFrame:
    """C is a product of powers; for text, ``of_ratio`` adds to the exponents. Or it is what a law says, if lawful."""
    axes = ((16, 32, 64), (1, 2, 4), (8, 16), BITS)
    rows = []
    for number, (d, H, N, content) in enumerate(itertools.product(*axes)):
        wobble = 1 + 0.03 * math.sin(number**2)
        row = {"content": content, "d": d, "H": H, "N": N, "L": 1, "K": 128, "T": T, "P": 100 * d * d * H}
        row |= {"reference_bits": BITS[content], "ngram_bits": 1.1 * BITS[content], "known": 0.1, "runs": 1}
        C = wobble * 50 * d * H**0.5 / N * (BITS[content] / 7) ** power
        if content == "text":
            C *= math.prod(row[size] ** exponent for size, exponent in (of_ratio or {}).items())
        bits = wobble * (bits_ratio if content == "text" else 1.0)
        row |= {"bits_per_parameter": bits, "memorised": bits * row["P"], "memorised_net": 0.9 * bits * row["P"]}
        rows.append(row | {"C": C, "lost": False, "full": False})
    table = pd.DataFrame(rows)
    if lawful:
        told = LAW.predict_frame(table[SIZES].assign(token_bits=table["reference_bits"]))
        table["C"] = told * (1 + 0.03 * np.sin(np.arange(len(table)) ** 2))
    return table


def holds(statement: Statement | None) -> bool:
    assert statement is not None
    assert statement.holds is not None
    return statement.holds


@pytest.mark.parametrize("size", ["d", "H", "N"])
def test_growth_of_text_is_compared_with_that_of_uniform_tokens(size: str) -> None:
    same, other = statements(cells()), statements(cells(of_ratio={size: 0.3}))
    assert holds(same[f"growth with {size}"])
    assert not holds(other[f"growth with {size}"])
    for unchanged in {"d", "H", "N"} - {size}:
        assert holds(other[f"growth with {unchanged}"])
    own = {"d": 1.0, "H": 0.5, "N": -1.0}[size]
    statement = other[f"growth with {size}"]
    assert statement.estimate.value == pytest.approx(0.3, abs=0.05)
    said = re.search(rf"as {size} to the power (\S+) for uniform tokens", str(statement))
    assert said is not None
    assert float(said[1]) == pytest.approx(own, abs=0.05)


@pytest.mark.parametrize(("ratio", "same"), [(1.0, True), (1.05, True), (1.5, False)])
def test_bits_a_parameter_may_differ_by_a_tenth(ratio: float, same: bool) -> None:
    assert holds(statements(cells(bits_ratio=ratio))["bits a parameter"]) == same


@pytest.mark.parametrize(("power", "follow"), [(-1.0, True), (0.0, False)])
def test_sequences_follow_the_bits_they_need(power: float, follow: bool) -> None:
    assert holds(statements(cells(power))["sequences follow the bits they need"]) == follow


@pytest.mark.parametrize(("power", "constant"), [(0.0, True), (0.3, False)])
def test_bits_are_constant_if_they_do_not_go_with_those_that_a_sequence_needs(power: float, constant: bool) -> None:
    table = cells()
    table = table.assign(memorised=table["memorised"] * (table["reference_bits"] / 7) ** power)
    statement = statements(table)["bits are constant"]
    assert holds(statement) == constant
    assert statement.estimate.value == pytest.approx(power, abs=0.02)


def test_contents_are_compared_with_uniform_tokens() -> None:
    table = by_content(cells(power=-1.0, bits_ratio=1.5))
    assert table["content"].tolist() == list(BITS)[1:]
    assert table["pairs"].tolist() == [18] * 4
    assert [float(said.split()[0]) for said in table["C"]] == pytest.approx(
        [7 / BITS[c] for c in table["content"]], abs=0.02
    )
    assert [float(said.split()[0]) for said in table["bits_per_parameter"]] == pytest.approx([1, 1, 1, 1.5], abs=0.03)


def test_growth_that_load_alone_explains_is_what_the_law_predicts() -> None:
    """Text is nearer to saturation, and so its capacity grows otherwise under one and the same law."""
    measured = cells(lawful=True, T=2048)
    found = growth(measured, law_errors(measured))
    for exponents in found.values():
        assert exponents["predicted"].value == pytest.approx(exponents["larger"].value, abs=0.05)
        of_text = exponents["uniform"].value + exponents["larger"].value
        assert exponents["text"].value == pytest.approx(of_text, abs=1e-6), "all cells are in pairs"
    assert found["d"]["larger"].high < -0.1
    said = str(statements(cells(lawful=True, T=2048))["growth with d"])
    assert "The law, told the bits a token, says -0." in said


def test_law_of_uniform_tokens_predicts_text_from_its_bits_a_token() -> None:
    errors = law_errors(cells(lawful=True))
    mean = errors.groupby("content")[["error", "error_ngram", "error_K"]].mean()
    assert mean["error"].abs().max() < 0.02
    assert mean.loc["text", "error_ngram"] < -0.05, "who needs more bits a token is thought to hold fewer"
    assert mean.loc["text", "error_K"] < mean.loc["text", "error_ngram"]
    summed = errors_by_content(errors).set_index("content")
    assert (summed["cells"] == 18).all()
    assert summed.loc["text", "error"] < 0.05 < summed.loc["text", "error_K"]
    assert holds(statements(cells(lawful=True))["prediction by the law"])
    assert not holds(statements(cells(lawful=True).assign(reference_bits=7.0))["prediction by the law"])


def test_lost_and_full_cells_say_nothing() -> None:
    table = cells()
    spoilt = table.assign(lost=table["d"] == 16, full=(table["d"] == 32) & (table["content"] == "uniform"))
    assert set(paired(spoilt)["d"]) == {64}
    assert set(law_errors(spoilt)["d"]) == {32, 64}


def test_verdict_waits_for_all_statements() -> None:
    assert judge(cells(lawful=True)).verdict == "mixed"
    few = cells().query("d == 16 and H == 1 and N == 8")
    assert None in statements(few).values()
    assert judge(few) == NOT_MEASURED
    for lonely in (few[:1], few.assign(lost=True)):
        assert judge(lonely) == NOT_MEASURED
        for figure in (plot_contents(lonely), plot_growth(lonely)):
            figure.canvas.draw()
    assert law_errors(few).empty


def test_too_few_uniform_cells_for_the_parameters_that_they_tell_give_no_law() -> None:
    uniform = cells(lawful=True).query("content == 'uniform'").head(4)
    assert len(law_errors(uniform)) == 4
    assert law_errors(uniform.assign(L=[1, 1, 2, 2])).empty


def test_nothing_measured_is_judged_as_such() -> None:
    nothing = compare([])
    assert judge(nothing) == NOT_MEASURED
    for table in (nothing, law_errors(nothing), by_content(nothing), errors_by_content(law_errors(nothing))):
        assert table.empty


def test_contents_are_drawn_where_most_are_measured() -> None:
    table = cells().query("N == 8 and (d == 16 or content in ('uniform', 'text'))")
    figure = plot_contents(table.assign(lost=table["content"] == "bigram"))
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == [f"d=16 H={H} N=8 K=128 T=8192" for H in (1, 2, 4)]
    needed, sequences, bits = figure.axes
    ngram, reference = (line.get_xydata()[:, 1] / 7 for line in needed.lines[:2])
    assert reference == pytest.approx(list(BITS.values()))
    assert ngram == pytest.approx([1.1 * of for of in BITS.values()])
    assert [text.get_text() for text in needed.get_xticklabels()] == list(BITS)
    for axes in (sequences, bits):
        assert axes.lines[0].get_xdata().tolist() == [0, 1, 3, 4], "what is lost is left out"


def test_growth_is_drawn_along_one_size_at_a_time() -> None:
    figure = plot_growth(cells().query("N == 8 and (d == 16 or H == 2)"))
    over_d, over_H, over_N = figure.axes
    assert [line.get_xdata().tolist() for line in over_d.lines[:2]] == [[16, 32, 64]] * 2
    assert [line.get_xdata().tolist() for line in over_H.lines] == [[1, 2, 4]] * 2
    assert not over_N.lines
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == ["uniform", "text"]


def test_predictions_are_drawn_over_what_was_measured() -> None:
    errors = law_errors(cells(lawful=True))
    figure = plot_law(errors)
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == list(BITS)
    for axes, name in zip(figure.axes, ("predicted", "predicted_K"), strict=True):
        text = errors[errors["content"] == "text"]
        assert axes.lines[4].get_xydata().tolist() == text[["C", name]].to_numpy().tolist()


def record(content: str, seed: int, counted: int, held_out: int, diverged: bool = False) -> TextRecord:
    protocol = TextProtocol(content=content, T=100, seed=seed, max_steps=10, schedule="wsd")
    told = Told(n=100, last_count=held_out, full_count=0, bits=5.0)
    beyond = Unintended(floored=300.0, net=290.0)
    values: dict[str, Any] = {
        "seed": seeds_of_restart(protocol, 0).weights,
        "status": "max_steps",
        "step": [0, 10],
        "last_count": [0, counted],
        "full_count": [0, 0],
        "bits": [7.0, 3.0],
        "provenance": PROVENANCE,
        "held_out": told,
        "beyond_model": beyond,
        "beyond_ngram": beyond,
    }
    if diverged:
        values |= {"status": "diverged", "held_out": None, "beyond_model": None, "beyond_ngram": None}
    return TextRecord(
        architecture=Architecture(d=8, N=8),
        protocol=protocol,
        source=TextSource(files=[{"name": "a", "sha256": "0" * 64}], tokenizer=TokenizerSettings(K=128)),
        ngram_bits=4.5,
        reference=Reference(
            seed=seed_of_restart(seed, REFERENCE), steps=10, held_out=told, library=told, provenance=PROVENANCE
        ),
        restarts=[TextRestart(**values)],
    )


def test_cells_are_means_over_seeds_that_did_not_diverge() -> None:
    records = [
        record("text", 0, counted=60, held_out=20),
        record("text", 1, counted=80, held_out=20),
        record("text", 2, counted=1, held_out=1, diverged=True),
        record("uniform", 0, counted=12, held_out=9),
    ]
    uniform, text = compare(records).to_dict("records")
    assert (uniform["content"], text["content"]) == ("uniform", "text")
    assert text["C"] == pytest.approx((40 / 0.8 + 60 / 0.8) / 2)
    assert (text["runs"], text["known"], text["memorised"]) == (2, 0.2, 300.0)
    assert (uniform["reference_bits"], text["reference_bits"]) == (7.0, 5.0)
    assert (uniform["lost"], text["lost"]) == (True, False)
