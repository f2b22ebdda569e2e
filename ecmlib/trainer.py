"""A model on its way: what training steps make of it, and what is counted of it between them."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Protocol as Interface

import torch

from ecmlib.curve import CurvePoint, DivergedError
from ecmlib.forward import Forward, judge_all, tally
from ecmlib.optimizer import fresh_moments, rates_of
from ecmlib.protocol import Protocol

_ROOM = 2**26  # numbers in the output of the widest weight when a GPU counts: small batches wait for launches


class Advancing(Interface):
    """What moves several trainers on at once (`ecmlib.stack.Stack`)."""

    def advance(self, end: int, protocol: Protocol) -> None:
        """Train up to a step."""


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
        self.forward, self.loss = forward, protocol.loss
        self.stack: Advancing | None = None  # with which it moves on, if it does not alone
        self._seed = seed
        self._batch_size = min(protocol.batch_size, len(library))
        self.weights = self._of_model = {name: weight.detach() for name, weight in model.named_parameters()}
        self.moments = fresh_moments(model, muon=protocol.optimizer == "muon")
        self._move = forward.moving(self.weights, self.moments, self.loss)
        self._counted_at_once = self._share_of_library() if forward.recorded else self._batch_size
        self._batches = _shuffled_batches(len(library), self._batch_size, seed, library.device)
        self._random = torch.Generator(library.device).manual_seed(seed).get_state()  # of dropout

    def advance(self, end: int, protocol: Protocol) -> None:
        """Train up to step ``end``, at the learning rates of a protocol."""
        if self.stack is not None:
            self.stack.advance(end, protocol)
            return
        dropping = _generator_of(self.library.device)
        of_others = dropping.get_state()
        try:
            dropping.set_state(self._random)
            while self.step < end:
                self._take_step(protocol.learning_rate(self.step + 1))
            self._random = dropping.get_state()
        finally:
            dropping.set_state(of_others)

    def count(self) -> CurvePoint:
        """Count what is memorised now.

        Raises
        ------
        DivergedError
            If the loss is infinite or undefined.
        """
        self._put_into_model()
        last, full, nats = tally(self.forward, self.library, self._counted_at_once)
        bits = nats / math.log(2) / (len(self.library) * (self.library.shape[1] - 1))
        if not math.isfinite(bits):
            raise DivergedError(f"the loss was {bits} after {self.step} steps")
        return CurvePoint(self.step, last, full, bits)

    def count_positions(self) -> tuple[list[int], list[float]]:
        """Count at each position from the second on, now: right tokens, and bits a token."""
        self._put_into_model()
        losses, right = judge_all(self.forward, self.library, self._counted_at_once)
        return right.sum(dim=0).tolist(), (losses.double().mean(dim=0) / math.log(2)).tolist()

    def state(self) -> dict[str, torch.Tensor]:
        """Copy everything that changes from step to step."""
        copied = {name: value.clone() for name, value in self._changing().items()}
        return copied | {"step": torch.tensor(self.step), "random": self._random.clone()}

    def restore(self, state: dict[str, torch.Tensor]) -> None:
        """Go back, or on, to a state that `state` returned."""
        for name, value in self._changing().items():
            value.copy_(state[name])
        self.step, self._random = int(state["step"]), state["random"].clone()
        self._batches = _shuffled_batches(len(self.library), self._batch_size, self._seed, self.library.device)
        for _ in range(self.step):
            next(self._batches)

    def batch(self) -> torch.Tensor:
        """Draw the sequences (B, N) of the next step."""
        return self.library[next(self._batches)]

    @property
    def trained(self) -> frozenset[str]:
        """Names, in a state, of the weights that training moves."""
        return frozenset(f"model.{name}" for name in self.moments)

    def _put_into_model(self) -> None:
        for name, weight in self._of_model.items():
            if weight is not self.weights[name]:
                weight.copy_(self.weights[name])

    def _share_of_library(self) -> int:
        """Return how many sequences are counted at once: equal shares of the library, as few as there is room for."""
        T, N = self.library.shape
        widest = max(max(weight.shape) for weight in self.weights.values())
        room = max(self._batch_size, _ROOM // (widest * (N - 1)))
        return math.ceil(T / math.ceil(T / room))

    def _changing(self) -> dict[str, torch.Tensor]:
        tensors = {f"model.{name}": weight for name, weight in self.weights.items()}
        for name, moments in self.moments.items():
            tensors |= {f"moments.{name}.{key}": value for key, value in moments._asdict().items() if value is not None}
        return tensors

    @torch.no_grad()
    def _take_step(self, learning_rate: float) -> None:
        self.step += 1
        rates = rates_of(learning_rate, self.step, self.library.device)
        self._move(self.batch(), rates)


def _generator_of(device: torch.device) -> torch.Generator:
    """Return the one from which dropout draws on a tensor's device."""
    return torch.cuda.default_generators[device.index] if device.type == "cuda" else torch.default_generator


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
