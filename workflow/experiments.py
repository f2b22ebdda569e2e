"""What the workflow must know of each experiment: what a record will hold, and how much of it is there."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from ecmlib import Architecture, CapacityRecord, MlsRecord, Protocol
from ecmlib.mls import MlsProtocol


class Experiment(NamedTuple):
    """A kind of measurement. Its record is written part by part, and has ``wanted`` parts in the end."""

    load: Callable[[Path], Any]
    plan: Callable[[Architecture, dict[str, Any], int], Any]  # the record before anything is measured, from parameters
    training: Callable[[Any], Protocol]  # how the models of a record are trained
    parts: Callable[[Any], list[float]]  # core-seconds of each part of a record that is finished
    wanted: Callable[[int], int]  # parts in the end, from the number of restarts


def _plan_mac(architecture: Architecture, parameters: dict[str, Any], restarts: int) -> CapacityRecord:
    return CapacityRecord(architecture=architecture, protocol=Protocol(**parameters), restarts=[])


def _plan_mls(architecture: Architecture, parameters: dict[str, Any], restarts: int) -> MlsRecord:
    search = {name: value for name, value in parameters.items() if name in MlsProtocol.model_fields}
    others = {name: value for name, value in parameters.items() if name not in search}
    T_max = search.get("T_max", MlsProtocol.model_fields["T_max"].default)
    protocol = MlsProtocol(**search, restarts=restarts, training=Protocol(T=T_max, **others))
    return MlsRecord(architecture=architecture, protocol=protocol, trials=[])


def _search(record: MlsRecord) -> list[float]:
    """A search is one part: how many trials it will need is not known before its end."""
    return [sum(trial.provenance.core_seconds for trial in record.trials)] if record.next_size() is None else []


EXPERIMENTS = {
    "mac": Experiment(
        load=CapacityRecord.load,
        plan=_plan_mac,
        training=lambda record: record.protocol,
        parts=lambda record: [restart.provenance.core_seconds for restart in record.restarts],
        wanted=lambda restarts: restarts,
    ),
    "mls": Experiment(
        load=MlsRecord.load,
        plan=_plan_mls,
        training=lambda record: record.protocol.training,
        parts=_search,
        wanted=lambda restarts: 1,
    ),
}
