import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from ecmlib import Architecture, measure_mac
from ecmlib.noise_scale import measure_noise_scale, squared_norms
from ecmlib.noise_scale_record import NoiseScaleRecord, Sampling, SquaredNorms, simple_noise_scale

SAMPLING = Sampling(small=4, big=32, repetitions=400)
QUICK: dict[str, Any] = {"T": 64, "max_steps": 20, "eval_every": 10, "compiled": False, "small": 8, "big": 16}


@given(st.floats(0.01, 100), st.floats(0.01, 100))
def test_expected_norms_give_the_noise_scale_exactly(squared_gradient: float, trace: float) -> None:
    small, big = (squared_gradient + trace / size for size in (SAMPLING.small, SAMPLING.big))
    found = simple_noise_scale(SquaredNorms([small], [big]), SAMPLING)
    assert found == pytest.approx(trace / squared_gradient, rel=1e-6)


def test_gradients_of_known_covariance_give_their_noise_scale() -> None:
    gradients = torch.randn(500, 6, generator=torch.Generator().manual_seed(0)) * torch.arange(1, 7) + 1
    squared_gradient = gradients.mean(0).square().sum()
    trace = gradients.var(0, correction=0).sum()
    norms = squared_norms(lambda rows: gradients[rows].mean(0), 500, SAMPLING, torch.Generator().manual_seed(1))
    assert simple_noise_scale(norms, SAMPLING) == pytest.approx(float(trace / squared_gradient), rel=0.1)


def test_hidden_gradient_has_an_infinite_noise_scale() -> None:
    assert simple_noise_scale(SquaredNorms([8.0], [1.0]), SAMPLING) == math.inf
    assert simple_noise_scale(SquaredNorms([1.0], [1.0]), SAMPLING) == 0


def test_estimating_leaves_the_training_as_it_is(tiny: Architecture) -> None:
    record = measure_noise_scale(tiny, **QUICK)
    run = {name: QUICK[name] for name in ("T", "max_steps", "eval_every", "compiled")}
    restart = measure_mac(tiny, **run, restarts=1, progress=False).restarts[0]
    assert [point.step for point in record.points] == restart.step
    assert [point.last_count for point in record.points] == restart.last_count


def test_gradient_is_that_of_the_loss_that_is_trained(tiny: Architecture) -> None:
    every, last = (measure_noise_scale(tiny, **QUICK, loss=loss).points[0] for loss in ("all", "last"))
    assert every.last_count == last.last_count, "the same fresh weights"
    assert every.small != last.small


def test_record_is_kept_and_read_again(tiny: Architecture, tmp_path: Path) -> None:
    record = measure_noise_scale(tiny, **QUICK, results=tmp_path)
    (path,) = tmp_path.glob("*.json")
    assert NoiseScaleRecord.load(path) == record == measure_noise_scale(tiny, **QUICK, results=tmp_path)
    frame = record.frame()
    assert frame["step"].tolist() == [0, 10, 20]
    assert (frame["low"] <= frame["high"]).all()
    with pytest.raises(ValueError, match=r"holds another configuration \(sampling\)"):
        measure_noise_scale(tiny, **QUICK | {"big": 32}, results=tmp_path)
    path.write_text("{}")
    with pytest.raises(ValueError, match=r"\.json: architecture is missing"):
        NoiseScaleRecord.load(path)


def test_interval_covers_the_truth_as_often_as_it_says() -> None:
    sampling = Sampling(small=4, big=32, repetitions=20)
    gradients = torch.randn(300, 20, generator=torch.Generator().manual_seed(0)) + 1
    truth = float(gradients.var(0, correction=0).sum() / gradients.mean(0).square().sum())
    hits = 0
    for seed in range(60):
        generator = torch.Generator().manual_seed(seed)
        norms = squared_norms(lambda rows: gradients[rows].mean(0), 300, sampling, generator)
        low, high = norms.interval(sampling, 0.9)
        hits += low <= truth <= high
    assert 45 <= hits <= 60  # of 60: 54 expected, and percentile bootstraps of 20 values are a little too short


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"small": 8, "big": 8}, "big = 8: input should be 2 or more times small = 8"),
        ({"small": 8, "big": 20}, "big = 20: input should be 2 or more times small = 8"),
        ({"repetitions": 1}, "repetitions = 1: input should be greater than or equal to 2"),
        ({"max_steps": 0}, "max_steps = 0: input should be greater than or equal to 1"),
    ],
)
def test_bad_value_is_named(changed: dict[str, int], message: str, tiny: Architecture) -> None:
    with pytest.raises(ValueError, match=message):
        measure_noise_scale(tiny, **QUICK | changed)


@pytest.mark.parametrize("path", sorted(Path("results").glob("**/noise-scale/*.json")), ids=lambda path: path.stem)
def test_committed_noise_scale_is_valid(path: Path) -> None:
    frame = NoiseScaleRecord.load(path).frame()
    assert np.isfinite(frame["noise_scale"]).all()


def test_what_a_noise_scale_does_not_apply_is_refused_and_not_kept(tiny: Architecture, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="min_steps = 10: this measurement does not apply it"):
        measure_noise_scale(tiny, **QUICK, min_steps=10)
    for path in Path("results/batch-size/noise-scale").glob("*.json"):
        record = NoiseScaleRecord.load(path)
        written = record.model_dump_json()
        assert "patience_steps" in path.read_text(), "kept by earlier versions"
        assert "patience_steps" not in written
        assert NoiseScaleRecord.model_validate_json(written) == record
