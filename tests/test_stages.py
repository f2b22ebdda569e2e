"""Where an error of our law arises."""

import numpy as np
import pandas as pd
import pytest

from ecmlib import SignalLaw
from ecmlib.laws.demand import knowable_bits
from ecmlib.laws.stages import along, stages

LAW = SignalLaw(bits_ff=1.8, bits_att=2.9, uneven=0.3)


def cells(**columns: list[object]) -> pd.DataFrame:
    axes = {"d": [16, 24], "H": [1], "N": [8], "L": [1], "K": [128], "T": [2048]} | columns
    frame = pd.MultiIndex.from_product(axes.values(), names=list(axes)).to_frame(index=False)
    return frame.assign(C=LAW.predict_frame(frame), bits=LAW.stored(frame))


def test_a_law_that_is_right_is_right_at_every_stage() -> None:
    found = stages(LAW, cells(T=[2048, 8192]))
    np.testing.assert_allclose(found[["counted", "stored", "told"]], 1)


def test_stages_tell_a_wrong_store_from_a_wrong_readout() -> None:
    frame = cells()
    fewer = frame.assign(bits=frame["bits"] / 2)
    sizes = [fewer[name].to_numpy(float) for name in "NKT"]
    half = fewer["bits"] / knowable_bits(*sizes)
    bits_att, bits_ff = LAW.bits_att / 2, LAW.bits_ff / 2
    half_law = LAW.model_copy(update={"bits_att": bits_att, "bits_ff": bits_ff})
    np.testing.assert_allclose(half, half_law.share(fewer))
    wrong_store = stages(LAW, fewer.assign(C=half_law.predict_frame(fewer)))
    assert wrong_store["stored"].tolist() == pytest.approx([0.5] * 2)
    assert wrong_store["told"].tolist() == pytest.approx([1] * 2)
    np.testing.assert_allclose(wrong_store["counted"], half_law.predict_frame(fewer) / LAW.predict_frame(fewer))
    wrong_readout = stages(LAW, frame.assign(C=1.2 * frame["C"]))
    assert wrong_readout["stored"].tolist() == pytest.approx([1] * 2)
    assert wrong_readout["told"].tolist() == wrong_readout["counted"].tolist() == pytest.approx([1.2] * 2)


def test_what_is_full_or_not_of_the_law_tells_nothing() -> None:
    frame = cells(ff=["train", "identity"])
    full = frame.assign(C=frame["C"].mask(frame["d"] == 24, 2040.0))
    assert stages(LAW, full)[["d", "ff"]].to_numpy().tolist() == [[16, "train"]]


def test_medians_are_over_cells_that_differ_in_one_axis_alone() -> None:
    frame = pd.concat([cells(T=[2048, 8192]), cells(d=[32])], ignore_index=True)
    frame["C"] *= np.where(frame["T"] == 8192, 1.5, 1.0)
    of_T = along(stages(LAW, frame), "T")
    assert of_T[["axis", "value", "n"]].to_numpy().tolist() == [["T", 2048, 2], ["T", 8192, 2]]
    assert of_T["counted"].tolist() == pytest.approx([1, 1.5])
    assert along(stages(LAW, frame), "K").empty
