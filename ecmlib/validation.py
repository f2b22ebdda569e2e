"""How parameters are checked: one sentence names the parameter, its value and what is allowed."""

from __future__ import annotations

import ast
import math
import os
import reprlib
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

LARGEST = 10**9  # of any size and any number of steps: what is larger is a slip, and its arithmetic takes minutes
Positive = Annotated[int, Field(ge=1, le=LARGEST)]
Share = Annotated[float, Field(gt=0, le=1)]
Level = Annotated[float, Field(gt=0, lt=1)]  # of an interval, or a probability to be asked for
Seed = Annotated[int, Field(ge=0, lt=2**63)]
MOST_COMPLAINTS = 3  # about one input: more are counted
LONGEST = 120  # characters of a value that a message repeats
_SHORT = reprlib.Repr()
_SHORT.maxstring = _SHORT.maxother = _SHORT.maxlong = LONGEST
_SHORT.maxlevel = 3
_INJECTED = "# Parameters\n"  # papermill begins the cell that it adds with this line


P = TypeVar("P", bound="Parameters")


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

    def is_default(self, name: str) -> bool:
        """Whether a field has the value that it has where none is given."""
        return bool(getattr(self, name) == type(self).model_fields[name].default)


def checked(kind: Any, **named: Any) -> Any:
    """Return the one value given by name, if it is of a kind such as ``Positive``; else complain as `Parameters` do.

    >>> checked(int, stack="two")
    Traceback (most recent call last):
    ValueError: stack = 'two': input should be a valid integer
    """
    (name,) = named
    try:
        return TypeAdapter(dict[str, kind]).validate_python(named, strict=True)[name]
    except ValidationError as error:
        raise ValueError(one_sentence(error)) from None


def sorted_out(names: Collection[str], values: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the values of these names, and the others."""
    own = {name: value for name, value in values.items() if name in names}
    return own, {name: value for name, value in values.items() if name not in own}


def chosen(kind: type[P], given: P | None, values: dict[str, Any]) -> P:
    """Return the parameters given, or those of the values given by name.

    Raises
    ------
    ValueError
        If what is given is of another kind, if both are given, or if a value is unknown or out of range.
    """
    if not isinstance(given, kind | None):
        raise ValueError(f"protocol = {shown(given)}: input should be a {kind.__name__}")
    if given is not None and values:
        raise ValueError(f"{', '.join(values)}: given beside a protocol, which says it already")
    return given or kind(**values)


def one_sentence(error: ValidationError) -> str:
    """Say what pydantic found wrong: ``name = value: reason``, at most three of them, joined by semicolons."""
    details = error.errors(include_url=False, include_context=False)
    more = f"; and {len(details) - MOST_COMPLAINTS} more" if len(details) > MOST_COMPLAINTS else ""
    return "; ".join(_complaint(dict(detail)) for detail in details[:MOST_COMPLAINTS]) + more


def shown(value: object) -> str:
    """Write a value as Python does, on one line and cut to a readable length, however large it is."""
    if isinstance(value, int) and value.bit_length() > LONGEST:
        return f"an integer of about {round(value.bit_length() * math.log10(2))} digits"
    written = " ".join(_SHORT.repr(value).split())
    return written if len(written) <= LONGEST else f"{written[: LONGEST - 3]}..."


@contextmanager
def said_of(place: str) -> Iterator[None]:
    """Put before what is refused inside where it stands, such as ``restarts.0``."""
    try:
        yield
    except ValueError as error:
        raise ValueError(f"{place}: {error}") from None


def refuse_beyond_memory(needed: float, what: str, available: int | None = None) -> None:
    """Refuse what takes more bytes than there are, by default in this machine, and say how many."""
    there = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") if available is None else available
    if needed > there:
        raise ValueError(
            f"{what} takes at least {needed / 2**30:.3g} GiB of memory, and there are {there / 2**30:.3g} GiB"
        )


def refuse_wrong_parameters(cells: Sequence[str]) -> None:
    """Stop a notebook that was given a parameter it does not have, of which papermill only warns, or no switch for one.

    Parameters
    ----------
    cells : sequence of str
        IPython's ``In``: the sources of the cells run so far. The first that assigns anything declares the parameters.

    Raises
    ------
    ValueError
        Naming the unknown parameters and the known ones, or what is True or False by default and was given otherwise:
        papermill's ``-p train false`` is a text, and as such true.
    """
    assigned = [(cell, _assigned(cell)) for cell in cells]
    known = next((values for _, values in assigned if values), {})
    given = {name: value for cell, values in assigned if cell.startswith(_INJECTED) for name, value in values.items()}
    if unknown := [name for name in given if name not in known]:
        raise ValueError(f"unknown parameter {', '.join(unknown)}: this notebook has {', '.join(known)}")
    for name, value in given.items():
        if _is_switch(known[name]) and not _is_switch(value):
            raise ValueError(f"{name} = {ast.unparse(value)}: input should be True or False")


def assigned_names(source: str) -> list[str]:
    """Name what a cell assigns, in order."""
    return list(_assigned(source))


def _assigned(source: str) -> dict[str, ast.expr]:
    return {
        target.id: statement.value
        for statement in ast.parse(source).body
        if isinstance(statement, ast.Assign)
        for target in statement.targets
        if isinstance(target, ast.Name)
    }


def _is_switch(value: ast.expr) -> bool:
    return isinstance(value, ast.Constant) and isinstance(value.value, bool)


def _complaint(detail: dict[str, Any]) -> str:
    name = ".".join(str(part)[:LONGEST] for part in detail["loc"])
    reason = " ".join(detail["msg"].removeprefix("Value error, ").split())
    if detail["type"] == "missing":
        return f"{name} is missing"
    if not name:
        return reason
    if detail["type"] != "value_error":  # those that `Parameters` and their validators raise may begin with a name
        reason = f"{reason[0].lower()}{reason[1:]}"
    elif isinstance(detail["input"], dict):  # what is wrong inside says its own value
        return f"{name}: {reason}"
    return f"{name} = {shown(detail['input'])}: {reason}"
