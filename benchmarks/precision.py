"""Does the fast path change capacities? bfloat16 compiled against float32 eager, restart for restart of a grid."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from ecmlib import Architecture, Protocol, load_results
from ecmlib.files import write_atomically

FOLDER = Path(__file__).parent
SIDES = {"fast": "bfloat16", "plain": "float32"}


def compare(results: pd.DataFrame, quantity: str = "C_plateau_raw") -> tuple[pd.DataFrame, list[str]]:
    """Compare the restarts of both precisions, a row a configuration.

    Returns
    -------
    DataFrame
        Means, standard deviations, difference of means (fast - plain) and the p value of Welch's t-test, which is
        missing where neither side varies.
    list of str
        Configurations that have fewer than two restarts on a side.
    """
    configuration = (*Architecture.model_fields, *Protocol.model_fields, "P")
    keys = [name for name in configuration if name in results and name != "precision"]
    shown = [key for key in keys if key in ("d", "H", "N", "L", "K", "T") or results[key].nunique(dropna=False) > 1]
    rows: list[dict[str, Any]] = []
    lonely: list[str] = []
    for _, group in results.dropna(subset=[quantity]).groupby(keys, dropna=False):
        label = {
            key: group[key].iloc[0].item() if hasattr(group[key].iloc[0], "item") else group[key].iloc[0]
            for key in shown
        }
        counts = {side: group.loc[group["precision"] == name, quantity] for side, name in SIDES.items()}
        missing = [side for side, values in counts.items() if len(values) < 2]
        if missing:
            lonely.append(f"{label}: " + ", ".join(f"{len(values)} {side} restarts" for side, values in counts.items()))
            continue
        fast, plain = counts["fast"], counts["plain"]
        testable = max(fast.std(), plain.std()) > 0
        rows.append(
            label
            | {f"{side}_n": len(values) for side, values in counts.items()}
            | {f"{side}_mean": float(values.mean()) for side, values in counts.items()}
            | {f"{side}_sd": float(values.std()) for side, values in counts.items()}
            | {"difference": float(fast.mean() - plain.mean())}
            | {"p": float(stats.ttest_ind(fast, plain, equal_var=False).pvalue) if testable else None}
        )
    return pd.DataFrame(rows), lonely


def pooled(table: pd.DataFrame) -> dict[str, float]:
    """Compare over configurations: the ratio of mean capacities, fast / plain, paired, on a logarithmic scale.

    Returns
    -------
    dict
        Geometric mean ``ratio``, its 95 % t interval ``low`` to ``high``, and the paired t-test's ``p``.
    """
    logs = np.log(table["fast_mean"]) - np.log(table["plain_mean"])
    test = stats.ttest_1samp(logs, 0.0)
    interval = test.confidence_interval(0.95)
    return {
        "configurations": len(logs),
        "ratio": float(np.exp(logs.mean())),
        "low": float(np.exp(interval.low)),
        "high": float(np.exp(interval.high)),
        "p": float(test.pvalue),
    }


def main() -> None:
    """Print the comparison and write ``precision.json``."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--results", type=Path, default=FOLDER.parent / "results" / "precision")
    parser.add_argument("--fast", type=Path, help="folder whose bfloat16 records replace those of --results")
    parser.add_argument("--out", type=Path, default=FOLDER / "precision.json")
    arguments = parser.parse_args()
    results = load_results(arguments.results)
    if arguments.fast:
        fast = load_results(arguments.fast)
        results = pd.concat([results[results["precision"] == SIDES["plain"]], fast[fast["precision"] == SIDES["fast"]]])
    table, lonely = compare(results) if len(results) else (pd.DataFrame(), [])
    for line in lonely:
        print("left out:", line)
    print(table.to_string(index=False, float_format="{:.4g}".format) if len(table) else "no configuration has both")
    verdict = pooled(table) if len(table) > 1 else None
    if verdict is None:
        print("pooled: needs two configurations")
    else:
        print(
            "pooled: fast / plain = {ratio:.4f}, 95 % interval {low:.4f} to {high:.4f}, p = {p:.3f}".format(**verdict)
        )
    content = {"configurations": json.loads(table.to_json(orient="records")), "left_out": lonely, "pooled": verdict}
    write_atomically(arguments.out, json.dumps(content, indent=1) + "\n")


if __name__ == "__main__":
    main()
