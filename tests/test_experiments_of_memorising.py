"""MLS beside MAC, and epochs to shatter: comparison and verdict on invented records, whose answers are known."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from ecmlib import Architecture, MlsRecord, ShatterRecord, epochs_to_shatter, random_library
from ecmlib.mls_record import MlsProtocol, MlsTrial
from ecmlib.protocol import Protocol
from ecmlib.provenance import provenance
from ecmlib.reproduction import mac_and_mls, parameters, shattering
from ecmlib.reproduction.distributions import FITS
from ecmlib.reproduction.mac_and_mls import plot_mac_and_mls
from ecmlib.reproduction.reach import output_rows, token_reach
from ecmlib.reproduction.shattering import plot_quantiles, plot_reach
from ecmlib.reproduction.stats import NOT_MEASURED
from ecmlib.restart import Status, seed_of_restart
from ecmlib.shatter_record import ShatterProtocol

PROVENANCE = provenance("cpu", threads=1, compiled=False, seconds=1, core_seconds=1)
SIZES = (8, 12, 16, 24, 48, 64)
T, K = 2048, 128


def search(d: int, H: int, memorised: int, T_max: int = 16384) -> MlsRecord:
    """A search that found ``memorised`` at once, and that one sequence more is too many."""

    def trial(size: int, status: Status) -> MlsTrial:
        count, seed = size if status == "complete" else 0, seed_of_restart(0, 0)
        return MlsTrial(T=size, seed=seed, status=status, steps=1, best_count=count, provenance=PROVENANCE)

    trials = [trial(memorised, "complete")] + [trial(memorised + 1, "plateau")] * (memorised < T_max)
    protocol = MlsProtocol(restarts=1, T_max=T_max, training=Protocol(T=T_max))
    return MlsRecord(architecture=Architecture(d, H=H, N=8), protocol=protocol, trials=trials)


def counted(d: int, H: int, raw: float) -> dict[str, float]:
    sizes = {"d": d, "H": H, "N": 8, "L": 1, "K": K, "T": T}
    return sizes | {"C_plateau_raw": raw, "C_plateau": (raw - T / K) / (1 - 1 / K)}


def both_ways(power: float = 1, lag: float = 1.2, offset: float = T / K) -> pd.DataFrame:
    """Invent capacities: raw MAC lies ``offset`` above MLS to a power, and at large d MLS is ahead by ``lag``."""
    searches, rows = [], []
    for H in (1, 2):
        for d in SIZES:
            wobble = d % 3 - 1
            common = 5 * H * d
            memorised = round(common * lag) if d > 16 else common
            searches.append(search(d, H, memorised))
            rows.append(counted(d, H, common**power + offset + wobble))
    return mac_and_mls.compare(searches, pd.DataFrame(rows))


@pytest.mark.parametrize(
    ("invented", "verdict"),
    [
        (both_ways(), "supported"),
        (both_ways(lag=1), "mixed"),
        (both_ways(lag=1.5, offset=24), "mixed"),
        (both_ways(power=1.2, lag=1), "not supported"),
    ],
)
def test_mls_verdict_follows_shape_offset_and_lag(invented: pd.DataFrame, verdict: str) -> None:
    assert len(invented) == 12
    assert mac_and_mls.judge(invented).verdict == verdict


def test_lag_at_large_d_is_told_at_large_d_alone() -> None:
    small = both_ways().assign(d=lambda rows: rows["d"] / 2, core_hours=lambda rows: 0.1 * rows["d"], tries=2)
    finding = mac_and_mls.judge(small)
    assert finding.verdict == "not testable here"
    assert (
        f"about {2 * (32 + 64) * 0.1 * 5 / 2:.0f} core-hours, as the cost of those up to d = 32 grows" in finding.note
    )


def test_mls_is_not_judged_on_too_few_or_bounded_architectures() -> None:
    assert mac_and_mls.judge(both_ways().head(4)) == NOT_MEASURED
    assert mac_and_mls.judge(both_ways().assign(censored=True)) == NOT_MEASURED
    assert mac_and_mls.judge(both_ways().assign(T=60)) == NOT_MEASURED
    assert mac_and_mls.judge(pd.DataFrame()) == NOT_MEASURED


def test_only_finished_searches_with_a_capacity_are_compared() -> None:
    rows = pd.DataFrame([counted(8, 1, 40), counted(8, 1, 50), counted(16, 1, 60)])
    unfinished = search(16, 1, 30).model_copy(update={"trials": search(16, 1, 30).trials[:1]})
    (row,) = mac_and_mls.compare([search(8, 1, 20), unfinished, search(32, 1, 90)], rows).to_dict("records")
    assert (row["d"], row["MLS"], row["not_memorised"], row["MAC_raw"], row["offset"]) == (8, 20, 21, 50, 30)
    assert mac_and_mls.compare([search(8, 1, 20)], pd.DataFrame()).empty


def test_possible_ends_before_the_first_unreachable_token() -> None:
    table = mac_and_mls.compare(
        [search(8, 1, 20), search(32, 1, 20)], pd.DataFrame([counted(8, 1, 40), counted(32, 1, 40)])
    )
    small, large = table["possible"]
    last = random_library(16384, 8, K, 0)[:, -1]
    reach = token_reach(output_rows(Architecture(8, N=8), seed=seed_of_restart(0, 0)), last[: small + 1].numpy())
    assert (reach[:-1] > 0).all()
    assert reach[-1] == 0
    assert large == 16384


def test_censored_search_is_drawn_as_a_bound() -> None:
    table = mac_and_mls.compare([search(8, 1, 64, T_max=64)], pd.DataFrame([counted(8, 1, 90)]))
    assert table["censored"].tolist() == [True]
    (axes,) = plot_mac_and_mls(table).axes
    (bound,) = [line for line in axes.lines if line.get_color() == "white" and len(line.get_xdata())]
    assert bound.get_xydata().tolist() == [[8, 64]]


def test_nothing_measured_and_nothing_to_be_trained_is_said(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="no architecture is measured both ways; train = True measures them"):
        mac_and_mls.measure_both(
            [8],
            [1],
            4,
            8,
            T=8,
            search={"T_start": 1, "T_max": 8},
            training={},
            results=tmp_path,
            mac_results=[tmp_path],
            train=False,
        )
    assert not list(tmp_path.iterdir())


def test_both_methods_are_read_only_if_the_search_was_the_one_asked_for() -> None:
    folders = {"results": "results/mls", "mac_results": ["results/mls-mac"], "train": False}
    training = {"min_steps": 5000, "max_steps": 10000, "precision": "bfloat16"}
    search = {"T_start": 16, "T_max": 16384, "tolerance": 0.02, "restarts": 2}
    searches, _ = mac_and_mls.measure_both([12], [1], 8, 128, T=2048, search=search, training=training, **folders)
    assert [found.protocol.restarts for found in searches] == [2]
    with pytest.raises(ValueError, match=r"holds another configuration \(protocol\)"):
        mac_and_mls.measure_both(
            [12], [1], 8, 128, T=2048, search={**search, "tolerance": 0.1}, training=training, **folders
        )


def test_shatter_reads_what_is_there_and_trains_only_if_it_may(tmp_path: Path) -> None:
    sizes = {"H": 1, "N": 4, "K": 8, "T": 4, "trials": 3, "lr": 0.01}
    with pytest.raises(FileNotFoundError, match="no trial is there; train = True measures them"):
        shattering.measure([8], **sizes, results=tmp_path, train=False)
    measured = shattering.measure([8], **sizes, results=tmp_path)
    assert shattering.measure([8, 12], **sizes, results=tmp_path, train=False) == measured
    with pytest.raises(ValueError, match="Tt = 9: extra inputs are not permitted"):
        shattering.measure([8], **sizes, Tt=9, results=tmp_path, train=False)


def trials(epochs: np.ndarray, d: int = 16) -> ShatterRecord:
    return ShatterRecord(
        architecture=Architecture(d, N=8),
        protocol=ShatterProtocol(trials=len(epochs)),
        epochs=epochs.tolist(),
        provenance=[PROVENANCE],
    )


def drawn(how: str, d: int = 16) -> ShatterRecord:
    generator = np.random.default_rng(2)
    if how == "negative binomial":
        return trials(generator.negative_binomial(12, 12 / 312, size=600), d)
    return trials(np.rint(np.exp(5 + 0.8 * generator.standard_normal(600))).astype(int), d)


@pytest.mark.parametrize(
    ("how", "verdict"),
    [
        (["negative binomial"], "supported"),
        (["log-normal"], "not supported"),
        (["negative binomial", "log-normal"], "mixed"),
    ],
)
def test_shatter_verdict_follows_the_distribution(how: list[str], verdict: str) -> None:
    table = shattering.compare([drawn(name, d) for name, d in zip(how, (16, 32), strict=False)], bootstraps=20)
    assert len(table) == 5 * len(how)
    assert shattering.judge(table).verdict == verdict
    assert shattering.judge(pd.DataFrame()) == NOT_MEASURED


def test_trials_that_are_not_all_done_are_not_measured_yet() -> None:
    whole = drawn("negative binomial")
    unfinished = whole.model_copy(update={"epochs": whole.epochs[:5]})
    censored = whole.model_copy(update={"epochs": [None, *whole.epochs[1:]]})
    assert shattering.judge(shattering.compare([unfinished, censored])) == NOT_MEASURED
    assert len(shattering.compare([unfinished, whole, censored], bootstraps=1)) == 5


def test_reach_is_that_of_the_hardest_last_token_of_each_trial() -> None:
    size = Architecture(d=8, H=1, N=4, K=8, head_dim=4)
    record = epochs_to_shatter(size, T=4, trials=12, lr=0.01, max_epochs=60, progress=False)
    reached = shattering.reaches([record])
    assert reached["epochs"].tolist() == [epochs for epochs in record.epochs if epochs is not None]
    assert (reached["reach"] > 0).all(), "what was memorised was within reach"
    (axes,) = plot_reach(reached).axes
    assert sorted(axes.lines[0].get_xydata().tolist()) == sorted(reached[["reach", "epochs"]].to_numpy(float).tolist())


def test_quantiles_are_drawn_against_the_line_of_a_perfect_fit() -> None:
    counts = [5, 6, 7, 7, 8, 8, 9, 12, 20, 31]
    (axes,) = plot_quantiles(counts).axes
    *fits, perfect = axes.lines
    assert [line.get_ydata().tolist() for line in fits] == [counts] * 5
    assert perfect.get_xydata().tolist() == [[5, 5], [31, 31]]
    labels = [text.get_text() for text in axes.get_legend().get_texts()]
    assert labels == [*FITS, "perfect fit"]


def test_rank_correlation_is_found() -> None:
    generator = np.random.default_rng(0)
    reach = generator.random(200)
    opposed = pd.DataFrame({"reach": reach, "epochs": np.rint(100 / (reach + 0.1))})
    assert shattering.rank_correlation(opposed).value == pytest.approx(-1, abs=0.01)
    shuffled = opposed.assign(reach=generator.permutation(reach))
    assert shattering.rank_correlation(shuffled).contains(0)


def test_parameter_verdict_follows_the_counts() -> None:
    table = parameters.count([Architecture(d, H=H) for d in (8, 12) for H in (1, 2)])
    assert parameters.judge(table).verdict == "supported"
    assert parameters.judge(table.assign(built=table["built"] + (table["d"] == 8))).verdict == "not supported"
