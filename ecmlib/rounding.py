"""What a trained model still holds when its weights have fewer bits."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from ecmlib.restart import Restart, Rounded
from ecmlib.trainer import Trainer


def with_rounded(trainer: Trainer, weight_bits: Sequence[int], restart: Restart) -> Restart:
    """Add to a restart that has just ended what `count_rounded` counts, if anything is asked for."""
    if not weight_bits or restart.status == "diverged":
        return restart
    return restart.model_copy(update={"rounded": count_rounded(trainer, weight_bits)})


def count_rounded(trainer: Trainer, weight_bits: Sequence[int]) -> list[Rounded]:
    """Count what a trained model still holds when its weights have fewer bits; nothing is trained, or changed.

    Parameters
    ----------
    trainer : Trainer
        Of the model, at the end of its training.
    weight_bits : sequence of int
        Widths to round to (`rounded`). Vectors (gains and biases) stay as they are: they are few.
    """
    trained, counted = trainer.state(), []
    for bits in weight_bits:
        coarse = {
            name: rounded(value, bits) if name in trainer.trained and value.ndim == 2 else value
            for name, value in trained.items()
        }
        trainer.restore(coarse)
        point = trainer.count()
        counted.append(
            Rounded(weight_bits=bits, last_count=point.last_count, full_count=point.full_count, bits=point.bits)
        )
    trainer.restore(trained)
    return counted


def rounded(matrix: torch.Tensor, bits: int) -> torch.Tensor:
    """Round each row of a matrix to the nearest of 2**bits levels, evenly from the row's least to its largest number.

    >>> rounded(torch.tensor([[0.0, 0.2, 0.6, 1.0]]), bits=1)
    tensor([[0., 0., 1., 1.]])
    """
    low, high = matrix.aminmax(dim=1, keepdim=True)
    step = ((high - low) / (2**bits - 1)).clamp_min(torch.finfo(matrix.dtype).tiny)
    coarse: torch.Tensor = low + ((matrix - low) / step).round() * step
    return coarse
