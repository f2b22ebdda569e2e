"""Twenty designs that test the law: drawn once, then each trained once, then told apart into hits and misses.

``python workflow/prove_designs.py draw LAW.json`` writes the targets with their designs and the grid that trains them;
``python workflow/prove_designs.py tabulate`` writes the table of hits from what the grid has measured.
"""

from __future__ import annotations

import argparse
import math
import random
from pathlib import Path

import pandas as pd
import yaml

from ecmlib import load_results
from ecmlib.laws.base import Law
from ecmlib.laws.design import best_design, design_hits, smallest_architectures
from ecmlib.laws.points import SIZES
from ecmlib.laws.registry import load_law

GRID = Path(__file__).parent / "grids" / "designs.yaml"
RESULTS = Path(__file__).parent.parent / "results" / "designs"
TARGETS = RESULTS / "targets.csv"
HITS = RESULTS / "hits.csv"
K, T = 128, 2048
LARGEST_D = 64  # so that twenty trainings take about an hour of one core
HEADER = """\
# Designs of the law, each trained once: workflow/prove_designs.py drew them, before any was trained. Another seed than
# that of the grids the law was fitted on: new libraries, new weights.
"""


def draw_designs(law: Law, n: int = 20, seed: int = 2026, level: float = 0.9) -> pd.DataFrame:
    """Draw targets until ``n`` of them have different designs inside the law's region, with d <= 64.

    A target is a capacity from 20 to 1800, evenly on a logarithmic scale, a length N from 4 to 16 and a number of heads
    H from 1 to 4: with heads left free, one is the cheapest for every target, and the proof would say nothing of the
    others. The design is `ecmlib.laws.design.best_design`. Only the law decides which targets are left out.

    Returns
    -------
    DataFrame
        A row a design: capacity (the target), its sizes, what the law predicts, and the law's name.
    """
    source = random.Random(seed)
    designs: dict[tuple[int, ...], pd.Series] = {}
    while len(designs) < n:
        capacity = round(math.exp(source.uniform(math.log(20), math.log(1800))))
        N, H = source.randint(4, 16), source.randint(1, 4)
        try:
            design = best_design(smallest_architectures(capacity, N, K=K, T=T, H=[H], law=law, level=level))
        except ValueError:  # more than the law gives to any architecture
            continue
        sizes = tuple(int(design[size]) for size in SIZES)
        if design["d"] <= LARGEST_D and not design["outside_region"] and sizes not in designs:
            designs[sizes] = pd.concat([pd.Series({"capacity": capacity}), design])
    return pd.DataFrame(designs.values()).assign(law=law.name).reset_index(drop=True)


def write_grid(designs: pd.DataFrame, path: Path = GRID) -> None:
    """Write the grid that trains each design once."""
    shared = {"K": K, "T": T, "max_steps": 10000, "precision": "bfloat16", "seed": 1}
    configurations = [{size: int(row[size]) for size in "dHNL"} for _, row in designs.iterrows()]
    grid = {"experiment": "mac", "restarts": 1, "parameters": shared, "configurations": configurations}
    path.write_text(HEADER + yaml.safe_dump(grid, default_flow_style=None, sort_keys=False), encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("draw").add_argument("law", help="a law that ecmlib has saved")
    commands.add_parser("tabulate")
    arguments = parser.parse_args()
    if arguments.command == "draw":
        if TARGETS.exists():
            parser.error("results/designs/targets.csv exists: designs are drawn once, never again")
        designs = draw_designs(load_law(arguments.law))
        RESULTS.mkdir(parents=True, exist_ok=True)
        designs.to_csv(TARGETS, index=False)
        write_grid(designs)
    else:
        hits = design_hits(pd.read_csv(TARGETS), load_results(RESULTS))
        hits.to_csv(HITS, index=False)
        trained = hits["C_plateau"].notna()
        print(hits.to_string(index=False))
        print(f"{hits['reached'].sum():.0f} of {trained.sum()} trained designs reached their target; {len(hits)} drawn")


if __name__ == "__main__":
    main()
