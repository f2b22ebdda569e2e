"""One bad file stops no reader: the rest is read, and each bad one is reported in one line."""

import contextlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from conftest import KINDS, code_of
from status import report

from ecmlib.record import load_folder
from ecmlib.reproduction.budget import load_budgets
from ecmlib.reproduction.critical_batch import noise_scales, noise_scales_in
from ecmlib.reproduction.mac_and_mls import measure_both
from ecmlib.reproduction.measure import compared, measure_all, measure_texts, measured, records_of
from ecmlib.reproduction.shattering import measure as measure_shattering
from ecmlib.results import CapacityRecord, load_results
from ecmlib.text_record import load_text_records

RESULTS = Path("results").resolve()
NOTEBOOKS = Path("notebooks").resolve()
HUGE = 10**7  # characters of a field: a message does not echo it


def cut_off(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-100])


def not_utf8(path: Path) -> None:
    path.write_bytes(b"\xff" + path.read_bytes())


def directory(path: Path) -> None:
    path.unlink()
    path.mkdir()


def dangling_link(path: Path) -> None:
    path.unlink()
    path.symlink_to("nowhere")


def huge_field(path: Path) -> None:
    path.write_text(json.dumps(json.loads(path.read_bytes()) | {"architecture": "x" * HUGE}))


SPOILERS = [cut_off, not_utf8, directory, dangling_link, huge_field]


def copy(folder: str, to: Path, most: int = 3) -> list[Path]:
    """Copy a few committed records."""
    to.mkdir(parents=True)
    return [Path(shutil.copy(path, to)) for path in sorted((RESULTS / folder).glob("*.json"))[:most]]


class Reader(NamedTuple):
    """What reads records, those that it is given, and how many it should find when one of them is bad."""

    read: Callable[[Path], Any]  # of a folder with a folder "grid"
    records: str  # where committed ones are
    found: Callable[[Any], int] = len


def configurations(frame: Any) -> int:
    """Count the records of a frame: those that are copied differ in their sizes."""
    return len(frame[["d", "H", "N", "L"]].drop_duplicates())


FOLDERS = {
    "mac": "layers",
    "mls": "mls",
    "shatter": "shatter",
    "noise-scale": "batch-size/noise-scale",
    "budget": "budget",
    "text": "text-tiny",
}
LAYERS = [{"d": 12, "L": 4}, {"d": 15, "L": 3}, {"d": 20, "L": 2}]
READERS = {
    f"folder of {kind}": Reader(lambda at, kind=kind: load_folder(at / "grid", KINDS[kind]), folder)
    for kind, folder in FOLDERS.items()
}
READERS |= {
    "load_results": Reader(lambda at: load_results(at / "grid"), "layers", configurations),
    "load_budgets": Reader(lambda at: load_budgets(at / "grid"), "budget", configurations),
    "load_text_records": Reader(lambda at: load_text_records(at / "grid"), "text-tiny"),
    "records_of": Reader(lambda at: records_of(at, "grid", CapacityRecord), "layers"),
    "measured": Reader(lambda at: measured(at, "grid"), "layers", configurations),
    "compared": Reader(lambda at: compared(lambda records: records, at, "grid"), "layers"),
    "noise_scales_in": Reader(
        lambda at: noise_scales_in(at / "noise"), "batch-size/noise-scale", lambda frame: frame["N"].nunique()
    ),
    "measure_all": Reader(
        lambda at: measure_all(
            LAYERS, results=at / "grid", train=False, N=8, T=2048, max_steps=10000, precision="bfloat16"
        ),
        "layers",
    ),
    "measure_texts": Reader(
        lambda at: measure_texts([], text="nowhere", results=at / "grid", train=False), "text-tiny"
    ),
    "shattering": Reader(
        lambda at: measure_shattering([16, 32], N=8, T=16, results=at / "grid", train=False), "shatter"
    ),
    "noise_scales": Reader(
        lambda at: noise_scales(
            [128, 32],
            [128, 32],
            [310, 2480],
            [62, 124],
            results=at / "grid",
            train=False,
            T=2048,
            precision="bfloat16",
        ),
        "batch-size/noise-scale",
        lambda frame: frame["N"].nunique(),
    ),
    "MLS": Reader(lambda at: both(at / "grid", at / "mac")[0], "mls"),
    "MAC beside MLS": Reader(lambda at: both(at / "mls", at / "grid")[1], "mls-mac", configurations),
}


def both(mls: Path, mac: Path) -> tuple[Any, Any]:
    """Read searches and capacities; of the two, the folder that is not there holds what is committed."""
    training = {"min_steps": 5000, "max_steps": 10000, "precision": "bfloat16"}
    search = {"T_start": 16, "T_max": 16384, "tolerance": 0.02, "restarts": 2}
    places = [mls if mls.exists() else RESULTS / "mls", mac if mac.exists() else RESULTS / "mls-mac"]
    chosen = {"d": [12, 16], "H": [1, 2]} if mls.exists() else {"d": [12], "H": [1, 2]}
    return measure_both(
        **chosen,
        N=8,
        K=128,
        T=2048,
        search=search,
        training=training,
        results=places[0],
        mac_results=[places[1]],
        train=False,
    )


@pytest.mark.parametrize("spoil", SPOILERS, ids=lambda spoil: spoil.__name__)
@pytest.mark.parametrize("name", READERS)
def test_rest_is_read_and_each_bad_file_reported(name: str, spoil: Callable[[Path], None], tmp_path: Path) -> None:
    reader = READERS[name]
    place = tmp_path / ("noise/batch-size/noise-scale" if name == "noise_scales_in" else "grid")
    bad, *good = copy(reader.records, place)
    spoil(bad)
    with pytest.warns(UserWarning, match="left out") as warned:
        found = reader.read(tmp_path)
    assert reader.found(found) == len(good)
    assert_one_line_of(bad, [str(warning.message) for warning in warned])


@pytest.mark.parametrize("spoil", SPOILERS, ids=lambda spoil: spoil.__name__)
def test_status_counts_the_rest_and_names_the_bad_one(spoil: Callable[[Path], None], tmp_path: Path) -> None:
    bad, *good = copy("layers", tmp_path / "layers")
    spoil(bad)
    lines = report("layers", tmp_path, tmp_path / "runs", cores=1).splitlines()
    assert lines[0].startswith(f"layers: {len(good)} done, 0 running, 1 failed, ")
    assert_one_line_of(bad, lines)


def assert_one_line_of(path: Path, messages: list[str]) -> None:
    (message,) = [message for message in messages if path.stem in message]
    assert "\n" not in message
    assert len(message) < 1000


class BeginsError(Exception):
    """A notebook has read what it reads, and begins to compute."""


# Notebooks that read records: what they are given but folders, and where in results/ what they read is.
READING: dict[str, tuple[dict[str, Any], str]] = {
    "batch_size": ({}, "batch-size"),
    "budget": ({}, "budget"),
    "external": ({}, "two-million"),
    "feedforward": ({}, "feedforward"),
    "fit": ({"wider_grids": []}, "mac-cpu"),
    "forecast": ({"budgets": ""}, "mac-cpu"),
    "layers": ({}, "layers"),
    "mls": ({"d": [8, 12]}, "mls"),
    "shatter": ({"bootstraps": 2}, "shatter"),
    "stopping": ({}, "mac-cpu"),
    "text": ({}, "text-tiny"),
    "vocabulary": ({}, "vocabulary"),
}


@pytest.mark.parametrize("name", READING)
def test_notebook_goes_on_without_a_bad_file(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given, folder = READING[name]
    for laws in ("law", "law-reference"):
        shutil.copytree(RESULTS / laws, tmp_path / "results" / laws)
    external = ["external", "dana", "reference", "axes", "holdout-2025", "paper-conditions"]
    for other in {"fit": ["holdout"], "mls": ["mls-mac"], "external": external, "batch_size": []}.get(name, []):
        shutil.copytree(RESULTS / other, tmp_path / "results" / other)
    copied = copy(folder, tmp_path / "results" / folder, most=12)
    if name == "batch_size":
        copied += copy(f"{folder}/noise-scale", tmp_path / "results" / folder / "noise-scale")
    bad = copied[-1]
    cut_off(bad)

    def begin(*_: object, **__: object) -> None:
        raise BeginsError

    monkeypatch.setattr("ecmlib.laws.contestants.fit_all", begin)
    monkeypatch.setattr("ecmlib.reproduction.forecast.cases", begin)
    monkeypatch.chdir(tmp_path)
    declared, first = code_of(NOTEBOOKS / f"{name}.ipynb")[:2]
    variables: dict[str, Any] = {}
    exec(declared, variables)
    folders = {"results": [f"results/{folder}"] if name == "forecast" else f"results/{folder}"}
    folders |= {"fit": {"results": "new"}, "mls": folders | {"mac_results": ["results/mls-mac"]}}.get(name, {})
    train = {"train": False} if "train" in variables else {}
    variables |= train | {key: value for key, value in folders.items() if key in variables} | given
    with pytest.warns(UserWarning, match="left out") as warned, contextlib.suppress(BeginsError):
        exec(first, variables | {"In": ["", declared, first]})
    assert_one_line_of(bad, [str(warning.message) for warning in warned])


def test_every_notebook_that_reads_a_folder_of_records_is_here() -> None:
    for path in sorted(NOTEBOOKS.glob("*.ipynb")):
        declared: dict[str, Any] = {}
        exec(code_of(path)[0], declared)
        values = [declared.get("results"), declared.get("two_million")]
        folders = [folder for value in values for folder in (value if isinstance(value, list) else [value])]
        committed = [folder for folder in folders if folder and folder != "results/local"]  # what users measure is not
        if any(list(Path(folder).glob("*.json")) for folder in committed):
            assert path.stem in READING
