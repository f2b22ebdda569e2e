import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from ecmlib import Architecture, Protocol, random_library
from ecmlib.curve import CurvePoint, on_plateau, patience_stop, plateau_stop
from ecmlib.forward import make_forward
from ecmlib.trainer import Trainer
from ecmlib.training import ended, follow
from ecmlib.workplace import can_compile, resolve_device

PLATEAU = {"share": 0.25, "tolerance": 0.005}
counts_of_a_run = st.lists(st.integers(0, 30), min_size=1, max_size=40)


@given(counts=counts_of_a_run, patience=st.integers(1, 12))
def test_patience_stop_is_the_first_point_whose_last_record_is_too_old(counts: list[int], patience: int) -> None:
    def too_old(index: int) -> bool:
        record = counts.index(max(counts[: index + 1]))
        return index - record >= patience

    expected = next((index for index in range(len(counts)) if too_old(index)), None)
    steps = [10 * index for index in range(len(counts))]
    assert patience_stop(steps, counts, 10 * patience) == expected


@given(counts=counts_of_a_run, patience=st.integers(1, 12))
def test_run_by_the_papers_rule_ends_where_a_replay_of_it_stops(counts: list[int], patience: int) -> None:
    protocol = Protocol(T=31, stop="patience", patience_steps=10 * patience, max_steps=10_000, eval_every=10)
    curve = [CurvePoint(10 * index, count, 0, 1.0) for index, count in enumerate(counts)]
    statuses = [ended(protocol, curve[: length + 1]) for length in range(len(curve))]
    stop = patience_stop([point.step for point in curve], counts, 10 * patience)
    assert next((index for index, status in enumerate(statuses) if status), None) == stop
    assert stop is None or statuses[stop] == "patience"


@given(counts=counts_of_a_run, min_steps=st.integers(0, 200))
def test_run_until_a_plateau_ends_where_a_replay_of_it_stops(counts: list[int], min_steps: int) -> None:
    protocol = Protocol(T=31, min_steps=max(min_steps, 1), max_steps=10_000, eval_every=10)
    curve = [CurvePoint(10 * index, count, 0, 1.0) for index, count in enumerate(counts)]
    statuses = [ended(protocol, curve[: length + 1]) for length in range(len(curve))]
    rule = protocol.min_steps, protocol.plateau_share, protocol.plateau_tolerance
    stop = plateau_stop([point.step for point in curve], counts, *rule)
    assert next((index for index, status in enumerate(statuses) if status), None) == stop
    assert stop is None or statuses[stop] == "plateau"


def test_plateau_is_a_last_quarter_without_a_rise() -> None:
    steps = list(range(0, 101, 5))
    flat_from_70 = [min(step, 70) for step in steps]
    still_rising = [min(step, 90) for step in steps]
    assert on_plateau(steps, flat_from_70, **PLATEAU)
    assert not on_plateau(steps, still_rising, **PLATEAU)


def test_plateau_forgives_half_a_percent() -> None:
    steps = [0, 50, 75, 100]
    assert on_plateau(steps, [0, 900, 1000, 1005], **PLATEAU)
    assert not on_plateau(steps, [0, 900, 1000, 1006], **PLATEAU)


def run(architecture: Architecture, **settings: object) -> tuple[torch.nn.Module, list[tuple[object, ...]]]:
    model = architecture.build(0)
    library = random_library(48, architecture.N, architecture.K, seed=0)
    protocol = Protocol(T=48, batch_size=16, eval_every=5, **settings)
    trainer = Trainer(model, make_forward(model), library, protocol, seed=0)
    return model, list(follow(trainer, protocol, protocol.max_steps))


def test_curve_has_its_first_and_last_step(tiny: Architecture) -> None:
    _, curve = run(tiny, max_steps=12)
    assert [point.step for point in curve] == [0, 5, 10, 12]


def test_frozen_weights_stay_and_all_others_move(tiny: Architecture) -> None:
    before = tiny.build(0).state_dict()
    model, _ = run(tiny, max_steps=5)
    for name, parameter in model.named_parameters():
        assert torch.equal(parameter, before[name]) != parameter.requires_grad, name


def test_loss_of_the_last_token_alone_trains_something_else(tiny: Architecture) -> None:
    _, all_tokens = run(tiny, max_steps=300)
    _, last_token = run(tiny, max_steps=300, loss="last")
    assert last_token[-1].last_count > all_tokens[-1].last_count
    assert last_token[-1].bits > all_tokens[-1].bits


def test_bits_of_an_indifferent_model_are_log2_of_K(tiny: Architecture) -> None:
    model = tiny.build(0)
    torch.nn.init.zeros_(model.to_logits.weight)
    library = random_library(40, tiny.N, tiny.K, seed=0)
    start = Trainer(model, make_forward(model), library, Protocol(T=40, batch_size=16), seed=0).count()
    assert start.bits == pytest.approx(3.0)


def test_positions_are_counted_as_a_model_asked_token_by_token_tells_them(tiny: Architecture) -> None:
    model, library = tiny.build(0), random_library(40, tiny.N, tiny.K, seed=0)
    trainer = Trainer(model, make_forward(model), library, Protocol(T=40, batch_size=16), seed=0)
    trainer.advance(200, Protocol(T=40, batch_size=16, lr=0.01))
    count, bits = trainer.count_positions()
    for position in range(tiny.N - 1):
        likelihood = model.requires_grad_(False)(library[:, : position + 1])[:, -1].log_softmax(-1)
        target = library[:, position + 1]
        assert count[position] == int((likelihood.argmax(-1) == target).sum())
        assert bits[position] == pytest.approx(-float(likelihood[range(40), target].mean()) / math.log(2), rel=1e-5)
    end = trainer.count()
    assert count[-1] == end.last_count > count[0] >= end.full_count
    assert sum(bits) / len(bits) == pytest.approx(end.bits)


@pytest.mark.skipif(not can_compile(torch.device("cpu")), reason="needs a C++ compiler")
def test_compiled_training_follows_the_eager_one(tiny: Architecture) -> None:
    library = random_library(40, tiny.N, tiny.K, seed=0)
    protocol = Protocol(T=40, batch_size=16, max_steps=50, eval_every=10)
    bits = []
    for compiled in (False, True):
        model = tiny.build(0)
        trainer = Trainer(model, make_forward(model, compiled=compiled), library, protocol, seed=0)
        bits.append([point.bits for point in follow(trainer, protocol, protocol.max_steps)])
    assert bits[0] == pytest.approx(bits[1], abs=1e-4)


def test_device_is_found_or_refused() -> None:
    assert resolve_device("cpu").type == "cpu"
    assert resolve_device("auto").type == ("cuda" if torch.cuda.is_available() else "cpu")
    with pytest.raises(ValueError, match="device = 'tpu': input should be 'auto', 'cpu' or 'cuda'"):
        resolve_device("tpu")


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
def test_missing_cuda_is_said() -> None:
    with pytest.raises(ValueError, match="device = 'cuda': PyTorch finds no CUDA device"):
        resolve_device("cuda")
