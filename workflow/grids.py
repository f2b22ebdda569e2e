"""Which configurations a grid has, and which of them are still to be measured."""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, NamedTuple, Self

import nbformat
import yaml
from experiments import EXPERIMENTS, Experiment, Machine
from grid_file import read_mapping
from pydantic import Field, model_validator

from ecmlib import Architecture
from ecmlib.validation import Parameters, Positive, assigned_names, checked, shown, sorted_out

GRIDS = Path(__file__).parent / "grids"
NOTEBOOKS = Path(__file__).parent.parent / "notebooks"
MOST_CONFIGURATIONS = 10_000


class Job(NamedTuple):
    """One configuration with all its restarts."""

    experiment: Experiment
    parameters: dict[str, Any]  # of the notebook
    plan: Any  # the record before anything is measured
    record: Path
    restarts: int

    @property
    def name(self) -> str:
        """Name of the record without its ending."""
        return self.record.stem

    @property
    def arguments(self) -> str:
        """The parameters in YAML, on one line, as papermill takes them (``-y``)."""
        several = self.experiment.lists
        values = {name: [value] if name in several else value for name, value in self.parameters.items()}
        return yaml.safe_dump(values, default_flow_style=True, sort_keys=False, width=math.inf).strip()

    def missing(self) -> int:
        """Count the parts (of experiment ``mac``: restarts) that are still to be measured.

        Raises
        ------
        ValueError
            If the file is no record, or holds another configuration; the message names it.
        """
        wanted = self.experiment.wanted(self.restarts)
        record = self.plan.stored(self.record)
        return wanted if record is None else max(0, wanted - len(self.experiment.core_seconds(record)))

    def is_finished(self) -> bool:
        """Whether nothing is missing. A bad record is not finished: its job will fail and say why."""
        try:
            return self.missing() == 0
        except ValueError:
            return False


class Grid(Parameters):
    """Configurations of one experiment: every combination of ``axes``, or the ``configurations`` listed.

    Parameters
    ----------
    experiment : str
        Which one (`experiments.EXPERIMENTS`), and the name of the notebook that measures a configuration.
    restarts : int
        Training runs a configuration, where it does not say how many itself.
    parameters : dict
        What all configurations share.
    axes : dict of lists
        Values whose combinations are the configurations.
    configurations : list of dict
        Configurations that are no such product.
    complete : bool
        Whether every record is there, which a test then checks.
    """

    experiment: str
    restarts: Positive
    parameters: dict[str, Any] = Field(default_factory=dict)
    axes: dict[str, Annotated[list[Any], Field(min_length=1)]] = Field(default_factory=dict)
    configurations: list[dict[str, Any]] = Field(default_factory=list)
    complete: bool = False

    @model_validator(mode="after")
    def _has_work(self) -> Self:
        size = len(self.configurations) + (math.prod(map(len, self.axes.values())) if self.axes else 0)
        if not size:
            raise ValueError("axes and configurations are empty: a grid needs at least one configuration")
        if size > MOST_CONFIGURATIONS:
            raise ValueError(f"{size} configurations: a grid has at most {MOST_CONFIGURATIONS}")
        if self.experiment not in EXPERIMENTS:
            raise ValueError(f"experiment = {self.experiment!r}: there is no such; there are {', '.join(EXPERIMENTS)}")
        return self

    def jobs(self, results: Path) -> Iterator[Job]:
        """Yield a job a configuration, its record in the folder ``results``.

        Raises
        ------
        ValueError
            If a parameter is unknown or out of range, or a configuration is there twice.
        """
        known = notebook_parameters(self.experiment)
        names = set()
        for point in self._points():
            values = self.parameters | point
            if unknown := [shown(name) for name in values if name not in known]:
                has = f"notebook {self.experiment!r} has {', '.join(known)}"
                raise ValueError(f"unknown parameter {', '.join(unknown)}: {has}")
            job = self._job(values, results)
            if job.name in names:
                raise ValueError(f"{job.name}: is on the grid twice")
            names.add(job.name)
            yield job

    def _job(self, values: dict[str, Any], results: Path) -> Job:
        experiment = EXPERIMENTS[self.experiment]
        sizes, others = sorted_out(Architecture.model_fields, values)
        machine, others = sorted_out(Machine.model_fields, others)
        Machine(**machine)
        restarts = {experiment.restarts: self.restarts}
        wanted = checked(Positive, restarts=(restarts | values)[experiment.restarts])
        plan = experiment.plan(Architecture(**sizes), restarts | others)
        parameters = restarts | values | {"results": str(results)}
        return Job(experiment, parameters, plan, results / plan.file_name, wanted)

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
    # Nothing but a name: a path would measure, and write, outside of this folder.
    if not re.fullmatch("[A-Za-z0-9-]+", str(name)) or not path.exists():
        known = ", ".join(sorted(known.stem for known in GRIDS.glob("*.yaml")))
        raise ValueError(f"GRID = {shown(name)}: there is no such grid; there are {known}")
    content = read_mapping(path)
    try:
        return Grid(**content)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None


def notebook_parameters(experiment: str) -> list[str]:
    """Name the parameters of an experiment's notebook, in their order."""
    cells = nbformat.read(NOTEBOOKS / f"{experiment}.ipynb", as_version=4).cells
    (parameters,) = [cell.source for cell in cells if "parameters" in cell.metadata.get("tags", [])]
    return assigned_names(parameters)


def extra_records(jobs: list[Job], results: Path) -> list[Path]:
    """List the records in a folder that belong to none of the jobs."""
    return sorted(set(results.glob("*.json")) - {job.record for job in jobs})
