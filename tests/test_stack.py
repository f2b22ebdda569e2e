"""Restarts trained side by side are those trained alone, whatever the others do."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from conftest import curves

from ecmlib import Architecture, CapacityRecord, Protocol, measure_mac, random_library, training
from ecmlib.checkpoint import Checkpoint
from ecmlib.forecast import Forecast
from ecmlib.forward import make_forward
from ecmlib.stack import Stack
from ecmlib.trainer import Trainer
from ecmlib.workplace import can_compile

PROTOCOLS: dict[str, dict[str, Any]] = {
    "adam": {"lr": 0.01},
    "decay": {"lr": 0.01, "schedule": "wsd", "warmup_steps": 5},
    "last": {"lr": 0.01, "loss": "last"},
}


def trainers(architecture: Architecture, protocol: Protocol, **how: Any) -> list[Trainer]:
    """Three that share a model, as those of one configuration do, but neither weights nor library nor order."""
    model = architecture.build(0)
    forward = make_forward(model, **how)

    def fresh(seed: int) -> Trainer:
        model.load_state_dict(architecture.build(seed).state_dict())
        library = random_library(protocol.T, architecture.N, architecture.K, seed)
        return Trainer(model, forward, library, protocol, seed)

    return Stack(map(fresh, range(3))).trainers


def alone(architecture: Architecture, protocol: Protocol, seed: int, **how: Any) -> Trainer:
    model = architecture.build(seed)
    library = random_library(protocol.T, architecture.N, architecture.K, seed)
    return Trainer(model, make_forward(model, **how), library, protocol, seed)


@pytest.mark.parametrize("settings", PROTOCOLS.values(), ids=PROTOCOLS)
@pytest.mark.parametrize("kind", [{}, {"L": 2, "H": 2}, {"embeddings": "tied"}], ids=str)
def test_each_of_a_stack_trains_as_it_does_alone(
    settings: dict[str, Any], kind: dict[str, Any], tiny: Architecture
) -> None:
    architecture = tiny.model_copy(update=kind)
    protocol = Protocol(T=64, batch_size=24, max_steps=60, **settings)
    stacked = trainers(architecture, protocol)
    for end in (0, 7, 60):
        for seed, trainer in enumerate(stacked):
            trainer.advance(end, protocol)
            single = alone(architecture, protocol, seed)
            single.advance(end, protocol)
            found, expected = trainer.count(), single.count()
            assert found.step == expected.step == end
            assert found.last_count == pytest.approx(expected.last_count, abs=1)
            assert found.bits == pytest.approx(expected.bits, abs=1e-3)


@pytest.mark.skipif(not can_compile(torch.device("cpu")), reason="needs a C++ compiler")
def test_compiled_stack_trains_as_the_eager_one(tiny: Architecture) -> None:
    protocol = Protocol(T=64, batch_size=24, max_steps=40, lr=0.01)
    bits = []
    for compiled in (False, True):
        stacked = trainers(tiny, protocol, compiled=compiled)
        stacked[0].advance(40, protocol)
        bits.append([trainer.count().bits for trainer in stacked])
    assert bits[0] == pytest.approx(bits[1], abs=1e-3)


def test_one_that_diverges_disturbs_no_other(tiny: Architecture) -> None:
    protocol = Protocol(T=64, batch_size=24, max_steps=30)
    healthy, beside = trainers(tiny, protocol), trainers(tiny, protocol)
    for weight in beside[1].weights.values():
        weight.fill_(torch.nan)
    for stacked in (healthy, beside):
        stacked[0].advance(30, protocol)
    assert [beside[place].count() for place in (0, 2)] == [healthy[place].count() for place in (0, 2)]


def test_stacked_restarts_are_those_of_a_record_measured_one_by_one(
    tiny: Architecture, quick: dict[str, Any], tmp_path: Path
) -> None:
    settings = quick | {"restarts": 3, "vary": "all", "lr": 0.01, "weight_bits": [16]}
    one_by_one = measure_mac(tiny, **settings)
    stacked = measure_mac(tiny, **settings, stack=2, results=tmp_path)  # two, and the third alone
    assert CapacityRecord.load(tmp_path / stacked.file_name) == stacked
    for found, expected in zip(stacked.restarts, one_by_one.restarts, strict=True):
        assert (found.seed, found.status, found.step) == (expected.seed, expected.status, expected.step)
        assert found.bits == pytest.approx(expected.bits, abs=1e-3)
        assert found.last_count == pytest.approx(expected.last_count, abs=1)
        assert found.rounded[0].bits == pytest.approx(found.bits[-1], abs=1e-3)
    first, second, _ = (restart.provenance for restart in stacked.restarts)
    assert first.core_seconds == pytest.approx(second.core_seconds, rel=0.5), "each has its share"


def test_restart_that_has_ended_is_told_as_it_was_then(
    tiny: Architecture, quick: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second ends first, at step 30, and what is rounded are its weights at that step."""
    ended = training.ended
    settings = quick | {"lr": 0.01, "weight_bits": [16], "stack": 2}
    whole = measure_mac(tiny, **settings)
    second = whole.restarts[1]

    def early(protocol: Protocol, curve: list[Any], forecast: Any = None) -> Any:
        return "plateau" if curve[-1] == tuple_at(second, 30) else ended(protocol, curve, forecast)

    monkeypatch.setattr(training, "ended", early)
    found = measure_mac(tiny, **settings)
    assert curves(found)[0] == curves(whole)[0]
    restart = found.restarts[1]
    assert (restart.status, restart.step) == ("plateau", [0, 10, 20, 30])
    assert restart.bits == second.bits[:4]
    assert restart.rounded[0].bits == pytest.approx(second.bits[3], abs=1e-3)


def tuple_at(restart: Any, step: int) -> tuple[Any, ...]:
    place = restart.step.index(step)
    return (step, restart.last_count[place], restart.full_count[place], restart.bits[place])


@pytest.mark.parametrize("saves", [1, 3])
def test_interrupted_stack_goes_on_where_it_was(
    saves: int, tiny: Architecture, quick: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = quick | {"max_steps": 300, "min_steps": 300, "eval_every": 70, "vary": "all", "stack": 2, "lr": 0.01}
    whole = measure_mac(tiny, **settings)
    saved = []

    def save_and_stop(checkpoint: Checkpoint) -> None:
        checkpoint.save()
        saved.append(1)
        if len(saved) == saves:
            raise KeyboardInterrupt

    steps = []
    with monkeypatch.context() as patch:
        patch.setattr(Checkpoint, "save_if_due", save_and_stop)
        with pytest.raises(KeyboardInterrupt):
            measure_mac(tiny, **settings, results=tmp_path)
    restore = Trainer.restore
    monkeypatch.setattr(Trainer, "restore", lambda *told: (restore(*told), steps.append(told[0].step))[0])
    resumed = measure_mac(tiny, **settings, results=tmp_path)
    assert steps == [50 if saves == 1 else 120] * 2
    assert curves(resumed) == curves(whole)
    assert [left.name for left in (tmp_path / "in-flight").iterdir()] == [".lock"]


@pytest.mark.parametrize(("ended", "weight_bits"), [("kept", [2]), ("left out, as code of old did", [])])
def test_restart_that_had_ended_before_the_interruption_is_as_it_was(
    ended: str,
    weight_bits: list[int],
    tiny: Architecture,
    quick: dict[str, Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The second ends by its forecast at step 30, and both are interrupted at step 50."""
    settings = quick | {"lr": 0.01, "min_steps": 5_000, "stack": 2, "weight_bits": weight_bits}
    end = tuple_at(measure_mac(tiny, **settings, stop="patience").restarts[1], 30)

    def sure_at_the_end(protocol: Protocol, K: int, curve: list[Any]) -> Forecast | None:
        return Forecast(9.0, 9.0, 9.0) if curve[-1] == end else None

    def save_at_50_and_stop(checkpoint: Checkpoint) -> None:
        assert checkpoint._state is not None
        if checkpoint._state()[0]["step"] == 50:
            checkpoint.save()
            raise KeyboardInterrupt

    monkeypatch.setattr(training, "forecast_of", sure_at_the_end)
    settings["stop"] = "forecast"
    whole = measure_mac(tiny, **settings)
    assert [(restart.status, restart.step[-1]) for restart in whole.restarts] == [("max_steps", 60), ("forecast", 30)]
    with monkeypatch.context() as patch:
        patch.setattr(Checkpoint, "save_if_due", save_at_50_and_stop)
        with pytest.raises(KeyboardInterrupt):
            measure_mac(tiny, **settings, results=tmp_path)
    (path,) = (tmp_path / "in-flight").glob("*.json")
    kept = json.loads(path.read_text())
    undisturbed = curves(whole)
    if ended != "kept":
        undisturbed[1]["positions"] = None  # the weights that told them have moved on
        for run in kept["progress"]["runs"]:
            run.pop("ended", None)
        path.write_text(json.dumps(kept))
    assert curves(measure_mac(tiny, **settings, results=tmp_path)) == undisturbed


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"stack": 0}, "stack = 0: input should be greater than or equal to 1"),
        ({"stack": 2, "dropout": 0.1}, "dropout = 0.1: input should be 0 where models are trained side by side"),
    ],
)
def test_impossible_stack_is_refused(
    settings: dict[str, Any], message: str, tiny: Architecture, quick: dict[str, Any], tmp_path: Path
) -> None:
    architecture = tiny.model_copy(update={"dropout": settings.pop("dropout", 0.0)})
    with pytest.raises(ValueError, match=message):
        measure_mac(architecture, **quick, **settings, results=tmp_path / "results")
    assert not (tmp_path / "results").exists()
