"""How a model is trained on a library: the curve, what ends it, and a run in flight that can be kept."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterator, Sequence
from typing import Any

import torch
from tqdm import tqdm

from ecmlib.architecture import Architecture
from ecmlib.chance import guess_corrected
from ecmlib.checkpoint import Checkpoint, Part, Tensors
from ecmlib.curve import CurvePoint, DivergedError, columns, has_diverged, on_plateau, patience_stop
from ecmlib.forecast import Forecast, shipped_forecaster
from ecmlib.forward import Forward, make_forward
from ecmlib.library import random_library
from ecmlib.protocol import Protocol
from ecmlib.provenance import Provenance, provenance
from ecmlib.restart import Positions, Restart, Seeds, Status
from ecmlib.trainer import Trainer

_BETWEEN_CHECKPOINTS = 50  # steps after which is asked whether one is due: seconds, minutes for the largest models


class Trainers:
    """Makes trainers of one configuration, which share a model and its compiled graph.

    Parameters
    ----------
    architecture, protocol
        The configuration.
    device : device
        Of models and libraries.
    compiled : bool
        Whether models are made fast; see `ecmlib.forward.make_forward`.
    """

    def __init__(self, architecture: Architecture, protocol: Protocol, device: torch.device, compiled: bool) -> None:
        self._architecture, self._protocol, self._device, self._compiled = architecture, protocol, device, compiled
        self.model: torch.nn.Module = architecture.build(0).to(device)
        self.forward: Forward = make_forward(self.model, protocol.precision, compiled)

    def trainer(self, seeds: Seeds, library: torch.Tensor | None = None) -> Trainer:
        """Return a trainer of fresh weights, by default on a random library; it ends the use of earlier ones."""
        size = self._architecture
        if library is None:
            library = random_library(self._protocol.T, size.N, size.K, seeds.library)
        self.model.load_state_dict(size.build(seeds.weights).state_dict())
        return Trainer(self.model, self.forward, library.to(self._device), self._protocol, seeds.order)

    def identity(self, **more: Any) -> dict[str, Any]:
        """Say by what a run in flight is known again."""
        return {
            "architecture": self._architecture.model_dump(),
            "protocol": self._protocol.model_dump(),
            "device": self._device.type,
            "compiled": self._compiled,
            "torch": torch.__version__,
            **more,
        }


class Clock:
    """Seconds that a run has taken: on the clock, and of all cores together, with those before it was interrupted.

    Of runs that began side by side each takes the same share of every second, those that have ended, too.
    """

    def __init__(self, seconds: float = 0.0, core_seconds: float = 0.0, runs: int = 1) -> None:
        self._runs = runs
        self._started = time.perf_counter() - seconds * runs, time.process_time() - core_seconds * runs

    def read(self) -> tuple[float, float]:
        """Return seconds and core-seconds so far."""
        seconds, core_seconds = time.perf_counter() - self._started[0], time.process_time() - self._started[1]
        return seconds / self._runs, core_seconds / self._runs

    def provenance(self, device: torch.device, compiled: bool) -> Provenance:
        """Say with what this process has measured so far."""
        name = torch.cuda.get_device_name(device) if device.type == "cuda" else device.type
        return provenance(name, torch.get_num_threads(), compiled, *self.read())


def follow(
    trainer: Trainer,
    protocol: Protocol,
    end: int,
    curve: list[CurvePoint] | None = None,
    checkpoint: Checkpoint | Part | None = None,
) -> Iterator[CurvePoint]:
    """Train to step ``end``; append to the curve, and yield, its points: the first at once if there is none yet.

    A checkpoint that is due is written between steps. A curve that ends before the trainer's step goes on where it
    would have gone on.

    Raises
    ------
    DivergedError
        When a point of the curve has an infinite or undefined loss.
    """
    curve = [] if curve is None else curve
    checkpoint = checkpoint or Checkpoint(None, {})
    if not curve:
        curve.append(trainer.count())
        yield curve[-1]
    for point in protocol.points(curve[-1].step, end):
        while trainer.step < point:
            trainer.advance(min(point, trainer.step + _BETWEEN_CHECKPOINTS), protocol)
            checkpoint.save_if_due()
        curve.append(trainer.count())
        yield curve[-1]


def side_by_side(runs: Sequence[Generator[None, None, Restart]]) -> list[Restart]:
    """Take the steps of one run (`steps_of_restart`), or of several in turn, until all have ended."""
    restarts: list[Restart | None] = [None for _ in runs]
    while None in restarts:
        restarts = [restart or _restart_if_ended(run) for restart, run in zip(restarts, runs, strict=True)]
    return [restart for restart in restarts if restart is not None]


def steps_of_restart(
    trainer: Trainer,
    protocol: Protocol,
    K: int,
    seed: int,
    compiled: bool,
    bar: tqdm[Any],
    checkpoint: Checkpoint | Part,
    runs: int = 1,
    finish: Callable[[Restart], Restart] = lambda restart: restart,
) -> Generator[None, None, Restart]:
    """Train until every sequence is memorised, until the protocol's rule strikes, or for ``max_steps``.

    Parameters
    ----------
    trainer : Trainer
        Fresh; put forward to where ``checkpoint`` has got, if it holds anything.
    protocol : Protocol
        Learning rates, and the rules that end a run. A schedule that decays knows no plateau.
    K : int
        Vocabulary size: a run that ends worse than guessing has diverged.
    seed, compiled
        For the record.
    bar : tqdm
        Shows steps, count and best count; closed at the end.
    checkpoint : Checkpoint or Part
        Of this run; cleared by whoever has saved the result.
    runs : int
        That go on side by side, this one among them.
    finish : callable
        Adds to the restart what is asked of the trainer at its end, before others go on.

    Yields
    ------
    None
        Before the first step, so that all of a stack are where they were before any goes on, and after each count.
    """
    curve: list[CurvePoint] = []
    clock = Clock(runs=runs)
    restart: Restart | None = None
    if (found := checkpoint.load()) is not None:
        progress, tensors = found
        trainer.restore(tensors)
        curve += [CurvePoint(*point) for point in progress["curve"]]
        seconds, core_seconds = progress["seconds"]
        clock = Clock(seconds, core_seconds, runs)
        if progress.get("ended") is not None:
            restart = Restart(**progress["ended"])

    def state() -> tuple[dict[str, Any], Tensors]:
        progress = {"step": trainer.step, "steps": protocol.max_steps, "curve": curve, "seconds": clock.read()}
        # The weights of one that has ended move on with those beside it: it cannot be asked again.
        return progress | {"ended": restart and restart.model_dump()}, trainer.state()

    checkpoint.keeps(state)
    with bar:
        yield
        if restart is None:
            status = yield from _to_the_end(trainer, protocol, K, curve, bar, checkpoint)
            if curve and protocol.loss == "all" and has_diverged(curve, K):
                status = "diverged"
            where = clock.provenance(trainer.library.device, compiled)
            restart = Restart(seed=seed, status=status, **columns(curve).model_dump(), provenance=where)
            if status != "diverged" and trainer.step == curve[-1].step:  # else kept by old code: it has moved on
                count, bits = trainer.count_positions()
                restart = restart.model_copy(update={"positions": Positions(count=count, bits=bits)})
            restart = finish(restart)
    return restart


def ended(protocol: Protocol, curve: list[CurvePoint], forecast: Forecast | None = None) -> Status | None:
    """Say whether and how a run has ended at the last point of its curve; None if it goes on.

    ``forecast`` is what the curve says of the count at ``max_steps``.
    """
    last = curve[-1]
    if last.last_count == protocol.T:
        return "complete"
    steps, counts = [point.step for point in curve], [point.last_count for point in curve]
    if protocol.stop == "patience" and patience_stop(steps, counts, protocol.patience_steps) is not None:
        return "patience"
    if protocol.stop == "forecast" and forecast is not None and forecast.within <= protocol.forecast_within:
        return "forecast" if last.step < protocol.max_steps else "max_steps"
    may_rest = protocol.schedule == "constant" and protocol.stop == "plateau" and last.step >= protocol.min_steps
    if may_rest and on_plateau(steps, counts, protocol.plateau_share, protocol.plateau_tolerance):
        return "plateau"
    return "max_steps" if last.step >= protocol.max_steps else None


def forecast_of(protocol: Protocol, K: int, curve: list[CurvePoint]) -> Forecast | None:
    """Forecast the count at ``max_steps``; None under a rate that is still to fall, or from too little."""
    if protocol.schedule != "constant":
        return None
    steps = [point.step for point in curve]
    capacities = [guess_corrected(point.last_count, protocol.T, K) for point in curve]
    return shipped_forecaster().forecast(steps, capacities, protocol.T, protocol.max_steps)


def _restart_if_ended(run: Generator[None, None, Restart]) -> Restart | None:
    """Take the next step of a run; return what it leaves if that was the last."""
    try:
        next(run)
    except StopIteration as end:
        restart: Restart = end.value
        return restart
    return None


def _to_the_end(
    trainer: Trainer, protocol: Protocol, K: int, curve: list[CurvePoint], bar: tqdm[Any], checkpoint: Checkpoint | Part
) -> Generator[None, None, Status]:
    if curve and (status := ended(protocol, curve, forecast_of(protocol, K, curve))) is not None:
        return status  # before those beside it, when all were interrupted by code that did not keep it
    try:
        for point in follow(trainer, protocol, protocol.max_steps, curve, checkpoint):
            asked = protocol.stop == "forecast" or not bar.disable
            forecast = forecast_of(protocol, K, curve) if asked else None
            shown: dict[str, int | str] = {"count": point.last_count, "best": max(p.last_count for p in curve)}
            if forecast is not None:
                shown["forecast"] = f"{forecast.low:.0f}-{forecast.high:.0f}"
            bar.set_postfix(shown, refresh=False)
            bar.update(point.step - bar.n)
            if (status := ended(protocol, curve, forecast)) is not None:
                return status
            yield
    except DivergedError:
        return "diverged"
    return "max_steps"
