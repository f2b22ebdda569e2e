"""Say what of a grid is measured and how long the rest will take: ``python workflow/status.py GRID``."""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import json
import math
import os
import sys
import time
from pathlib import Path
from typing import Any, Literal, NamedTuple, get_args

import numpy as np
from experiments import Experiment
from grids import Job, extra_records, load_grid
from scipy.optimize import least_squares

from ecmlib.checkpoint import FOLDER
from ecmlib.progress import duration, measured_cost
from ecmlib.restart import seeds_of_restart
from ecmlib.text_record import REFERENCE
from ecmlib.training import Trainers
from ecmlib.validation import sorted_out
from ecmlib.workplace import WORKER_ENVIRONMENT, workplace

FEWEST_PARTS = 10  # from which a duration is guessed
TYPICAL = 0.3  # off by so much, of the logarithm, a duration weighs less in that guess: a run ended before
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
    """Core-seconds of a part on a CPU: for each token trained on, at most, a constant and so much for each parameter.

    Both are found by robust least squares of logarithms, since many a run ends before its most tokens. A power of P
    fits about as well and misses far larger models by a factor of eight: where P is small, a step costs all the same.

    Parameters
    ----------
    experiment : Experiment
        Which one.
    records : list
        What is measured of it, at least one part.
    """

    def __init__(self, experiment: Experiment, records: list[Any]) -> None:
        self.experiment = experiment
        parts = [(*self._sizes(record), seconds) for record in records for seconds in on_a_cpu(experiment, record)]
        self.n_parts = len(parts)
        P, tokens, seconds = np.array(parts, float).T
        start = np.log(np.median(seconds / tokens)) - np.array([0, np.log(np.median(P))])

        def off(logs: np.ndarray) -> np.ndarray:
            return np.log(tokens * (np.exp(logs[0]) + np.exp(logs[1]) * P) / seconds)

        logs = least_squares(off, start, loss="soft_l1", f_scale=TYPICAL, xtol=1e-12, ftol=1e-12, gtol=1e-12).x
        self._a_token, self._a_parameter = np.exp(logs)
        self.typical_factor = float(np.exp(np.median(np.abs(off(logs)))))

    def core_seconds(self, plan: Any) -> float:
        """Return what one part of a record costs."""
        P, tokens = self._sizes(plan)
        return float(tokens * (self._a_token + self._a_parameter * P))

    def _sizes(self, record: Any) -> tuple[int, int]:
        return record.architecture.n_params, self.experiment.tokens(record)


def ended_alike(records: list[Any], plan: Any) -> list[Any]:
    """Keep the records whose runs are ended by the plan's rule: the paper's ends one after a fraction of its tokens."""
    return [record for record in records if _stop(record) == _stop(plan)]


def _stop(record: Any) -> str | None:
    return getattr(record.protocol, "stop", None)


def on_a_cpu(experiment: Experiment, record: Any) -> list[float]:
    """Return the core-seconds of a record's parts that were measured on a CPU: beside a GPU a core does not work."""
    parts = zip(experiment.core_seconds(record), experiment.devices(record), strict=False)
    return [seconds for seconds, device in parts if device == "cpu"]


def report(name: str, results: Path, runs: Path, cores: int, timed: bool = False) -> str:
    """Describe a grid in a few lines.

    Parameters
    ----------
    name : str
        Of the grid.
    results, runs : path
        Folders with a folder for every grid; neither need exist.
    cores : int
        By which the remaining core-hours are divided.
    timed : bool
        Whether a few steps of the longest missing job are timed here, which takes as long as compiling it.
    """
    grid = load_grid(name)
    jobs = list(grid.jobs(results / name))
    statuses = [job_status(job, runs / name) for job in jobs]
    states = [status.state for status in statuses]
    lines = [f"{name}: " + ", ".join(f"{states.count(state)} {state}" for state in get_args(State))]
    for job, status in zip(jobs, statuses, strict=True):
        flights = in_flight(job)
        if status.state in ("running", "failed") or flights:
            lines.append(f"{status.state}: {job.name}" + (f" ({status.reason})" if status.reason else ""))
        lines += [f"    {flight}" for flight in flights]
    lines += [f"not on the grid: {path}" for path in extra_records(jobs, results / name)]
    missing = [(job, status.missing) for job, status in zip(jobs, statuses, strict=True) if status.missing]
    if missing:
        lines += _estimates(missing, results, cores, timed)
    elif not grid.complete:
        lines.append(f"everything is measured: say so by `complete: true` in workflow/grids/{name}.yaml")
    return "\n".join(lines)


def in_flight(job: Job) -> list[str]:
    """Say how far the runs of a job are that have left a checkpoint."""
    lines = []
    for path in sorted((job.record.parent / FOLDER).glob(f"{job.name}.*.json")):
        with contextlib.suppress(ValueError, KeyError, TypeError, OSError):  # it may end, and go, at any moment
            progress = json.loads(path.read_text(encoding="utf-8"))["progress"]
            step, steps = progress["step"], progress.get("steps")
            share = f" of {steps} ({step / steps:.0%})" if steps else ""
            age = duration(time.time() - path.stat().st_mtime)
            number = int(path.stem.removeprefix(f"{job.name}."))
            name = "reference" if number >= REFERENCE else f"{job.experiment.trained} {number + 1}"
            lines.append(f"{name}: step {step}{share}, {age} ago")
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("grid")
    parser.add_argument("--timed", action="store_true", help="time a few steps of the longest job on this machine")
    arguments = parser.parse_args()
    if arguments.timed and not WORKER_ENVIRONMENT.items() <= os.environ.items():
        os.execve(sys.executable, [sys.executable, *sys.argv], os.environ | WORKER_ENVIRONMENT)  # as jobs are run
    try:
        print(report(arguments.grid, Path("results"), Path("runs"), os.cpu_count() or 1, arguments.timed))
    except ValueError as error:
        parser.error(str(error))


def _estimates(missing: list[tuple[Job, int]], results: Path, cores: int, timed: bool) -> list[str]:
    experiment = missing[0][0].experiment
    records = ended_alike(_all_records(experiment, results), missing[0][0].plan)
    if sum(len(on_a_cpu(experiment, record)) for record in records) < FEWEST_PARTS:
        lines = [f"no estimate of the time to go: fewer than {FEWEST_PARTS} measurements on a CPU"]
        expected = [1.0 for _ in missing]
    else:
        model = CostModel(experiment, records)
        expected = [model.core_seconds(job.plan) for job, _ in missing]
        hours = sum(parts * seconds for (_, parts), seconds in zip(missing, expected, strict=True)) / 3600
        lines = [
            f"to go: about {hours:.2g} core-hours, {hours / cores:.2g} hours on the {cores} cores of this machine",
            f"(core-seconds a token, regressed on P, over {model.n_parts} measurements in {results},",
            f"half of them within a factor {model.typical_factor:.2g}; what is running counts as not begun)",
        ]
    if timed and experiment.is_timed:
        work = [job.plan.architecture.n_params * experiment.tokens(job.plan) for job, _ in missing]
        longest = work.index(max(work))
        job, _ = missing[longest]
        seconds = _seconds_here(job)
        total = sum(parts * share for (_, parts), share in zip(missing, expected, strict=True)) / expected[longest]
        lines.append(
            f"timed here: a run of {job.name} takes at most {duration(seconds)},\n"
            f"all {sum(parts for _, parts in missing)} missing ones, in proportion, {duration(total * seconds / cores)}"
        )
    return lines


def _seconds_here(job: Job) -> float:
    """Time a few steps, and scale them to the longest that one part of a job can take."""
    plan = job.plan
    machine, _ = sorted_out(("device", "compiled"), job.parameters)
    here = workplace(plan.architecture, plan.protocol.T, plan.protocol.batch_size, **machine)
    fresh = Trainers(plan.architecture, plan.protocol, *here).trainer(seeds_of_restart(plan.protocol, 0))
    cost = measured_cost(fresh, plan.protocol)
    sizes = plan.architecture.N - 1, plan.protocol.batch_size, plan.protocol.max_steps
    runs = job.experiment.tokens(plan) / math.prod(sizes)
    return runs * cost.seconds(plan.protocol, [(0, plan.protocol.max_steps)])


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
