import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from ecmlib.laws.ecm import EmpiricalCapacityModel
from ecmlib.laws.fitting import Evidence, FitWarning
from ecmlib.laws.signal import SignalLaw
from ecmlib.reproduction import published_law
from ecmlib.reproduction.stats import Finding

ECM = EmpiricalCapacityModel
TRUTH = ECM(a=300.0, b=-0.05, c=1.4, d0=2.0, e=0.7, alpha=60.0, beta=15000.0)
JUDGES = [
    published_law.heat_maps,
    published_law.slopes,
    published_law.against_polynomial,
    published_law.table_1,
    published_law.extrapolation,
]


def grid(law: EmpiricalCapacityModel | SignalLaw) -> pd.DataFrame:
    axes = {"d": [32, 64, 96, 128, 192, 256], "H": [1, 2, 4], "N": [4, 8, 16]}
    frame = pd.MultiIndex.from_product(axes.values(), names=list(axes)).to_frame(index=False)
    frame = frame.assign(L=1, K=128, T=16000, P=1)
    noise = np.exp(0.02 * np.random.default_rng(0).standard_normal(len(frame)))
    C = np.minimum(law.predict_frame(frame) * noise, 16000)
    return frame.assign(C_plateau=C, C_plateau_raw=C + (16000 - C) / 128, status="plateau")


def fitted(frame: pd.DataFrame) -> EmpiricalCapacityModel:
    with warnings.catch_warnings(action="ignore", category=FitWarning):
        return ECM.fit(frame, starts=4, bootstraps=5)


def judged(
    judge: Callable[[Path, Path], Finding], frame: pd.DataFrame, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> Finding:
    monkeypatch.setattr(published_law, "measured", lambda results, name: frame if name == "mac-cpu" else pd.DataFrame())
    fitted(frame).save(folder / "ecm.json")
    return judge(Path("results"), folder)


@pytest.mark.parametrize("judge", JUDGES, ids=lambda judge: str(judge.__name__))
def test_claim_without_data_is_not_judged(judge: Callable[[Path, Path], Finding], tmp_path: Path) -> None:
    assert judge(tmp_path, tmp_path).verdict == "not measured yet"


@pytest.mark.parametrize(
    ("judge", "of_the_ecm", "of_the_signal_law"),
    [(published_law.slopes, "supported", "mixed"), (published_law.extrapolation, "not supported", "supported")],
    ids=["slopes", "extrapolation"],
)
def test_verdict_follows_the_law_that_made_the_data(
    judge: Callable[[Path, Path], Finding],
    of_the_ecm: str,
    of_the_signal_law: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert judged(judge, grid(TRUTH), tmp_path, monkeypatch).verdict == of_the_ecm
    bits = SignalLaw(bits_ff=1.8, bits_att=2.9)
    assert judged(judge, grid(bits), tmp_path, monkeypatch).verdict == of_the_signal_law


@pytest.mark.parametrize(
    ("off", "verdict", "inside"),
    [
        ([], "supported", "7 of 7"),
        (["alpha", "beta"], "mixed", "5 of 7"),
        (list(ECM.bounds), "not supported", "0 of 7"),
    ],
)
def test_table_1_is_judged_by_the_parameters_in_our_intervals(
    off: list[str], verdict: str, inside: str, tmp_path: Path
) -> None:
    published = ECM.published(L=1)
    shift = np.array([0.5 if name in off else 0.0 for name in ECM.bounds])
    draws = [(published.parameters * (1 + shift + side)).tolist() for side in (-0.1, 0.1)]
    evidence = Evidence(configurations=54, region={"T": [16000, 16000]}, draws=draws)
    published.model_copy(update={"evidence": evidence}).save(tmp_path / "ecm.json")
    finding = published_law.table_1(tmp_path, tmp_path)
    assert finding.verdict == verdict
    assert finding.number.startswith(f"{inside} published parameters lie in our 90% intervals")


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


def test_table_1_says_how_far_the_law_is_off_at_its_own_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    at_16000 = grid(ECM.published(L=1)).head(5)
    doubled = at_16000.assign(C_paper_rule=2 * ECM.published(L=1).predict_frame(at_16000))
    assert "off by" not in judged(published_law.table_1, grid(TRUTH), tmp_path, monkeypatch).number
    monkeypatch.setattr(
        published_law, "measured", lambda results, name: doubled if name == "paper-scale" else pd.DataFrame()
    )
    assert "off by a factor 2.00 at 5 configurations" in published_law.table_1(tmp_path, tmp_path).number


def test_heat_maps_wait_for_two_layers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fitted(grid(TRUTH)).save(tmp_path / "ecm_mape.json")
    finding = judged(published_law.heat_maps, grid(TRUTH), tmp_path, monkeypatch)
    assert finding.verdict == "not measured yet"
    assert "L=1: 0.0" in finding.number
