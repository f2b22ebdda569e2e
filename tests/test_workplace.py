import os
import subprocess
import sys

import pytest

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
