"""What the workflow must know of each experiment: what a record will hold, and how much of it is there."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal, NamedTuple

from ecmlib import Architecture, CapacityRecord, MlsRecord, Protocol
from ecmlib.budget import stretches
from ecmlib.budget_record import BudgetRecord, last_of
from ecmlib.mls_record import MlsProtocol
from ecmlib.restart import Widths
from ecmlib.shatter_record import ShatterProtocol, ShatterRecord
from ecmlib.text_record import TextProtocol, TextRecord
from ecmlib.validation import Parameters, Positive, checked, sorted_out
from ecmlib.workplace import Compiled


class Machine(Parameters):
    """With what a job runs: no part of what it measures, and of no record's name."""

    device: Literal["auto", "cpu", "cuda"] = "auto"
    compiled: Compiled = "auto"
    stack: Positive = 1


class Experiment(NamedTuple):
    """A kind of measurement, whose record is written part by part."""

    load: Callable[[Path], Any]
    plan: Callable[[Architecture, dict[str, Any]], Any]  # the record before anything is measured, from parameters
    core_seconds: Callable[[Any], list[float]]  # of each part of a record that is finished
    tokens: Callable[[Any], int]  # that a part is trained on, at most
    devices: Callable[[Any], list[str]] = lambda record: [part.provenance.device for part in record.restarts]
    is_timed: bool = True  # a part is a known number of steps of one trainer
    wanted: Callable[[int], int] = lambda restarts: restarts  # parts in the end
    restarts: str = "restarts"  # what the notebook calls the restarts of a grid
    trained: str = "restart"  # what the number of a checkpoint counts
    lists: tuple[str, ...] = ()  # parameters of which the notebook takes several values; a job has one


def _plan_mac(architecture: Architecture, parameters: dict[str, Any]) -> CapacityRecord:
    checked(Widths, weight_bits=parameters.get("weight_bits", []))
    _, training = sorted_out(("restarts", "weight_bits"), parameters)
    return CapacityRecord(architecture=architecture, protocol=Protocol(**training), restarts=[])


def _plan_budget(architecture: Architecture, parameters: dict[str, Any]) -> BudgetRecord:
    budgets: Any = parameters.get("budgets")
    longest = last_of(budgets)
    _, training = sorted_out(("restarts", "budgets"), parameters)
    protocol = Protocol(**training | {"max_steps": longest})
    return BudgetRecord(architecture=architecture, protocol=protocol, budgets=budgets, restarts=[])


def _plan_mls(architecture: Architecture, parameters: dict[str, Any]) -> MlsRecord:
    search, others = sorted_out(MlsProtocol.model_fields, parameters)
    training = Protocol(**others)
    # T is the library of the capacity that the notebook compares with: no part of the search.
    T_max = search.get("T_max", MlsProtocol.model_fields["T_max"].default)
    protocol = MlsProtocol(**search, training=Protocol(**training.model_dump() | {"T": T_max}))
    return MlsRecord(architecture=architecture, protocol=protocol, trials=[])


def _plan_shatter(architecture: Architecture, parameters: dict[str, Any]) -> ShatterRecord:
    return ShatterRecord(architecture=architecture, protocol=ShatterProtocol(**parameters), epochs=[], provenance=[])


def _plan_text(architecture: Architecture, parameters: dict[str, Any]) -> TextRecord:
    # Which text is no part of the plan: who looks whether a grid is complete need not have it.
    _, protocol = sorted_out(("text", "restarts"), parameters)
    return TextRecord(architecture=architecture, protocol=TextProtocol(**protocol))


def _core_seconds_of_search(record: MlsRecord) -> list[float]:
    """A search is one part: how many trials it needs is not known before its end."""
    return [sum(trial.provenance.core_seconds for trial in record.trials)] if record.next_size() is None else []


def _core_seconds_of_trials(record: ShatterRecord) -> list[float]:
    """Trials run side by side share their stack's time equally."""
    total = sum(stack.core_seconds for stack in record.provenance)
    return [total / len(record.epochs) for _ in record.epochs]


def _core_seconds_of_text(record: TextRecord) -> list[float]:
    """The reference is trained before the first restart and belongs to it."""
    seconds = [restart.provenance.core_seconds for restart in record.restarts]
    before = 0.0 if record.reference is None else record.reference.provenance.core_seconds
    return [seconds[0] + before, *seconds[1:]] if seconds else []


def _tokens_of_text(record: TextRecord) -> int:
    models = 1 if record.protocol.content == "uniform" else 2
    return models * _tokens(record.architecture, record.protocol)


def _tokens_of_budgets(record: BudgetRecord) -> int:
    steps = sum(end - start for start, end in stretches(record.protocol, record.budgets))
    return _tokens(record.architecture, record.protocol) * steps // record.protocol.max_steps


def _tokens(architecture: Architecture, protocol: Protocol) -> int:
    return (architecture.N - 1) * protocol.batch_size * protocol.max_steps


EXPERIMENTS = {
    "mac": Experiment(
        load=CapacityRecord.load,
        plan=_plan_mac,
        core_seconds=lambda record: [restart.provenance.core_seconds for restart in record.restarts],
        tokens=lambda record: _tokens(record.architecture, record.protocol),
    ),
    "budget": Experiment(
        load=BudgetRecord.load,
        plan=_plan_budget,
        core_seconds=lambda record: [run.provenance.core_seconds for run in record.restarts],
        tokens=_tokens_of_budgets,
    ),
    "mls": Experiment(
        load=MlsRecord.load,
        plan=_plan_mls,
        core_seconds=_core_seconds_of_search,
        devices=lambda record: [trial.provenance.device for trial in record.trials[-1:]],
        tokens=lambda record: _tokens(record.architecture, record.protocol.training),
        is_timed=False,  # how many tries a search takes is not known
        trained="try",
        wanted=lambda restarts: 1,
        lists=("d", "H"),
    ),
    "shatter": Experiment(
        load=ShatterRecord.load,
        plan=_plan_shatter,
        core_seconds=_core_seconds_of_trials,
        devices=lambda record: [stack.device for stack in record.provenance[:1]] * len(record.epochs),
        tokens=lambda record: (record.architecture.N - 1) * record.protocol.T * record.protocol.max_epochs,
        is_timed=False,
        restarts="trials",
        lists=("d",),
    ),
    "text": Experiment(
        load=TextRecord.load,
        plan=_plan_text,
        core_seconds=_core_seconds_of_text,
        tokens=_tokens_of_text,
        lists=("content", "d", "H", "N", "K", "T", "seed"),
    ),
}
