import itertools
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from conftest import curves, kills_itself
from filelock import Timeout
from safetensors.torch import load_file, save_file

from ecmlib import Architecture, CapacityRecord, Protocol, measure_mac, random_library
from ecmlib.checkpoint import Checkpoint, checkpoint_of
from ecmlib.files import locked
from ecmlib.forward import make_forward
from ecmlib.trainer import Trainer

PROTOCOLS: dict[str, dict[str, Any]] = {
    "the paper's": {},
    "adam, decay": {"schedule": "wsd", "lr": 0.01, "warmup_steps": 5},
    "muon, decay": {"schedule": "wsd", "optimizer": "muon", "lr": 0.02},
}


@pytest.mark.parametrize("protocol", PROTOCOLS.values(), ids=PROTOCOLS)
@pytest.mark.parametrize(
    ("kind", "compiled"), [({}, False), ({"dropout": 0.2}, False), ({"embeddings": "tied"}, False), ({}, True)], ids=str
)
def test_restored_trainer_goes_on_bit_for_bit(
    protocol: dict[str, Any], kind: dict[str, Any], compiled: bool, tiny: Architecture
) -> None:
    architecture = tiny.model_copy(update=kind)
    library = random_library(64, tiny.N, tiny.K, seed=0)
    chosen = Protocol(T=64, batch_size=24, max_steps=40, **protocol)

    def fresh(weights: int) -> Trainer:
        model = architecture.build(weights)
        return Trainer(model, make_forward(model, compiled=compiled), library, chosen, seed=1)

    undisturbed, interrupted, resumed = fresh(0), fresh(0), fresh(7)
    undisturbed.advance(40, chosen)
    interrupted.advance(17, chosen)
    resumed.restore(interrupted.state())
    resumed.advance(40, chosen)
    ends = undisturbed.state(), resumed.state()
    assert ends[0].keys() == ends[1].keys()
    assert all(torch.equal(ends[0][name], ends[1][name]) for name in ends[0])
    assert undisturbed.count() == resumed.count()


@pytest.mark.parametrize("protocol", PROTOCOLS.values(), ids=PROTOCOLS)
def test_killed_restart_goes_on_where_it_was_and_equals_an_undisturbed_one(
    protocol: dict[str, Any],
    tiny: Architecture,
    quick: dict[str, Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    settings = quick | protocol | {"restarts": 1, "min_steps": 5_000, "max_steps": 300, "eval_every": 70}

    def killed_at_the_second_save(kill: Callable[[], None]) -> None:
        saves = itertools.count(1)

        def save_and_die(checkpoint: Checkpoint) -> None:
            checkpoint.save()
            if next(saves) == 2:
                kill()

        monkeypatch.setattr(Checkpoint, "save_if_due", save_and_die)
        measure_mac(tiny, **settings, results=tmp_path)

    assert kills_itself(killed_at_the_second_save)
    (kept,) = (tmp_path / "in-flight").glob("*.json")
    assert json.loads(kept.read_text())["progress"]["step"] == 70

    started_at: list[int] = []
    advance = Trainer.advance

    def spy(trainer: Trainer, end: int, protocol: Protocol) -> None:
        started_at.append(trainer.step)
        advance(trainer, end, protocol)

    monkeypatch.setattr(Trainer, "advance", spy)
    resumed = measure_mac(tiny, **settings, results=tmp_path)
    assert started_at[0] == 70
    assert curves(resumed) == curves(measure_mac(tiny, **settings))
    assert [left.name for left in (tmp_path / "in-flight").iterdir()] == [".lock"]


def spoil(path: Path, how: str) -> None:
    (tensors,) = path.parent.glob("*.safetensors")
    match how:
        case "tensors cut short":
            tensors.write_bytes(tensors.read_bytes()[:-1])
        case "tensors gone":
            tensors.unlink()
        case "numbers cut short":
            path.write_text(path.read_text()[:50])
        case "a list":
            path.write_text("[]")


@pytest.mark.parametrize("how", ["tensors cut short", "tensors gone", "numbers cut short", "a list"])
def test_spoilt_checkpoint_is_as_none(how: str, tmp_path: Path) -> None:
    path = tmp_path / "run.0.json"
    checkpoint = Checkpoint(path, {"seed": 1})
    checkpoint.keeps(lambda: ({"step": 3}, {"weights": torch.ones(5)}))
    checkpoint.save()
    found = Checkpoint(path, {"seed": 1}).load()
    assert found is not None
    assert found[0] == {"step": 3}
    spoil(path, how)
    with pytest.warns(UserWarning, match=r"run\.0\.json: discarded, not whole"):
        assert Checkpoint(path, {"seed": 1}).load() is None
    assert [left.name for left in tmp_path.iterdir()] == [".lock"]


def test_tensors_are_flushed_before_the_file_that_names_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    flushed: list[str] = []
    flush = os.fsync
    monkeypatch.setattr(
        os, "fsync", lambda file: (flushed.append(Path(f"/proc/self/fd/{file}").resolve().suffix), flush(file))
    )
    checkpoint = Checkpoint(tmp_path / "run.0.json", {})
    checkpoint.keeps(lambda: ({"step": 3}, {"weights": torch.ones(5)}))
    checkpoint.save()
    assert flushed == [".safetensors", ".tmp", ""]


@pytest.mark.parametrize(
    ("older", "said"),
    [({"seed": 2}, "seed"), ({"seed": 1, "format": 0}, "format"), ({"seed": 1, "ecmlib": "0.1.0"}, "ecmlib")],
)
def test_checkpoint_of_another_run_or_of_older_code_is_discarded_with_a_word(
    older: dict[str, Any], said: str, tmp_path: Path
) -> None:
    path = tmp_path / "run.0.json"
    checkpoint = Checkpoint(path, older)
    checkpoint.keeps(lambda: ({"step": 3}, {"weights": torch.ones(5)}))
    checkpoint.save()
    with pytest.warns(UserWarning, match=rf"run\.0\.json: discarded, of another {said}$"):
        assert Checkpoint(path, {"seed": 1}).load() is None
    assert list(tmp_path.glob("run.*")) == []


def test_checkpoint_of_another_configuration_is_not_gone_on_with(
    tiny: Architecture, quick: dict[str, Any], tmp_path: Path
) -> None:
    record = measure_mac(tiny, **quick | {"restarts": 1}, results=tmp_path)
    (path,) = tmp_path.glob("*.json")
    foreign = Checkpoint(tmp_path / "in-flight" / f"{path.stem}.1.json", {"another": "run"})
    foreign.keeps(lambda: ({"step": 50, "curve": [], "seconds": [0, 0]}, {"weights": torch.ones(5)}))
    foreign.save()
    with pytest.warns(UserWarning, match="discarded, of another"):
        both: CapacityRecord = measure_mac(tiny, **quick, results=tmp_path)
    assert curves(both)[0] == curves(record)[0]
    assert curves(both) == curves(measure_mac(tiny, **quick))


def test_longest_name_of_a_record_leaves_room_for_its_checkpoints(tmp_path: Path) -> None:
    record = tmp_path / f"{'d' * 207}.json"
    checkpoint = checkpoint_of(record, 10**9, {})
    checkpoint.keeps(lambda: ({"step": 3}, {"weights": torch.ones(5)}))
    checkpoint.save()
    assert len(list((tmp_path / "in-flight").glob("*.*"))) == 3  # the lock, numbers, tensors


def test_another_process_waits_while_a_checkpoint_is_written_read_and_cleared(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried: list[str] = []

    def while_another_tries(what: Callable[..., Any]) -> Callable[..., Any]:
        def guarded(*arguments: Any) -> Any:
            with pytest.raises(Timeout):
                locked(tmp_path).acquire(timeout=0)
            tried.append(what.__name__)
            return what(*arguments)

        return guarded

    for what in (save_file, load_file):
        monkeypatch.setattr(f"ecmlib.checkpoint.{what.__name__}", while_another_tries(what))
    checkpoint = Checkpoint(tmp_path / "run.0.json", {"seed": 1})
    checkpoint.keeps(lambda: ({"step": 3}, {"weights": torch.ones(5)}))
    checkpoint.save()
    assert checkpoint.load() is not None
    monkeypatch.setattr(Checkpoint, "_delete_tensors", while_another_tries(Checkpoint._delete_tensors))
    checkpoint.clear()
    assert tried == ["save_file", "load_file", "_delete_tensors"]
    monkeypatch.undo()
    locked(tmp_path).acquire(timeout=0)
