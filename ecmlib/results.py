"""What is kept of a measurement: one validated JSON file a configuration."""

from __future__ import annotations

import math
import os
import tempfile
import warnings
from pathlib import Path
from typing import Literal, Self

import pandas as pd
from pydantic import ValidationError, model_validator

from ecmlib.architecture import Architecture
from ecmlib.library import LibrarySize
from ecmlib.parameters import Parameters, one_sentence
from ecmlib.restart import Restart
from ecmlib.statistics import guess_corrected
from ecmlib.training import Protocol, patience_stop

_CAPACITIES = (
    "C_plateau_raw",
    "C_paper_rule_raw",
    "C_plateau",
    "C_paper_rule",
    "paper_rule_step",
    "full_count",
    "bits",
    "bits_per_parameter",
)


class Record(Parameters):
    """What every experiment's record can do: be written whole, read back, and looked up."""

    def save(self, path: str | Path) -> None:
        """Write to a temporary file beside ``path``, flush it to the disk and rename it: all or nothing."""
        write_atomically(Path(path), self.model_dump_json())

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """Read a record and check that it is whole.

        Raises
        ------
        ValueError
            If the file is no record; the message names the file and what is wrong in it.
        """
        text = Path(path).read_text(encoding="utf-8")
        try:
            return cls.model_validate_json(text)
        except ValidationError as error:
            raise ValueError(f"{path}: {one_sentence(error)}") from None

    @classmethod
    def stored(cls, path: Path | None, other: str, **settings: Parameters) -> Self | None:
        """Return the record at ``path``, None if there is none.

        Raises
        ------
        ValueError
            If its fields are not those of ``settings``: the file then holds ``other``, "another search" for example.
        """
        if path is None or not path.exists():
            return None
        record = cls.load(path)
        if any(getattr(record, name) != value for name, value in settings.items()):
            raise ValueError(f"results = {str(path.parent)!r}: {path.name} holds {other}")
        return record


class CapacityRecord(Record):
    """The capacity of one architecture, measured by the MAC method (paper, section 5).

    Counts are numbers of sequences. Over restarts, the best one counts; one that diverged never does.
    """

    experiment: Literal["mac"] = "mac"
    architecture: Architecture
    protocol: Protocol
    restarts: list[Restart]

    @model_validator(mode="after")
    def _counts_fit_the_library(self) -> Self:
        LibrarySize(T=self.protocol.T, N=self.architecture.N, K=self.architecture.K)
        for restart in self.restarts:
            if max(restart.last_count + restart.full_count, default=0) > self.protocol.T:
                raise ValueError(f"a count is larger than T = {self.protocol.T}")
        return self

    @property
    def P(self) -> int:
        """Trainable parameters."""
        return self.architecture.n_params

    @property
    def C_plateau_raw(self) -> int:
        """Most sequences memorised at any point of any restart."""
        return int(self._best("C_plateau_raw"))

    @property
    def C_paper_rule_raw(self) -> int:
        """Most sequences memorised by any restart before the paper's stopping rule would have ended it."""
        return int(self._best("C_paper_rule_raw"))

    @property
    def C_plateau(self) -> float:
        """``C_plateau_raw`` less its guesses."""
        return self._best("C_plateau")

    @property
    def C_paper_rule(self) -> float:
        """``C_paper_rule_raw`` less its guesses."""
        return self._best("C_paper_rule")

    @property
    def full_count(self) -> int:
        """Most sequences of which every token was predicted."""
        return int(self._best("full_count"))

    @property
    def bits(self) -> float:
        """Most bits memorised by any restart: those of all predictions less what the model still lacks."""
        return self._best("bits")

    @property
    def bits_per_parameter(self) -> float:
        """``bits / P``."""
        return self._best("bits_per_parameter")

    def frame(self) -> pd.DataFrame:
        """Return one row a restart: architecture, protocol and what the curve says."""
        common = {**self.architecture.model_dump(), **self.protocol.model_dump(), "P": self.P}
        rows = []
        for number, restart in enumerate(self.restarts):
            rows.append(
                common
                | {"restart": number, "restart_seed": restart.seed, "status": restart.status}
                | {"steps": restart.step[-1] if restart.step else 0, "core_seconds": restart.provenance.core_seconds}
                | self._capacities(restart)
            )
        return pd.DataFrame(rows)

    def curves(self) -> pd.DataFrame:
        """Return one row a point of a curve.

        Columns: architecture, protocol, ``P``, ``restart``, ``status``, ``step``, both counts, ``bits`` a prediction,
        and ``C``: the best last-token count so far, less its guesses.
        """
        common = {**self.architecture.model_dump(), **self.protocol.model_dump(), "P": self.P}
        curves = []
        for number, restart in enumerate(self.restarts):
            measured = ["step", "last_count", "full_count", "bits"]
            curve = pd.DataFrame({name: getattr(restart, name) for name in measured})
            T, K = self.protocol.T, self.architecture.K
            best = [guess_corrected(count, T, K) for count in curve["last_count"].cummax()]
            curves.append(curve.assign(**common, restart=number, status=restart.status, C=best))
        return pd.concat(curves, ignore_index=True) if curves else pd.DataFrame()

    def _best(self, quantity: str) -> float:
        counted = [self._capacities(restart) for restart in self.restarts if restart.status != "diverged"]
        if not counted:
            raise ValueError(f"{quantity} is unknown: {len(self.restarts)} restarts, and none that did not diverge")
        return max(capacities[quantity] for capacities in counted)

    def _capacities(self, restart: Restart) -> dict[str, float]:
        if restart.status == "diverged":
            return dict.fromkeys(_CAPACITIES, math.nan)
        T, K, N = self.protocol.T, self.architecture.K, self.architecture.N
        stop = patience_stop(restart.step, restart.last_count, self.protocol.patience_steps)
        by_paper_rule = max(restart.last_count[: None if stop is None else stop + 1])
        best = max(restart.last_count)
        bits = max(0.0, (N - 1) * T * (math.log2(K) - min(restart.bits)))
        capacities = (
            best,
            by_paper_rule,
            guess_corrected(best, T, K),
            guess_corrected(by_paper_rule, T, K),
            restart.step[-1 if stop is None else stop],
            max(restart.full_count),
            bits,
            bits / self.P,
        )
        return dict(zip(_CAPACITIES, capacities, strict=True))


def record_name(architecture: Architecture, protocol: Protocol) -> str:
    """Name the file of a record: sizes always, other values where they differ from their defaults.

    >>> record_name(Architecture(16, N=8), Protocol(T=2048, batch_size=64))
    'd16_H1_N8_L1_K128_T2048_batch_size64.json'
    """
    always = {name: getattr(architecture, name) for name in ("d", "H", "N", "L", "K")} | {"T": protocol.T}
    others = {
        name: value
        for part in (architecture, protocol)
        for name, value in part
        if name not in always and value != type(part).model_fields[name].default
    }
    return "_".join(f"{name}{value}" for name, value in (always | others).items()) + ".json"


def load_records(folder: str | Path, skip_bad: bool = False) -> list[CapacityRecord]:
    """Read every record of a folder.

    Parameters
    ----------
    folder : path
        A folder of ``*.json`` records, such as ``results/mac-cpu``.
    skip_bad : bool
        Whether a file that is no record is passed over with a warning.

    Raises
    ------
    FileNotFoundError
        If there is no such folder.
    ValueError
        Naming the first bad file, unless ``skip_bad``.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise FileNotFoundError(f"folder = {str(folder)!r}: there is no such folder")
    records = []
    for path in sorted(folder.glob("*.json")):
        try:
            records.append(CapacityRecord.load(path))
        except ValueError as error:
            if not skip_bad:
                raise
            warnings.warn(f"skipped {error}", stacklevel=2)
    return records


def load_results(folder: str | Path, skip_bad: bool = False) -> pd.DataFrame:
    """Read every record of a folder, a row a restart; see `load_records` and `CapacityRecord.frame`.

    Returns
    -------
    DataFrame
        Empty if the folder has no record.
    """
    frames = [record.frame() for record in load_records(folder, skip_bad)]
    return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame()


def write_atomically(path: Path, text: str) -> None:
    """Write a file so that a crash at any moment leaves either the old one or the new one, whole."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(
        "w", encoding="utf-8", dir=path.parent, prefix=f".{path.name}.", delete=False
    ) as file:
        temporary = Path(file.name)
        try:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
            temporary.chmod(0o644)  # temporary files are made for their owner alone
            temporary.replace(path)
        except BaseException:
            temporary.unlink()
            raise
