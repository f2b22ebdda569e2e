"""What every notebook does with its parameters before it computes."""

from __future__ import annotations

import ast
from collections.abc import Sequence

_INJECTED = "# Parameters\n"  # papermill begins the cell that it adds with this line


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
    assigned = [(cell, assigned_names(cell)) for cell in cells]
    known = next((names for _, names in assigned if names), [])
    unknown = [name for cell, names in assigned if cell.startswith(_INJECTED) for name in names if name not in known]
    if unknown:
        raise ValueError(f"unknown parameter {', '.join(unknown)}: this notebook has {', '.join(known)}")


def assigned_names(source: str) -> list[str]:
    """Name what a cell assigns, in order."""
    return [
        target.id
        for statement in ast.parse(source).body
        if isinstance(statement, ast.Assign)
        for target in statement.targets
        if isinstance(target, ast.Name)
    ]
