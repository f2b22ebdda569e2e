"""How files of results are read and written: whole or not at all, and what fails says which file and why."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Any

from filelock import FileLock
from pydantic_core import from_json

from ecmlib.validation import shown

_TEMPORARY = ".tmp"  # ending of a file that is being written
_PROBE = 2**20  # bytes, more than any record has


def named_folder(results: str | Path, parameter: str = "results") -> Path:
    """Return the path ``results``; a ValueError says of which parameter if it is none."""
    if not isinstance(results, str | Path) or not str(results) or "\0" in str(results):
        raise ValueError(f"{parameter} = {shown(results)}: input should be the path of a folder")
    return Path(results)


def writable_folder(results: str | Path) -> Path:
    """Make the folder ``results``, try to write there, and clear what killed writers have left.

    Raises
    ------
    ValueError
        If ``results`` is no path.
    OSError
        If nothing can be written there, or the disk is full.
    """
    folder = named_folder(results)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with locked(folder):  # whoever writes has the lock: temporary files are those of writers that were killed
            for left in folder.glob(f".*{_TEMPORARY}"):
                left.unlink()
            probe = folder / f".probe{_TEMPORARY}"
            probe.write_bytes(bytes(_PROBE))
            probe.unlink()
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise OSError(f"results = {str(folder)!r}: no folder that can be written ({reason})") from None
    return folder


def read_json(path: str | Path) -> Any:
    """Read a JSON file.

    Raises
    ------
    ValueError
        If it cannot be read or is none; the message names it and, in one line, why.
    """
    if not isinstance(path, str | Path):
        raise ValueError(f"path = {shown(path)}: input should be the path of a file")
    try:
        return from_json(Path(path).read_bytes().decode("utf-8"))
    except OSError as error:
        reason = f"cannot be read ({error.strerror})"
    except UnicodeDecodeError as error:
        reason = f"is not UTF-8 (byte {error.start})"
    except ValueError as error:
        reason = f"is no JSON ({error})"
    raise ValueError(f"{path}: {reason}")


def shipped_file(place: str, folder: str) -> Path:
    """Return a file that ships at a place in the package; in a checkout it is the one of a folder of ``results``."""
    packaged = Path(__file__).parent / place  # the build puts it there: pyproject.toml
    return packaged if packaged.is_file() else Path(__file__).parents[1] / "results" / folder / packaged.name


def write_atomically(path: Path, text: str) -> None:
    """Write a file so that a crash at any moment leaves either the old one or the new one, whole.

    Raises
    ------
    OSError
        If it cannot be written; the message names ``path``, which is left as it was.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = None
    try:
        with tempfile.NamedTemporaryFile(
            "w", encoding="utf-8", dir=path.parent, prefix=".", suffix=_TEMPORARY, delete=False
        ) as file:
            temporary = Path(file.name)
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        temporary.chmod(0o644)  # temporary files are made for their owner alone
        temporary.replace(path)
        flush_to_disk(path.parent)  # the new name, too: the file's content alone may be lost with the power
    except OSError as error:
        raise OSError(f"{path}: could not be written ({error.strerror or error}); it is as it was") from None
    finally:
        if temporary:
            temporary.unlink(missing_ok=True)


def flush_to_disk(path: Path) -> None:
    """Have what was written to a file or a folder outlast a loss of power."""
    opened = os.open(path, os.O_RDONLY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)


def locked(folder: Path) -> FileLock:
    """Lock a folder of records against other writers; the lock ends with the process that has it."""
    return FileLock(folder / ".lock", timeout=60)
