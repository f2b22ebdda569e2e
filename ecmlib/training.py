"""How a model is trained on a library: the steps, the curve they yield, and a run in flight that can be kept."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from typing import Any

import torch
from tqdm import tqdm

from ecmlib.architecture import Architecture
from ecmlib.chance import guess_corrected
from ecmlib.checkpoint import Checkpoint, Tensors
from ecmlib.curve import CurvePoint, DivergedError, columns, has_diverged, on_plateau, patience_stop
from ecmlib.forecast import Forecast, shipped_forecaster
from ecmlib.forward import Forward, make_forward, tally
from ecmlib.library import random_library
from ecmlib.optimizer import fresh_moments, rates_of
from ecmlib.protocol import Protocol
from ecmlib.restart import Provenance, Restart, Seeds, Status, provenance

_BETWEEN_CHECKPOINTS = 50  # steps after which is asked whether one is due: seconds, minutes for the largest models


class Trainer:
    """A model on its way: weights, optimiser, order of the sequences and random state after some steps.

    Parameters
    ----------
    model : Module
        Trained in place; parameters that require no gradient stay as they are.
    forward : Forward
        ``make_forward(model, ...)``.
    library : LongTensor of shape (T, N)
        On the model's device.
    protocol : Protocol
        Batch size, loss and optimiser.
    seed : int
        Of the order in which sequences are drawn.
    """

    def __init__(
        self, model: torch.nn.Module, forward: Forward, library: torch.Tensor, protocol: Protocol, seed: int
    ) -> None:
        self.step = 0
        self.library = library
        self._forward, self._seed, self._loss = forward, seed, protocol.loss
        self._batch_size = min(protocol.batch_size, len(library))
        self._weights = {name: weight.detach() for name, weight in model.named_parameters()}
        self._moments = fresh_moments(model, muon=protocol.optimizer == "muon")
        self._batches = _shuffled_batches(len(library), self._batch_size, seed, library.device)
        self._random = torch.Generator().manual_seed(seed).get_state()  # of dropout

    def advance(self, end: int, protocol: Protocol) -> None:
        """Train up to step ``end``, at the learning rates of a protocol."""
        with torch.random.fork_rng(devices=[]):
            torch.set_rng_state(self._random)
            while self.step < end:
                self._take_step(protocol.learning_rate(self.step + 1))
            self._random = torch.get_rng_state()

    def count(self) -> CurvePoint:
        """Count what is memorised now.

        Raises
        ------
        DivergedError
            If the loss is infinite or undefined.
        """
        last, full, nats = tally(self._forward, self.library, self._batch_size)
        bits = nats / math.log(2) / (len(self.library) * (self.library.shape[1] - 1))
        if not math.isfinite(bits):
            raise DivergedError(f"the loss was {bits} after {self.step} steps")
        return CurvePoint(self.step, last, full, bits)

    def state(self) -> Tensors:
        """Copy everything that changes from step to step."""
        copied = {name: value.clone() for name, value in self._changing().items()}
        return copied | {"step": torch.tensor(self.step), "random": self._random.clone()}

    def restore(self, state: Tensors) -> None:
        """Go back, or on, to a state that `state` returned."""
        for name, value in self._changing().items():
            value.copy_(state[name])
        self.step, self._random = int(state["step"]), state["random"].clone()
        self._batches = _shuffled_batches(len(self.library), self._batch_size, self._seed, self.library.device)
        for _ in range(self.step):
            next(self._batches)

    @property
    def trained(self) -> frozenset[str]:
        """Names, in a state, of the weights that training moves."""
        return frozenset(f"model.{name}" for name in self._moments)

    def _changing(self) -> Tensors:
        tensors = {f"model.{name}": weight for name, weight in self._weights.items()}
        for name, moments in self._moments.items():
            tensors |= {f"moments.{name}.{key}": value for key, value in moments._asdict().items() if value is not None}
        return tensors

    @torch.no_grad()
    def _take_step(self, learning_rate: float) -> None:
        self.step += 1
        sequences = self.library[next(self._batches)]
        rates = rates_of(learning_rate, self.step, self.library.device)
        self._forward.step(self._weights, self._moments, sequences, rates, self._loss)


class Trainers:
    """Makes trainers of one configuration, which share a model and its compiled graph.

    Parameters
    ----------
    architecture, protocol
        The configuration.
    device : device
        Of models and libraries.
    compiled : bool
        Whether ``torch.compile`` fuses the model.
    """

    def __init__(self, architecture: Architecture, protocol: Protocol, device: torch.device, compiled: bool) -> None:
        self._architecture, self._protocol, self._device, self._compiled = architecture, protocol, device, compiled
        self._model: torch.nn.Module = architecture.build(0).to(device)
        self.forward: Forward = make_forward(self._model, protocol.precision, compiled)

    def trainer(self, seeds: Seeds, library: torch.Tensor | None = None) -> Trainer:
        """Return a trainer of fresh weights, by default on a random library; it ends the use of earlier ones."""
        size = self._architecture
        if library is None:
            library = random_library(self._protocol.T, size.N, size.K, seeds.library)
        self._model.load_state_dict(size.build(seeds.weights).state_dict())
        return Trainer(self._model, self.forward, library.to(self._device), self._protocol, seeds.order)

    def identity(self, **more: Any) -> dict[str, Any]:
        """Say by what a run in flight is known again."""
        return {
            "architecture": self._architecture.model_dump(),
            "protocol": self._protocol.model_dump(),
            "compiled": self._compiled,
            "torch": torch.__version__,
            **more,
        }


class Clock:
    """Seconds that a run has taken: on the clock, and of all cores together, with those before it was interrupted."""

    def __init__(self, seconds: float = 0.0, core_seconds: float = 0.0) -> None:
        self._started = time.perf_counter() - seconds, time.process_time() - core_seconds

    def read(self) -> tuple[float, float]:
        """Return seconds and core-seconds so far."""
        return time.perf_counter() - self._started[0], time.process_time() - self._started[1]

    def provenance(self, device: torch.device, compiled: bool) -> Provenance:
        """Say with what this process has measured so far."""
        name = torch.cuda.get_device_name(device) if device.type == "cuda" else device.type
        return provenance(name, torch.get_num_threads(), compiled, *self.read())


def follow(
    trainer: Trainer,
    protocol: Protocol,
    end: int,
    curve: list[CurvePoint] | None = None,
    checkpoint: Checkpoint | None = None,
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


def run_restart(
    trainer: Trainer,
    protocol: Protocol,
    K: int,
    seed: int,
    compiled: bool,
    bar: tqdm[Any],
    checkpoint: Checkpoint | None = None,
) -> Restart:
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
    checkpoint : Checkpoint, optional
        Of this run; cleared by whoever has saved the result.
    """
    checkpoint = checkpoint or Checkpoint(None, {})
    curve: list[CurvePoint] = []
    clock = Clock()
    if (found := checkpoint.load()) is not None:
        progress, tensors = found
        trainer.restore(tensors)
        curve += [CurvePoint(*point) for point in progress["curve"]]
        clock = Clock(*progress["seconds"])

    def state() -> tuple[dict[str, Any], Tensors]:
        progress = {"step": trainer.step, "steps": protocol.max_steps, "curve": curve, "seconds": clock.read()}
        return progress, trainer.state()

    checkpoint.keeps(state)
    with bar:
        status = _to_the_end(trainer, protocol, K, curve, bar, checkpoint)
    if curve and protocol.loss == "all" and has_diverged(curve, K):
        status = "diverged"
    return Restart(
        seed=seed,
        status=status,
        **columns(curve).model_dump(),
        provenance=clock.provenance(trainer.library.device, compiled),
    )


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


def _to_the_end(
    trainer: Trainer, protocol: Protocol, K: int, curve: list[CurvePoint], bar: tqdm[Any], checkpoint: Checkpoint
) -> Status:
    try:
        for point in follow(trainer, protocol, protocol.max_steps, curve, checkpoint):
            forecast = forecast_of(protocol, K, curve)
            shown: dict[str, int | str] = {"count": point.last_count, "best": max(p.last_count for p in curve)}
            if forecast is not None:
                shown["forecast"] = f"{forecast.low:.0f}-{forecast.high:.0f}"
            bar.set_postfix(shown, refresh=False)
            bar.update(point.step - bar.n)
            if (status := ended(protocol, curve, forecast)) is not None:
                return status
    except DivergedError:
        return "diverged"
    return "max_steps"


def _shuffled_batches(T: int, batch_size: int, seed: int, device: torch.device) -> Iterator[torch.Tensor]:
    """Yield batches of row numbers for ever; every pass visits each row once, and a batch may span two passes.

    A pass is drawn on the CPU, so that every device has the same order, and moved as a whole.
    """
    generator = torch.Generator().manual_seed(seed)
    rows = torch.empty(0, dtype=torch.long, device=device)
    while True:
        while len(rows) < batch_size:
            rows = torch.cat([rows, torch.randperm(T, generator=generator).to(device, non_blocking=True)])
        batch, rows = rows[:batch_size], rows[batch_size:]
        yield batch
