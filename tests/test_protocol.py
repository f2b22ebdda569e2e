import itertools
import re

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from ecmlib import Architecture, Protocol, random_library
from ecmlib.forward import make_forward
from ecmlib.restart import end_value, seeds_of_restart
from ecmlib.trainer import Trainer
from ecmlib.training import follow

schedules = st.builds(
    Protocol,
    schedule=st.just("wsd"),
    lr=st.floats(1e-4, 1.0),
    max_steps=st.integers(20, 500),
    warmup_steps=st.integers(0, 5),
    decay_share=st.floats(0.01, 0.7),
)


@given(schedules)
def test_rate_rises_stays_and_falls_to_almost_0(protocol: Protocol) -> None:
    rates = [protocol.learning_rate(step) for step in range(1, protocol.max_steps + 1)]
    assert max(rates) == pytest.approx(protocol.lr)
    assert all(0 < rate <= protocol.lr for rate in rates)
    rising, falling = rates[: protocol.warmup_steps], rates[protocol.stable_until :]
    assert rising == sorted(rising)
    assert rates[protocol.warmup_steps : protocol.stable_until] == [protocol.lr] * (
        protocol.stable_until - protocol.warmup_steps
    )
    steps_down = [a - b for a, b in zip([protocol.lr, *falling], [*falling, 0.0], strict=True)]
    assert steps_down == pytest.approx([protocol.lr / (len(falling) + 1)] * (len(falling) + 1))


@given(st.integers(1, 50), st.floats(0, 1), st.integers(0, 100), st.integers(1, 2000))
def test_points_rise_to_the_end_at_growing_distances(every: int, growth: float, start: int, length: int) -> None:
    protocol = Protocol(eval_every=every, eval_growth=growth)
    points = [start, *protocol.points(start, start + length)]
    gaps = [b - a for a, b in itertools.pairwise(points)]
    assert points[-1] == start + length
    assert all(gap == max(every, int(growth * at)) for at, gap in zip(points, gaps[:-1], strict=False))
    assert 0 < gaps[-1] <= max(every, int(growth * points[-2]))


def test_curve_without_growth_has_the_points_of_the_first_edition() -> None:
    assert Protocol(eval_every=31).points(0, 100) == [31, 62, 93, 100]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"optimizer": "sgd"}, "optimizer = 'sgd': input should be 'adam' or 'muon'"),
        ({"schedule": "cosine"}, "schedule = 'cosine': input should be 'constant' or 'wsd'"),
        ({"schedule": "wsd", "decay_share": 0.0}, "decay_share = 0.0: input should be greater than 0"),
        ({"schedule": "wsd", "decay_share": 1.5}, "decay_share = 1.5: input should be less than or equal to 1"),
        ({"schedule": "wsd", "warmup_steps": -1}, "warmup_steps = -1: input should be greater than or equal to 0"),
        ({"warmup_steps": 5}, "warmup_steps = 5: schedule = 'constant' has none; use 'wsd'"),
        ({"decay_share": 0.5}, "decay_share = 0.5: schedule = 'constant' has none; use 'wsd'"),
        (
            {"schedule": "wsd", "max_steps": 100, "warmup_steps": 71},
            "warmup_steps = 71: input should be at most 70, the steps before the decay "
            "(max_steps = 100, decay_share = 0.3)",
        ),
        ({"eval_growth": -0.1}, "eval_growth = -0.1: input should be greater than or equal to 0"),
        ({"stop": "never"}, "stop = 'never': input should be 'plateau', 'patience' or 'forecast'"),
        ({"stop": "patience", "min_steps": 31}, "min_steps = 31: stop = 'patience' does not ask for it"),
        (
            {"stop": "patience", "plateau_tolerance": 0.1},
            "plateau_tolerance = 0.1: stop = 'patience' does not ask for it",
        ),
        ({"stop": "forecast", "plateau_share": 0.1}, "plateau_share = 0.1: stop = 'forecast' does not ask for it"),
        ({"forecast_within": 0.1}, "forecast_within = 0.1: stop = 'plateau' does not ask for it"),
        (
            {"schedule": "wsd", "forecast_within": 0.1},
            "forecast_within = 0.1: schedule = 'wsd' ends at max_steps alone",
        ),
        ({"schedule": "wsd", "plateau_share": 0.1}, "plateau_share = 0.1: schedule = 'wsd' ends at max_steps alone"),
        ({"schedule": "wsd", "min_steps": 31}, "min_steps = 31: schedule = 'wsd' ends at max_steps alone"),
        ({"stop": "patience", "schedule": "wsd"}, "stop = 'patience': schedule = 'wsd' ends at max_steps alone"),
        ({"plateau_share": 0.0}, "plateau_share = 0.0: input should be greater than 0"),
        ({"plateau_tolerance": 1.0}, "plateau_tolerance = 1.0: input should be less than 1"),
        (
            {"vary": "nothing"},
            "vary = 'nothing': input should be 'weights+order', 'all', 'library', 'weights' or 'order'",
        ),
    ],
)
def test_bad_value_is_named_with_what_is_allowed(values: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        Protocol(**values)


@pytest.mark.parametrize(
    ("vary", "differing"),
    [
        ("weights+order", {"weights", "order"}),
        ("all", {"library", "weights", "order"}),
        ("library", {"library"}),
        ("weights", {"weights"}),
        ("order", {"order"}),
    ],
)
def test_restarts_differ_in_what_varies_and_in_nothing_else(vary: str, differing: set[str]) -> None:
    protocol = Protocol(seed=3, vary=vary)
    first, second, third = (seeds_of_restart(protocol, number)._asdict() for number in range(3))
    assert {part for part in first if first[part] != second[part]} == differing
    assert {part for part in first if second[part] != third[part]} == differing
    assert first["library"] == 3


def test_end_of_a_curve_is_its_last_point_after_a_decay_and_else_the_mean_of_its_last_tenth() -> None:
    steps, counts = [0, 50, 90, 95, 100], [0, 99, 10, 20, 60]
    assert end_value(Protocol(schedule="wsd"), steps, counts) == 60
    assert end_value(Protocol(), steps, counts) == 30


@pytest.mark.parametrize("optimizer", ["adam", "muon"])
def test_every_trained_weight_has_one_optimizer(optimizer: str) -> None:
    architecture = Architecture(d=8, H=2, N=4, L=2, K=8, head_dim=4, embeddings="trained")
    model = architecture.build(0)
    protocol = Protocol(T=32, batch_size=16, optimizer=optimizer, max_steps=3)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    list(follow(Trainer(model, make_forward(model), random_library(32, 4, 8, seed=0), protocol, seed=0), protocol, 3))
    still = [name for name, value in model.state_dict().items() if torch.equal(value, before[name])]
    assert still == []


def test_decay_reaches_a_lower_loss_than_its_constant_rate(tiny: Architecture) -> None:
    library = random_library(64, tiny.N, tiny.K, seed=0)
    ends = []
    for values in ({}, {"schedule": "wsd", "decay_share": 0.5}):
        protocol = Protocol(T=64, batch_size=16, lr=0.05, max_steps=400, eval_every=400, **values)
        model = tiny.build(0)
        ends.append([*follow(Trainer(model, make_forward(model), library, protocol, seed=0), protocol, 400)][-1].bits)
    assert ends[1] < ends[0]
