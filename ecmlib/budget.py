"""What an architecture holds after each of several training budgets, from one long run and decays that branch off it.

A run under a schedule of warm-up, stable rate and decay is, until its rate falls, the beginning of every longer one.
One trunk at the stable rate therefore serves all budgets: the decay of each branches off it, and the branch ends with
the very weights that a run of that budget alone would have ended with.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from tqdm import tqdm

from ecmlib.architecture import Architecture
from ecmlib.budget_record import Branch, BudgetRecord, BudgetRun, check_budgets, ends_of, last_of, of_budget
from ecmlib.checkpoint import Checkpoint, Tensors, checkpoint_of
from ecmlib.curve import CurvePoint, DivergedError, columns, has_diverged
from ecmlib.progress import Bar, announce
from ecmlib.protocol import Protocol, chosen_protocol
from ecmlib.restart import seeds_of_restart
from ecmlib.trainer import Trainer
from ecmlib.training import Clock, Trainers, follow, forecast_of
from ecmlib.workplace import Compiled, workplace


def measure_budgets(
    architecture: Architecture,
    budgets: list[int],
    protocol: Protocol | None = None,
    *,
    restarts: int = 1,
    device: str = "auto",
    compiled: Compiled = "auto",
    results: str | Path | None = None,
    progress: bool = True,
    **values: Any,
) -> BudgetRecord:
    """Measure what an architecture has memorised after each budget of training steps.

    Parameters
    ----------
    architecture : Architecture
        What is measured.
    budgets : list of int
        Lengths of training in steps, rising.
    protocol : Protocol, optional
        How; its ``max_steps`` is the last budget. Under "wsd" a budget is a run whose rate has fallen to 0 at its end;
        at a constant rate it is the beginning of the longest run, which no plateau ends.
    restarts, device, compiled, results, progress
        See `ecmlib.capacity.measure_mac`.
    values
        Of `Protocol`, by name, in place of ``protocol``.

    Raises
    ------
    ValueError
        Before any training, if a parameter is out of range or ``results`` holds another measurement under this name.
    """
    longest = {"max_steps": last_of(budgets)}
    protocol = chosen_protocol(protocol, values if protocol else longest | values)
    check_budgets(budgets, protocol)
    here = workplace(architecture, protocol.T, protocol.batch_size, restarts=restarts, device=device, compiled=compiled)
    begun = BudgetRecord(architecture=architecture, protocol=protocol, budgets=budgets, restarts=[])
    record, path = begun.begun_in(results)
    if len(record.restarts) >= restarts:
        return record

    trainers = Trainers(architecture, protocol, *here)
    if progress:
        first, runs = trainers.trainer(seeds_of_restart(protocol, 0)), restarts - len(record.restarts)
        announce(first, protocol, runs, stretches(protocol, budgets))
    while (number := len(record.restarts)) < restarts:  # another process may add some meanwhile
        seeds = seeds_of_restart(protocol, number)
        checkpoint = checkpoint_of(path, number, trainers.identity(seeds=seeds, budgets=budgets))
        flight = _Flight(trainers.trainer(seeds), protocol, budgets, checkpoint)
        with Bar(
            total=flight.length, unit="step", desc=f"restart {number + 1}/{restarts}", disable=not progress
        ) as bar:
            status = flight.to_the_end(architecture.K, bar)
        finished = BudgetRun(
            seed=seeds.weights,
            status=status,
            trunk=columns(flight.trunk),
            branches=flight.branches,
            provenance=flight.clock.provenance(*here),
        )
        record = record.model_copy(update={"restarts": [*record.restarts, finished]})
        if path is not None:
            record = record.save(path)
            checkpoint.clear()
    return record


def stretches(protocol: Protocol, budgets: list[int]) -> list[tuple[int, int]]:
    """Return where the trunk, and each branch, begins and ends."""
    protocols = [of_budget(protocol, budget) for budget in budgets]
    return [(0, protocols[-1].stable_until), *((each.stable_until, each.max_steps) for each in protocols)]


class _Flight:
    """A trunk and its branches on their way, put forward to where the checkpoint has got."""

    def __init__(self, trainer: Trainer, protocol: Protocol, budgets: list[int], checkpoint: Checkpoint) -> None:
        self.trunk: list[CurvePoint] = []
        self.branches: list[Branch] = []
        self.clock = Clock()
        self._trainer, self._protocol, self._budgets, self._checkpoint = trainer, protocol, budgets, checkpoint
        self._branch: list[CurvePoint] = []  # not empty: the trainer is on a branch
        self._fork: Tensors = {}  # where it left the trunk
        self._fork_seconds = 0.0
        self._spent = 0.0  # core-seconds of finished branches after their forks
        if (found := checkpoint.load()) is not None:
            self._resume(*found)
        checkpoint.keeps(self._state)

    @property
    def length(self) -> int:
        """Steps of the trunk and all branches."""
        return sum(end - start for start, end in stretches(self._protocol, self._budgets))

    def to_the_end(self, K: int, bar: tqdm[Any]) -> Literal["complete", "max_steps", "diverged"]:
        """Train through the budgets that are not finished yet."""
        try:
            for budget in self._budgets[len(self.branches) :]:
                self._train(of_budget(self._protocol, budget), K, bar)
                if self.branches and self.branches[-1].last_count[-1] == self._protocol.T:
                    return "complete"
        except DivergedError:
            return "diverged"
        ends = ends_of(columns(self.trunk), self.branches)
        lost = self._protocol.loss == "all" and any(has_diverged(end, K) for end in ends)
        return "diverged" if lost else "max_steps"

    def _train(self, protocol: Protocol, K: int, bar: tqdm[Any]) -> None:
        if not self._branch:
            for _ in follow(self._trainer, protocol, protocol.stable_until, self.trunk, self._checkpoint):
                self._show(K, bar)
        if protocol.schedule != "constant":
            self._follow_branch(protocol, K, bar)

    def _follow_branch(self, protocol: Protocol, K: int, bar: tqdm[Any]) -> None:
        if not self._branch:
            self._branch, self._fork = [self.trunk[-1]], self._trainer.state()
            self._fork_seconds = self.clock.read()[1]
        for _ in follow(self._trainer, protocol, protocol.max_steps, self._branch, self._checkpoint):
            self._show(K, bar)
        now = self.clock.read()[1]
        curve = columns(self._branch).model_dump()
        alone = now - self._spent
        self.branches.append(Branch(**curve, budget=protocol.max_steps, core_seconds=round(alone, 3)))
        self._spent += now - self._fork_seconds
        self._trainer.restore(self._fork)
        self._branch, self._fork = [], {}

    def _show(self, K: int, bar: tqdm[Any]) -> None:
        if bar.disable:
            return
        last = (self._branch or self.trunk)[-1]
        budget = next((budget for budget in self._budgets[len(self.branches) :] if budget >= last.step), last.step)
        shown: dict[str, int | str] = {"count": last.last_count, "budget": budget}
        if (forecast := forecast_of(self._protocol, K, self.trunk)) is not None:  # of the longest budget
            shown["forecast"] = f"{forecast.low:.0f}-{forecast.high:.0f}"
        bar.set_postfix(shown, refresh=False)
        bar.update(self._done(last.step) - bar.n)

    def _done(self, step: int) -> int:
        """Count the steps of trunk and branches together when the trainer is at one."""
        ended = sum(branch.step[-1] - branch.step[0] for branch in self.branches)
        return ended + (self.trunk[-1].step + step - self._branch[0].step if self._branch else step)

    def _state(self) -> tuple[dict[str, Any], Tensors]:
        progress = {
            "step": self._done(self._trainer.step),
            "steps": self.length,
            "trunk": self.trunk,
            "branches": [branch.model_dump() for branch in self.branches],
            "branch": self._branch,
            "seconds": self.clock.read(),
            "fork_seconds": self._fork_seconds,
            "spent": self._spent,
        }
        now = {f"now.{name}": value for name, value in self._trainer.state().items()}
        return progress, now | {f"fork.{name}": value for name, value in self._fork.items()}

    def _resume(self, progress: dict[str, Any], tensors: Tensors) -> None:
        self.trunk = [CurvePoint(*point) for point in progress["trunk"]]
        self._branch = [CurvePoint(*point) for point in progress["branch"]]
        self.branches = [Branch(**branch) for branch in progress["branches"]]
        self.clock = Clock(*progress["seconds"])
        self._fork_seconds, self._spent = progress["fork_seconds"], progress["spent"]
        self._fork = _named(tensors, "fork.")
        self._trainer.restore(_named(tensors, "now."))


def _named(tensors: Tensors, prefix: str) -> Tensors:
    return {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}
