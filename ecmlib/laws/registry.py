"""Every law by its name, and how one is read back from a file: by default the one that ships with the package."""

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


def load_law(path: str | Path | None = None) -> Law:
    """Read a law that its ``save`` wrote.

    Parameters
    ----------
    path : path, optional
        By default the law that ships with the package: ours, fitted to the main grid (``results/law/signal.json``).

    Raises
    ------
    ValueError
        If the file holds no known law.

    Examples
    --------
    >>> from ecmlib import load_law
    >>> load_law().name
    'signal'
    """
    path = shipped_law() if path is None else path
    name = json.loads(Path(path).read_text(encoding="utf-8")).get("law")
    if name not in LAWS:
        raise ValueError(f"{path}: holds the law {name!r}; there are {', '.join(LAWS)}")
    return LAWS[name].load(path)


def shipped_law() -> Path:
    """Return the file of the law that ships with the package; in a checkout it is the fitted one itself."""
    packaged = Path(__file__).parent / "signal.json"  # the build puts it there: pyproject.toml
    return packaged if packaged.is_file() else Path(__file__).parents[2] / "results" / "law" / "signal.json"
