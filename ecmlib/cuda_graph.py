"""Work of a GPU that is recorded once and replayed: one launch, where hundreds would take longer than the work."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch

WARM_UP = 3  # calls before one is recorded, in which libraries choose their kernels and get their memory

Function = Callable[..., Any]
Recording = tuple[Any, Callable[[], None]]  # what the function returned, and what fills it anew


def record_on_gpu(function: Function, inputs: Sequence[torch.Tensor]) -> Recording:
    """Record what a function of tensors does on a CUDA device, as a CUDA graph."""
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph, capture_error_mode="thread_local"):
        outputs = function(*inputs)
    return outputs, graph.replay


class Recorded:
    """A function of tensors, recorded after a few calls with inputs of a shape, and replayed from then on.

    Parameters
    ----------
    function : callable
        Of tensors. It may change other tensors in place, always the same ones. What it does must not depend on anything
        else: Python is not asked again.
    record : callable
        `record_on_gpu`, or for a test something like it.
    """

    def __init__(
        self,
        function: Function,
        record: Callable[[Function, Sequence[torch.Tensor]], Recording] = record_on_gpu,
    ) -> None:
        self._function, self._record = function, record
        self._calls: dict[Any, int] = {}
        self._recorded: dict[Any, tuple[list[torch.Tensor], Recording]] = {}

    def __call__(self, *inputs: torch.Tensor) -> Any:
        """Return what the function does, in tensors of the caller's own."""
        kind = tuple((tensor.shape, tensor.dtype) for tensor in inputs)
        if kind not in self._recorded:
            self._calls[kind] = self._calls.get(kind, 0) + 1
            if self._calls[kind] <= WARM_UP:
                return self._function(*inputs)
            places = [tensor.clone() for tensor in inputs]
            self._recorded[kind] = places, self._record(self._function, places)
        places, (outputs, replay) = self._recorded[kind]
        for place, given in zip(places, inputs, strict=True):
            place.copy_(given)
        replay()
        return None if outputs is None else tuple(tensor.clone() for tensor in outputs)
