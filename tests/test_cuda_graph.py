"""Steps that are recorded and replayed are those that would have been taken."""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from conftest import prose

from ecmlib import Architecture, Protocol, measure_mac
from ecmlib.cuda_graph import Recorded
from ecmlib.forward import Forward, make_forward
from ecmlib.library import random_library
from ecmlib.memorisation import measure_text
from ecmlib.stack import Stack
from ecmlib.text import read_corpus
from ecmlib.text_record import TextProtocol
from ecmlib.trainer import Trainer

TINY = Architecture(d=8, N=4, K=8, head_dim=4)
PROTOCOL = Protocol(T=64, batch_size=24, max_steps=40, min_steps=40, eval_every=5)


def record_by_calling(function: Callable[..., Any], inputs: Sequence[torch.Tensor]) -> tuple[Any, Callable[[], None]]:
    """Stand in for a GPU: nothing happens while it records, and a replay works with what its inputs hold then."""
    outputs: list[torch.Tensor] = []

    def replay() -> None:
        outputs[:] = function(*inputs) or ()

    return outputs, replay


def test_replays_compute_with_new_inputs_and_return_tensors_of_their_own() -> None:
    asked = []

    def doubled(x: torch.Tensor) -> tuple[torch.Tensor]:
        asked.append(x)
        return (2 * x,)

    recorded = Recorded(doubled, record_by_calling)
    given = [torch.full((3,), float(number)) for number in range(8)]
    found = [recorded(x)[0] for x in given]
    for x, y in zip(given, found, strict=True):
        torch.testing.assert_close(y, 2 * x)
    assert len({id(x) for x in asked[-4:]}) == 1  # the same place again and again, as a graph needs


@pytest.mark.parametrize("other", [torch.ones(2), torch.ones(1), torch.ones(3, dtype=torch.float64)])
def test_inputs_of_another_kind_have_a_recording_of_their_own(other: torch.Tensor) -> None:
    recorded = Recorded(lambda x: (x + 1,), record_by_calling)
    for _ in range(6):
        for given in (torch.zeros(3), other):
            (found,) = recorded(given)
            assert (found.shape, found.dtype) == (given.shape, given.dtype)
            assert torch.equal(found, given + 1)


def test_a_text_is_measured_as_without_recordings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "prose.txt").write_text(prose(3000), encoding="utf-8")
    protocol = TextProtocol(content="text", T=96, batch_size=24, max_steps=60, min_steps=60, eval_every=10)
    size = Architecture(d=8, N=6, K=64, head_dim=4)

    def measured() -> Any:
        (restart,) = measure_text(
            size, read_corpus(tmp_path / "prose.txt", 64), protocol, restarts=1, compiled=False, progress=False
        ).restarts
        return restart.model_dump(exclude={"provenance"})

    plain = measured()

    def recording(model: torch.nn.Module, *how: Any) -> Forward:
        forward = make_forward(model, *how)
        return forward._replace(judged=Recorded(forward.judged, record_by_calling), recorded=True)

    monkeypatch.setattr("ecmlib.training.make_forward", recording)
    monkeypatch.setattr("ecmlib.forward.Recorded", partial(Recorded, record=record_by_calling))
    monkeypatch.setattr("ecmlib.trainer._ROOM", 50 * size.K * (size.N - 1))  # counted in other shares than trained on
    assert measured() == plain


def _trainer(seed: int) -> Trainer:
    model = TINY.build(seed)
    return Trainer(model, make_forward(model), random_library(64, 4, 8, seed), PROTOCOL, seed)


def test_a_recorded_trainer_ends_where_a_plain_one_does() -> None:
    plain, other = _trainer(3), _trainer(3)
    other._move = Recorded(other._move, record_by_calling)
    for trainer in (plain, other):
        trainer.advance(40, PROTOCOL)
    for name, value in plain.state().items():
        assert torch.equal(value, other.state()[name]), name
    assert plain.count() == other.count()


def test_a_recorded_stack_ends_where_a_plain_one_does() -> None:
    plain, other = (Stack([_trainer(3), _trainer(4)]) for _ in range(2))
    other._move = Recorded(other._move, record_by_calling)
    for stack in (plain, other):
        stack.advance(40, PROTOCOL)
    for one, two in zip(plain.trainers, other.trainers, strict=True):
        assert one.count() == two.count()


@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU here")
@pytest.mark.parametrize("stack", [1, 2])
@pytest.mark.parametrize("optimizer", ["adam", "muon"])
def test_a_gpu_measures_the_same_recorded_and_not(optimizer: Any, stack: int) -> None:
    size = Architecture(d=16, H=2, N=8, K=32)
    protocol = Protocol(T=256, max_steps=300, min_steps=300, eval_every=50, optimizer=optimizer, lr=0.01)
    found = [
        measure_mac(size, protocol, restarts=2, device="cuda", compiled=compiled, stack=stack, progress=False)
        for compiled in (False, True)
    ]
    for one, two in zip(*(record.restarts for record in found), strict=True):
        assert one.last_count[-1] > 20  # far more than guesses
        assert two.bits == pytest.approx(one.bits, rel=0.02)


def test_nothing_is_recorded_on_a_cpu() -> None:
    assert not make_forward(TINY.build(0), compiled=True).recorded


def test_what_is_recorded_counts_the_same_in_equal_shares_of_the_library(monkeypatch: pytest.MonkeyPatch) -> None:
    plain = _trainer(3)
    model = TINY.build(3)
    widest = 4 * TINY.d  # of the feed-forward block
    monkeypatch.setattr("ecmlib.trainer._ROOM", 30 * widest * (TINY.N - 1))
    asked = []

    def judged(sequences: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        asked.append(len(sequences))
        return make_forward(model).judged(sequences)

    forward = make_forward(model)._replace(judged=judged, recorded=True)
    point = Trainer(model, forward, random_library(64, 4, 8, 3), PROTOCOL, 3).count()
    assert asked == [22, 22, 22]  # of 64, where there is room for 30
    assert point == pytest.approx(plain.count())
