"""Measure with two processes at once, kill one of them twenty times: ``python tests/kill_writers.py FOLDER SEED``."""

import os
import random
import signal
import sys
import time
from pathlib import Path
from typing import Any

import torch
import x_transformers  # noqa: F401  # once, not in every fork

from ecmlib import Architecture, CapacityRecord, measure_mac

KILLS = 20
ARCHITECTURE = Architecture(d=4, H=1, N=4, K=8, head_dim=4)
MEASURED: dict[str, Any] = {"T": 64, "max_steps": 10, "eval_every": 5, "seed": 3, "compiled": False, "progress": False}


def restarts_in(folder: Path) -> int:
    paths = list(folder.glob("*.json"))
    return len(CapacityRecord.load(paths[0]).restarts) if paths else 0


def writer(folder: Path, restarts: int) -> int:
    """Start a process that measures; a fork, since importing PyTorch takes longer than all the rest."""
    if (process := os.fork()) == 0:
        measure_mac(ARCHITECTURE, restarts=restarts, results=folder, **MEASURED)
        os._exit(0)
    return process


def main() -> None:
    folder, moments = Path(sys.argv[1]), random.Random(int(sys.argv[2]))
    torch.set_num_threads(1)
    restarts = 2 * KILLS
    writers = [writer(folder, restarts) for _ in range(2)]
    for number in range(KILLS):
        while restarts_in(folder) <= number:  # no kill before there is something to lose
            time.sleep(0.01)
        time.sleep(moments.uniform(0, 0.1))
        before = restarts_in(folder)
        killed = moments.randrange(2)
        os.kill(writers[killed], signal.SIGKILL)
        os.waitpid(writers[killed], 0)
        assert restarts_in(folder) >= before, f"kill {number} lost a restart"
        writers[killed] = writer(folder, restarts)
    for process in writers:
        assert os.waitpid(process, 0)[1] == 0
    assert restarts_in(folder) == restarts


if __name__ == "__main__":
    main()
