"""How parameters are checked: one sentence names the parameter, its value and what is allowed."""

from __future__ import annotations

import ast
from collections.abc import Sequence
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

_INJECTED = "# Parameters\n"  # papermill begins the cell that it adds with this line


class Parameters(BaseModel):
    """Immutable, strictly typed values whose errors are one readable ``ValueError``.

    Fields may be given by position, in the order of their declaration.

    Raises
    ------
    ValueError
        For an unknown, missing, ill-typed or out-of-range value: "d = -3: input should be greater
        than or equal to 1". Several mistakes are joined by semicolons.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    def __init__(self, *values: Any, **named: Any) -> None:
        fields = list(type(self).model_fields)
        if len(values) > len(fields):
            raise ValueError(f"{type(self).__name__} takes at most {len(fields)} values: {', '.join(fields)}")
        try:
            super().__init__(**dict(zip(fields, values, strict=False)), **named)
        except ValidationError as error:
            raise ValueError(one_sentence(error)) from None


def one_sentence(error: ValidationError) -> str:
    """Say what pydantic found wrong: ``name = value: reason``, joined by semicolons."""
    return "; ".join(_complaint(dict(detail)) for detail in error.errors())


def refuse_unknown_parameters(cells: Sequence[str]) -> None:
    """Stop a notebook that was given a parameter it does not have; papermill itself only warns.

    Parameters
    ----------
    cells : sequence of str
        IPython's ``In``: the sources of the cells run so far. The first that assigns anything declares the parameters.

    Raises
    ------
    ValueError
        Naming the unknown parameters and the known ones.
    """
    assigned = [(cell, _assigned_names(cell)) for cell in cells]
    known = next((names for _, names in assigned if names), [])
    unknown = [name for cell, names in assigned if cell.startswith(_INJECTED) for name in names if name not in known]
    if unknown:
        raise ValueError(f"unknown parameter {', '.join(unknown)}: this notebook has {', '.join(known)}")


def _complaint(detail: dict[str, Any]) -> str:
    name = ".".join(str(part) for part in detail["loc"])
    reason = detail["msg"].removeprefix("Value error, ")
    if detail["type"] == "missing":
        return f"{name} is missing"
    if not name:
        return str(reason)
    return f"{name} = {detail['input']!r}: {reason[0].lower()}{reason[1:]}"


def _assigned_names(source: str) -> list[str]:
    return [
        target.id
        for statement in ast.parse(source).body
        if isinstance(statement, ast.Assign)
        for target in statement.targets
        if isinstance(target, ast.Name)
    ]
