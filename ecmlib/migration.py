"""Which versions of the form of records there are, and how those of older ones are read."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from ecmlib.validation import shown

SCHEMA_VERSION: Final = 3  # raised with every field that is added to a record


def migrated(content: dict[str, Any]) -> dict[str, Any]:
    """Bring what an older version of this library has written to the form of today.

    Raises
    ------
    ValueError
        If a newer version wrote it, or none.
    """
    version = content.get("schema_version", 0)
    if type(version) is not int or not 0 <= version <= SCHEMA_VERSION:
        raise ValueError(
            f"schema_version = {shown(version)}: this library reads versions 0 to {SCHEMA_VERSION}; "
            "a newer one wrote this, or none"
        )
    for step in _MIGRATIONS[version:]:
        content = step(content)
    return content | {"schema_version": SCHEMA_VERSION}


def _from_0(content: dict[str, Any]) -> dict[str, Any]:
    """Before version 1 no record said its version, and the first ones only what could be chosen then."""
    return _filled(content, _ARCHITECTURE_OF_0, _PROTOCOL_OF_0)


def _from_1(content: dict[str, Any]) -> dict[str, Any]:
    """Version 1 knew one way to end a run; its last records say so."""
    return _filled(content, {}, _PROTOCOL_OF_1)


def _from_2(content: dict[str, Any]) -> dict[str, Any]:
    """Version 2 did not say what a trained model tells at each position."""
    return content


def _filled(content: dict[str, Any], architecture: dict[str, Any], protocol: dict[str, Any]) -> dict[str, Any]:
    """Fill in what a version did not say of architectures and protocols, however deep they are."""
    filled = dict(content)
    for name, value in content.items():
        if isinstance(value, dict):
            filled[name] = _filled(value, architecture, protocol)
            if name == "architecture":
                filled[name] = architecture | filled[name]
            elif "max_steps" in value:
                filled[name] = protocol | filled[name]
    return filled


_ARCHITECTURE_OF_0 = {"ff_mult": 4, "embeddings": "frozen", "dropout": 0.0}
_PROTOCOL_OF_0 = {
    "optimizer": "adam",
    "schedule": "constant",
    "warmup_steps": 0,
    "decay_share": 0.3,
    "eval_growth": 0.0,
    "plateau_share": 0.25,
    "plateau_tolerance": 0.005,
    "vary": "weights+order",
}
_PROTOCOL_OF_1 = {"stop": "plateau", "forecast_within": 0.03}


_MIGRATIONS: tuple[Callable[[dict[str, Any]], dict[str, Any]], ...] = (
    _from_0,
    _from_1,
    _from_2,
)  # each from the version of its place
