"""The law of text finds what text adds to a law of random tokens, and says how sure that is."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from fit_text_law import fitted_law

from ecmlib import Protocol, load_law
from ecmlib.laws.design_choices import refuse_other_training
from ecmlib.laws.signal import SignalLaw
from ecmlib.laws.text_law import TextLaw, shipped_text_law

OURS = SignalLaw.load("results/law-reference/signal.json")
BITS = 6.0


def cells(scatter: float = 0.0, seed: int = 0) -> pd.DataFrame:
    """Invent what models of text hold: our law, told that a token takes six bits."""
    axes = {"d": [16, 24, 32], "H": [1, 2], "N": [12, 16], "L": [1], "K": [32, 128, 512], "T": [2048, 8192]}
    frame = pd.MultiIndex.from_product(axes.values(), names=list(axes)).to_frame(index=False)
    noise = np.exp(scatter * np.random.default_rng(seed).standard_normal(len(frame)))
    told = frame.assign(token_bits=np.minimum(BITS, np.log2(frame["K"])))
    return frame.assign(C=OURS.predict_frame(told) * noise)


def test_bits_are_found_in_data_that_they_have_made() -> None:
    law = TextLaw.fit(cells(), OURS)
    assert law.bits == pytest.approx(BITS, abs=1e-9)
    assert law.predict_frame(cells()) == pytest.approx(cells()["C"].to_numpy())
    assert law.region == {"d": (16, 32), "H": (1, 2), "N": (12, 16), "L": (1, 1), "K": (32, 512), "T": (2048, 8192)}


def test_bits_that_are_told_are_refused() -> None:
    with pytest.raises(ValueError, match="token_bits: this law does not know it"):
        TextLaw.fit(cells(), OURS).predict(16, 1, 12, token_bits=3.0)


def test_intervals_hold_as_many_fresh_runs_as_they_say() -> None:
    law = TextLaw.fit(cells(scatter=0.3), OURS)
    fresh = cells(scatter=0.3, seed=1)
    _, low, high = law.predict_interval(fresh, level=0.9)
    assert 0.8 < np.mean((low < fresh["C"]) & (fresh["C"] < high)) < 0.99


def test_a_large_model_holds_the_whole_library() -> None:
    asked = cells().assign(d=2048, H=8)
    assert TextLaw.fit(cells(), OURS).predict_frame(asked) == pytest.approx(asked["T"].to_numpy(), rel=0.01)


def test_too_few_cells_are_refused() -> None:
    with pytest.raises(ValueError, match="7 configurations of text: input should be at least 8"):
        TextLaw.fit(cells().head(7), OURS)


def test_a_cell_that_holds_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="C = 0 at d="):
        TextLaw.fit(cells().assign(C=lambda frame: frame["C"].where(frame["d"] > frame["d"].min(), 0.0)), OURS)


def test_file_gives_back_the_law(tmp_path: Path) -> None:
    law = TextLaw.fit(cells(scatter=0.1), OURS)
    law.save(tmp_path / "text.json")
    assert load_law(tmp_path / "text.json") == law


def test_the_law_that_ships_is_what_the_records_give() -> None:
    law = shipped_text_law()
    assert law.ours == load_law()
    again = fitted_law(Path("results"))
    assert (again.bits, again.evidence.draws) == (law.bits, law.evidence.draws)


def test_the_law_that_ships_knows_how_its_models_were_made_and_trained() -> None:
    law = shipped_text_law()
    refuse_other_training(law, Protocol.reference())
    with pytest.raises(ValueError, match=r"law: fitted to .*optimizer = adam.*; its designs are trained with"):
        refuse_other_training(law, Protocol(optimizer="muon", lr=1e-4))
    few = cells().query("K == 128").head(1).assign(max_steps=100, embeddings="trained")
    assert law.evidence.outside(few).tolist() == ["max_steps, embeddings"]
    assert len(law.evidence.calibration) > law.evidence.configurations, "a residual a restart"
