"""Restarts of one configuration trained side by side: one model with one more dimension, where one fills no device."""

from __future__ import annotations

from collections.abc import Iterable

import torch

from ecmlib.curve import CurvePoint
from ecmlib.optimizer import Moments, rates_of
from ecmlib.protocol import Protocol
from ecmlib.trainer import Trainer


class Stack:
    """Trainers whose steps are one step of one graph; each counts, and is kept, by itself.

    Each has its own weights, library and order. None knows of another, but sums are taken in another order than alone:
    counts along a run differ as those of compiled and plain training do.

    Parameters
    ----------
    trainers : iterable of Trainer
        Fresh ones of one configuration without dropout. Making one may reset a model that all share, so that the
        weights of each are copied at once.
    """

    def __init__(self, trainers: Iterable[Trainer]) -> None:
        self.trainers: list[Trainer] = []
        weights = []
        for trainer in trainers:
            self.trainers.append(trainer)
            weights.append({name: weight.clone() for name, weight in trainer.weights.items()})
        moments = [trainer.moments for trainer in self.trainers]
        self._weights = {name: torch.stack([own[name] for own in weights]) for name in weights[0]}
        self._moments = {name: _stacked([own[name] for own in moments]) for name in moments[0]}
        for number, trainer in enumerate(self.trainers):
            trainer.stack = self
            trainer.weights = {name: weight[number] for name, weight in self._weights.items()}
            trainer.moments = {
                name: Moments(mean[number], None if square is None else square[number])
                for name, (mean, square) in self._moments.items()
            }
        first = self.trainers[0]
        self._move = first.forward.moving(self._weights, self._moments, first.loss)

    @property
    def step(self) -> int:
        """Steps so far."""
        return self.trainers[0].step

    @torch.no_grad()
    def advance(self, end: int, protocol: Protocol) -> None:
        """Train all up to step ``end``; nothing where they are there already."""
        for step in range(self.step + 1, end + 1):
            batches = torch.stack([trainer.batch() for trainer in self.trainers])
            rates = rates_of(protocol.learning_rate(step), step, batches.device)
            self._move(batches, rates)
            for trainer in self.trainers:
                trainer.step = step

    def count(self) -> list[CurvePoint]:
        """Count what each has memorised now; see `Trainer.count`."""
        return [trainer.count() for trainer in self.trainers]


def _stacked(moments: list[Moments]) -> Moments:
    squares = [square for _, square in moments if square is not None]
    return Moments(torch.stack([mean for mean, _ in moments]), torch.stack(squares) if squares else None)
