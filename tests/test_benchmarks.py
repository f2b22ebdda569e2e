"""The benchmark's formulas, and that the fast path does what the plain loop does."""

from __future__ import annotations

from itertools import islice
from typing import Any

import pandas as pd
import pytest
import torch
from ideas import VARIANTS
from loops import forward_flops, training_flops
from precision import compare, pooled
from project import growth, slopes, synthetic
from roofline import products_of_a_step
from torch.nn import functional
from torch.utils.flop_counter import FlopCounterMode

from ecmlib import Architecture, Protocol, engine, forward, random_library
from ecmlib.engine import make_logits
from ecmlib.forward import make_forward
from ecmlib.trainer import Trainer, _shuffled_batches
from ecmlib.training import follow
from ecmlib.workplace import can_compile

SMALL = [
    Architecture(d=16, H=1, N=8, K=32),
    Architecture(d=24, H=3, N=5, L=2, K=16, head_dim=8),
    Architecture(d=16, H=2, N=8, K=32, ff="identity"),
]


@pytest.mark.parametrize("architecture", SMALL, ids=str)
def test_flops_are_those_that_pytorch_counts(architecture: Architecture) -> None:
    library = random_library(4, architecture.N, architecture.K, seed=0)
    forward = make_forward(architecture.build(0))
    with FlopCounterMode(display=False) as counter:
        losses = forward.losses(library)
        assert counter.get_total_flops() == 4 * forward_flops(architecture)
        losses.mean().backward()
    assert counter.get_total_flops() == 4 * training_flops(architecture)


COMPILES = pytest.mark.skipif(not can_compile(torch.device("cpu")), reason="no C++ compiler")


@pytest.mark.parametrize("compiled", [False, pytest.param(True, marks=COMPILES)])
def test_fast_path_follows_the_plain_loss(compiled: bool) -> None:
    architecture, steps, batch_size = Architecture(d=16, H=1, N=8, K=32), 50, 64
    library = random_library(256, architecture.N, architecture.K, seed=0)

    fast = architecture.build(1)
    forward = make_forward(fast, "float32", compiled)
    fast_losses: list[float] = []

    def spying(weights: Any, moments: Any, sequences: torch.Tensor, rates: torch.Tensor, loss: Any) -> None:
        fast_losses.append(float(forward.losses(sequences).mean()))
        forward.step(weights, moments, sequences, rates, loss)

    protocol = Protocol(T=256, batch_size=batch_size, max_steps=steps, eval_every=steps)
    trainer = Trainer(fast, forward._replace(step=spying), library, protocol, seed=2)
    list(follow(trainer, protocol, steps))

    plain = architecture.build(1)
    optimizer = torch.optim.Adam([p for p in plain.parameters() if p.requires_grad], lr=protocol.lr)
    plain_losses = []
    for rows in islice(_shuffled_batches(len(library), batch_size, 2, library.device), steps):
        sequences = library[rows]
        loss = functional.cross_entropy(plain(sequences[:, :-1]).transpose(1, 2), sequences[:, 1:])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        plain_losses.append(float(loss.detach()))

    assert len(fast_losses) == steps
    assert plain_losses[-1] < plain_losses[0]
    assert fast_losses == pytest.approx(plain_losses, abs=1e-4)


def test_precision_compares_and_names_the_one_sided() -> None:
    common = {"H": 1, "N": 8, "L": 1, "K": 128, "T": 2048, "P": 10}
    rows = [
        common | {"d": d, "precision": precision, "restart": restart, "C_plateau_raw": 100 * d + restart}
        for d in (8, 16, 32)
        for precision in ("bfloat16", "float32")
        for restart in range(3)
        if (d, precision) != (32, "float32")
    ]
    results = pd.DataFrame(rows)[["d", *(name for name in common if name != "P"), "precision", "P", "C_plateau_raw"]]
    table, lonely = compare(results)
    assert list(table["d"]) == [8, 16]
    assert list(table["difference"]) == [0, 0]
    assert list(table["p"]) == [1, 1]
    assert len(lonely) == 1
    assert "0 plain restarts" in lonely[0]
    varied = table.assign(fast_mean=[808.0, 1600.0], plain_mean=[800.0, 1601.0])
    assert pooled(varied)["low"] < 1 < pooled(varied)["high"]


def test_synthetic_records_are_valid_and_all_different() -> None:
    names = {synthetic(number).file_name for number in range(0, 10_000, 7)}
    assert len(names) == len(range(0, 10_000, 7))


def test_growth_of_what_is_linear_has_slope_1() -> None:
    table = pd.DataFrame({"records": [10, 100, 1000], "read_s": [0.5, 1.0, 10.0], "fit_s": [1.0, 2.0, 200.0]})
    assert slopes(table) == pytest.approx({"read_s": 1, "fit_s": 2})
    timed = growth([10])
    assert list(timed.columns) == ["records", "read_s", "fit_s"]
    assert (timed[["read_s", "fit_s"]] > 0).all(axis=None)


@pytest.mark.parametrize("architecture", SMALL, ids=str)
def test_products_of_the_roofline_have_the_flops_that_pytorch_counts(architecture: Architecture) -> None:
    products = products_of_a_step(architecture, batch_size=8)
    flops = sum(
        2 * torch.Size(left.size).numel() * right.size[-1] * number for (left, right), number in products.items()
    )
    library = random_library(8, architecture.N, architecture.K, seed=0)
    model = architecture.build(0)
    weights = {name: weight for name, weight in model.named_parameters()}
    with FlopCounterMode(display=False) as counter:
        logits = make_logits(model, torch.bfloat16)(weights, library[:, :-1]).float()
        functional.cross_entropy(logits.flatten(0, 1), library[:, 1:].flatten()).backward()
    assert flops == counter.get_total_flops()


@pytest.mark.parametrize(
    "variant", ["plain_attention", "kept_slope", "table_of_norms", "table_of_queries", "causal_blocks"]
)
def test_variants_of_the_engine_have_its_logits_and_gradients(variant: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for module, name in ((engine, "functional"), (engine, "_merged_attention"), (forward, "make_logits")):
        monkeypatch.setattr(module, name, getattr(module, name))  # to be put back
    model = Architecture(d=16, H=2, N=7, K=8, head_dim=8).build(0)
    weights = {name: weight for name, weight in model.named_parameters()}
    trained = [weight for weight in weights.values() if weight.requires_grad]
    tokens = random_library(40, 7, 8, seed=0)

    def gradients() -> tuple[torch.Tensor, ...]:
        logits = forward.make_logits(model, torch.float32)(weights, tokens[:, :-1])
        return (logits, *torch.autograd.grad(logits.square().mean(), trained))

    expected = gradients()
    VARIANTS[variant]()
    torch.testing.assert_close(gradients(), expected, atol=1e-5, rtol=1e-4)
