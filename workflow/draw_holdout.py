"""Draw the configurations of a holdout grid: ``python workflow/draw_holdout.py [2025]`` prints them as YAML."""

from __future__ import annotations

import random
import sys
from pathlib import Path

import yaml
from grids import load_grid

from ecmlib.laws.registry import load_law

MOST = 0.8  # of T: what the present law says of a configuration of the fresh holdout, which is thus not full
LEAST = 40  # sequences, beyond what guessing explains


def draw_holdout(n: int = 20, seed: int = 2024, unsaturated: bool = False) -> list[dict[str, int]]:
    """Draw ``n`` different (d, H, N) from d in 8..128, H in 1..8, N in 4..32, none of them measured before.

    Parameters
    ----------
    n, seed : int
    unsaturated : bool
        Whether the present law must expect between `LEAST` sequences and `MOST` of the main grid's library, so that
        every configuration tells of a law, and none is on the first holdout.
    """
    others = ["mac-cpu", "holdout"] if unsaturated else ["mac-cpu"]
    measured = {job.name for grid in others for job in load_grid(grid).jobs(Path())}
    T = load_grid("mac-cpu").parameters["T"]
    law = load_law() if unsaturated else None
    drawn: dict[tuple[int, int, int], None] = {}
    source = random.Random(seed)
    while len(drawn) < n:
        d, H, N = source.randint(8, 128), source.randint(1, 8), source.randint(4, 32)
        expected = LEAST if law is None else float(law.predict(d=d, H=H, N=N, L=1, K=128, T=T))
        new = not any(name.startswith(f"d{d}_H{H}_N{N}_") for name in measured)
        if new and LEAST <= expected <= MOST * T:
            drawn[d, H, N] = None
    return [{"d": d, "H": H, "N": N} for d, H, N in drawn]


if __name__ == "__main__":
    fresh = draw_holdout(40, 2025, unsaturated=True) if sys.argv[1:] == ["2025"] else draw_holdout()
    print(yaml.safe_dump({"configurations": fresh}, default_flow_style=None, sort_keys=False))
