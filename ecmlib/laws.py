"""Every law by its name, and how one is read back from a file."""

from __future__ import annotations

import json
from pathlib import Path

from ecmlib.ecm import EmpiricalCapacityModel
from ecmlib.law import Law

LAWS: dict[str, type[Law]] = {law.name: law for law in (EmpiricalCapacityModel,)}


def load_law(path: str | Path) -> Law:
    """Read a law that its ``save`` wrote.

    Raises
    ------
    ValueError
        If the file holds no known law.
    """
    name = json.loads(Path(path).read_text(encoding="utf-8")).get("law")
    if name not in LAWS:
        raise ValueError(f"{path}: holds the law {name!r}; there are {', '.join(LAWS)}")
    return LAWS[name].load(path)
