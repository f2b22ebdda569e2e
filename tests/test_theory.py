import pandas as pd

from ecmlib import load_results
from ecmlib.reproduction.theory import BOUNDS, promised_capacities


def test_bounds_of_one_architecture() -> None:
    row = {"d": 32, "H": 4, "N": 8, "L": 1, "K": 128, "T": 2048, "P": 41216, "head_dim": 64, "C_plateau": 700.0}
    promised = promised_capacities(pd.DataFrame([row, row | {"C_plateau": 600.0}])).set_index("bound")["promised"]
    assert promised.to_dict() == {"H min(N-1, h)": 28, "H h + d": 288, "P / (K-1)": 41216 / 127}


def test_only_open_ended_configurations_are_compared() -> None:
    results = load_results("results/mac-cpu")
    promised = promised_capacities(results)
    open_ended = (results.groupby(["d", "H", "N"])["C_plateau_raw"].max() < 2048).sum()
    assert len(promised) == open_ended * len(BOUNDS)
