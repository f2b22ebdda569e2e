"""The law of text finds what text adds to a law of random tokens, and says how sure that is."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from ecmlib import load_law
from ecmlib.laws.points import SIZES
from ecmlib.laws.signal import SignalLaw
from ecmlib.laws.text_law import TextLaw, shipped_text_law

OURS = SignalLaw.load("results/law-reference/signal.json")
POWERS = [-1.0, 0.5, -0.5, 0.2]


def cells(scatter: float = 0.0, seed: int = 0) -> pd.DataFrame:
    """Invent what models of text hold: our law, told the bits, times powers of d, T and K."""
    axes = {"d": [16, 24, 32, 64], "H": [1, 2], "N": [12, 16], "L": [1], "K": [128, 512], "T": [2048, 8192]}
    frame = pd.MultiIndex.from_product(axes.values(), names=list(axes)).to_frame(index=False).assign(token_bits=4.0)
    added = np.exp(POWERS[0]) * frame["d"] ** POWERS[1] * frame["T"] ** POWERS[2] * frame["K"] ** POWERS[3]
    noise = np.exp(scatter * np.random.default_rng(seed).standard_normal(len(frame)))
    return frame.assign(C=OURS.predict_frame(frame) * added * noise)


def test_powers_are_found_in_data_that_they_have_made() -> None:
    law = TextLaw.fit(cells(), OURS)
    assert law.powers == pytest.approx(POWERS, abs=1e-6)
    assert law.predict_frame(cells()) == pytest.approx(cells()["C"].to_numpy())
    assert law.region == {"d": (16, 64), "H": (1, 2), "N": (12, 16), "L": (1, 1), "K": (128, 512), "T": (2048, 8192)}


def test_intervals_hold_as_many_fresh_runs_as_they_say() -> None:
    law = TextLaw.fit(cells(scatter=0.3), OURS)
    fresh = cells(scatter=0.3, seed=1)
    _, low, high = law.predict_frame(fresh, level=0.9)
    assert 0.8 < np.mean((low < fresh["C"]) & (fresh["C"] < high)) < 0.99


def test_no_library_holds_more_than_its_size() -> None:
    law = TextLaw.fit(cells(), OURS).model_copy(update={"powers": [9.0, 0.0, 0.0, 0.0]})
    assert (law.predict_frame(cells()) == cells()["T"]).all()


def test_too_few_cells_are_refused() -> None:
    with pytest.raises(ValueError, match="7 cells of text: input should be at least 8"):
        TextLaw.fit(cells().head(7), OURS)


def test_file_gives_back_the_law(tmp_path: Path) -> None:
    law = TextLaw.fit(cells(scatter=0.1), OURS)
    law.save(tmp_path / "text.json")
    assert load_law(tmp_path / "text.json") == law


def test_the_law_that_ships_rests_on_the_one_of_random_tokens_that_ships() -> None:
    law = shipped_text_law()
    assert law.ours == load_law()
    assert law.evidence.configurations >= 8
    assert set(law.region) == set(SIZES)
