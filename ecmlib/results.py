"""What a measured capacity is: the record of one configuration, and folders of them as data frames."""

from __future__ import annotations

import statistics
from collections.abc import Iterable
from pathlib import Path
from typing import ClassVar, Literal, Self

import pandas as pd
from pydantic import model_validator

from ecmlib.architecture import Architecture
from ecmlib.chance import guess_corrected
from ecmlib.library import LibrarySize
from ecmlib.protocol import Protocol
from ecmlib.record import Record, load_folder
from ecmlib.restart import (
    OF_RUN,
    SETTINGS,
    UNKNOWN,
    Capacities,
    Restart,
    capacities,
    check_restarts,
    row_of_run,
    settings_of,
)


class CapacityRecord(Record):
    """The capacity of one architecture, measured by the MAC method (paper, section 5).

    Counts are numbers of sequences. ``C``, of where curves end, ``bits`` and ``bits_per_parameter`` are means over
    restarts; of everything else the best restart counts, as in the paper. One that diverged never counts.

    Examples
    --------
    >>> from ecmlib import CapacityRecord
    >>> record = CapacityRecord.load("results/precision/d16_H1_N8_L1_K128_T2048_max_steps10000_precisionbfloat16.json")
    >>> record.P, record.frame().columns[:3].tolist()
    (6272, ['d', 'H', 'N'])
    """

    parts: ClassVar[str] = "restarts"
    experiment: Literal["mac"] = "mac"
    architecture: Architecture
    protocol: Protocol
    restarts: list[Restart]

    @model_validator(mode="after")
    def _restarts_are_possible(self) -> Self:
        LibrarySize(T=self.protocol.T, N=self.architecture.N, K=self.architecture.K)
        check_restarts(self.restarts, self.protocol, self.architecture.K)
        return self

    @property
    def P(self) -> int:
        """Trainable parameters."""
        return self.architecture.n_params

    @property
    def C(self) -> float:
        """Sequences memorised at the end of a restart, less guesses (`ecmlib.restart.end_value`): their mean."""
        return statistics.fmean(self._counted("C"))

    @property
    def C_plateau(self) -> float:
        """Most sequences memorised at any point of any restart, less guesses."""
        return self._best("C_plateau")

    @property
    def C_paper_rule(self) -> float:
        """Most sequences memorised by any restart until the paper's rule would have ended it, less guesses."""
        return self._best("C_paper_rule")

    @property
    def bits(self) -> float:
        """Bits memorised at the end, of all predictions, less what the model still lacks; the mean over restarts."""
        return statistics.fmean(self._counted("bits"))

    @property
    def bits_per_parameter(self) -> float:
        """``bits / P``."""
        return self.bits / self.P

    def frame(self) -> pd.DataFrame:
        """Return one row a restart: architecture, protocol and what the curve says."""
        common = settings_of(self.architecture, self.protocol)
        rows = []
        for number, run in enumerate(self.restarts):
            ran = row_of_run(number, run.seed, run.status, run, run.provenance.core_seconds, run.provenance.device)
            rows.append(common | ran | self._capacities(run)._asdict())
        return pd.DataFrame(rows, columns=[*SETTINGS, *OF_RUN, *Capacities._fields])

    def curves(self) -> pd.DataFrame:
        """Return one row a point of a curve.

        Columns: architecture, protocol, ``P``, ``restart``, ``status``, ``step``, both counts, ``bits`` a prediction,
        and ``C_best``: the best last-token count so far, less its guesses.
        """
        common = settings_of(self.architecture, self.protocol)
        curves = []
        for number, restart in enumerate(self.restarts):
            measured = ["step", "last_count", "full_count", "bits"]
            curve = pd.DataFrame({name: getattr(restart, name) for name in measured})
            T, K = self.protocol.T, self.architecture.K
            best = [guess_corrected(count, T, K) for count in curve["last_count"].cummax()]
            curves.append(curve.assign(**common, restart=number, status=restart.status, C_best=best))
        return one_frame(curves)

    def _best(self, quantity: str) -> float:
        return max(self._counted(quantity))

    def _counted(self, quantity: str) -> list[float]:
        counted = [self._capacities(restart) for restart in self.restarts if restart.status != "diverged"]
        if not counted:
            raise ValueError(f"{quantity} is unknown: {len(self.restarts)} restarts, and none that did not diverge")
        return [getattr(of_restart, quantity) for of_restart in counted]

    def _capacities(self, restart: Restart) -> Capacities:
        if restart.status == "diverged":
            return UNKNOWN
        return capacities(restart, self.architecture, self.protocol)


def load_results(folder: str | Path) -> pd.DataFrame:
    """Read every record of a folder, a row a restart; see `ecmlib.record.load_folder` and `CapacityRecord.frame`.

    Returns
    -------
    DataFrame
        Empty if the folder has no record.

    Examples
    --------
    >>> from ecmlib import load_results
    >>> load_results("results/designs")["T"].unique().tolist()
    [2048]
    """
    return one_frame(record.frame() for record in load_folder(folder, CapacityRecord))


def one_frame(frames: Iterable[pd.DataFrame]) -> pd.DataFrame:
    """Put the rows of several frames into one and number them anew; no rows while there are none."""
    filled = [frame for frame in frames if len(frame)]
    return pd.concat(filled, ignore_index=True) if filled else pd.DataFrame()
