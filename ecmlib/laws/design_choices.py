"""What a design may be chosen from, how sure it is to be, and by which law; refused where that cannot be."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Annotated, Any

import numpy as np
from pydantic import BeforeValidator, Field

from ecmlib.architecture import HEAD_DIM
from ecmlib.laws.base import Law
from ecmlib.laws.points import CONDITIONS
from ecmlib.protocol import Protocol
from ecmlib.validation import Level, Parameters, Positive, shown

MOST_CHOICES = 64  # of layers and of heads


def _listed(values: Any) -> tuple[Any, ...]:
    values = values.tolist() if isinstance(values, np.ndarray) else values
    if isinstance(values, str) or not isinstance(values, Iterable) or not (listed := tuple(values)):
        raise ValueError("input should be one integer or more, in a list")
    return listed


class DesignChoices(Parameters):
    """What there is to choose from, and how sure a design is to be; see `ecmlib.laws.design.smallest_architectures`."""

    L: Annotated[tuple[Positive, ...], BeforeValidator(_listed)]
    H: Annotated[tuple[Positive, ...], BeforeValidator(_listed)]
    probability: Level
    token_bits: Annotated[float, Field(ge=1)] | None = None
    head_dim: Positive = HEAD_DIM
    max_steps: Positive | None = None


def sizes_up_to(**most: int) -> list[range]:
    """Return 1 to ``most`` for each name, such as ``L_max``; a ValueError says which is no integer from 1 to 64."""
    for name, value in most.items():
        if type(value) is not int or not 1 <= value <= MOST_CHOICES:
            raise ValueError(f"{name} = {shown(value)}: input should be an integer from 1 to {MOST_CHOICES}")
    return [range(1, value + 1) for value in most.values()]


def chosen_law(law: Law | None, default: Callable[[], Law]) -> Law:
    """Return a law, or the default; a ValueError says if it is none."""
    if not isinstance(law, Law | None):
        raise ValueError(f"law = {shown(law)}: input should be a law, such as load_law reads from a file")
    return default() if law is None else law


def refuse_other_training(law: Law, protocol: Protocol) -> None:
    """Refuse a law for designs that are trained by a protocol to which it was not fitted.

    Raises
    ------
    ValueError
        If it was fitted to another, or not to the counts at the end of runs; the message says to what.
    """
    fitted, trained = law.evidence.shared | {"target": law.evidence.target}, dict(protocol) | {"target": "C"}
    other = [
        name for name in ("target", *CONDITIONS) if name in trained and fitted.get(name, trained[name]) != trained[name]
    ]
    if other:
        of_law, of_runs = (", ".join(f"{name} = {each[name]}" for name in other) for each in (fitted, trained))
        raise ValueError(f"law: fitted to {of_law}; its designs are trained with {of_runs}")
