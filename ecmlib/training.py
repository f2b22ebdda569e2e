"""How a model is trained on a library: the steps, the curve they yield, and a run in flight that can be kept."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from typing import Any

import torch
from tqdm.auto import tqdm

from ecmlib.checkpoint import Checkpoint, Tensors
from ecmlib.curve import CurvePoint, columns, on_plateau
from ecmlib.forward import Forward, tally
from ecmlib.protocol import Protocol
from ecmlib.restart import Provenance, Restart, Status, provenance

_EMBEDDINGS = ("token_emb.", "pos_emb.", "to_logits.")
_BETWEEN_CHECKPOINTS = 50  # steps after which is asked whether one is due: seconds, minutes for the largest models


class DivergedError(Exception):
    """The loss became infinite or not a number."""


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
        self._model, self._forward, self._seed, self._loss = model, forward, seed, protocol.loss
        self._batch_size = min(protocol.batch_size, len(library))
        self._optimizers = _optimizers(model, protocol)
        self._batches = _shuffled_batches(len(library), self._batch_size, seed)
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
        tensors = {f"model.{name}": value for name, value in self._model.state_dict().items()}
        for name, optimizer in self._optimizers.items():
            for number, parameter in enumerate(optimizer.param_groups[0]["params"]):
                for key, value in optimizer.state[parameter].items():
                    tensors[f"{name}.{number}.{key}"] = value
        copied = {name: value.detach().clone() for name, value in tensors.items()}
        return copied | {"step": torch.tensor(self.step), "random": self._random.clone()}

    def restore(self, state: Tensors) -> None:
        """Go back, or on, to a state that `state` returned."""
        self._model.load_state_dict(
            {name.removeprefix("model."): value for name, value in state.items() if name.startswith("model.")}
        )
        for name, optimizer in self._optimizers.items():
            for number, parameter in enumerate(optimizer.param_groups[0]["params"]):
                prefix = f"{name}.{number}."
                optimizer.state[parameter] = {
                    key.removeprefix(prefix): value.clone() for key, value in state.items() if key.startswith(prefix)
                }
        self.step, self._random = int(state["step"]), state["random"].clone()
        self._batches = _shuffled_batches(len(self.library), self._batch_size, self._seed)
        for _ in range(self.step):
            next(self._batches)

    def _take_step(self, learning_rate: float) -> None:
        losses = self._forward.losses(self.library[next(self._batches).to(self.library.device)])
        mean_loss = losses.mean() if self._loss == "all" else losses[:, -1].mean()
        for optimizer in self._optimizers.values():
            optimizer.zero_grad()
            optimizer.param_groups[0]["lr"] = learning_rate
        torch.autograd.backward(mean_loss)
        for optimizer in self._optimizers.values():
            optimizer.step()
        self.step += 1


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
    """Train until every sequence is memorised, until the count is on a plateau, or for ``max_steps``.

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
    checkpoint.keeps(lambda: ({"step": trainer.step, "curve": curve, "seconds": clock.read()}, trainer.state()))
    with bar:
        status = _to_the_end(trainer, protocol, curve, bar, checkpoint)
    if curve and has_diverged(curve, K):
        status = "diverged"
    return Restart(
        seed=seed,
        status=status,
        **columns(curve).model_dump(),
        provenance=clock.provenance(trainer.library.device, compiled),
    )


def ended(protocol: Protocol, curve: list[CurvePoint]) -> Status | None:
    """Say whether and how a run has ended at the last point of its curve; None if it goes on."""
    last = curve[-1]
    if last.last_count == protocol.T:
        return "complete"
    if protocol.schedule == "constant" and last.step >= protocol.min_steps:
        steps, counts = [point.step for point in curve], [point.last_count for point in curve]
        if on_plateau(steps, counts, protocol.plateau_share, protocol.plateau_tolerance):
            return "plateau"
    return "max_steps" if last.step >= protocol.max_steps else None


def has_diverged(curve: list[CurvePoint], K: int) -> bool:
    """Whether a run has ended worse than it began, and worse than guessing: fresh weights alone do the latter."""
    return curve[-1].bits > max(curve[0].bits, math.log2(K))


def _to_the_end(
    trainer: Trainer, protocol: Protocol, curve: list[CurvePoint], bar: tqdm[Any], checkpoint: Checkpoint
) -> Status:
    try:
        for point in follow(trainer, protocol, protocol.max_steps, curve, checkpoint):
            bar.set_postfix(count=point.last_count, best=max(p.last_count for p in curve), refresh=False)
            bar.update(point.step - bar.n)
            if (status := ended(protocol, curve)) is not None:
                return status
    except DivergedError:
        return "diverged"
    return "max_steps"


def _optimizers(model: torch.nn.Module, protocol: Protocol) -> dict[str, torch.optim.Optimizer]:
    """Make the optimisers by name: Muon gets the matrices that are no embedding, Adam the rest."""
    trained = {name: weights for name, weights in model.named_parameters() if weights.requires_grad}
    matrices = {n: w for n, w in trained.items() if w.ndim == 2 and not n.startswith(_EMBEDDINGS)}
    by_muon = matrices if protocol.optimizer == "muon" else {}
    rest = [weights for name, weights in trained.items() if name not in by_muon]
    optimizers: dict[str, torch.optim.Optimizer] = {}
    if by_muon:
        optimizers["muon"] = torch.optim.Muon(
            by_muon.values(), lr=protocol.lr, weight_decay=0.0, adjust_lr_fn="match_rms_adamw"
        )
    if rest:
        optimizers["adam"] = torch.optim.Adam(rest, lr=protocol.lr, fused=True)
    return optimizers


def _shuffled_batches(T: int, batch_size: int, seed: int) -> Iterator[torch.Tensor]:
    """Yield batches of row numbers for ever; every pass visits each row once, and a batch may span two passes."""
    generator = torch.Generator().manual_seed(seed)
    rows = torch.randperm(T, generator=generator)
    while True:
        while len(rows) < batch_size:
            rows = torch.cat([rows, torch.randperm(T, generator=generator)])
        batch, rows = rows[:batch_size], rows[batch_size:]
        yield batch
