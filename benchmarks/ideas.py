"""What does each idea for a faster step gain alone? CPU time a step with it over that without, in interleaved rounds.

Each variant runs in a process of its own on one thread; CPU time, not the clock, so that a busy machine does not matter
much. ``python benchmarks/ideas.py`` writes ``ideas.json``; with a task in JSON it is one such process: see `work`.
"""

from __future__ import annotations

import argparse
import functools
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from torch._inductor import config as inductor
from torch.nn import functional

from ecmlib import Architecture, Protocol, engine, forward, random_library
from ecmlib.engine import Weights
from ecmlib.files import write_atomically
from ecmlib.forward import make_forward
from ecmlib.stack import Stack
from ecmlib.trainer import Trainer
from ecmlib.workplace import WORKER_ENVIRONMENT

FOLDER = Path(__file__).parent
CASES = [(16, 1, 8), (64, 4, 16)]
ROUNDS, SECONDS = 7, 1.0  # interleaved rounds; CPU seconds of each
STACKED = 4
T = 2048
PROTOCOL = Protocol(T=T, precision="bfloat16")
RUN = Protocol(T=16000, max_steps=20_000)  # whose evaluations are compared
COLUMNS = {
    "variant": "the engine as it is ('engine'), or with one thing changed; 'stack' is of 4 models, a model",
    "ms": "CPU milliseconds a step, median of rounds",
    "ratio": "over that of the engine in the same round, median of rounds: below 1 would be a gain",
    "low, high": "smallest and largest ratio of a round",
    "evaluation": "share of a run of T = 16000 spent counting: every 31 steps, and at distances that grow by 5 %",
}


def separate_graphs() -> None:
    """Compile losses alone: backward by autograd, and an optimiser of PyTorch's."""
    make = forward.make_forward

    def made(model: torch.nn.Module, *arguments: Any) -> forward.Forward:
        fused = make(model, *arguments)
        optimizer = torch.optim.Adam([weight for weight in model.parameters() if weight.requires_grad])

        def step(weights: Any, moments: Any, sequences: torch.Tensor, rates: Any, loss: Any) -> None:
            with torch.enable_grad():
                optimizer.zero_grad()
                fused.losses(sequences).mean().backward()
            optimizer.step()

        return fused._replace(step=step)

    globals()["make_forward"] = made


def modules() -> None:
    """Compile the modules of x-transformers: gains not folded, matrices not merged."""
    forward.make_logits = lambda model, dtype: forward._by_modules(model, "bfloat16")


def plain_attention() -> None:
    """Fold gains, but merge no matrices."""
    engine._merged_attention = engine._plain_attention


def cpp_wrapper() -> None:
    """Call kernels from C++ instead of from Python."""
    inductor.cpp_wrapper = True


def kept_slope() -> None:
    """Compute GELU's slope beside it, with the same exponential, and keep it for backward."""

    def gelu(x: torch.Tensor) -> torch.Tensor:
        z = x.detach().float()
        bell = torch.exp(-z * z / 2)
        t = 1 / (1 + 0.3275911 * z.abs() * 0.5**0.5)  # Abramowitz and Stegun 7.1.26, as PyTorch's own erf
        tail = t * (0.254829592 + t * (-0.284496736 + t * (1.421413741 + t * (-1.453152027 + t * 1.061405429))))
        share = torch.where(z > 0, 1 - tail * bell / 2, tail * bell / 2)
        value, slope = torch.stack([z * share, share + z * bell * (2 * torch.pi) ** -0.5]).to(x.dtype).unbind()
        return value + slope * (x - x.detach())

    engine.functional = _Replaced(functional, gelu=gelu)


def table_of_norms() -> None:
    """Normalise the first layer's K (N - 1) possible vectors, and look those of the batch up."""
    _with_table(lambda table, rows, gain, H, weights: engine._attention(table[rows], gain, H, weights, _BLOCK))


def table_of_queries() -> None:
    """Multiply those vectors by the first layer's merged matrix, and look queries up, too."""

    def attention(table: torch.Tensor, rows: torch.Tensor, gain: torch.Tensor, H: int, weights: Weights) -> Any:
        x = table[rows]
        B, n, d = x.shape
        q, k, v = ((weights[f"{_BLOCK}to_{name}.weight"] * gain).view(H, -1, d) for name in "qkv")
        out = weights[f"{_BLOCK}to_out.weight"].view(d, H, -1).transpose(0, 1)
        asking = torch.bmm(q.mT * q.shape[1] ** -0.5, k).permute(1, 0, 2).reshape(d, H * d)
        queries = (table @ asking.to(x.dtype))[rows].view(B, n * H, d)
        shares = engine._causal_softmax(torch.bmm(queries, x.mT).view(B, n, H, n))
        seen = torch.bmm(shares.view(B, n * H, n), x).view(B, n, H * d)
        return seen @ torch.bmm(v.mT, out.mT).reshape(H * d, d).to(x.dtype)

    _with_table(attention)


def causal_blocks() -> None:
    """Compute no scores of the first half of the queries with the second half of the keys."""

    def attention(x: torch.Tensor, heads: Any) -> torch.Tensor:
        B, n, d = x.shape
        H, half = len(heads.q), n // 2
        asking = torch.bmm(heads.q.mT, heads.k).permute(1, 0, 2).reshape(d, H * d).to(x.dtype)
        answer = torch.bmm(heads.v.mT, heads.out.mT).reshape(H * d, d).to(x.dtype)
        queries = (x @ asking).view(B, n * H, d)
        seen = []
        for start, end in ((0, half), (half, n)):
            scores = torch.bmm(queries[:, start * H : end * H], x[:, :end].mT).view(B, end - start, H, end)
            later = torch.arange(end) > torch.arange(start, end).view(-1, 1, 1)
            shares = scores.float().masked_fill(later, -torch.inf).softmax(-1).to(x.dtype)
            seen.append(torch.bmm(shares.view(B, -1, end), x[:, :end]).view(B, end - start, H * d))
        return torch.cat(seen, dim=1) @ answer

    engine._merged_attention = attention


def stack() -> None:
    """Nothing here: `work` trains models side by side."""


VARIANTS: dict[str, Callable[[], None]] = {
    each.__name__: each
    for each in (
        separate_graphs,
        modules,
        plain_attention,
        cpp_wrapper,
        kept_slope,
        table_of_norms,
        table_of_queries,
        causal_blocks,
        stack,
    )
}
_BLOCK = "attn_layers.layers.0.1."


class _Replaced:
    """A module some of whose functions are others."""

    def __init__(self, module: Any, **others: Any) -> None:
        self._module, self._others = module, others

    def __getattr__(self, name: str) -> Any:
        return self._others.get(name) or getattr(self._module, name)


def _with_table(attend: Callable[[torch.Tensor, torch.Tensor, torch.Tensor, int, Weights], torch.Tensor]) -> None:
    """Let the engine's logits, of one layer with frozen embeddings, begin with a table of normalised vectors."""

    def make_logits(model: Any, dtype: torch.dtype) -> engine.Logits:
        H = model.attn_layers.layers[0][1].heads

        def logits(weights: Weights, tokens: torch.Tensor) -> torch.Tensor:
            n = tokens.shape[1]
            embedded = (
                weights["token_emb.emb.weight"][:, None] + weights["pos_emb.emb.weight"][:n] * model.pos_emb.scale
            )
            table = embedded.flatten(0, 1)
            rows = tokens * n + torch.arange(n)
            gain = weights["attn_layers.layers.0.0.0.gamma"] + 1
            x = table[rows] + attend(engine._normalised(table, dtype), rows, gain, H, weights)
            gain = weights["attn_layers.layers.1.0.0.gamma"] + 1
            x = x + engine._feed_forward(engine._normalised(x, dtype), gain, weights, "attn_layers.layers.1.1.ff.")
            gain = weights["attn_layers.final_norm.gamma"] + 1
            return functional.linear(engine._normalised(x, dtype), (weights["to_logits.weight"] * gain).to(dtype))

        return logits

    forward.make_logits = make_logits


def work(variant: str, sizes: dict[str, int]) -> None:
    """Be one process: compile, print that it is done, then print CPU ms a step for each number of steps asked for."""
    torch.set_num_threads(1)
    if variant != "engine":
        VARIANTS[variant]()
    architecture = Architecture(**sizes)
    model, library = architecture.build(0), random_library(T, architecture.N, architecture.K, 0)
    forward_of_model = make_forward(model, "bfloat16", True)
    models = STACKED if variant == "stack" else 1
    trainers = [Trainer(model, forward_of_model, library, PROTOCOL, number) for number in range(models)]
    trainer = trainers[0] if models == 1 else Stack(trainers).trainers[0]
    trainer.advance(5, PROTOCOL)
    timed = {"count_ms": 0.0}
    if variant == "engine":
        trainer.count()
        timed["count_ms"] = min(_cpu_ms(trainer.count) for _ in range(5))
    print(json.dumps(timed), flush=True)
    for line in sys.stdin:
        steps = int(line)
        ms = _cpu_ms(functools.partial(trainer.advance, trainer.step + steps, PROTOCOL)) / steps / models
        print(json.dumps({"ms": ms}), flush=True)


def _cpu_ms(call: Callable[[], object]) -> float:
    started = time.process_time()
    call()
    return (time.process_time() - started) * 1000


def compare(case: tuple[int, int, int], variants: list[str]) -> list[dict[str, Any]]:
    """Measure variants of one case beside the engine: a row each."""
    sizes = dict(zip(("d", "H", "N"), case, strict=True))
    processes: dict[str, subprocess.Popen[str]] = {}
    told: dict[str, dict[str, float]] = {}
    for variant in ["engine", *variants]:  # compiled one after the other
        task = json.dumps({"variant": variant, "sizes": sizes})
        process = subprocess.Popen(
            [sys.executable, __file__, task],
            env=os.environ | WORKER_ENVIRONMENT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        processes[variant] = process
        try:
            told[variant] = _answer(process)
        except RuntimeError:
            print(f"{case}: {variant} fails here")
            del processes[variant]
    first = {variant: _answer(process, 3)["ms"] for variant, process in processes.items()}
    rounds = [
        {v: _answer(process, max(3, int(SECONDS * 1000 / first[v])))["ms"] for v, process in processes.items()}
        for _ in range(ROUNDS)
    ]
    for process in processes.values():
        process.communicate()
    table = pd.DataFrame(rounds)
    ratios = table.div(table["engine"], axis=0)
    rows = []
    for variant in table:
        row = {**sizes, "variant": variant, "ms": float(table[variant].median())}
        row |= {"ratio": float(ratios[variant].median())}
        row |= {"low": float(ratios[variant].min()), "high": float(ratios[variant].max())}
        if variant == "engine":
            row["evaluation"] = {
                f"{growth:.0%}": _share_of_counts(row["ms"], told[variant]["count_ms"], growth)
                for growth in (0.0, 0.05)
            }
        rows.append(row)
    return rows


def _share_of_counts(step_ms: float, count_ms: float, growth: float) -> float:
    looks = len(RUN.model_copy(update={"eval_growth": growth}).points(0, RUN.max_steps))
    counting = looks * count_ms * RUN.T / T
    return counting / (counting + RUN.max_steps * step_ms)


def _answer(process: subprocess.Popen[str], question: int | None = None) -> dict[str, float]:
    assert process.stdin is not None
    assert process.stdout is not None
    if question is not None:
        print(question, file=process.stdin, flush=True)
    answer: dict[str, float] = json.loads(process.stdout.readline() or "null")
    if answer is None:
        raise RuntimeError(f"a process failed: {process.args}")
    return answer


def main() -> None:
    """Measure, print the table, write ``ideas.json``."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("task", nargs="?", help="of one process")
    parser.add_argument("--variants", nargs="*", choices=list(VARIANTS), default=list(VARIANTS))
    parser.add_argument("--cases", nargs="*", default=[",".join(map(str, case)) for case in CASES], help="as d,H,N")
    parser.add_argument("--out", type=Path, default=FOLDER / "ideas.json")
    arguments = parser.parse_args()
    if arguments.task:
        work(**json.loads(arguments.task))
        return
    rows: list[dict[str, Any]] = []
    for text in arguments.cases:
        d, H, N = map(int, text.split(","))
        rows += compare((d, H, N), arguments.variants)
    print(pd.DataFrame(rows).to_string(index=False, float_format="{:.3g}".format))
    content = {"columns": COLUMNS, "rounds": ROUNDS, "rows": rows}
    write_atomically(arguments.out, json.dumps(content, indent=1) + "\n")


if __name__ == "__main__":
    main()
