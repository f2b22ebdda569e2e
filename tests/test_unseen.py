"""What our law says of runs that its fit has not seen."""

import warnings

import numpy as np
import pandas as pd
import pytest
from scipy.stats import beta

from ecmlib import SignalLaw
from ecmlib.laws.fitting import FitWarning
from ecmlib.laws.unseen import AXES, errors_left_out, intervals_by_group, left_out_runs

TRUTH = SignalLaw(bits_ff=1.8, bits_att=2.9, lam=0.9, uneven=0.3, lacking=0.1, bits_emb=2.0)


def grid(power: float = 0.0, **columns: list[object]) -> pd.DataFrame:
    """Capacities by the law, times a power of T that it lacks."""
    axes = {"d": [12, 24, 32], "H": [1, 2], "N": [8, 16], "L": [1], "K": [128], "T": [2048]} | columns
    frame = pd.MultiIndex.from_product(axes.values(), names=list(axes)).to_frame(index=False)
    return frame.assign(C=TRUTH.predict_frame(frame) * (frame["T"] / 2048) ** power)


def mixed() -> pd.DataFrame:
    usual = {"max_steps": [10_000], "embeddings": ["frozen"]}
    others = [{"T": [4096]}, {"L": [2]}, {"max_steps": [2500]}, {"embeddings": ["trained"]}]
    return pd.concat([grid(**usual | other) for other in ({}, *others)], ignore_index=True)


def fitted(frame: pd.DataFrame) -> SignalLaw:
    with warnings.catch_warnings(action="ignore", category=FitWarning):
        return SignalLaw.fit(frame, "C", starts=3, bootstraps=3)


def test_what_is_said_of_a_run_does_not_depend_on_it_and_all_are_said() -> None:
    frame = mixed()
    law = fitted(frame)
    runs = left_out_runs(law, frame, folds=3, bootstraps=1)
    np.testing.assert_allclose(runs["predicted"], frame["C"], rtol=1e-3)
    spoilt = frame.assign(C=frame["C"].mask(frame.index == 7, 3 * frame["C"]))
    again = left_out_runs(law, spoilt, folds=3, bootstraps=1)
    same = again["predicted"] == runs["predicted"]
    assert same[7], "it is not in its own fit"
    assert 0 < (~same).mean() < 0.8, "others' fits have it, those of its fold have not"


def test_each_fold_has_its_part_of_every_axis() -> None:
    frame = grid(L=[1], max_steps=[10_000]).head(10)
    other = frame.iloc[[0, 0]].assign(L=[2, 3])
    with_both = pd.concat([frame, other.assign(C=TRUTH.predict_frame(other))], ignore_index=True)
    runs = left_out_runs(fitted(with_both), with_both, folds=2, bootstraps=1)
    assert runs.loc[runs["L"] > 1, "predicted"].to_numpy() == pytest.approx(with_both["C"].tail(2), rel=0.02), (
        "had one fold both, nothing would tell how layers add up"
    )


def test_models_of_which_a_refit_knows_nothing_are_left_blank_and_others_passed_over() -> None:
    frame = pd.concat([grid(embeddings=["frozen"]), grid(embeddings=["trained"]).head(1)], ignore_index=True)
    alone = frame.head(1).assign(ff="identity")
    runs = left_out_runs(fitted(frame), pd.concat([frame.assign(ff="train"), alone]), folds=3, bootstraps=1)
    assert len(runs) == len(frame)
    assert runs["predicted"].isna().tolist() == (frame["embeddings"] == "trained").tolist()
    assert errors_left_out(runs, "C")["scored"] == len(frame) - 1


def test_a_process_that_sees_T_learns_what_the_law_lacks_there() -> None:
    frame = grid(power=0.3, T=[2048, 4096, 8192, 16_384])
    errors = errors_left_out(left_out_runs(fitted(frame), frame, folds=3, bootstraps=1), "C")
    assert errors["with_process"] < 0.5 * errors["ours"]


def test_coverage_is_counted_by_group_by_hand() -> None:
    rows = [
        # T, L, K, predicted, C, low, high
        (100, 1, 8, 10, 12, 5, 20),
        (100, 1, 8, 19, 50, 10, 40),
        (100, 1, 8, 20, 20, 20, 20),
        (100, 1, 8, 70, 71, 50, 100),
        (200, 2, 8, 70, 20, 50, 100),
        (100, 2, 4, 70, 60, 50, 150),
    ]
    runs = pd.DataFrame(rows, columns=["T", "L", "K", "predicted", "C", "low", "high"])
    table = intervals_by_group(runs, "C")
    assert table.index.tolist() == ["small", "middle", "nearly full", "other T", "other L", "all"]
    assert table["covered"].tolist() == [0.5, 1, 1, 0, 1, pytest.approx(4 / 6)]
    assert table["runs"].tolist() == [2, 1, 1, 1, 1, 6]
    assert table["width"].tolist() == [4, 1, 2, 2, 3, 2.5]
    assert table.loc["all", ["low", "high"]].tolist() == pytest.approx([beta.ppf(0.025, 4, 3), beta.ppf(0.975, 5, 2)])
    among_others = intervals_by_group(runs, "C", pd.Series({"T": 200, "L": 2, "K": 8}, index=AXES))
    assert among_others["runs"].to_dict() == {"middle": 1, "other T": 5, "all": 6}


def test_errors_left_out_are_of_cells_at_which_a_law_can_be_wrong() -> None:
    sizes = {"d": 16, "H": 1, "N": 8, "L": 1, "K": 128, "T": 1000}
    rows = [
        {"C": 400.0, "predicted": 300.0, "with_process": 500.0},
        {"C": 200.0, "predicted": 300.0, "with_process": 100.0},  # a restart of the first: 300 on average
        {"H": 2, "C": 200.0, "predicted": 300.0, "with_process": 210.0},
        {"H": 3, "C": 990.0, "predicted": 300.0, "with_process": 1.0},  # full
        {"H": 4, "C": 1.0, "predicted": 300.0, "with_process": 1.0},  # lost
    ]
    found = errors_left_out(pd.DataFrame([sizes | row for row in rows]), "C")
    assert found == {"scored": 2, "ours": pytest.approx(0.25), "with_process": pytest.approx(0.025)}
