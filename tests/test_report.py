import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from report import (
    by_hand,
    coverage_in_words,
    headlines,
    hits_in_words,
    law_in_numbers,
    smaller_in_words,
    spread_of_restarts,
    structure_in_words,
)
from test_verdicts import JUDGED

from ecmlib import SignalLaw, load_results
from ecmlib.reproduction.claims import CLAIMS, reproduction_table
from ecmlib.reproduction.measure import measured
from ecmlib.reproduction.stats import Finding


def test_what_is_not_measured_is_empty(tmp_path: Path) -> None:
    assert measured(tmp_path, "mac-cpu").empty


def test_headlines_of_a_made_grid() -> None:
    row = {"d": 8, "H": 1, "N": 8, "L": 1, "K": 128, "T": 100, "ff": "train", "batch_size": 512, "core_seconds": 1800.0}
    ended = row | {"status": "complete", "C_plateau_raw": 100, "C_plateau": 100.0, "C_paper_rule": 50.0}
    cut = row | {"status": "max_steps", "C_plateau_raw": 60, "C_plateau": 60.0, "C_paper_rule": 60.0, "d": 4}
    rows = pd.DataFrame([ended, cut]).assign(bits_per_parameter=[1.0, 2.0])
    assert headlines(rows) == {
        "configurations": 2,
        "restarts": 2,
        "core_hours": 1.0,
        "complete": 0.5,
        "unfinished": 0.5,
        "paper_rule": 1.0,
        "bits_per_parameter": 2.0,
    }


@pytest.mark.parametrize(("d", "H", "N", "K"), [(32, 2, 8, 128), (80, 1, 32, 128), (16, 4, 4, 64)])
def test_a_capacity_by_hand_is_the_laws(d: int, H: int, N: int, K: int) -> None:
    law = SignalLaw.load("results/law-reference/signal.json")
    *_, capacity = by_hand(law, d, H, N, K, T=4096)["value"]
    assert capacity == pytest.approx(float(law.predict(d, H=H, N=N, K=K, T=4096)), rel=1e-3)


def test_spread_needs_five_restarts() -> None:
    row = {"d": 8, "H": 1, "N": 8, "L": 1, "K": 128, "T": 100, "precision": "float32"}
    many = pd.DataFrame([row | {"C_plateau": C} for C in (8.0, 9.0, 10.0, 11.0, 12.0)])
    few = pd.DataFrame([row | {"d": 4, "C_plateau": C} for C in (1.0, 50.0)])
    spread = spread_of_restarts(pd.concat([many, few]))
    assert spread["groups"] == 1
    assert spread["best_of_five"] == pytest.approx(0.2)


def test_claims_without_records_say_so(tmp_path: Path) -> None:
    verdicts = reproduction_table(tmp_path).set_index("name")["verdict"]
    assert set(verdicts.drop("R2")) == {"not measured yet"}  # R2 counts parameters, which needs no record


@pytest.fixture(scope="module")
def judged() -> pd.DataFrame:
    return reproduction_table("results")


def asked(finding: Finding) -> set[str]:
    """Criteria, without what the data put into them."""
    return {re.sub(r"[\d.,]+", "", statement.criterion) for statement in finding.statements}


def test_every_claim_has_the_judge_that_is_tested(judged: pd.DataFrame) -> None:
    for name, finding in judged.set_index("name")["finding"].items():
        assert asked(finding) == asked(JUDGED[str(name)][0]())


def test_findings_are_of_the_records(judged: pd.DataFrame, tmp_path: Path) -> None:
    for folder in (path for path in Path("results").iterdir() if path.is_dir() and path.name != "text"):
        (tmp_path / folder.name).mkdir()
        for path in sorted(folder.rglob("*.json"))[::2]:
            kept = tmp_path / path.relative_to("results")
            kept.parent.mkdir(exist_ok=True)
            kept.symlink_to(path.resolve())
    errors = pd.read_csv("results/law/like_for_like.csv")
    errors.assign(in_sample=2 * errors["in_sample"]).to_csv(tmp_path / "law" / "like_for_like.csv", index=False)
    others = reproduction_table(tmp_path)["finding"].map(str)
    assert judged["name"][judged["finding"].map(str) == others].tolist() == ["R2"]  # counts parameters, without records


def test_every_claim_is_judged_once(judged: pd.DataFrame) -> None:
    assert judged["name"].tolist() == [claim.name for claim in CLAIMS]
    assert judged["name"].is_unique
    measured_ones = judged[judged["verdict"] != "not measured yet"]
    for finding in measured_ones["finding"]:
        assert all(
            statement.criterion.endswith(".") and str(statement).endswith(".") for statement in finding.statements
        )
    assert not measured_ones["finding"].map(str).str.contains("nan").any()
    assert not load_results("results/mac-cpu").empty
    assert set(measured_ones["name"]) >= {"R6", "R10", "R12", "R13"}


def test_coverage_in_words_names_groups_outside_and_says_where_that_is_sure() -> None:
    columns = ["runs", "covered", "low", "high"]
    rows = {"small": (40, 0.5, 0.3, 0.7), "middle": (10, 0.9, 0.6, 1), "other K": (3, 1 / 3, 0.01, 0.91)}
    table = pd.DataFrame(rows | {"all": (53, 30 / 53, 0.4, 0.7)}, index=columns).T
    assert coverage_in_words(table) == (
        "intervals hold in 30 of 53 runs. The share lies outside 85\N{NO-BREAK SPACE}% to 95\N{NO-BREAK SPACE}% in "
        "*small* (20 of 40), *other K* (1 of 3); only in small is that sure."
    )
    assert "sure of none" in coverage_in_words(table.drop(index="small"))
    assert coverage_in_words(table.loc[["middle", "all"]]).endswith("of them.")


def test_structure_in_words_names_what_a_process_betters_by_a_quarter() -> None:
    errors = pd.DataFrame({"scored": [8, 9], "ours": [0.2, 0.2], "with_process": [0.1, 0.19]}, index=["T", "L"])
    assert "in: T (20\N{NO-BREAK SPACE}% to 10\N{NO-BREAK SPACE}%, 8 configurations)." in structure_in_words(errors)
    assert structure_in_words(errors.tail(1)).startswith("It nowhere")


def test_law_in_numbers_has_the_numbers_of_the_law() -> None:
    law = SignalLaw(bits_ff=1.234, bits_att=5.678, lam=0.912, uneven=0.345, lacking=0.0678, bits_emb=2.468)
    said = law_in_numbers(law).data
    assert all(number in said for number in ("1.23", "5.68", "0.91", "0.34", "0.068", "2.47"))


def test_designs_and_smaller_models_are_told_by_hits_and_by_what_was_asked_for() -> None:
    drawn = pd.DataFrame({"capacity": [100] * 4, "C_low": 90.0, "C": [120.0, 110.0, 130.0, 300.0], "C_high": 200.0})
    designs = drawn.assign(held=[150.0, 250.0, 80.0, np.nan])
    reached = (designs["held"] >= designs["capacity"]).astype("boolean").mask(designs["held"].isna())
    designs = designs.assign(reached=reached)
    said = hits_in_words(designs, level=0.6)
    assert said.startswith(
        "2 of 3 trained designs reached their target, and 1 ended inside their 60\N{NO-BREAK SPACE}%"
    )
    assert "4 were drawn. They memorised 1.50 (0.80 to 2.50; median) times what was asked for; " in said
    assert "aimed at 1.20 (1.10 to 1.30; median) times." in said
    smaller = designs.assign(P=[100, 100, 50, 100], P_design=[120, 125, 60, 120])
    said = smaller_in_words(smaller).replace("\N{NO-BREAK SPACE}", " ")
    assert said.startswith("1 of 3 smaller models missed the target. ")
    assert "these designs have at most 15 % more than the least that reaches their targets" in said
    assert " 2 reached it, with designs of at least 20.0 % and 25.0 % too many. " in said
    assert "memorised 1.50 (0.80 to 2.50; median) times" in said
    for none in (designs[3:], pd.DataFrame()):
        assert hits_in_words(none) == "No design is trained yet."
    assert smaller_in_words(smaller[:2]).startswith("0 of 2 smaller models missed the target. 2 reached")
    assert "too many" not in smaller_in_words(smaller[2:])
    assert smaller_in_words(smaller[3:]) == "None of these is trained yet."
