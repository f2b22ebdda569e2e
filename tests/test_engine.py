"""The engine computes what x-transformers' modules compute, and the optimisers what PyTorch's do."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch.func import functional_call
from torch.nn import functional
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_map

from ecmlib import Architecture, Protocol, forward, random_library
from ecmlib.engine import make_logits
from ecmlib.forward import _likeliest, make_forward
from ecmlib.optimizer import fresh_moments, rates_of, update
from ecmlib.trainer import Trainer

SIZES: list[dict[str, Any]] = [
    {"d": 8, "H": 1, "head_dim": 16},
    {"d": 8, "H": 3, "head_dim": 4, "L": 2},
    {"d": 12, "H": 3, "head_dim": 4, "L": 2},  # too wide for merged matrices
    {"d": 12, "H": 1, "head_dim": 4},
    {"d": 8, "H": 2, "head_dim": 8, "L": 2, "ff": "identity"},
    {"d": 8, "H": 2, "head_dim": 8, "ff_mult": 2},
]


def shaken(architecture: Architecture) -> torch.nn.Module:
    """Build a model all of whose weights matter: fresh gains are 1, and biases 0."""
    model = architecture.build(0)
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for weight in model.parameters():
            weight += 0.3 * torch.randn(weight.shape, generator=generator)
    return model


@pytest.mark.parametrize("embeddings", ["frozen", "trained", "tied"])
@pytest.mark.parametrize("sizes", SIZES, ids=str)
def test_engine_has_the_logits_and_the_gradients_of_the_modules(sizes: dict[str, Any], embeddings: str) -> None:
    model = shaken(Architecture(N=6, K=16, embeddings=embeddings, **sizes)).double()
    library = random_library(20, 6, 16, seed=0)
    weights = dict(model.named_parameters())
    trained = [weight for weight in weights.values() if weight.requires_grad]
    modules, engine = model(library[:, :-1]), make_logits(model, torch.float64)(weights, library[:, :-1])
    # The engine's softmax is float32 whatever the rest is, and so is that of the modules.
    torch.testing.assert_close(engine, modules, atol=1e-5, rtol=1e-5)
    expected, found = (
        torch.autograd.grad(functional.cross_entropy(logits.flatten(0, 1), library[:, 1:].flatten()), trained)
        for logits in (modules, engine)
    )
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-4)


def test_engine_errs_in_bfloat16_no_more_than_the_modules() -> None:
    model = shaken(Architecture(d=16, H=2, N=6, L=2, K=16))
    tokens = random_library(200, 6, 16, seed=0)[:, :-1]
    weights = dict(model.named_parameters())
    exact = model(tokens).detach()
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        modules = functional_call(model, weights, (tokens,)).float()
    engine = make_logits(model, torch.bfloat16)(weights, tokens).float().detach()
    assert 0 < float((engine - exact).std()) < 1.5 * float((modules - exact).std())


def test_only_compiled_models_without_dropout_go_through_the_engine(
    tiny: Architecture, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []
    monkeypatch.setattr(forward, "make_logits", lambda model, dtype: asked.append(model))
    dropping = tiny.model_copy(update={"dropout": 0.1})
    make_forward(tiny.build(0))
    make_forward(dropping.build(0), compiled=True)
    assert asked == []
    make_forward(tiny.build(0), compiled=True)
    assert len(asked) == 1


def test_likeliest_of_equals_is_the_first_as_in_argmax() -> None:
    coarse = torch.randn(500, 9, generator=torch.Generator().manual_seed(0)).round()
    assert torch.equal(_likeliest(coarse), coarse.argmax(-1))


@pytest.mark.parametrize("optimizer", ["adam", "muon"])
def test_update_takes_the_steps_of_pytorchs_optimizers(optimizer: Any, tiny: Architecture) -> None:
    ours, theirs = tiny.build(0), tiny.build(0)
    moments = fresh_moments(ours, muon=optimizer == "muon")
    trained = {name: weight for name, weight in theirs.named_parameters() if weight.requires_grad}
    by_muon = [trained[name] for name, kept in moments.items() if kept.square is None]
    by_adam = [trained[name] for name, kept in moments.items() if kept.square is not None]
    assert bool(by_muon) == (optimizer == "muon")
    optimizers: list[torch.optim.Optimizer] = [torch.optim.Adam(by_adam, lr=0.01)]
    if by_muon:
        optimizers.append(torch.optim.Muon(by_muon, lr=0.01, weight_decay=0.0, adjust_lr_fn="match_rms_adamw"))
    generator = torch.Generator().manual_seed(0)
    for step in range(1, 6):
        gradients = {name: torch.randn(weight.shape, generator=generator) for name, weight in trained.items()}
        with torch.no_grad():
            update(dict(ours.named_parameters()), gradients, moments, rates_of(0.01, step, torch.device("cpu")))
        for name, weight in trained.items():
            weight.grad = gradients[name]
        for each in optimizers:
            each.step()
    for name, weight in ours.named_parameters():
        moved = float((theirs.get_parameter(name) - tiny.build(0).get_parameter(name)).detach().abs().max())
        tolerance = 1e-5 if moments.get(name) is None or moments[name].square is not None else 0.02  # of bfloat16
        torch.testing.assert_close(weight, theirs.get_parameter(name), atol=tolerance * max(moved, 1e-9), rtol=1e-6)


@pytest.mark.parametrize("muon", [False, True])
def test_models_stacked_into_one_step_take_the_steps_that_each_takes_alone(
    muon: bool, tiny: Architecture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch, "compile", lambda function, **_: function)
    models = [tiny.build(seed) for seed in range(3)]
    step = make_forward(models[0], compiled=True).step  # the engine's, of whatever weights
    batches = random_library(48, tiny.N, tiny.K, seed=0).view(3, 16, tiny.N)
    rates = rates_of(0.01, 1, torch.device("cpu"))
    weights = [{name: weight.detach() for name, weight in model.named_parameters()} for model in models]
    moments = [fresh_moments(model, muon) for model in models]
    stacked = tree_map(lambda *parts: torch.stack(parts), *weights)
    remembered = tree_map(lambda *parts: None if parts[0] is None else torch.stack(parts), *moments)
    with torch.no_grad():
        step(stacked, remembered, batches, rates, "all")
        for own, kept, batch in zip(weights, moments, batches, strict=True):
            step(own, kept, batch, rates, "all")
    for name in moments[0]:
        alone = torch.stack([own[name] for own in weights])
        moved = alone - torch.stack([tiny.build(seed).state_dict()[name] for seed in range(3)])
        off = (stacked[name] - alone).norm() / moved.norm()
        assert off < (0.3 if muon else 1e-3), name  # the iteration of Muon is bfloat16; another model is 1.4 away


class HostReads(TorchDispatchMode):
    """Counts what makes a device wait for the host: reading numbers, and copying to the CPU."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        super().__init__()
        self.count = 0
        for name in ("tolist", "cpu", "numpy"):  # of which the CPU's own tensors tell no dispatcher
            monkeypatch.setattr(torch.Tensor, name, self._counted(getattr(torch.Tensor, name)))

    def _counted(self, method: Callable[..., Any]) -> Callable[..., Any]:
        def wrapped(*args: Any, **kwargs: Any) -> Any:
            self.count += 1
            return method(*args, **kwargs)

        return wrapped

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.count += func is torch.ops.aten._local_scalar_dense.default
        return func(*args, **(kwargs or {}))


@pytest.mark.parametrize("optimizer", ["adam", "muon"])
def test_no_step_waits_for_the_host_and_a_count_does_once(
    optimizer: Any, tiny: Architecture, monkeypatch: pytest.MonkeyPatch
) -> None:
    protocol = Protocol(T=64, batch_size=24, optimizer=optimizer)
    model = tiny.build(0)
    trainer = Trainer(model, make_forward(model), random_library(64, tiny.N, tiny.K, seed=0), protocol, seed=0)
    with HostReads(monkeypatch) as reads:
        trainer.advance(8, protocol)  # across the end of a pass through the library
        assert reads.count == 0
        trainer.count()
        assert reads.count == 1
        float(trainer.library.sum())
        assert reads.count == 2
