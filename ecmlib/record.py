"""How a measurement is kept: one validated JSON file a configuration, written whole, named after it, read back."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Self

from pydantic import ValidationError

from ecmlib.architecture import Architecture
from ecmlib.validation import Parameters, one_sentence

_ALWAYS_NAMED = ("d", "H", "N", "L", "K", "T")


class Record(Parameters):
    """What every experiment's record can do: be written whole, read back, and looked up."""

    def save(self, path: str | Path) -> None:
        """Write to a temporary file beside ``path``, flush it to the disk and rename it: all or nothing."""
        write_atomically(Path(path), self.model_dump_json())

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """Read a record and check that it is whole.

        Raises
        ------
        ValueError
            If the file is no record; the message names the file and what is wrong in it.
        """
        text = Path(path).read_text(encoding="utf-8")
        try:
            return cls.model_validate_json(text)
        except ValidationError as error:
            raise ValueError(f"{path}: {one_sentence(error)}") from None

    @classmethod
    def stored(cls, path: Path | None, other: str, **settings: Parameters) -> Self | None:
        """Return the record at ``path``, None if there is none.

        Raises
        ------
        ValueError
            If its fields are not those of ``settings``: the file then holds ``other``, "another search" for example.
        """
        if path is None or not path.exists():
            return None
        record = cls.load(path)
        if any(getattr(record, name) != value for name, value in settings.items()):
            raise ValueError(f"results = {str(path.parent)!r}: {path.name} holds {other}")
        return record


def record_name(architecture: Architecture, protocol: Parameters) -> str:
    """Name the file of a record: sizes and the protocol's T always, other values where they differ from their defaults.

    >>> from ecmlib import Architecture, Protocol
    >>> record_name(Architecture(16, N=8), Protocol(T=2048, batch_size=64))
    'd16_H1_N8_L1_K128_T2048_batch_size64.json'
    """
    values = dict(architecture) | dict(protocol)
    fields = type(architecture).model_fields | type(protocol).model_fields
    others = [name for name in values if name not in _ALWAYS_NAMED and values[name] != fields[name].default]
    return "_".join(f"{name}{values[name]}" for name in (*_ALWAYS_NAMED, *others)) + ".json"


def writable_folder(results: str | Path) -> Path:
    """Make the folder ``results``; an OSError says so if nothing can be written there."""
    folder = Path(results)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        writable = os.access(folder, os.W_OK | os.X_OK)
    except OSError as error:
        raise OSError(f"results = {str(folder)!r}: no folder that can be written ({error.strerror})") from None
    if not writable:
        raise OSError(f"results = {str(folder)!r}: no folder that can be written (permission denied)")
    return folder


def write_atomically(path: Path, text: str) -> None:
    """Write a file so that a crash at any moment leaves either the old one or the new one, whole."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(
        "w", encoding="utf-8", dir=path.parent, prefix=f".{path.name}.", delete=False
    ) as file:
        temporary = Path(file.name)
        try:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
            temporary.chmod(0o644)  # temporary files are made for their owner alone
            temporary.replace(path)
        except BaseException:
            temporary.unlink()
            raise
