"""Where a run in flight has got: kept on disk every few minutes, so that an interrupted one goes on and not anew."""

from __future__ import annotations

import json
import time
import warnings
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from ecmlib.files import flush_to_disk, locked, write_atomically

Tensors = dict[str, torch.Tensor]
Kept = tuple[dict[str, Any], Tensors]
State = Callable[[], Kept]
FOLDER = "in-flight"  # below that of the records; git ignores it
FORMAT = 3  # to be raised where what runs keep, or how they train, changes so that those kept before cannot go on
_EVERY = 300.0  # seconds between two checkpoints


class Checkpoint:
    """A run's state in two files: numbers as JSON, tensors as safetensors, neither of which can execute anything.

    The JSON file names its tensors' file and is renamed into place after it: a crash at any moment leaves the old pair
    or the new one.

    Parameters
    ----------
    path : path, optional
        Of the JSON file; None keeps nothing.
    identity : dict
        What the run is: configuration, seeds, path of computation. What another one has left, or another version of
        this library, is discarded.
    """

    def __init__(self, path: Path | None, identity: dict[str, Any]) -> None:
        self._path = path
        self._identity = json.loads(json.dumps({"format": FORMAT, "ecmlib": version("ecmlib"), **identity}))
        self._due = time.monotonic() + _EVERY
        self._state: State | None = None

    def load(self) -> Kept | None:
        """Return what `save` has kept, None if there is nothing, nothing whole, or another run's.

        Warns
        -----
        UserWarning
            If what is there was kept by another run or by other code, or cannot be read: it is deleted, and the run
            begins anew.
        """
        if self._path is None or not self._path.exists():
            return None
        try:
            with locked(self._path.parent):  # another process may measure the same, and save or clear
                kept = json.loads(self._path.read_text(encoding="utf-8"))
                if kept["identity"] == self._identity:
                    return kept["progress"], load_file(self._path.parent / kept["tensors"])
            other = [name for name, value in self._identity.items() if kept["identity"].get(name) != value]
            why = f"of another {', '.join(other) or 'run'}"
        except (ValueError, TypeError, KeyError, AttributeError, OSError, SafetensorError):
            why = "not whole"  # a run that starts anew loses minutes, not a measurement
        warnings.warn(f"{self._path}: discarded, {why}", stacklevel=2)
        self.clear()
        return None

    def keeps(self, state: State) -> None:
        """Say how to ask a run for its progress, which JSON can hold, and its tensors."""
        self._state = state

    def save_if_due(self) -> None:
        """Save if the last checkpoint is some minutes old."""
        if time.monotonic() >= self._due:
            self.save()
            self._due = time.monotonic() + _EVERY

    def save(self) -> None:
        """Save now."""
        if self._path is None or self._state is None:
            return
        progress, tensors = self._state()
        file = self._path.with_suffix(f".{time.time_ns()}.safetensors")
        kept = {"identity": self._identity, "progress": progress, "tensors": file.name}
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with locked(self._path.parent):
            save_file(tensors, file)
            flush_to_disk(file)  # before the JSON names it
            write_atomically(self._path, json.dumps(kept))
            self._delete_tensors(but=file)

    def clear(self) -> None:
        """Delete what was kept: the run's result is on disk."""
        if self._path is not None and self._path.parent.exists():
            with locked(self._path.parent):
                self._path.unlink(missing_ok=True)
                self._delete_tensors()

    def _delete_tensors(self, but: Path | None = None) -> None:
        assert self._path is not None
        for file in self._path.parent.glob(f"{self._path.stem}.*.safetensors"):
            if file != but:
                file.unlink()


class Part:
    """What one of several runs that go on side by side keeps in a checkpoint of all: see `shared`."""

    def __init__(self, whole: Checkpoint, number: int, states: list[State | None], found: Kept | None) -> None:
        self._whole, self._number, self._states, self._found = whole, number, states, found

    def load(self) -> Kept | None:
        """Return this run's part of what was kept."""
        if self._found is None:
            return None
        progress, tensors = self._found
        own = f"{self._number}."
        return progress["runs"][self._number], {
            name.removeprefix(own): tensor for name, tensor in tensors.items() if name.startswith(own)
        }

    def keeps(self, state: State) -> None:
        """Say how to ask this run."""
        self._states[self._number] = state

    def save_if_due(self) -> None:
        """Save all runs."""
        self._whole.save_if_due()


def shared(whole: Checkpoint, n: int) -> list[Part]:
    """Return a checkpoint for each of ``n`` runs that go on side by side: what is kept is of one moment of all."""
    states: list[State | None] = [None] * n

    def state() -> Kept:
        told = [of_one() for of_one in states if of_one is not None]
        tensors = {f"{number}.{name}": value for number, (_, own) in enumerate(told) for name, value in own.items()}
        first, _ = told[0]
        return {"step": first["step"], "steps": first["steps"], "runs": [progress for progress, _ in told]}, tensors

    whole.keeps(state)
    found = whole.load()
    return [Part(whole, number, states, found) for number in range(n)]


def checkpoint_of(record: Path | None, restart: int, identity: dict[str, Any]) -> Checkpoint:
    """Return the checkpoint of a record's restart (from 0), in the folder ``in-flight`` beside the record."""
    path = None if record is None else record.parent / FOLDER / f"{record.stem}.{restart}.json"
    return Checkpoint(path, identity)
