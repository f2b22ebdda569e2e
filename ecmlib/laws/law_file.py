"""How a law is read back from the file that it was saved in."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TypeVar

from ecmlib.files import read_json
from ecmlib.validation import Parameters, shown

Kind = TypeVar("Kind", bound=Parameters)


def read_law(path: str | Path, kinds: Mapping[str, type[Kind]]) -> Kind:
    """Read a law of one of these kinds, which are given by name.

    Raises
    ------
    ValueError
        If the file cannot be read or holds another law, or none; the message names it.
    """
    fields = read_json(path)
    if not isinstance(fields, dict) or "law" not in fields:
        raise ValueError(f"{path}: holds no law")
    name = fields.pop("law")
    if not isinstance(name, str) or name not in kinds:
        raise ValueError(f"{path}: holds the law {shown(name)}; it should be {' or '.join(map(repr, kinds))}")
    try:
        return kinds[name](**fields)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None
