from typing import Any

import numpy as np
import pandas as pd
import pytest

from ecmlib import Architecture, MlsRecord
from ecmlib.chance import FULL, expected_guesses
from ecmlib.figures import plot_grid
from ecmlib.laws.points import configurations, growing
from ecmlib.reproduction import budget, mac_and_mls
from ecmlib.reproduction.bits import levelling
from ecmlib.reproduction.growth import exponents_over_d, ratios_at_equal_parameters, ratios_on_doubling, saturations
from ecmlib.reproduction.scatter import scatter
from ecmlib.reproduction.theory import promised_capacities

T, K = 2048, 128


def made(power: float, heads: float) -> pd.DataFrame:
    """Results whose capacities follow a law that is known: scale * d^power * H^heads / N."""
    rows = [
        {"d": d, "H": H, "N": N, "L": 1, "K": K, "T": T, "P": Architecture(d, H, N, K=K).n_params}
        for d in (8, 16, 32, 64)
        for H in (1, 2, 4)
        for N in (4, 8)
    ]
    frame = pd.DataFrame(rows)
    C = 5 * frame["d"] ** power * frame["H"] ** heads / frame["N"]
    return frame.assign(C_plateau=C, C_plateau_raw=C + (T - C) / K)


@pytest.mark.parametrize("power", [1.0, 1.7, 2.3])
def test_exponent_is_recovered(power: float) -> None:
    exponents = exponents_over_d(made(power, 0.5))
    assert len(exponents) > 0
    np.testing.assert_allclose(exponents["exponent"], power)


def test_ratios_on_doubling_are_recovered() -> None:
    results = made(1.5, 0.5)
    np.testing.assert_allclose(ratios_on_doubling(results, "d"), 2**1.5)
    np.testing.assert_allclose(ratios_on_doubling(results, "H"), 2**0.5)
    np.testing.assert_allclose(ratios_on_doubling(results, "N"), 0.5)
    ratio_of_P = ratios_on_doubling(results, "d", "P")
    np.testing.assert_allclose(ratios_on_doubling(results, "d", "MPP"), 2**1.5 / ratio_of_P)


def test_heads_compare_at_equal_parameters() -> None:
    results = made(1.0, 0.0)
    results["C_plateau"] = results["P"] / 100  # whatever the heads
    results["C_plateau_raw"] = results["C_plateau"] + expected_guesses(T, K)
    compared = ratios_at_equal_parameters(results, few=1, many=4)
    assert len(compared) > 0
    np.testing.assert_allclose(compared["ratio"], 1)


def test_neither_chance_nor_saturation_grows() -> None:
    results = made(1.0, 0.0)
    chance = results.assign(C_plateau=2.0, C_plateau_raw=expected_guesses(T, K) + 2)
    saturated = results.assign(C_plateau=FULL * T, C_plateau_raw=FULL * T)
    assert growing(chance).empty
    assert growing(saturated).empty
    assert exponents_over_d(saturated).empty
    assert ratios_at_equal_parameters(saturated, 1, 2).empty


def test_best_restart_counts() -> None:
    results = made(1.0, 0.0)
    worse = results.assign(C_plateau=results["C_plateau"] / 2, C_plateau_raw=results["C_plateau_raw"] / 2)
    pd.testing.assert_frame_equal(growing(pd.concat([results, worse])), growing(results))


def test_configurations_without_feed_forward_are_not_merged_with_those_that_have_it() -> None:
    both = pd.concat([made(1.0, 0.0).assign(ff=ff) for ff in ("train", "identity")])
    for reduce in (growing, exponents_over_d, promised_capacities, plot_grid):
        with pytest.raises(ValueError, match="the frame mixes ff = identity, train"):
            reduce(both)


@pytest.mark.parametrize(
    ("name", "values"),
    {"dropout": [0.0, 0.1], "loss": ["all", "last"], "stop": ["plateau", "patience"]}.items(),
)
def test_no_reduction_of_restarts_merges_conditions(name: str, values: list[Any]) -> None:
    frame = made(1.0, 0.0).assign(status="max_steps", bits=1.0, bits_per_parameter=0.1, embeddings="frozen", vary="all")
    frame = frame.assign(**dict.fromkeys(("C", "C_paper_rule", "C_plateau_rule"), frame["C_plateau"]))
    frame = frame.assign(restart=0, max_steps=10, full=False)
    frame = frame.assign(lost=False, optimizer="adam", lr=0.01, schedule="wsd", C_guess_sd=1.0)
    several = pd.concat([frame, frame.assign(restart=1), frame.assign(restart=2)])
    searches: list[MlsRecord] = []
    reductions = {
        "configurations": lambda rows: configurations(rows, "C"),
        "budgets": budget.compare,
        "bits": levelling,
        "scatter": scatter,
        "both ways": lambda rows: mac_and_mls.compare(searches, rows),
    }
    for what, reduce in reductions.items():
        reduce(several)
        mixed = pd.concat([several.assign(**{name: value}) for value in values])
        with pytest.raises(ValueError, match=f"the frame mixes {name} = {', '.join(map(str, sorted(values)))}"):
            pytest.fail(f"{what} merged {reduce(mixed)}")


@pytest.mark.parametrize(("name", "by"), [("max_steps", []), ("ff", []), ("vary", ["vary"])])
def test_no_restart_vanishes_that_does_not_say_to_which_configuration_it_belongs(name: str, by: list[str]) -> None:
    frame = made(1.0, 0.0).assign(**{name: ["plain", *[None] * 23]})
    with pytest.raises(ValueError, match=f"{name} is missing at d=8, H=1, N=8, L=1, K=128, T=2048"):
        configurations(frame, "C_plateau", by=by)


def test_what_compares_d_H_and_N_alone_refuses_several_layers() -> None:
    both = pd.concat([made(1.0, 0.0), made(1.0, 0.0).assign(L=2)])
    assert len(growing(both)) == 2 * len(growing(both[both["L"] == 1]))
    for reduce in (exponents_over_d, plot_grid):
        with pytest.raises(ValueError, match="the frame mixes L = 1, 2"):
            reduce(both)


def test_lines_that_have_stopped_rising_did_rise_and_are_told_by_their_flatness() -> None:
    C = pd.DataFrame({8: [2.0, 4.0, 3.5], 16: [100.0, 500.0, 520.0], 32: [100.0, 900.0, 2000.0], 64: [-2.0, 1990.0, T]})
    lines = C.melt(var_name="N", value_name="C_plateau").assign(d=[8, 16, 32] * 4, H=1, L=1, K=K, T=T)
    raw = lines["C_plateau"] + (T - lines["C_plateau"]) / K
    stopped = saturations(lines.assign(C_plateau_raw=raw))
    assert stopped.set_index("N")["level"].to_dict() == {16: pytest.approx(520 / T, abs=0.01), 64: 1}
