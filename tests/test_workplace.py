import os
import subprocess
import sys
from pathlib import Path
from typing import Literal, NamedTuple

import pytest

from ecmlib import Architecture, measure_mac
from ecmlib.reproduction.measure import measure_all
from ecmlib.workplace import refuse_impossible, workplace

ASK = """
import torch
from ecmlib import Architecture
from ecmlib.workplace import workplace
torch.set_num_threads(2)  # as PyTorch itself would on a machine of two cores
workplace(Architecture(d=8, N=4, K=8), T=64, batch_size=8, device="cpu")
print(torch.get_num_threads())
"""


@pytest.mark.parametrize(("said", "threads"), [({}, 1), ({"OMP_NUM_THREADS": ""}, 1), ({"OMP_NUM_THREADS": "2"}, 2)])
def test_one_thread_on_a_cpu_unless_the_environment_says_otherwise(said: dict[str, str], threads: int) -> None:
    environment = {name: value for name, value in os.environ.items() if name != "OMP_NUM_THREADS"} | said
    asked = subprocess.run([sys.executable, "-c", ASK], env=environment, capture_output=True, text=True, check=True)
    assert int(asked.stdout) == threads


class Gpu(NamedTuple):
    """What PyTorch says of a GPU."""

    total_memory: int


@pytest.mark.parametrize("device", ["auto", "cuda"])
def test_memory_that_counts_is_that_of_the_gpu(
    device: Literal["auto", "cuda"], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    monkeypatch.setattr("torch.cuda.get_device_properties", lambda device: Gpu(2**20))
    sizes = {"d": 128, "N": 32, "K": 128}
    with pytest.raises(ValueError, match=r"training on the GPU takes at least .* and there are 0\.000977 GiB"):
        measure_mac(Architecture(**sizes), T=64, device=device)
    with pytest.raises(ValueError, match="training on the GPU takes at least"):
        measure_all([sizes], T=64, device=device, results=tmp_path)
    monkeypatch.setattr("torch.cuda.get_device_properties", lambda device: Gpu(2**60))
    refuse_impossible(Architecture(d=10**6, N=32, L=10**3), T=64, device=device)


def test_memory_is_that_of_as_many_models_as_there_are_restarts() -> None:
    sizes = Architecture(d=64, N=16)
    workplace(sizes, 16_000, 512, restarts=1, stack=10**6)
    with pytest.raises(ValueError, match="training takes at least"):
        workplace(sizes, 16_000, 512, restarts=10**6, stack=10**6)


def test_memory_of_a_gpu_is_not_asked_for_what_runs_on_the_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    monkeypatch.setattr("torch.cuda.get_device_properties", lambda device: Gpu(1))
    refuse_impossible(Architecture(d=8, N=4, K=8), T=64, device="cpu")
