"""Adam and Muon as functions of tensors, which one compiled graph takes in together with the gradients.

PyTorch's optimisers are objects that spend as long on a small model as the model itself. These follow them:
`torch.optim.Adam` with its defaults, and `torch.optim.Muon` with ``weight_decay=0, adjust_lr_fn="match_rms_adamw"``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import torch

Tensors = Mapping[str, torch.Tensor]

_EMBEDDINGS = ("token_emb.", "pos_emb.", "to_logits.")
_BETA_1, _BETA_2, _EPSILON = 0.9, 0.999, 1e-8  # of Adam
_MOMENTUM = 0.95  # of Muon; the rest is its iteration (Jordan 2024), and the size of its steps (Liu et al. 2025)
_A, _B, _C, _ITERATIONS, _FLOOR = 3.4445, -4.7750, 2.0315, 5, 1e-7
_SIZE_OF_ADAM = 0.2


class Moments(NamedTuple):
    """What an optimiser remembers of a weight's gradients."""

    mean: torch.Tensor
    square: torch.Tensor | None  #: None for Muon


def fresh_moments(model: torch.nn.Module, muon: bool = False) -> dict[str, Moments]:
    """Return the moments of every trained weight before the first step.

    Muon, if it is chosen, gets the matrices that are no embedding, Adam the rest.
    """
    moments = {}
    for name, weight in model.named_parameters():
        if weight.requires_grad:
            by_muon = muon and weight.ndim == 2 and not name.startswith(_EMBEDDINGS)
            moments[name] = Moments(torch.zeros_like(weight), None if by_muon else torch.zeros_like(weight))
    return moments


def rates_of(learning_rate: float, step: int, device: torch.device) -> torch.Tensor:
    """Return what changes from step to step, counted from 1: the learning rate and Adam's two corrections of bias."""
    rates = [learning_rate, learning_rate / (1 - _BETA_1**step), (1 - _BETA_2**step) ** 0.5]
    return torch.tensor(rates).to(device, non_blocking=True)


def update(weights: Tensors, gradients: Tensors, moments: Mapping[str, Moments], rates: torch.Tensor) -> None:
    """Move weights and moments one step on, in place: those of one model, or of a stack of models at once.

    Parameters
    ----------
    weights, gradients, moments
        By name; weights without moments are left alone. A stack's have the model as first dimension.
    rates : Tensor
        Of `rates_of`.
    """
    rate, adam_rate, root_of_correction = rates.unbind()
    directions: dict[str, torch.Tensor] = {}
    by_adam: list[str] = []
    means: list[torch.Tensor] = []
    squares: list[torch.Tensor] = []
    for name, (mean, square) in moments.items():
        gradient = gradients[name]
        if square is None:
            mean.lerp_(gradient, 1 - _MOMENTUM)
            directions[name] = gradient.lerp(mean, _MOMENTUM)  # Nesterov
        else:
            by_adam.append(name)
            means.append(mean)
            squares.append(square)
    if by_adam:
        steps = _adam_steps([gradients[name] for name in by_adam], means, squares, adam_rate, root_of_correction)
        torch._foreach_sub_([weights[name] for name in by_adam], steps)
    for name, step in _orthogonalised(directions).items():
        weights[name].sub_(rate * (_SIZE_OF_ADAM * max(step.shape[-2:]) ** 0.5) * step)


def _adam_steps(
    gradients: list[torch.Tensor],
    means: list[torch.Tensor],
    squares: list[torch.Tensor],
    rate: torch.Tensor,
    root_of_correction: torch.Tensor,
) -> list[torch.Tensor]:
    """Return what Adam takes from the weights: on a GPU, each line takes one launch or few, not one for each weight."""
    torch._foreach_lerp_(means, gradients, 1 - _BETA_1)
    torch._foreach_mul_(squares, _BETA_2)
    torch._foreach_addcmul_(squares, gradients, gradients, 1 - _BETA_2)
    divisors = torch._foreach_sqrt(squares)
    torch._foreach_div_(divisors, root_of_correction)
    torch._foreach_add_(divisors, _EPSILON)
    steps = torch._foreach_mul(means, rate)
    torch._foreach_div_(steps, divisors)
    return list(steps)


def _orthogonalised(matrices: Tensors) -> dict[str, torch.Tensor]:
    """Bring singular values near 1, those of all matrices of one shape, or its transpose, in the same products."""
    wide = {name: matrix.mT if matrix.shape[-2] > matrix.shape[-1] else matrix for name, matrix in matrices.items()}
    found = {}
    for shape in {matrix.shape: None for matrix in wide.values()}:  # a set has no order
        names = [name for name, matrix in wide.items() if matrix.shape == shape]
        alike = torch.stack([wide[name] for name in names])
        for name, result in zip(names, _newton_schulz(alike.flatten(0, -3)).view(alike.shape), strict=True):
            found[name] = result if wide[name] is matrices[name] else result.mT
    return found


def _newton_schulz(matrices: torch.Tensor) -> torch.Tensor:
    x = matrices.bfloat16()
    x = x / torch.linalg.vector_norm(x, dim=(1, 2), keepdim=True).clamp(min=_FLOOR)
    for _ in range(_ITERATIONS):
        gram = torch.bmm(x, x.mT)
        x = torch.baddbmm(x, torch.baddbmm(gram, gram, gram, beta=_B, alpha=_C), x, beta=_A)
    return x
