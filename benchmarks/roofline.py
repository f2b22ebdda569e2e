"""What bounds a training step? Its matrix products at their own shapes, and the traffic between them; see `COLUMNS`."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd
import torch
from loops import matmul_peak, training_flops
from torch.utils._python_dispatch import TorchDispatchMode

from ecmlib import Architecture, Protocol, random_library
from ecmlib.files import write_atomically
from ecmlib.forward import make_forward
from ecmlib.trainer import Trainer
from ecmlib.workplace import WORKER_ENVIRONMENT, can_compile

FOLDER = Path(__file__).parent
CASES = [(16, 1, 8), (64, 1, 8), (64, 4, 16), (128, 2, 32)]
BUDGET = 0.05  # seconds for which a product is repeated; the fastest counts
STEPS = 10
COLUMNS = {
    "at_peak_ms": "the plain model's FLOPs a step (loops.training_flops) at the speed of large square products",
    "matrix_ms": "the engine's products at their own shapes and strides, bfloat16 on one thread, each at its fastest",
    "memory_ms": "operands and results of all products, once each, at the speed of a copy of their mean size",
    "step_ms": "a compiled step, the fastest of repeated tens, CPU time",
    "peak_share": "at_peak / step",
    "limit": "at_peak / (matrix + memory): what a step without any other work would reach",
}
_PRODUCTS = (torch.ops.aten.mm.default, torch.ops.aten.bmm.default)
_SUMS = (torch.ops.aten.addmm.default, torch.ops.aten.baddbmm.default)


class Operand(NamedTuple):
    """What decides how fast a factor of a product is read."""

    size: tuple[int, ...]
    stride: tuple[int, ...]
    dtype: torch.dtype


class Products(TorchDispatchMode):
    """Notes the factors of every matrix product."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: Counter[tuple[Operand, Operand]] = Counter()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func in _PRODUCTS or func in _SUMS:
            left, right = args[-2:]
            self.seen[_operand(left), _operand(right)] += 1
        return func(*args, **(kwargs or {}))


def products_of_a_step(architecture: Architecture, batch_size: int = 512) -> Counter[tuple[Operand, Operand]]:
    """Count the products of one training step by their factors."""
    trainer = _trainer(architecture, batch_size, of_step=lambda step: getattr(step, "_torchdynamo_orig_callable", step))
    with Products() as products:
        trainer.advance(1, _protocol(batch_size))
    return products.seen


def measure(sizes: dict[str, int]) -> dict[str, float]:
    """Measure one case: a row, without its sizes."""
    torch.set_num_threads(1)
    architecture = Architecture(**sizes)
    products = products_of_a_step(architecture)
    matrix = sum(_fastest_product(*factors) * number for factors, number in products.items())
    passed = [bytes_ for (left, right), number in products.items() for bytes_ in _bytes(left, right) * number]
    trainer, protocol = _trainer(architecture, 512), _protocol(512)
    trainer.advance(STEPS, protocol)
    step = _fastest(lambda: trainer.advance(trainer.step + STEPS, protocol), 40 * BUDGET) / STEPS
    at_peak = 512 * training_flops(architecture) / matmul_peak("bfloat16")["peak_flops"]
    memory = sum(passed) / _copied_per_second(sum(passed) // len(passed))
    return {
        **{"at_peak_ms": at_peak * 1e3, "matrix_ms": matrix * 1e3, "memory_ms": memory * 1e3, "step_ms": step * 1e3},
        **{"peak_share": at_peak / step, "limit": at_peak / (matrix + memory)},
    }


def main() -> None:
    """Measure in fresh processes, print the table, write ``roofline.json``."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("task", nargs="?", help="sizes in JSON, of one process")
    parser.add_argument("--out", type=Path, default=FOLDER / "roofline.json")
    arguments = parser.parse_args()
    if arguments.task:
        print(json.dumps(measure(json.loads(arguments.task))))
        return
    rows = []
    for case in CASES:
        sizes = dict(zip(("d", "H", "N"), case, strict=True))
        command = [sys.executable, __file__, json.dumps(sizes)]
        done = subprocess.run(command, env=os.environ | WORKER_ENVIRONMENT, stdout=subprocess.PIPE, check=True)
        rows.append(sizes | json.loads(done.stdout))
    print(pd.DataFrame(rows).to_string(index=False, float_format="{:.3g}".format))
    write_atomically(arguments.out, json.dumps({"columns": COLUMNS, "rows": rows}, indent=1) + "\n")


def _protocol(batch_size: int) -> Protocol:
    return Protocol(T=2048, precision="bfloat16", batch_size=batch_size)


def _trainer(architecture: Architecture, batch_size: int, of_step: Callable[[Any], Any] = lambda step: step) -> Trainer:
    model = architecture.build(0)
    library = random_library(2048, architecture.N, architecture.K, 0)
    forward = make_forward(model, "bfloat16", can_compile(library.device))
    return Trainer(model, forward._replace(step=of_step(forward.step)), library, _protocol(batch_size), 0)


def _operand(tensor: torch.Tensor) -> Operand:
    return Operand(tuple(tensor.shape), tensor.stride(), tensor.dtype)


def _fastest_product(left: Operand, right: Operand) -> float:
    a, b = (torch.empty_strided(each.size, each.stride, dtype=each.dtype).normal_() for each in (left, right))
    return _fastest(lambda: torch.matmul(a, b), BUDGET)


def _bytes(left: Operand, right: Operand) -> list[int]:
    sizes = (left.size, right.size, (*left.size[:-1], right.size[-1]))
    return [torch.Size(size).numel() * left.dtype.itemsize for size in sizes]


def _copied_per_second(size: int) -> float:
    """Bytes that a copy reads and writes in a second."""
    source = torch.ones(max(size // 2, 1), dtype=torch.bfloat16)
    target = torch.empty_like(source)
    return 2 * source.nbytes / _fastest(lambda: target.copy_(source), BUDGET)


def _fastest(call: Callable[[], object], budget: float) -> float:
    """Return the least CPU time, of one thread, in which a call is done: what else a machine does matters little."""
    best, end = float("inf"), time.process_time() + budget
    while time.process_time() < end or best == float("inf"):
        started = time.process_time()
        call()
        best = min(best, time.process_time() - started)
    return best


if __name__ == "__main__":
    main()
