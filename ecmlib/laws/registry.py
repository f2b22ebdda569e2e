"""Every law by its name, and how one is read back from a file: by default the one that ships with the package."""

from __future__ import annotations

from pathlib import Path

from ecmlib.files import shipped_file
from ecmlib.laws.base import Law
from ecmlib.laws.baselines import PolynomialModel
from ecmlib.laws.ecm import EmpiricalCapacityModel
from ecmlib.laws.law_file import read_law
from ecmlib.laws.residual import ResidualModel
from ecmlib.laws.rivals import (
    BitsPerParameter,
    PowerLaw,
    SignalOfOneKind,
    SignalOfWeights,
    ThresholdLaw,
    UnsaturatedModel,
)
from ecmlib.laws.signal import SignalLaw
from ecmlib.laws.text_law import TextLaw

CANDIDATES = (BitsPerParameter, PowerLaw, ThresholdLaw, SignalOfWeights, SignalOfOneKind)  # tried for our law, and lost
LAWS: dict[str, type[Law]] = {
    law.name: law
    for law in (
        EmpiricalCapacityModel,
        UnsaturatedModel,
        PolynomialModel,
        ResidualModel,
        SignalLaw,
        TextLaw,
        *CANDIDATES,
    )
}


def load_law(path: str | Path | None = None) -> Law:
    """Read a law that its ``save`` wrote.

    Parameters
    ----------
    path : path, optional
        By default the law that ships with the package: ours, fitted to what the reference protocol holds
        (``results/law-reference/signal.json``).

    Raises
    ------
    ValueError
        If the file cannot be read or holds no known law; the message names it.

    Examples
    --------
    >>> from ecmlib import load_law
    >>> load_law().name
    'signal'
    """
    return read_law(shipped_file("laws/signal.json", "law-reference") if path is None else path, LAWS)
