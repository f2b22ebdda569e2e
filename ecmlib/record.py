"""How a measurement is kept: one validated JSON file a configuration, written whole, named after it, read back."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterable
from pathlib import Path
from typing import Any, ClassVar, Literal, Self, TypeVar

from pydantic import ValidationError

from ecmlib.files import locked, named_folder, read_json, writable_folder, write_atomically
from ecmlib.migration import SCHEMA_VERSION, migrated
from ecmlib.validation import Parameters, one_sentence

_LONGEST = 212  # bytes of a record's name: file systems allow 255, and a checkpoint adds restart, time and ending
_ALWAYS_NAMED = ("d", "H", "N", "L", "K", "T")


class Record(Parameters):
    """What every experiment's record can do: be written whole, read back, and looked up.

    A record has settings, which say what it measures, ``architecture`` and ``protocol`` among them, and parts, which
    are measured one after another. ``parts`` names the field that holds them.
    """

    parts: ClassVar[str]
    schema_version: Literal[3] = SCHEMA_VERSION

    @property
    def file_name(self) -> str:
        """Name of the record's file: its configuration (`record_name`)."""
        return record_name(self._settings["architecture"], self._settings["protocol"])

    def save(self, path: str | Path) -> Self:
        """Write the record, whole or not at all, together with what another process has added to the file meanwhile.

        Returns
        -------
        record
            What the file now holds.

        Raises
        ------
        ValueError
            If the file is there and cannot be read, or holds other settings; it is left as it is.
        OSError
            If nothing can be written; the message names the file, which is left as it is.
        """
        path = Path(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        with locked(path.parent):
            stored = self.stored(path)
            whole = self if stored is None else stored.joined(self)
            if whole != stored:
                write_atomically(path, whole.model_dump_json())
        return whole

    def joined(self, other: Self) -> Self:
        """Return the record with the parts of ``other`` that it lacks: a part is known by its place, which seeds it."""
        mine, others = getattr(self, self.parts), getattr(other, self.parts)
        return self.model_copy(update={self.parts: [*mine, *others[len(mine) :]]})

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """Read a record and check that it is whole.

        Raises
        ------
        ValueError
            If the file cannot be read or is no such record; the message names the file and, in one line, why.
        """
        content = read_json(path)
        try:
            return cls.model_validate(migrated(content) if isinstance(content, dict) else content)
        except ValidationError as error:
            reason = one_sentence(error)
        except ValueError as error:
            reason = str(error)
        raise ValueError(f"{path}: {reason}")

    def stored(self, path: Path) -> Self | None:
        """Return what the file at ``path`` holds of this measurement, None if there is none.

        Raises
        ------
        ValueError
            If the file cannot be read or holds other settings; the message names those that differ.
        """
        if not os.path.lexists(path):  # a dangling link is there, and is not to be replaced
            return None
        record = self.load(path)
        self.refuse_another(record, path)
        return record

    def refuse_another(self, record: Self, path: Path) -> None:
        """Refuse the record that ``path`` holds if it has other settings; a ValueError names those that differ."""
        if other := [name for name, value in self._settings.items() if getattr(record, name) != value]:
            raise ValueError(
                f"results = {str(path.parent)!r}: {path.name} holds another configuration ({', '.join(other)})"
            )

    def begun_in(self, results: str | Path | None) -> tuple[Self, Path | None]:
        """Return what a folder, which is made, holds of this measurement, at first nothing; and the path there.

        Raises
        ------
        ValueError
            If the folder holds another measurement under this name, or the name is too long.
        OSError
            If nothing can be written there.
        """
        if results is None:
            return self, None
        if (length := len(self.file_name.encode())) > _LONGEST:
            raise ValueError(
                f"{self.file_name}: the name of this configuration's record has {length} bytes, input should have at "
                f"most {_LONGEST}"
            )
        path = writable_folder(results) / self.file_name
        return self.stored(path) or self, path

    @property
    def _settings(self) -> dict[str, Any]:
        measured = {self.parts, "provenance", "schema_version"}
        return {name: getattr(self, name) for name in type(self).model_fields if name not in measured}


R = TypeVar("R", bound=Record)


def load_folder(folder: str | Path, kind: type[R]) -> list[R]:
    """Read every ``*.json`` of a folder, such as ``results/mac-cpu``; one bad file stops no other.

    A record whose name is not that of its content is bad, too: no configuration can be in a folder twice.

    Raises
    ------
    FileNotFoundError
        If there is no such folder.

    Warns
    -----
    UserWarning
        For each file that is no such record, with the reason. It is left out.
    """
    folder = named_folder(folder, "folder")
    if not folder.is_dir():
        raise FileNotFoundError(f"folder = {str(folder)!r}: there is no such folder")
    return _good(sorted(folder.glob("*.json")), kind)


def load_files(paths: Iterable[Path], kind: type[R]) -> list[R]:
    """Read those records that are there; what is no such record is left out with a warning, as by `load_folder`."""
    return _good((path for path in paths if os.path.lexists(path)), kind)


def record_name(architecture: Parameters, protocol: Parameters) -> str:
    """Name the file of a record: sizes and the protocol's T always, other values where they differ from their defaults.

    >>> from ecmlib import Architecture, Protocol
    >>> record_name(Architecture(16, N=8), Protocol(T=2048, batch_size=64))
    'd16_H1_N8_L1_K128_T2048_batch_size64.json'
    """
    values = dict(architecture) | dict(protocol)
    chosen = [name for part in (architecture, protocol) for name in dict(part) if not part.is_default(name)]
    names = dict.fromkeys([*_ALWAYS_NAMED, *chosen])
    return "_".join(f"{name}{values[name]}" for name in names) + ".json"


def _good(paths: Iterable[Path], kind: type[R]) -> list[R]:
    records = []
    for path in paths:
        try:
            record = kind.load(path)
            if path.name != record.file_name:
                raise ValueError(f"{path}: holds what belongs into {record.file_name}")
            records.append(record)
        except ValueError as error:
            warnings.warn(f"left out {error}", stacklevel=3)
    return records
