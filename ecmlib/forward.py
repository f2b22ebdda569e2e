"""What a model says of sequences, which is counted, and what training steps make of it."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import NamedTuple
from typing import Protocol as Interface

import torch
from torch.func import functional_call
from torch.nn import functional

from ecmlib.curve import CurvePoint, DivergedError
from ecmlib.engine import Logits, Weights, make_logits
from ecmlib.optimizer import Moments, fresh_moments, rates_of, update
from ecmlib.protocol import Loss, Precision, Protocol
from ecmlib.recorded import Recorded

_ROOM = 2**26  # numbers in the output of the widest weight when a GPU counts: small batches wait for launches

Judged = Callable[[torch.Tensor], tuple[torch.Tensor, torch.Tensor]]
Step = Callable[[Weights, dict[str, Moments], torch.Tensor, torch.Tensor, Loss], None]
Move = Callable[[torch.Tensor, torch.Tensor], None]


class Advancing(Interface):
    """What moves several trainers on at once (`ecmlib.stack.Stack`)."""

    def advance(self, end: int, protocol: Protocol) -> None:
        """Train up to a step."""


class Forward(NamedTuple):
    """What is asked of a model and sequences (B, N), each a graph of its own.

    Which token is the most likely one is asked only when counting: training would pay for it at every step.
    """

    losses: Callable[[torch.Tensor], torch.Tensor]  #: nats (B, N - 1) of the tokens 2..N
    judged: Judged  #: the same, and whether each is the likeliest
    step: Step  #: moves weights and moments, in place, at the rates of `ecmlib.optimizer.rates_of`; or those of a stack
    recorded: bool = False  #: whether what is done again and again is recorded (`ecmlib.recorded`)

    def moving(self, weights: Weights, moments: dict[str, Moments], loss: Loss) -> Move:
        """Return the step of these weights: a function of sequences and rates."""

        def move(sequences: torch.Tensor, rates: torch.Tensor) -> None:
            self.step(weights, moments, sequences, rates, loss)

        return Recorded(move) if self.recorded else move


def make_forward(model: torch.nn.Module, precision: Precision = "float32", compiled: bool = False) -> Forward:
    """Make a model's forward passes and its training step.

    Parameters
    ----------
    model : Module
        Maps tokens (B, N - 1) to logits (B, N - 1, K). It counts as it does under ``eval()``, whatever its mode.
    precision : {"float32", "bfloat16"}
        "bfloat16" computes matrix products in bfloat16; weights, optimiser and loss stay float32.
    compiled : bool
        Whether they are made fast, for a model of `Architecture.build`. On a CPU ``torch.compile`` fuses them; on a GPU
        steps and counts are recorded (`ecmlib.recorded`), which takes no minute of compiling a configuration, but not
        those of models with dropout. Without dropout logits are then those of `ecmlib.engine`. A graph serves every
        call with the same batch size.
    """
    own = dict(model.named_parameters())
    drops = any(isinstance(part, torch.nn.Dropout) and part.p > 0 for part in model.modules())
    by_modules = drops or not compiled
    logits_of = _by_modules(model, precision) if by_modules else make_logits(model, getattr(torch, precision))

    def losses_and_logits(weights: Weights, sequences: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        targets = sequences[:, 1:]
        logits = logits_of(weights, sequences[:, :-1]).float()
        losses = functional.cross_entropy(logits.flatten(0, 1), targets.flatten(), reduction="none")
        return losses.view(targets.shape), logits

    def losses(sequences: torch.Tensor) -> torch.Tensor:
        return losses_and_logits(own, sequences)[0]

    def judged(sequences: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        losses, logits = losses_and_logits(own, sequences)
        return losses, _likeliest(logits) == sequences[:, 1:]

    def step(
        weights: Weights, moments: dict[str, Moments], sequences: torch.Tensor, rates: torch.Tensor, loss: Loss
    ) -> None:
        def of_one(weights: Weights, batch: torch.Tensor) -> torch.Tensor:
            losses, _ = losses_and_logits(weights, batch)
            return losses.mean() if loss == "all" else losses[:, -1].mean()

        def mean_loss(trained: dict[str, torch.Tensor]) -> torch.Tensor:
            everything = {**weights, **trained}
            if sequences.ndim == 2:
                return of_one(everything, sequences)
            total: torch.Tensor = torch.vmap(of_one)(everything, sequences).sum()  # each model gets its own gradient
            return total

        gradients = torch.func.grad(mean_loss)({name: weights[name] for name in moments})
        update(weights, gradients, moments, rates)

    made = Forward(losses, judged, step)
    if compiled and next(model.parameters()).is_cuda:
        if not drops:
            made = made._replace(judged=Recorded(judged), recorded=True)
    elif compiled:
        torch.compiler.reset()  # graphs of earlier models are of no use and count towards a limit
        fused = partial(torch.compile, dynamic=False, fullgraph=True)  # a step in pieces is slower
        made = Forward(fused(losses), fused(judged), fused(step))
    return made._replace(judged=_in_eval(model, made.judged)) if by_modules else made


@contextmanager
def evaluating(model: torch.nn.Module) -> Iterator[None]:
    """Put a model under ``eval()``, and each of its parts back into the mode that it had."""
    training = [part for part in model.modules() if part.training]
    model.eval()
    try:
        yield
    finally:
        for part in training:
            part.training = True


@torch.no_grad()
def judge_all(forward: Forward, library: torch.Tensor, batch_size: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Judge a whole library (T, N), in batches of one shape, so that one compiled graph serves them all.

    Returns
    -------
    pair of tensors of shape (T, N - 1)
        Nats of the tokens 2..N, and whether each is the likeliest.
    """
    T = len(library)
    wrapped = torch.arange(math.ceil(T / batch_size) * batch_size, device=library.device) % T
    judged = [forward.judged(library[rows]) for rows in wrapped.view(-1, batch_size)]
    losses, right = (torch.cat(parts)[:T] for parts in zip(*judged, strict=True))
    return losses, right


def tally(forward: Forward, library: torch.Tensor, batch_size: int) -> tuple[int, int, float]:
    """Count over a whole library.

    Returns
    -------
    tuple
        Sequences whose last token is predicted, sequences of which all tokens are, and the negative log-likelihood
        of all tokens in nats.
    """
    losses, right = judge_all(forward, library, batch_size)
    sums = torch.stack([right[:, -1].sum(), right.all(dim=1).sum(), losses.double().sum()])
    last, full, nats = sums.tolist()  # read once: a device need not wait for the host
    return int(last), int(full), nats


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


def _likeliest(logits: torch.Tensor) -> torch.Tensor:
    """Return what ``argmax(-1)`` does, the first of equals, by reductions that a CPU does many numbers at a time."""
    tokens = torch.arange(logits.shape[-1], dtype=torch.int32, device=logits.device)
    largest = logits == logits.amax(-1, keepdim=True)
    return torch.where(largest, tokens, logits.shape[-1]).amin(-1)


def _by_modules(model: torch.nn.Module, precision: Precision) -> Logits:
    def logits(weights: Weights, tokens: torch.Tensor) -> torch.Tensor:
        with torch.autocast(tokens.device.type, torch.bfloat16, enabled=precision == "bfloat16"):
            found: torch.Tensor = functional_call(model, dict(weights), (tokens,))
        return found

    return logits


def _in_eval(model: torch.nn.Module, judged: Judged) -> Judged:
    def undisturbed(sequences: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        with evaluating(model):
            return judged(sequences)

    return undisturbed


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
