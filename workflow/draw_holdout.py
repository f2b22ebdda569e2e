"""Draw the configurations of the grid ``holdout``: ``python workflow/draw_holdout.py`` prints them as YAML."""

from __future__ import annotations

import random
from pathlib import Path

import yaml
from grids import load_grid


def draw_holdout(n: int = 20, seed: int = 2024) -> list[dict[str, int]]:
    """Draw ``n`` different (d, H, N) from d in 8..128, H in 1..8, N in 4..32, none of them on the main grid."""
    measured = {job.name for job in load_grid("mac-cpu").jobs(Path())}
    drawn: dict[tuple[int, int, int], None] = {}
    source = random.Random(seed)
    while len(drawn) < n:
        d, H, N = source.randint(8, 128), source.randint(1, 8), source.randint(4, 32)
        if not any(name.startswith(f"d{d}_H{H}_N{N}_") for name in measured):
            drawn[d, H, N] = None
    return [{"d": d, "H": H, "N": N} for d, H, N in drawn]


if __name__ == "__main__":
    print(yaml.safe_dump({"configurations": draw_holdout()}, default_flow_style=None, sort_keys=False))
