"""Which configurations a grid has, and which of them are still to be measured."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple, Self

import yaml
from pydantic import Field, model_validator

from ecmlib import Architecture, CapacityRecord, Protocol
from ecmlib.parameters import Parameters
from ecmlib.results import record_name
from ecmlib.training import Positive

GRIDS = Path(__file__).parent / "grids"
NOTEBOOKS = Path(__file__).parent.parent / "notebooks"


class Job(NamedTuple):
    """One configuration with all its restarts."""

    parameters: dict[str, Any]  # of the notebook
    record: Path
    restarts: int

    @property
    def name(self) -> str:
        """Name of the record without its ending."""
        return self.record.stem

    @property
    def arguments(self) -> str:
        """The parameters as papermill takes them."""
        return " ".join(f"-p {name} {value}" for name, value in self.parameters.items())

    def is_finished(self) -> bool:
        """Whether the record holds as many restarts as the grid asks for."""
        return self.record.exists() and len(CapacityRecord.load(self.record).restarts) >= self.restarts


class Grid(Parameters):
    """Configurations of one experiment: every combination of ``axes``, or the ``configurations`` listed.

    Parameters
    ----------
    experiment : str
        Notebook that measures a configuration.
    restarts : int
        Training runs a configuration.
    parameters : dict
        What all configurations share.
    axes : dict of lists
        Values whose combinations are the configurations.
    configurations : list of dict
        Configurations that are no such product.
    """

    experiment: str
    restarts: Positive
    parameters: dict[str, Any] = Field(default_factory=dict)
    axes: dict[str, list[Any]] = Field(default_factory=dict)
    configurations: list[dict[str, Any]] = Field(default_factory=list)

    @model_validator(mode="after")
    def _has_work(self) -> Self:
        if not self._points():
            raise ValueError("axes and configurations are empty: a grid needs at least one configuration")
        if not (NOTEBOOKS / f"{self.experiment}.ipynb").exists():
            known = ", ".join(sorted(path.stem for path in NOTEBOOKS.glob("*.ipynb")))
            raise ValueError(f"experiment = {self.experiment!r}: there is no such notebook; there are {known}")
        return self

    def jobs(self, results: Path) -> Iterator[Job]:
        """Yield a job a configuration, its record in the folder ``results``.

        Raises
        ------
        ValueError
            If a parameter is unknown or out of range.
        """
        for point in self._points():
            values = self.parameters | point
            architecture = Architecture(**{name: values[name] for name in values if name in Architecture.model_fields})
            protocol = Protocol(**{name: values[name] for name in values if name not in Architecture.model_fields})
            parameters = values | {"restarts": self.restarts, "results": str(results)}
            yield Job(parameters, results / record_name(architecture, protocol), self.restarts)

    def _points(self) -> list[dict[str, Any]]:
        combinations = itertools.product(*self.axes.values()) if self.axes else []
        return [*self.configurations, *(dict(zip(self.axes, values, strict=True)) for values in combinations)]


def load_grid(name: str) -> Grid:
    """Read ``workflow/grids/<name>.yaml``.

    Raises
    ------
    ValueError
        If there is no such grid, or if it is not well formed.
    """
    path = GRIDS / f"{name}.yaml"
    if not path.exists():
        known = ", ".join(sorted(known.stem for known in GRIDS.glob("*.yaml")))
        raise ValueError(f"GRID = {name!r}: there is no such grid; there are {known}")
    return Grid(**yaml.safe_load(path.read_text(encoding="utf-8")))
