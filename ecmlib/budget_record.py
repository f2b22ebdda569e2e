"""What budgets of training leave: a trunk, and a branch for each budget, read as runs of their own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Literal, Self

import pandas as pd
from pydantic import model_validator

from ecmlib.architecture import Architecture
from ecmlib.chance import guess_corrected
from ecmlib.curve import (
    Count,
    Curve,
    CurvePoint,
    check_complete,
    check_curve,
    check_not_diverged,
    columns,
    has_diverged,
    last_tenth,
    patience_stop,
    plateau_stop,
)
from ecmlib.library import LibrarySize
from ecmlib.protocol import Protocol
from ecmlib.provenance import Provenance, Seconds
from ecmlib.record import Record
from ecmlib.restart import OF_RUN, SETTINGS, Capacities, Status, capacities, check_seed, row_of_run, settings_of
from ecmlib.validation import Parameters, Positive, said_of, shown

_BY_RULES = ("C_plateau_rule", "C_plateau_rule_end", "C_paper_rule_end")  # what two stopping rules would have found


class Branch(Curve):
    """The end of a run of one budget: its curve from where the rate begins to fall."""

    budget: Positive
    core_seconds: Seconds  # that a run of this budget alone would have taken, trunk included


class BudgetRun(Parameters):
    """One trunk with its branches, in the order of budgets; there are none at a constant rate."""

    seed: Count
    status: Literal["complete", "max_steps", "diverged"]  # complete: a branch memorised all, longer ones were spared
    trunk: Curve
    branches: list[Branch]
    provenance: Provenance


class BudgetRecord(Record):
    """Capacities of one architecture under one protocol over budgets in steps; ``max_steps`` is the longest."""

    parts: ClassVar[str] = "restarts"
    experiment: Literal["budget"] = "budget"
    architecture: Architecture
    protocol: Protocol
    budgets: list[Positive]
    restarts: list[BudgetRun]

    @model_validator(mode="after")
    def _budgets_are_sensible(self) -> Self:
        check_budgets(self.budgets, self.protocol)
        LibrarySize(T=self.protocol.T, N=self.architecture.N, K=self.architecture.K)
        for number, run in enumerate(self.restarts):
            with said_of(f"restarts.{number}"):
                check_seed(run.seed, self.protocol, number)
                self._check_run(run)
        return self

    def _check_run(self, run: BudgetRun) -> None:
        protocol, trunk = self.protocol, run.trunk
        with said_of("trunk"):
            check_curve(trunk, protocol.T, protocol.stable_until)
        if run.status != "diverged" and not trunk.step:
            raise ValueError(f"status = {run.status!r}: there is no trunk")
        if [branch.budget for branch in run.branches] != self.budgets[: len(run.branches)]:
            raise ValueError(f"branches: input should be of the budgets {self.budgets}, in order")
        if run.branches and protocol.schedule == "constant":
            raise ValueError("branches: schedule = 'constant' has none")
        for number, branch in enumerate(run.branches):
            with said_of(f"branches.{number}"):
                check_curve(branch, protocol.T, branch.budget)
                start = of_budget(protocol, branch.budget).stable_until
                if not branch.step or branch.points[0] not in trunk.points or branch.step[0] != start:
                    raise ValueError(f"step: a branch of budget {branch.budget} begins on the trunk, at step {start}")
                if branch.step[-1] != branch.budget:
                    raise ValueError(f"step = {branch.step[-1]}: input should end at the budget, {branch.budget}")
        if run.status == "max_steps" and (missing := self._missing(run)):
            raise ValueError(f"status = 'max_steps': {missing}")
        check_complete(run.status, run.branches[-1].last_count[-1] if run.branches else 0, protocol.T)
        if protocol.loss == "all":
            for end in ends_of(run.trunk, run.branches):
                check_not_diverged(run.status, end, self.architecture.K)

    def _missing(self, run: BudgetRun) -> str:
        """Say what a run to the end has and this one lacks; nothing if it is whole."""
        if run.trunk.step[-1] < self.protocol.stable_until:
            return f"the trunk ends at step {run.trunk.step[-1]}"
        if self.protocol.schedule != "constant" and len(run.branches) < len(self.budgets):
            return f"{len(run.branches)} branches of {len(self.budgets)} budgets"
        return ""

    def frame(self) -> pd.DataFrame:
        """Return one row a restart and budget that it reached without diverging, whatever became of longer ones.

        Columns are those of `ecmlib.results.CapacityRecord.frame`, where ``max_steps`` is the budget and
        ``core_seconds`` what a run of this budget alone costs, and ``C_plateau_rule``: the best count, less its
        guesses, until the protocol's plateau rule would have ended the run; ``C_plateau_rule_end`` and
        ``C_paper_rule_end``: the mean over the last tenth of the steps until either rule would have ended it, without
        the luck of a curve's best point. At a constant rate every budget is the beginning of one curve.
        """
        rows = []
        for number, run in enumerate(self.restarts):
            for budget, curve, core_seconds in self._finished(run):
                protocol = of_budget(self.protocol, budget)
                status: Status = "complete" if curve.last_count[-1] == protocol.T else "max_steps"
                rows.append(
                    settings_of(self.architecture, protocol)
                    | row_of_run(number, run.seed, status, curve, core_seconds, run.provenance.device)
                    | capacities(curve, self.architecture, protocol)._asdict()
                    | dict(zip(_BY_RULES, _by_rules(curve, self.architecture.K, protocol), strict=True))
                )
        return pd.DataFrame(rows, columns=[*SETTINGS, *OF_RUN, *Capacities._fields, *_BY_RULES])

    def _finished(self, run: BudgetRun) -> list[tuple[int, Curve, float]]:
        """Return the budgets that a run has reached, as `_curves` does, but for those that diverged themselves."""
        on_trunk = self.protocol.schedule == "constant" and run.trunk.step
        reached = _curves(run, self.budgets) if on_trunk or run.branches else []
        if run.status != "diverged" or self.protocol.loss == "last":  # else positions that are not trained worsen
            return reached
        return [each for each in reached if not has_diverged(each[1].points, self.architecture.K)]


def last_of(budgets: object) -> int:
    """Return the longest of budgets; a ValueError says so if they are no list of whole numbers."""
    if (
        not isinstance(budgets, list)
        or not budgets
        or not all(type(budget) is int and budget > 0 for budget in budgets)
    ):
        raise ValueError(f"budgets = {shown(budgets)}: input should be a list of steps, 1 or more")
    return int(max(budgets))


def check_budgets(budgets: list[int], protocol: Protocol) -> None:
    """Refuse budgets that do not rise to ``max_steps`` or leave no room for the warm-up, and what ends runs before.

    Raises
    ------
    ValueError
        Naming budgets and what is wrong with them.
    """
    if not budgets or sorted(set(budgets)) != budgets or budgets[-1] != protocol.max_steps:
        raise ValueError(f"budgets = {budgets}: input should rise, and end with max_steps = {protocol.max_steps}")
    if protocol.stop != "plateau":
        raise ValueError(f"stop = {protocol.stop!r}: a budget is trained to its end")
    if protocol.schedule == "constant" and protocol.eval_every > budgets[0]:
        raise ValueError(f"eval_every = {protocol.eval_every}: nothing is counted by step {budgets[0]} of {budgets}")
    if protocol.schedule != "constant":
        protocol.until(budgets[0])  # the shortest one has the least room for its warm-up


def of_budget(protocol: Protocol, budget: int) -> Protocol:
    """Return the protocol of a run of one budget, which `check_budgets` has found to fit."""
    return protocol.model_copy(update={"max_steps": budget})


def ends_of(trunk: Curve, branches: Sequence[Branch]) -> list[list[CurvePoint]]:
    """Return first and last point of each run that a trunk and its branches make, as they tell whether it diverged."""
    last = [curve.points[-1] for curve in (trunk, *branches) if curve.step]
    return [[trunk.points[0], point] for point in last]


def _curves(run: BudgetRun, budgets: list[int]) -> list[tuple[int, Curve, float]]:
    """Return each budget that a run has reached, with its curve and the core-seconds that it alone would have cost."""
    if run.branches:
        return [
            (branch.budget, columns([*run.trunk.until(branch.step[0]).points, *branch.points[1:]]), branch.core_seconds)
            for branch in run.branches
        ]
    whole = run.trunk.step[-1]
    return [
        (budget, run.trunk.until(budget), run.provenance.core_seconds * budget / whole)
        for budget in budgets
        if budget <= whole
    ]


def _by_rules(curve: Curve, K: int, protocol: Protocol) -> tuple[float, ...]:
    """Say what the plateau rule would have found, at its best and at its end, and the paper's at its end."""
    T, steps, counts = protocol.T, curve.step, curve.last_count
    rule = protocol.min_steps, protocol.plateau_share, protocol.plateau_tolerance
    stops = plateau_stop(steps, counts, *rule), patience_stop(steps, counts, protocol.patience_steps)
    plateau, paper = (len(steps) if stop is None else stop + 1 for stop in stops)
    ends = (last_tenth(steps[:end], counts[:end]) for end in (plateau, paper))
    return tuple(guess_corrected(count, T, K) for count in (max(counts[:plateau]), *ends))
