"""How long does everything but training take, and how does it grow with the records? See `COLUMNS`."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ecmlib import Architecture, CapacityRecord, Protocol, load_results
from ecmlib.curve import Curve
from ecmlib.files import write_atomically
from ecmlib.laws.fitting import FitWarning
from ecmlib.laws.signal import SignalLaw
from ecmlib.provenance import Provenance
from ecmlib.restart import Restart, seeds_of_restart

FOLDER = Path(__file__).parent
ROOT = FOLDER.parent
RECORDS = [10, 100, 1_000, 10_000]
BOOTSTRAPS = 1000
POINTS = 50  # of a synthetic record's curve
COLUMNS = {
    "import_s": "python -c 'import ecmlib', median of 5",
    "fit_s": f"our law on results/mac-cpu with {BOOTSTRAPS} bootstraps",
    "tests_s": "make test",
    "book_s": "make book: cold, since it begins with an empty _build",
    "growth": "seconds to read so many synthetic records of one restart, and to fit our law to them without bootstraps",
    "slopes": "of log seconds over log records, between the last two sizes; 1 is linear",
}


def seconds(work: Callable[[], object]) -> float:
    """Time a call on the clock."""
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def command(*words: str) -> None:
    """Run a command in the checkout, without its output; an error stops all."""
    environment = os.environ | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    subprocess.run(words, cwd=ROOT, env=environment, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def synthetic(number: int) -> CapacityRecord:
    """Return record ``number``, unlike all others: capacities of a law, with scatter."""
    random = np.random.default_rng(number)
    d, H, N = 8 + number % 120, 1 + number // 120 % 4, 4 + number // 480 % 28
    architecture, protocol = Architecture(d=d, H=H, N=N), Protocol(T=2048)
    most = min(2000.0, 60 * d * H**0.5 / (N - 1) * np.exp(0.1 * random.standard_normal()))
    counts = [int(most * share) for share in np.linspace(0, 1, POINTS)]
    curve = Curve(
        step=[31 * point for point in range(POINTS)],
        last_count=counts,
        full_count=[count // 2 for count in counts],
        bits=np.linspace(7, 5, POINTS).tolist(),
    )
    restart = Restart(
        seed=seeds_of_restart(protocol, 0).weights,
        status="plateau",
        **curve.model_dump(),
        provenance=Provenance(
            commit=None, versions={}, device="cpu", threads=1, compiled=False, seconds=1.0, core_seconds=1.0
        ),
    )
    return CapacityRecord(architecture=architecture, protocol=protocol, restarts=[restart])


def fit(frame: pd.DataFrame, bootstraps: int) -> None:
    """Fit our law, whatever doubts it has: here only time counts."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FitWarning)
        SignalLaw.fit(frame, starts=20, bootstraps=bootstraps)


def growth(sizes: list[int]) -> pd.DataFrame:
    """Time reading and fitting, a row a number of records."""
    rows: list[dict[str, Any]] = []
    for n in sizes:
        with tempfile.TemporaryDirectory() as folder:
            for number in range(n):
                record = synthetic(number)
                (Path(folder) / record.file_name).write_text(record.model_dump_json(), encoding="utf-8")
            read: list[pd.DataFrame] = []
            reading = seconds(lambda folder=folder, read=read: read.append(load_results(folder)))
            assert len(read[0]) == n
            fitting = seconds(lambda frame=read[0]: fit(frame, bootstraps=0))
        rows.append({"records": n, "read_s": reading, "fit_s": fitting})
    return pd.DataFrame(rows)


def slopes(table: pd.DataFrame) -> dict[str, float]:
    """Return the exponents of the last step of growth: constant costs have weighed least there."""
    logs = np.log(table.iloc[-2:])
    return {name: float(np.diff(logs[name])[0] / np.diff(logs["records"])[0]) for name in ("read_s", "fit_s")}


def main() -> None:
    """Measure, print, write ``project.json``."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--largest", type=int, default=max(RECORDS), help="number of synthetic records")
    parser.add_argument("--short", action="store_true", help="neither the tests nor the book")
    parser.add_argument("--out", type=Path, default=FOLDER / "project.json")
    arguments = parser.parse_args()
    sizes = [n for n in RECORDS if n <= arguments.largest]
    if len(sizes) < 2:
        parser.error(f"--largest {arguments.largest}: at least {RECORDS[1]}")
    imports = [seconds(lambda: command(sys.executable, "-c", "import ecmlib")) for _ in range(5)]
    table = growth(sizes)
    main_grid = load_results(ROOT / "results" / "mac-cpu")
    content: dict[str, Any] = {
        "columns": COLUMNS,
        "import_s": float(np.median(imports)),
        "fit_s": seconds(lambda: fit(main_grid, BOOTSTRAPS)),
        "growth": table.to_dict("records"),
        "slopes": slopes(table),
    }
    if not arguments.short:
        content["tests_s"] = seconds(lambda: command("make", "test"))
        content["book_s"] = seconds(lambda: command("make", "book"))
    print(json.dumps({name: value for name, value in content.items() if name != "columns"}, indent=1))
    write_atomically(arguments.out, json.dumps(content, indent=1) + "\n")


if __name__ == "__main__":
    main()
