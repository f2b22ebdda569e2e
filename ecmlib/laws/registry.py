"""Every law by its name, and how one is read back from a file."""

from __future__ import annotations

import json
from pathlib import Path

from ecmlib.laws.base import Law
from ecmlib.laws.baselines import BoostingModel, PolynomialModel
from ecmlib.laws.ecm import EmpiricalCapacityModel
from ecmlib.laws.rivals import (
    BitsPerParameter,
    PowerLaw,
    SignalOfOneKind,
    SignalOfWeights,
    ThresholdLaw,
    UnsaturatedModel,
)
from ecmlib.laws.signal import SignalLaw

CANDIDATES = (BitsPerParameter, PowerLaw, ThresholdLaw, SignalOfWeights, SignalOfOneKind)  # tried for our law, and lost
LAWS: dict[str, type[Law]] = {
    law.name: law
    for law in (EmpiricalCapacityModel, UnsaturatedModel, PolynomialModel, BoostingModel, SignalLaw, *CANDIDATES)
}


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
