"""How an experiment gets the capacities of its configurations: from the records that are there, or by training."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, NamedTuple, TypeVar

import pandas as pd
from pydantic import Field

from ecmlib.architecture import Architecture
from ecmlib.capacity import measure_mac
from ecmlib.files import named_folder
from ecmlib.memorisation import measure_text, split_in_two
from ecmlib.noise_scale_record import NoiseScaleRecord
from ecmlib.protocol import Protocol
from ecmlib.record import R, load_files, load_folder, record_name
from ecmlib.reproduction.budget import load_budgets, same_protocol
from ecmlib.results import CapacityRecord, load_results, one_frame
from ecmlib.text import Paths, read_corpus
from ecmlib.text_record import TextProtocol, TextRecord, load_text_records
from ecmlib.validation import Parameters, sorted_out
from ecmlib.workplace import Compiled, refuse_impossible

P = TypeVar("P", bound=Protocol)
Tabular = CapacityRecord | TextRecord | NoiseScaleRecord  # records that are frames, too


def combinations(**axes: Sequence[Any]) -> list[dict[str, Any]]:
    """Return every combination of the axes' values, as the grids of ``workflow/grids`` do.

    Raises
    ------
    ValueError
        If an axis is no list or has no value.
    """
    for name, values in axes.items():
        listed(name, values)
    return [dict(zip(axes, values, strict=True)) for values in itertools.product(*axes.values())]


def listed(name: str, values: Sequence[Any]) -> None:
    """Refuse what is no list of at least one value."""
    if not isinstance(values, list) or not values:
        raise ValueError(f"{name} = {values!r}: input should be a list of one value or more")


def configured(values: Mapping[str, Any], kind: type[P], device: str = "auto") -> tuple[Architecture, P]:
    """Sort values by what they describe; a ValueError says which is unknown or out of range, or too large to train."""
    sizes, others = sorted_out(Architecture.model_fields, values)
    architecture, protocol = Architecture(**sizes), kind(**others)
    refuse_impossible(architecture, protocol.T, protocol.batch_size, device=device)
    return architecture, protocol


def measure_all(
    configurations: Sequence[Mapping[str, Any]],
    *,
    results: str | Path,
    restarts: int = 1,
    train: bool = True,
    device: str = "auto",
    compiled: Compiled = "auto",
    **shared: Any,
) -> list[CapacityRecord]:
    """Measure the capacity of every configuration that ``results`` does not hold yet (`measure_mac`).

    Parameters
    ----------
    configurations : sequence of mappings
        Values by name, of `Architecture` and `Protocol`.
    results : path
        Folder of the records.
    restarts, device, compiled
        See `measure_mac`.
    train : bool
        False reads what ``results`` holds and leaves out what it does not.
    shared
        Values that all configurations have.

    Raises
    ------
    ValueError
        Before any training, if a value is unknown or out of range.
    FileNotFoundError
        If nothing may be trained and no record is there.

    Warns
    -----
    UserWarning
        If nothing may be trained, for each file that is no such record, with the reason. It is left out.
    """
    folder = named_folder(results)
    chosen = [configured({**shared, **configuration}, Protocol, device) for configuration in configurations]
    if train:
        return [
            measure_mac(architecture, protocol, restarts=restarts, device=device, compiled=compiled, results=results)
            for architecture, protocol in chosen
        ]
    paths = [folder / record_name(architecture, protocol) for architecture, protocol in chosen]
    stored = load_files(paths, CapacityRecord)
    if not stored:
        raise FileNotFoundError(
            f"results = {str(results)!r}: none of the {len(paths)} configurations is there; train = True measures them"
        )
    return stored


def measure_texts(
    configurations: Sequence[Mapping[str, Any]],
    *,
    text: Paths,
    results: str | Path,
    restarts: int = 1,
    train: bool = True,
    device: str = "auto",
    compiled: Compiled = "auto",
    **shared: Any,
) -> list[TextRecord]:
    """Measure every configuration that ``results`` does not hold yet (`measure_text`); without training, read it all.

    Parameters
    ----------
    configurations, shared
        As for `measure_all`; values are those of `Architecture` and `TextProtocol`.
    text : path or sequence of paths
        See `ecmlib.text.read_corpus`; not looked at where nothing is trained.
    results, restarts, device, compiled
        See `measure_text`.
    train : bool
        False reads all records of ``results``, of whatever configurations.

    Raises
    ------
    ValueError
        Before any training, if a value is unknown or out of range, or if a text is not usable.
    FileNotFoundError
        If there is no such text, or if nothing may be trained and no record is there.
    """
    if not train:
        return load_text_records(results)
    chosen = [configured({**shared, **configuration}, TextProtocol, device) for configuration in configurations]
    corpora = {K: read_corpus(text, K) for K in {architecture.K for architecture, _ in chosen}}
    for architecture, protocol in chosen:
        split_in_two(architecture, corpora[architecture.K], protocol)
    return [
        measure_text(
            architecture,
            corpora[architecture.K],
            protocol,
            restarts=restarts,
            device=device,
            compiled=compiled,
            results=results,
        )
        for architecture, protocol in chosen
    ]


def records_of(results: str | Path, grid: str, kind: type[R]) -> list[R]:
    """Return a grid's records of one kind, none if nothing is measured yet."""
    folder = Path(results) / grid
    return load_folder(folder, kind) if folder.is_dir() else []


def measured(results: str | Path, grid: str, kind: type[Tabular] = CapacityRecord) -> pd.DataFrame:
    """Return the rows of a grid's records, none if nothing is measured yet.

    Parameters
    ----------
    results : path
        The folder of all grids.
    grid : str
        Name of one.
    kind : type
        Of its records.
    """
    return one_frame(record.frame() for record in records_of(results, grid, kind))


class Grids(NamedTuple):
    """Rows of the grids that laws are fitted to and compared on."""

    main: pd.DataFrame  #: that all laws are fitted to
    wider: dict[str, pd.DataFrame]  #: by grid, of other L, K and T; those with records
    unseen: pd.DataFrame  #: that no law is fitted to
    papers: pd.DataFrame  #: at the paper's library size; no rows if nothing is measured yet


def read_grids(
    measured_in: str, *, grids: list[str], wider_grids: list[str], budgets: str, holdout: str, papers: str
) -> Grids:
    """Read the grids of a comparison of laws.

    Parameters
    ----------
    measured_in : str
        The folder of all grids.
    grids, wider_grids, budgets, holdout, papers
        Names of grids: letters, digits and dashes. Of ``budgets``, what was trained as ``grids`` were is wider, too.

    Raises
    ------
    ValueError
        If one is no such name, or if there is nothing to fit or nothing unseen.
    FileNotFoundError
        If a grid has no folder; ``budgets`` and ``papers`` need not.
    """
    names = _Names(grids=grids, wider_grids=wider_grids, budgets=budgets, holdout=holdout, papers=papers)
    folder = named_folder(measured_in, "measured_in")
    frames = [frame for grid in names.grids if len(frame := load_results(folder / grid))]
    unseen = load_results(folder / holdout)
    for parameter, given, found in (("grids", grids, frames), ("holdout", holdout, unseen)):
        if not len(found):
            raise ValueError(f"{parameter} = {given!r}: no run is recorded there, in {measured_in}")
    wider = {grid: frame for grid in names.wider_grids if len(frame := load_results(folder / grid))}
    main = pd.concat(frames)
    if (folder / budgets).is_dir() and len(over_budgets := same_protocol(load_budgets(folder / budgets), main)):
        wider[budgets] = over_budgets
    return Grids(main, wider, unseen, measured(folder, papers))


def compared(
    compare: Callable[[Sequence[CapacityRecord]], pd.DataFrame], results: str | Path, grid: str
) -> pd.DataFrame:
    """Apply an experiment's ``compare`` to a grid's records; no rows while there are fewer than two."""
    records = records_of(results, grid, CapacityRecord)
    return compare(records) if len(records) > 1 else pd.DataFrame()


_Name = Annotated[str, Field(pattern="^[A-Za-z0-9-]+$")]


class _Names(Parameters):
    grids: Annotated[list[_Name], Field(min_length=1)]
    wider_grids: list[_Name]
    budgets: _Name
    holdout: _Name
    papers: _Name
