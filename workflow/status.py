"""Say what of a grid is measured and how long the rest will take: ``python workflow/status.py GRID``."""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import os
from pathlib import Path
from typing import Any, Literal, NamedTuple, get_args

import numpy as np
from experiments import Experiment
from grids import Job, extra_records, load_grid

FEWEST_PARTS = 10  # from which a duration is guessed
State = Literal["done", "running", "failed", "missing"]


class JobStatus(NamedTuple):
    """How far a job is, why if it failed, and how many parts it lacks."""

    state: State
    missing: int
    reason: str = ""


def job_status(job: Job, runs: Path) -> JobStatus:
    """Tell from its record, and from what the Snakefile's rule leaves in the folder ``runs``, how far a job is.

    Done: the record is whole and holds all parts. Running: a process holds the job's lock, which ends with the process.
    Failed: the record is bad, or the job was begun, is not running, and did not end well, for instance killed. Missing:
    everything else, also what waits in a queue.
    """
    try:
        missing = job.missing()
    except ValueError as error:
        return JobStatus("failed", job.experiment.wanted(job.restarts), str(error))
    if missing == 0:
        return JobStatus("done", 0)
    if _is_locked(runs / f"{job.name}.lock"):
        return JobStatus("running", missing)
    log = runs / f"{job.name}.log"
    if log.exists() and not (runs / f"{job.name}.done").exists():
        return JobStatus("failed", missing, f"see {log}")
    return JobStatus("missing", missing)


class CostModel:
    """Core-seconds of a part, by linear regression of their logarithm on those of P and of tokens trained on at most.

    Parameters
    ----------
    experiment : Experiment
        Which one.
    records : list
        What is measured of it, at least one part.
    """

    def __init__(self, experiment: Experiment, records: list[Any]) -> None:
        self.experiment = experiment
        parts = [(self._logs(record), seconds) for record in records for seconds in experiment.core_seconds(record)]
        self.n_parts = len(parts)
        sizes, measured = np.array([logs for logs, _ in parts]), np.log([seconds for _, seconds in parts])
        self._coefficients = np.linalg.lstsq(sizes, measured, rcond=None)[0]
        self.typical_factor = float(np.exp(np.median(np.abs(measured - sizes @ self._coefficients))))

    def core_seconds(self, plan: Any) -> float:
        """Return what one part of a record costs."""
        return float(np.exp(self._logs(plan) @ self._coefficients))

    def _logs(self, record: Any) -> np.ndarray:
        return np.log([np.e, record.architecture.n_params, self.experiment.tokens(record)])


def report(name: str, results: Path, runs: Path, cores: int) -> str:
    """Describe a grid in a few lines.

    Parameters
    ----------
    name : str
        Of the grid.
    results, runs : path
        Folders with a folder for every grid; neither need exist.
    cores : int
        By which the remaining core-hours are divided.
    """
    grid = load_grid(name)
    jobs = list(grid.jobs(results / name))
    statuses = [job_status(job, runs / name) for job in jobs]
    states = [status.state for status in statuses]
    lines = [f"{name}: " + ", ".join(f"{states.count(state)} {state}" for state in get_args(State))]
    for job, status in zip(jobs, statuses, strict=True):
        if status.state in ("running", "failed"):
            lines.append(f"{status.state}: {job.name}" + (f" ({status.reason})" if status.reason else ""))
    lines += [f"not on the grid: {path}" for path in extra_records(jobs, results / name)]
    missing = [(job, status.missing) for job, status in zip(jobs, statuses, strict=True) if status.missing]
    if missing:
        lines.append(_estimate(missing, results, cores))
    elif not grid.complete:
        lines.append(f"everything is measured: say so by `complete: true` in workflow/grids/{name}.yaml")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("grid")
    try:
        print(report(parser.parse_args().grid, Path("results"), Path("runs"), os.cpu_count() or 1))
    except ValueError as error:
        parser.error(str(error))


def _estimate(missing: list[tuple[Job, int]], results: Path, cores: int) -> str:
    experiment = missing[0][0].experiment
    records = _all_records(experiment, results)
    if sum(len(experiment.core_seconds(record)) for record in records) < FEWEST_PARTS:
        return f"no estimate of the time to go: fewer than {FEWEST_PARTS} measurements"
    model = CostModel(experiment, records)
    hours = sum(parts * model.core_seconds(job.plan) for job, parts in missing) / 3600
    return (
        f"to go: about {hours:.2g} core-hours, {hours / cores:.2g} hours on the {cores} cores of this machine\n"
        f"(regression of log core-seconds on log P and log tokens over {model.n_parts} measurements in {results},\n"
        f"half of them within a factor {model.typical_factor:.2g}; what is running counts as not begun)"
    )


def _all_records(experiment: Experiment, results: Path) -> list[Any]:
    records = []
    for path in results.glob("*/*.json"):
        with contextlib.suppress(ValueError):  # of another experiment, or bad
            records.append(experiment.load(path))
    return records


def _is_locked(path: Path) -> bool:
    """Whether a process holds the lock of flock(1) on a file."""
    if not path.exists():
        return False
    with path.open() as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


if __name__ == "__main__":
    main()
