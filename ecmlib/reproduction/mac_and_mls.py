"""Do counting (MAC) and complete memorisation (MLS) measure the same capacity? (paper, Fig. 4; claim R3)"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from ecmlib.architecture import Architecture
from ecmlib.capacity import measure_mac
from ecmlib.chance import FULL, at_least_one, expected_guesses
from ecmlib.figures.style import new_panels, shared_legend, styled
from ecmlib.files import named_folder
from ecmlib.laws.points import ONE_BUDGET, SIZES, configurations
from ecmlib.library import random_library
from ecmlib.mls import measure_mls
from ecmlib.mls_record import MlsProtocol, MlsRecord
from ecmlib.protocol import Protocol
from ecmlib.record import load_files, record_name
from ecmlib.reproduction.measure import combinations, listed, measured, records_of
from ecmlib.reproduction.reach import output_rows, token_reach
from ecmlib.reproduction.stats import NOT_MEASURED, Finding, Statement, above, equals, least_squares, mean
from ecmlib.results import CapacityRecord
from ecmlib.workplace import Compiled, refuse_impossible

_ARCHITECTURE = [size for size in SIZES if size != "T"]  # a search chooses T
_SERIES = {"MAC_raw": "MAC, as counted", "MAC": "MAC less guesses", "MLS": "MLS"}
LARGE = 64  # d that must be reached before a lag at large d is judged
_TELLING, _TRIES = (32, LARGE), 5  # sizes and restarts that would tell


def compare(searches: Sequence[MlsRecord], counted: pd.DataFrame) -> pd.DataFrame:
    """Put both capacities of every architecture side by side.

    Parameters
    ----------
    searches : sequence of MlsRecord
        Finished or not; one without an upper limit yet is left out.
    counted : DataFrame
        MAC measurements, a row a restart, as `ecmlib.load_results` returns them.

    Returns
    -------
    DataFrame
        A row an architecture measured both ways: ``d``, ``H``, ``N``, ``MLS``, ``not_memorised`` (the next larger size
        tried), ``censored``, ``possible``, ``MAC_raw`` and ``MAC`` (best restart), ``T``, ``guesses`` (T/K),
        ``offset``, MAC_raw less MLS; ``core_hours`` of the search and its ``tries`` at a size. ``possible`` is the
        largest library that the frozen output maps of the search's tries let any weights memorise: from the next
        sequence on, there is a last token that no state makes the most likely one
        (`ecmlib.reproduction.reach.token_reach`).
    """
    rows: list[dict[str, Any]] = []
    if counted.empty:
        return pd.DataFrame()
    points = configurations(counted, ["C_plateau_raw", "C_plateau"], [*ONE_BUDGET, "T"]).to_dict("records")
    best = {tuple(point[name] for name in _ARCHITECTURE): point for point in points}
    for search in searches:
        size = search.architecture
        key = tuple(getattr(size, name) for name in _ARCHITECTURE)
        if key not in best or search.next_size() is not None:
            continue
        raw, corrected, T = (best[key][name] for name in ("C_plateau_raw", "C_plateau", "T"))
        rows.append(
            {"d": size.d, "H": size.H, "N": size.N, "MLS": search.memorised, "not_memorised": search.not_memorised}
            | {"censored": search.censored, "possible": _possible(search), "MAC_raw": raw, "MAC": corrected}
            | {"T": T, "guesses": expected_guesses(T, size.K), "offset": raw - search.memorised}
            | {"core_hours": sum(trial.provenance.core_seconds for trial in search.trials) / 3600}
            | {"tries": search.protocol.restarts}
        )
    return pd.DataFrame(rows).sort_values(["H", "d"], ignore_index=True) if rows else pd.DataFrame()


def measure_both(
    d: list[int],
    H: list[int],
    N: int,
    K: int,
    *,
    T: int,
    search: Mapping[str, Any],
    training: Mapping[str, Any],
    results: str | Path,
    mac_results: Sequence[str | Path],
    device: str = "auto",
    compiled: Compiled = "auto",
    train: bool = True,
) -> tuple[list[MlsRecord], pd.DataFrame]:
    """Measure what is not on disk yet of MLS and MAC, for every combination of d and H.

    Parameters
    ----------
    d, H, N, K
        Sizes; see `Architecture`.
    T : int
        Library size of MAC.
    search : mapping
        T_start, T_max, tolerance and restarts; see `measure_mls`.
    training : mapping
        Values of `Protocol` that both methods share.
    results : path
        Folder of the MLS records.
    mac_results : sequence of paths
        Folders of MAC records; a capacity that none has is measured, one restart, into the last.
    device, compiled
        See `measure_mac`.
    train : bool
        False reads what is there and measures nothing.

    Returns
    -------
    tuple
        MLS records, and MAC measurements as a frame of one row a restart.

    Raises
    ------
    ValueError
        If a value is unknown or out of range, or ``results`` holds another search under the name of one.
    FileNotFoundError
        If nothing may be trained and no record is there.
    """
    listed("mac_results", mac_results)
    architectures = [Architecture(**sizes, N=N, K=K) for sizes in combinations(d=d, H=H)]
    protocol = Protocol(T=T, **training)
    for architecture in architectures:
        refuse_impossible(architecture, T, protocol.batch_size, device=device)
    asked = MlsProtocol(training=Protocol(**training), **search)
    searches, counted = [], []
    for architecture in architectures:
        if train:
            searches.append(
                measure_mls(architecture, **search, **training, device=device, compiled=compiled, results=results)
            )
        else:
            wanted = MlsRecord(architecture=architecture, protocol=asked, trials=[])
            path = named_folder(results) / wanted.file_name
            for stored in load_files([path], MlsRecord):
                wanted.refuse_another(stored, path)
                searches.append(stored)
        name = record_name(architecture, protocol)
        if there := load_files([Path(folder) / name for folder in mac_results], CapacityRecord):
            counted.append(there[0].frame())
        elif train:
            record = measure_mac(
                architecture, protocol, restarts=1, device=device, compiled=compiled, results=mac_results[-1]
            )
            counted.append(record.frame())
    if not searches or not counted:
        places = ", ".join(str(folder) for folder in [results, *mac_results])
        raise FileNotFoundError(f"{places}: no architecture is measured both ways; train = True measures them")
    return searches, pd.concat(counted, ignore_index=True)


def judge(table: pd.DataFrame) -> Finding:
    """R3: both have the same shape, the raw MAC lies T/K above MLS, and the corrected MAC falls behind MLS at large d.

    Small d is the lower half of the sizes, the median included. There, where neither method should have fallen behind,
    shape and offset are judged: MLS grows as the corrected MAC to the power 1, and lies T/K below the raw one; the lag
    is judged over the upper half. Full libraries, and searches that reached their largest size, are left out.
    """
    if table.empty:
        return NOT_MEASURED
    used = table[(table["MAC_raw"] < FULL * table["T"]) & ~table["censored"]]
    middle, guesses = used["d"].median(), used["guesses"].mean()
    small, large = used[used["d"] <= middle], used[used["d"] > middle]
    if len(small) < 3 or len(large) < 3:
        return NOT_MEASURED
    power = least_squares(
        np.log(at_least_one(small["MLS"])),
        {"power": np.log(at_least_one(small["MAC"])), "factor": np.ones(len(small))},
    )["power"]
    offset = mean(small["offset"])
    lag = mean(np.log(at_least_one(large["MLS"])) - np.log(at_least_one(large["MAC"]))).exp()
    reaches = used["d"].max() >= LARGE
    statements = [
        Statement(
            f"For d up to {middle:g} both have the same shape: MLS grows as a power of MAC that can be 1, and neither "
            "0.5 nor 1.5.",
            f"For d up to {middle:g} MLS grows as the corrected MAC to the power {{}}.",
            equals(power, 1, 0.5, 1.5),
            power,
        ),
        Statement(
            f"There the raw MAC lies T/K = {guesses:.0f} sequences above MLS: the difference can be T/K, and not 0.",
            f"The raw MAC exceeds MLS by {{}} sequences, where T/K is {guesses:.1f}.",
            equals(offset, guesses, 0),
            offset,
        ),
        Statement(
            f"At large d, {LARGE} or more among them, MLS is more than the corrected MAC.",
            f"For d above {middle:g}, up to {used['d'].max():g}, MLS is {{}} times the corrected MAC.",
            above(lag, 1) if reaches else None,
            lag,
        ),
    ]
    return Finding(statements, "" if reaches else _cost(table))


def plot_mac_and_mls(table: pd.DataFrame) -> Figure:
    """Draw MAC, raw and corrected, and MLS against d, a panel a number of heads.

    Parameters
    ----------
    table : DataFrame
        As `ecmlib.reproduction.mac_and_mls.compare` returns it. Open markers are bounds: the capacity may be larger.
    """
    heads = sorted(table["H"].unique())
    figure, panels = new_panels(len(heads))
    for H, axes in zip(heads, panels, strict=True):
        here = table[table["H"] == H]
        for (column, label), color, marker in styled(_SERIES.items()):
            axes.plot(here["d"], here[column], marker=marker, markersize=4, color=color, label=label)
        axes.plot(here["d"], here["guesses"], "k--", linewidth=0.8, label="guessing, T/K")
        bounds = here[here["censored"]]
        axes.plot(bounds["d"], bounds["MLS"], "D", color="white", markeredgecolor="black")
        axes.set(title=f"H = {H}", xlabel="d", ylabel="C, sequences", yscale="log", xscale="log")
        axes.set_xticks(here["d"], [str(d) for d in here["d"]], minor=False)
        axes.minorticks_off()
    shared_legend(figure, panels[0], ncols=2)
    return figure


def compare_in(results: str | Path) -> pd.DataFrame:
    """Return what `ecmlib.reproduction.mac_and_mls.compare` makes of the records at hand."""
    searches = records_of(results, "mls", MlsRecord)
    counted = pd.concat([measured(results, "mac-cpu"), measured(results, "mls-mac")])
    return compare(searches, counted)


def _cost(table: pd.DataFrame) -> str:
    """Say what the searches would take that could tell, as the cost of those that were made grows with d."""
    of_a_try = np.log(table["core_hours"] / table["tries"])
    power, constant = np.polyfit(np.log(table["d"]), of_a_try, 1)
    hours = table["H"].nunique() * _TRIES * sum(math.exp(constant) * d**power for d in _TELLING)
    return (
        f"To tell takes searches at d = {' and '.join(map(str, _TELLING))} with {_TRIES} restarts a size: about "
        f"{hours:.0f} core-hours, as the cost of those up to d = {table['d'].max():g} grows."
    )


def _possible(search: MlsRecord) -> int:
    size, training = search.architecture, search.protocol.training
    last = random_library(search.protocol.T_max, size.N, size.K, training.seed)[:, -1].numpy()
    hopeless = (
        np.isin(last, np.flatnonzero(token_reach(output_rows(size, seed)) == 0))
        for seed in {trial.seed for trial in search.trials}
    )
    return max(int(np.argmax(at)) if at.any() else len(last) for at in hopeless)
