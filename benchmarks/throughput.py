"""How much faster is ecmlib than the plain loop? Interleaved rounds in fresh processes; see `COLUMNS`."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import seaborn as sns
import torch
from loops import step_flops
from matplotlib.figure import Figure
from tqdm.auto import tqdm

from ecmlib import Architecture
from ecmlib.figures.style import save_svg
from ecmlib.files import write_atomically
from ecmlib.workplace import WORKER_ENVIRONMENT, resolve_device

FOLDER = Path(__file__).parent
CASES = [
    (16, 1, 8, 2048),
    (64, 1, 8, 2048),
    (64, 4, 16, 2048),
    (128, 2, 32, 2048),
    (128, 8, 32, 2048),
    (256, 4, 32, 2048),
    (64, 4, 16, 16000),
]
# What is varied for the slopes; the other sizes are those of the first dict.
SLOPE_BASE = {"d": 64, "H": 2, "N": 16, "T": 2048}
SLOPES: dict[str, list[dict[str, int]]] = {
    "T": [{"T": 2048}, {"T": 4096}, {"T": 8192}],
    "N": [{"N": 8}, {"N": 16}, {"N": 32}],
    "P": [{"d": 32}, {"d": 64}, {"d": 128}],
}
RUN_STEPS = 5000
BATCH_SIZE = 512
ROUNDS = 2
CORES = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
COLUMNS = {
    "plain_runs_per_hour": "runs of 5000 steps with evaluations, extrapolated from steps/s; one process, all cores",
    "fast_runs_per_hour": "the same of ecmlib, summed over as many one-thread processes as cores",
    "ratio": "fast / plain, median of the rounds' ratios",
    "first_step_s": "fast: from launch to the end of the first step, imports included, compile cache warm; slowest",
    "plain_mib": "peak resident memory of the plain process",
    "fast_mib": "peak resident memory of the largest fast process",
    "fast_gflops": "model FLOP/s of one fast process (loops.step_flops: training and evaluations)",
    "peak_share": "fast_gflops over this machine's bfloat16 matrix product with as many processes at once",
    "plain_peak_share": "the same of the plain loop in float32, per core",
}


def run_processes(task: dict[str, Any], n: int, threads: int) -> list[dict[str, float]]:
    """Run ``loops.py`` in ``n`` fresh processes at once and return what each printed."""
    environment = os.environ | (WORKER_ENVIRONMENT if threads == 1 else {"OMP_NUM_THREADS": str(threads)})
    command = [sys.executable, str(FOLDER / "loops.py"), json.dumps(task)]
    processes = [subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) for _ in range(n)]
    outputs = [process.communicate()[0] for process in processes]
    if any(process.returncode for process in processes):
        raise RuntimeError(f"a process failed: {task}")
    return [json.loads(output) for output in outputs]


def timed(
    loop: str, case: tuple[int, int, int, int], budget: float, device: str, max_periods: int = 40
) -> list[dict[str, float]]:
    """Run one round of one loop: one process with all cores ("plain") or one a core ("fast"); on CUDA one of each."""
    d, H, N, T = case
    task: dict[str, Any] = {
        "loop": loop,
        "sizes": {"d": d, "H": H, "N": N},
        "T": T,
        "budget": budget,
        "max_periods": max_periods,
        "device": device,
    }
    task |= {"launched": time.time()}
    return run_processes(task, 1, CORES) if loop == "plain" else run_processes(task, at_once(device), 1)


def at_once(device: str) -> int:
    """Fast processes side by side: one a core, and one on a GPU."""
    return 1 if device == "cuda" else CORES


def row(case: tuple[int, int, int, int], peaks: dict[str, float], budget: float, device: str) -> dict[str, Any]:
    """Measure one case in interleaved rounds: a row of the table."""
    d, H, N, T = case
    timed("fast", case, 0, device, max_periods=0)  # fills the compile cache; what follows are second processes
    rounds = [{loop: timed(loop, case, budget, device) for loop in ("plain", "fast")} for _ in range(ROUNDS)]
    speed = {loop: [sum(p["steps_per_s"] for p in r[loop]) for r in rounds] for loop in ("plain", "fast")}
    plain, fast = (float(np.median(speed[loop])) for loop in ("plain", "fast"))
    work = step_flops(Architecture(d=d, H=H, N=N), T, BATCH_SIZE)
    return {
        **{"d": d, "H": H, "N": N, "T": T},
        "plain_runs_per_hour": plain * 3600 / RUN_STEPS,
        "fast_runs_per_hour": fast * 3600 / RUN_STEPS,
        "ratio": float(np.median(np.divide(speed["fast"], speed["plain"]))),
        "first_step_s": float(np.median([max(p["first_step_s"] for p in r["fast"]) for r in rounds])),
        "plain_mib": max(p["peak_mib"] for r in rounds for p in r["plain"]),
        "fast_mib": max(p["peak_mib"] for r in rounds for p in r["fast"]),
        "fast_gflops": fast / at_once(device) * work / 1e9,
        "peak_share": fast / at_once(device) * work / peaks["bfloat16"],
        "plain_peak_share": plain / at_once(device) * work / peaks["float32"],
    }


def slopes(budget: float, device: str) -> dict[str, float]:
    """Log-log slopes of ecmlib's seconds: a pass over the library against T, a step against N and P."""
    fitted = {}
    speeds: dict[tuple[int, int, int, int], float] = {}  # the base size is part of every line
    for name, variants in tqdm(SLOPES.items(), desc="slopes"):
        sizes, seconds = [], []
        for variant in variants:
            size = SLOPE_BASE | variant
            d, H, N, T = (size[key] for key in ("d", "H", "N", "T"))
            if (d, H, N, T) not in speeds:
                speeds[d, H, N, T] = float(
                    np.median([p["steps_per_s"] for p in timed("fast", (d, H, N, T), budget, device)])
                )
            steps = T / BATCH_SIZE if name == "T" else 1
            sizes.append(Architecture(d=d, H=H, N=N).n_params if name == "P" else size[name])
            seconds.append(steps / speeds[d, H, N, T])
        fitted[name] = float(np.polyfit(np.log(sizes), np.log(seconds), 1)[0])
    return fitted


def bar_chart(table: pd.DataFrame) -> Figure:
    """Draw runs per hour of both loops, on a logarithmic axis."""
    named = table.assign(case=[f"{r.d},{r.H},{r.N}\nT={r.T}" for r in table.itertuples()])
    long = named.melt(
        "case", ["plain_runs_per_hour", "fast_runs_per_hour"], var_name="loop", value_name="runs per hour"
    )
    long["loop"] = long["loop"].map({"plain_runs_per_hour": "plain loop", "fast_runs_per_hour": "ecmlib"})
    figure = Figure(figsize=(8, 4), layout="constrained")
    axes = figure.subplots()
    sns.barplot(long, x="case", y="runs per hour", hue="loop", ax=axes)
    axes.set(yscale="log", xlabel="d, H, N")
    return figure


def main() -> None:
    """Measure, print the table, write ``throughput.json`` and ``throughput.svg``."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", nargs="*", help="only these, as d,H,N or d,H,N,T; slopes are then left out")
    parser.add_argument("--seconds", type=float, default=5.0, help="longest time measured of one process")
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu", help="cuda writes throughput-cuda.json")
    parser.add_argument("--out", type=Path, default=FOLDER, help="folder of throughput.json and throughput.svg")
    arguments = parser.parse_args()
    device = str(resolve_device(arguments.device))
    name = "throughput" if device == "cpu" else f"throughput-{device}"
    wanted = [tuple(map(int, text.split(","))) for text in arguments.cases or []]
    cases = [case for case in CASES if not wanted or case in wanted or case[:3] in wanted]
    if unknown := [case for case in wanted if not any(case in (known, known[:3]) for known in CASES)]:
        parser.error(f"--cases: {unknown} are none of {CASES}")
    peaks = {}
    for precision in ("float32", "bfloat16"):
        task = {"loop": "matmul", "precision": precision, "device": device}
        peaks[precision] = float(np.median([p["peak_flops"] for p in run_processes(task, at_once(device), 1)]))
    table = pd.DataFrame([row(case, peaks, arguments.seconds, device) for case in tqdm(cases, desc="cases")])
    fitted = {} if wanted else slopes(arguments.seconds / 2, device)
    print(table.to_string(index=False, float_format="{:.3g}".format))
    print(f"median ratio {table['ratio'].median():.2f}, worst {table['ratio'].min():.2f}; goal 6 and 5")
    print("matrix product, GFLOP/s a core:", {name: round(peak / 1e9, 1) for name, peak in peaks.items()})
    print("log-log slopes (goal: at most 1):", {name: round(slope, 2) for name, slope in fitted.items()})
    content = {
        "columns": COLUMNS,
        "device": torch.cuda.get_device_name() if device == "cuda" else device,
        "cores": CORES,
        "rounds": ROUNDS,
        "matmul_peak_flops_per_core": peaks,
        "slopes": fitted,
        "cases": table.to_dict("records"),
    }
    write_atomically(arguments.out / f"{name}.json", json.dumps(content, indent=1) + "\n")
    save_svg(bar_chart(table), arguments.out / f"{name}.svg", "throughput")


if __name__ == "__main__":
    main()
