"""Work of a GPU that is recorded once and replayed: one launch in place of hundreds, which take longer than they do."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch

_WARM_UP = 3  # calls before one is recorded, in which libraries choose their kernels and get their memory

Function = Callable[..., Any]
Recording = tuple[Any, Callable[[], None]]  # what the function returned, and what fills it anew


def record_on_gpu(function: Function, inputs: Sequence[torch.Tensor]) -> Recording:
    """Record what a function of tensors does on a CUDA device, as a CUDA graph."""
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph, capture_error_mode="thread_local"):
        outputs = function(*inputs)
    return outputs, graph.replay


class Recorded:
    """A function of tensors that is recorded at its fourth call and replayed from then on.

    Parameters
    ----------
    function : callable
        Of tensors whose shapes never change. It may change other tensors in place, always the same ones. What it does
        must not depend on anything else: Python is not asked again.
    record : callable
        `record_on_gpu`, or for a test something like it.
    """

    def __init__(
        self,
        function: Function,
        record: Callable[[Function, Sequence[torch.Tensor]], Recording] = record_on_gpu,
    ) -> None:
        self._function, self._record = function, record
        self._calls = 0
        self._inputs: list[torch.Tensor] = []
        self._recording: Recording | None = None

    def __call__(self, *inputs: torch.Tensor) -> Any:
        """Return what the function does, in tensors of the caller's own."""
        if self._calls < _WARM_UP:
            self._calls += 1
            return self._function(*inputs)
        if self._recording is None:
            self._inputs = [tensor.clone() for tensor in inputs]
            self._recording = self._record(self._function, self._inputs)
        outputs, replay = self._recording
        for own, given in zip(self._inputs, inputs, strict=True):
            own.copy_(given)
        replay()
        return None if outputs is None else tuple(tensor.clone() for tensor in outputs)
