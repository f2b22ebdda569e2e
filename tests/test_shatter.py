from pathlib import Path

import pytest
import torch
from torch.nn import functional

from ecmlib import Architecture, ShatterRecord, epochs_to_shatter, random_library
from ecmlib.restart import seed_of_restart

SMALL = Architecture(d=8, H=2, N=4, K=8, head_dim=4)
QUICK = {"T": 6, "trials": 7, "lr": 0.01, "progress": False}


def epochs_alone(seed: int, T: int, lr: float) -> int:
    """Train one trial as anyone would: one model, one loop."""
    model, library = SMALL.build(seed), random_library(T, SMALL.N, SMALL.K, seed)
    optimizer = torch.optim.Adam([p for p in model.parameters() if p.requires_grad], lr=lr)
    for epoch in range(1000):
        logits = model(library[:, :-1])
        if bool((logits[:, -1].argmax(-1) == library[:, -1]).all()):
            return epoch
        optimizer.zero_grad()
        functional.cross_entropy(logits.flatten(0, 1), library[:, 1:].flatten()).backward()
        optimizer.step()
    raise AssertionError("not memorised after 1000 epochs")


def test_stacked_trials_are_those_of_models_trained_alone() -> None:
    record = epochs_to_shatter(SMALL, **QUICK)
    alone = [epochs_alone(seed_of_restart(0, number), T=6, lr=0.01) for number in range(7)]
    assert record.epochs == alone
    assert len(set(alone)) > 3, "trials differ, so that some leave the stack before others"


def test_stack_size_changes_no_trial() -> None:
    assert epochs_to_shatter(SMALL, **QUICK, stack=3).epochs == epochs_to_shatter(SMALL, **QUICK, stack=7).epochs


def test_interrupted_trials_resume(tmp_path: Path) -> None:
    whole = epochs_to_shatter(SMALL, **QUICK, stack=2, results=tmp_path)
    (path,) = tmp_path.glob("*.json")
    assert ShatterRecord.load(path) == whole
    whole.model_copy(update={"epochs": whole.epochs[:2]}).save(path)
    assert epochs_to_shatter(SMALL, **QUICK, stack=2, results=tmp_path).epochs == whole.epochs


def test_trial_that_takes_too_long_is_censored() -> None:
    free = epochs_to_shatter(SMALL, **QUICK).epochs
    limit = sorted(epoch for epoch in free if epoch is not None)[3]
    limited = epochs_to_shatter(SMALL, **QUICK, max_epochs=limit).epochs
    assert limited == [epoch if epoch is not None and epoch <= limit else None for epoch in free]
    assert None in limited


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"T": 513}, "T = 513: at most"),
        ({"trials": 0}, "trials = 0: input should be greater than or equal to 1"),
        ({"stack": 0}, "stack = 0: input should be greater than or equal to 1"),
        ({"max_epochs": 0}, "max_epochs = 0: input should be"),
        ({"device": "tpu"}, "device = 'tpu': input should be"),
    ],
)
def test_bad_parameter_is_named(parameters: dict[str, object], message: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=message):
        epochs_to_shatter(SMALL, **{**QUICK, **parameters}, results=tmp_path)
    assert not list(tmp_path.iterdir())


def test_dropout_is_refused_before_training(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"dropout = 0\.1: input should be 0 where models are trained side by side"):
        epochs_to_shatter(SMALL.model_copy(update={"dropout": 0.1}), **QUICK, results=tmp_path)
    assert not list(tmp_path.iterdir())


def test_memory_is_that_of_as_many_models_as_are_trained_side_by_side() -> None:
    large = Architecture(d=4096, H=8)
    with pytest.raises(ValueError, match="training takes at least"):
        epochs_to_shatter(large, T=6, trials=10**5, stack=10**5)
