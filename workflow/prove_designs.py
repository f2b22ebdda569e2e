"""Designs that test the law: drawn once, then each trained once, then told apart into hits and misses.

``python workflow/prove_designs.py draw GRID LAW.json`` writes the targets of a grid with their designs, and the grid
that trains them: twenty of any size (``designs-any``, and drawn again, ``designs-again``); for three of these the next
smaller architecture with the same target (``designs-any-smaller``, ``designs-again-smaller``): does it miss what the
design reaches? And, with ``--text FILE``, four for a text, by the law of text (``designs-text-law``) or by one of
random tokens (``designs-text``). ``... tabulate GRID`` writes the table of hits from what the grid has measured.
(The twenty of the grid ``designs`` were drawn by an earlier law, under the paper's protocol.)
"""

from __future__ import annotations

import argparse
import math
import random
from pathlib import Path
from typing import Any

import pandas as pd
import yaml

from ecmlib.laws.base import Law
from ecmlib.laws.design import best_design, smallest_architectures
from ecmlib.laws.points import SIZES
from ecmlib.laws.registry import load_law
from ecmlib.laws.text_design import smallest_for_text
from ecmlib.laws.text_law import TextLaw
from ecmlib.laws.worth import predicted
from ecmlib.protocol import Protocol
from ecmlib.reproduction.designs import (
    GRIDS_OF_DESIGNS,
    OF_ANY,
    OF_ANY_AGAIN,
    OF_TEXT,
    OF_TEXT_AS_RANDOM,
    OF_TOKENS,
    PROBABILITY,
    SMALLER_OF,
    SPARE,
    drawn_designs,
)
from ecmlib.text import Paths

GRIDS = Path(__file__).parent / "grids"
ALL_RESULTS = Path(__file__).parent.parent / "results"
T = 2048  # sequences of a text's library
LEAST = 40  # sequences of a target
LARGEST_D = 64  # so that twenty trainings take about an hour of one core
LOTS = {OF_ANY: 2028, "designs-any-smaller": 2030, OF_ANY_AGAIN: 2031, "designs-again-smaller": 2032}  # seeds of draws
SEED = 1  # another one than that of the grids the law was fitted on: new libraries, new weights
HEADER = """\
# Designs of the law, each trained once: workflow/prove_designs.py drew them, before any was trained. Another seed than
# that of the grids the law was fitted on: new libraries, new weights.
"""
TEXT_HEADER = """\
# Designs of the law for a text, each trained once, as the grids that the law was fitted on were trained:
# workflow/prove_designs.py drew them, before any was trained.
"""
# As the grids that the law was fitted on were.
TRAINED = Protocol.reference(seed=SEED).model_dump(
    include={"lr", "schedule", "warmup_steps", "max_steps", "precision", "seed"}
)
# What the notebook of texts might do otherwise.
AS_RANDOM_TOKENS: dict[str, Any] = {"optimizer": "adam", "decay_share": 0.3, "eval_every": 1000}


def draw_designs(law: Law, n: int = 20, seed: int = LOTS[OF_ANY]) -> pd.DataFrame:
    """Draw targets until ``n`` of them have different designs inside the law's region, with d <= 64.

    A target is a share from 0.03 to 0.9 of a library of 1,024 to 8,192 sequences over 48 to 512 tokens, each evenly on
    a logarithmic scale, at least 40 of them; a length N from 6 to 24; L from 1 to 3 layers of H from 1 to 6 heads of
    size 16, 32 or 64: with these left free, the cheapest ones would be the same for every target, and the proof would
    say nothing of the others. The design is `ecmlib.laws.design.best_design`, which is to reach the target with
    probability `PROBABILITY`. Only the law decides which targets are left out.

    Returns
    -------
    DataFrame
        A row a design: capacity (the target), its sizes, what the law predicts, and the law's name.
    """
    source = random.Random(seed)
    designs: dict[tuple[int, ...], pd.Series] = {}
    while len(designs) < n:
        K, T = (round(_evenly(source, *ends)) for ends in ((48, 512), (1024, 8192)))
        capacity = round(_evenly(source, 0.03, 0.9) * T)
        N, L, H, head_dim = (
            source.randint(6, 24),
            source.randint(1, 3),
            source.randint(1, 6),
            source.choice([16, 32, 64]),
        )
        if capacity < LEAST:
            continue
        wanted: dict[str, Any] = {"L": [L], "H": [H], "head_dim": head_dim, "probability": PROBABILITY}
        try:
            design = best_design(smallest_architectures(capacity, N, K, T, law=law, **wanted))
        except ValueError:  # more than the law gives to any architecture
            continue
        sizes = tuple(int(design[size]) for size in SIZES)
        if design["d"] <= LARGEST_D and not design["outside_region"] and sizes not in designs:
            designs[sizes] = pd.concat([pd.Series({"capacity": capacity}), design])
    return pd.DataFrame(designs.values()).assign(law=law.name).reset_index(drop=True)


def draw_smaller(designs: pd.DataFrame, law: Law, n: int = 3, seed: int = LOTS["designs-any-smaller"]) -> pd.DataFrame:
    """Draw ``n`` designs by lot, and give for each the largest one of less d that has less than 1 / `SPARE` of its P.

    Where such a model misses the target, its design has at most `SPARE` times the least P that reaches it: any wider
    model has that much.

    Returns
    -------
    DataFrame
        As `draw_designs`, a row a smaller model with the target of its design, and ``P_design``.
    """
    smaller = []
    for _, design in designs.sample(n, random_state=seed).sort_index().iterrows():
        sizes = {name: int(design[name]) for name in [*SIZES, "head_dim"]}
        widths = pd.DataFrame([sizes | {"d": d} for d in range(1, sizes["d"])])
        told = predicted(widths, law)
        model = told[told["P"] * SPARE < design["P"]].iloc[-1]
        smaller.append(pd.concat([pd.Series({"capacity": design["capacity"], "P_design": design["P"]}), model]))
    return pd.DataFrame(smaller).assign(law=law.name).reset_index(drop=True)


def draw_text_designs(law: Law, text: Paths, n: int = 4, seed: int = 2029) -> pd.DataFrame:
    """Draw targets for a text until ``n`` of them have different designs inside the law's region, with d <= 64.

    A target is a share from 0.1 to 0.6 of T = 2048 sequences, evenly; a length N from 6 to 16; a vocabulary K from 96
    to 512, evenly on a logarithmic scale; and a number of heads H from 1 to 4. The design is the best one that
    `ecmlib.laws.text_design.smallest_for_text` finds in the library that will be trained on.

    Returns
    -------
    DataFrame
        As `draw_designs`, with ``share``, and ``token_bits``, what a token takes.
    """
    source = random.Random(seed)
    designs: dict[tuple[int, ...], pd.Series] = {}
    while len(designs) < n:
        share = round(source.uniform(0.1, 0.6), 2)
        N, H = source.randint(6, 16), source.randint(1, 4)
        K = round(_evenly(source, 96, 512))
        try:
            design = best_design(smallest_for_text(text, N, K, share, law=law, T=T, H=[H], seed=SEED))
        except ValueError:  # more than the law gives to any architecture
            continue
        sizes = tuple(int(design[size]) for size in SIZES)
        # Of sizes alone: a law of random tokens, which is proved here too, was fitted to no other bits a token.
        beyond = law.evidence.outside(pd.DataFrame([sizes], columns=SIZES)).iloc[0]
        if design["d"] <= LARGEST_D and not beyond and sizes not in designs:
            designs[sizes] = pd.concat([pd.Series({"capacity": share * T, "share": share}), design])
    return pd.DataFrame(designs.values()).assign(law=law.name).reset_index(drop=True)


def write_grid(designs: pd.DataFrame, path: Path) -> None:
    """Write the grid that trains each design once."""
    _write(path, HEADER, "mac", TRAINED | {"eval_growth": 0.1}, designs, [*SIZES, "head_dim"])


def write_text_grid(designs: pd.DataFrame, path: Path, text: str = "runs/kjv.txt") -> None:
    """Write the grid that trains each design for a text once."""
    shared = {"content": "text", "text": text, "T": T} | TRAINED | AS_RANDOM_TOKENS
    _write(path, TEXT_HEADER, "text", shared, designs, list("dHNLK"))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    draw = commands.add_parser("draw")
    draw.add_argument("grid", choices=[grid for grid in GRIDS_OF_DESIGNS if grid != OF_TOKENS])
    draw.add_argument("law", help="a law that ecmlib has saved")
    draw.add_argument("--text", help="UTF-8 file, or a folder of files, for which to design")
    commands.add_parser("tabulate").add_argument("grid", choices=GRIDS_OF_DESIGNS)
    arguments = parser.parse_args()
    if arguments.command == "tabulate":
        _tabulate(arguments.grid, parser)
    else:
        _draw(arguments.grid, load_law(arguments.law), arguments.text, parser)


def _draw(grid: str, law: Law, text: Paths | None, parser: argparse.ArgumentParser) -> None:
    targets = ALL_RESULTS / grid / "targets.csv"
    if targets.exists():
        parser.error(f"results/{grid}/targets.csv exists: designs are drawn once, never again")
    if (grid in (OF_TEXT, OF_TEXT_AS_RANDOM)) != (text is not None):
        parser.error(f"--text: {text}; {grid} takes {'none' if text else 'one'}")
    if (grid == OF_TEXT) != (law.name == TextLaw.name):
        parser.error(f"law: {law.name}; {grid} is drawn by one of {'text' if grid == OF_TEXT else 'random tokens'}")
    path = GRIDS / f"{grid}.yaml"
    if text is not None:
        designs = draw_text_designs(law, text)
        write_text_grid(designs, path, str(text))
    elif grid in SMALLER_OF:
        designs = draw_smaller(_drawn(SMALLER_OF[grid], parser), law, seed=LOTS[grid])
        write_grid(designs, path)
    else:
        designs = draw_designs(law, seed=LOTS[grid])
        write_grid(designs, path)
    targets.parent.mkdir(parents=True, exist_ok=True)
    designs.to_csv(targets, index=False)


def _tabulate(grid: str, parser: argparse.ArgumentParser) -> None:
    table = _drawn(grid, parser)
    table.to_csv(ALL_RESULTS / grid / "hits.csv", index=False)
    print(table.to_string(index=False))
    print(
        f"{table['reached'].sum():.0f} of {table['held'].notna().sum()} trained designs reached their target; "
        f"{len(table)} drawn"
    )


def _drawn(grid: str, parser: argparse.ArgumentParser) -> pd.DataFrame:
    table = drawn_designs(ALL_RESULTS, grid)
    if table.empty:
        parser.error(f"results/{grid}/targets.csv is missing or empty: designs are drawn first")
    return table


def _evenly(source: random.Random, least: float, most: float) -> float:
    """Draw a number evenly on a logarithmic scale."""
    return math.exp(source.uniform(math.log(least), math.log(most)))


def _write(
    path: Path, header: str, experiment: str, shared: dict[str, Any], designs: pd.DataFrame, varied: list[str]
) -> None:
    configurations = [{size: int(row[size]) for size in varied} for _, row in designs.iterrows()]
    grid = {"experiment": experiment, "restarts": 1, "parameters": shared, "configurations": configurations}
    path.write_text(header + yaml.safe_dump(grid, default_flow_style=None, sort_keys=False), encoding="utf-8")


if __name__ == "__main__":
    main()
