"""What the book's site carries beside its pages: every record with a page a grid, one archive, one tidy table."""

from __future__ import annotations

import html
import inspect
import re
import shutil
import subprocess
import zipfile
from collections.abc import Iterator
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from ecmlib import Architecture, Protocol
from ecmlib.files import read_json
from ecmlib.laws.points import COMPONENTS
from ecmlib.laws.scope import out_of_scope
from ecmlib.results import CapacityRecord

if TYPE_CHECKING:
    from sphinx.application import Sphinx

RESULTS = Path("../results")
ROOT = Path(__file__).parents[1]
_SHOWN = ["L", "K", "T", "ff", "loss", "batch_size", "lr", "restarts", "C_plateau", "C_paper_rule"]
_FITTED = ("reference", "axes")  # grids, by our law, where it speaks of them
_MAY_DIFFER = [
    "T",
    "patience_steps",
    "min_steps",
    "eval_every",
    "eval_growth",
    "plateau_share",
    "plateau_tolerance",
    "stop",
    "forecast_within",
    "seed",
    "vary",
    "precision",
]
MEANING = {  # of the tidy table's columns that are neither sizes nor the protocol's
    "grid": "folder of the record in results/",
    "record": "its file there",
    "P": "trainable parameters",
    "restart": "number of the restart of its configuration, from 0",
    "status": "complete: all T memorised; plateau; patience: by the paper's rule; forecast: sure enough of the rest; "
    "max_steps: still rising; diverged",
    "restart_seed": "what its weights and batches were drawn from",
    "steps": "training steps done",
    "core_seconds": "processor time, seconds",
    "device": "what it was measured on: cpu, or the name of a GPU",
    "C_raw": "count at the end: the last one under a falling rate, else the mean of the last tenth",
    "C": "the same, less the guesses expected",
    "C_guess_sd": "standard deviation of the number of guesses, sequences",
    "lost": "whether the count cannot be told from guessing",
    "full": "whether at least 0.9 T were counted",
    "C_plateau_raw": "most sequences counted at any step, guesses included",
    "C_plateau": "the same, less the guesses expected",
    "C_paper_rule_raw": "most sequences counted until the paper's stopping rule, guesses included",
    "C_paper_rule": "the same, less the guesses expected",
    "paper_rule_step": "step at which the paper's rule stops",
    "full_count": "most sequences of which every token was predicted",
    "bits": "bits memorised at the end, of all predictions",
    "bits_per_parameter": "bits / P",
}


def setup(app: Sphinx) -> dict[str, bool]:
    """Register with Sphinx."""
    app.connect("html-collect-pages", _pages)
    app.connect("build-finished", _copy)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


@cache
def records(results: Path = RESULTS) -> dict[str, list[tuple[Path, CapacityRecord]]]:
    """Return every capacity record of every grid, with its path."""
    grids: dict[str, list[tuple[Path, CapacityRecord]]] = {}
    for folder in sorted(path for path in results.iterdir() if path.is_dir()):
        for path in sorted(folder.glob("*.json")):
            if read_json(path).get("experiment") == "mac":
                grids.setdefault(folder.name, []).append((path, CapacityRecord.load(path)))
    return grids


def tidy(results: Path = RESULTS) -> pd.DataFrame:
    """Return one row a training run of all grids; columns are the sizes, the protocol's and those of `MEANING`."""
    frames = [
        record.frame().assign(grid=grid, record=path.name)
        for grid, found in records(results).items()
        for path, record in found
    ]
    rows = pd.concat(frames, ignore_index=True)
    named = ["grid", "record"]
    return rows[[*named, *(column for column in rows if column not in named)]]


def published(results: Path = RESULTS) -> list[Path]:
    """Return the files of records and laws, without locks and runs that are still going on."""
    files = (path for path in results.rglob("[!.]*") if path.is_file())
    return sorted(path for path in files if "in-flight" not in path.parts)


def dictionary(rows: pd.DataFrame) -> pd.DataFrame:
    """Say what each column of `tidy` means, and of which values it is."""
    described = MEANING | _documented(Architecture) | _documented(Protocol)
    return pd.DataFrame(
        {"column": str(column), "meaning": described[str(column)], "values": _values(rows[column])} for column in rows
    )


def points(results: Path = RESULTS) -> list[dict[str, Any]]:
    """Return what the live pictures show: the mean of each record of the reference protocol, and where that is.

    What is ``unfitted`` the law was not fitted to.
    """
    usual, rows = Protocol.reference(), []
    for grid, found in records(results).items():
        for path, record in found:
            architecture, protocol = record.architecture, record.protocol
            other = [name for name, value in protocol if value != getattr(usual, name) and name not in _MAY_DIFFER]
            if other or any(getattr(architecture, name) != value for name, value in COMPONENTS.items()):
                continue
            sizes, frame = {size: getattr(architecture, size) for size in "dHNLK"}, record.frame()
            rows.append(
                sizes
                | {"T": protocol.T, "C": round(float(frame["C"].mean()), 1)}
                | {"record": f"{grid}/{path.name}", "href": f"records/{grid}/{path.name}"}
                | {"unfitted": grid not in _FITTED or bool(out_of_scope(frame).ne("").all())}
            )
    return rows


def _documented(model: type) -> dict[str, str]:
    """Read the meaning of each parameter from the docstring of its class."""
    found = re.findall(r"^(\w+(?:, \w+)*) : .*\n((?:    .*\n?)+)", inspect.getdoc(model) or "", re.MULTILINE)
    return {name: " ".join(said.replace("`", "").split()) for names, said in found for name in names.split(", ")}


def _values(column: pd.Series) -> str:
    distinct = column.dropna().unique()
    if len(distinct) <= 4:
        return ", ".join(str(value) for value in sorted(distinct))
    if not pd.api.types.is_numeric_dtype(column):
        return "text"
    ends = (np.format_float_positional(end, 6, fractional=False, trim="-") for end in (column.min(), column.max()))
    return " to ".join(ends)


def stamp() -> str:
    """Version of `ecmlib` and commit of the working tree, "unknown" outside of git."""
    return f"{version('ecmlib')}, commit {_git('describe', '--always', '--dirty', '--exclude=*') or 'unknown'}"


def year() -> str:
    """Year of the commit, "" outside of git."""
    return _git("show", "--no-patch", "--format=%cs")[:4]


def _git(*asked: str) -> str:
    return subprocess.run(["git", *asked], cwd=ROOT, capture_output=True, text=True, check=False).stdout.strip()


def _pages(_: Sphinx) -> Iterator[tuple[str, dict[str, Any], str]]:
    grids = records(ROOT / "results")
    rows = "".join(
        f'<tr><th scope="row"><a href="{grid}.html">{grid}</a></th><td>{len(found)}</td>'
        f"<td>{sum(len(record.restarts) for _, record in found)}</td></tr>"
        for grid, found in grids.items()
    )
    table = _table(["grid", "configurations", "training runs"], rows, "The grids")
    said = (
        '<p>Every measured capacity, a page a grid; all of it in one <a href="../results.zip">archive</a>, or as one '
        '<a href="../capacities.csv">table</a>.</p>'
    )
    folders = [path.name for path in sorted((ROOT / "results").iterdir()) if path.is_dir()]
    others = "".join(f'<li><a href="{name}.html">{name}</a></li>' for name in folders if name not in grids)
    body = f"<h1>Records</h1>{said}{table}<h2>Other records, laws and what others published</h2><ul>{others}</ul>"
    yield "records/index", {"title": "Records", "body": body}, "page.html"
    for folder in folders:
        body = f'<h1>Records of {folder}</h1><p><a href="index.html">All grids</a>.</p>'
        if found := grids.get(folder):
            rows = "".join(_row(folder, path, record) for path, record in sorted(found, key=_sizes))
            names = ["record", *(name.replace("_", " ") for name in _SHOWN)]
            body += _table(names, rows, f"The best restart of each configuration of {folder}")
        files = _files(ROOT / "results" / folder, {path for path, _ in found or []})
        yield f"records/{folder}", {"title": folder, "body": body + files}, "page.html"


def _sizes(of: tuple[Path, CapacityRecord]) -> tuple[int, ...]:
    return tuple(getattr(of[1].architecture, size) for size in "LdHNK")


def _files(folder: Path, listed: set[Path]) -> str:
    """List what of a folder is no capacity record."""
    names = [path.relative_to(folder.parent).as_posix() for path in published(folder) if path not in listed]
    items = "".join(f'<li><a href="{name}">{name}</a></li>' for name in names)
    return f"<ul>{items}</ul>" if items else ""


def _row(grid: str, path: Path, record: CapacityRecord) -> str:
    values = record.architecture.model_dump() | record.protocol.model_dump()
    values |= {"restarts": len(record.restarts)}
    alive = any(restart.status != "diverged" for restart in record.restarts)
    values |= {name: f"{getattr(record, name):.0f}" if alive else "" for name in ("C_plateau", "C_paper_rule")}
    cells = "".join(f"<td>{html.escape(str(values[name]))}</td>" for name in _SHOWN)
    named = ", ".join(f"{size} = {values[size]}" for size in "dHN")
    return f'<tr><th scope="row"><a href="{grid}/{path.name}">{named}</a></th>{cells}</tr>'


def _table(names: list[str], rows: str, label: str) -> str:
    head = "".join(f'<th scope="col">{name}</th>' for name in names)
    return (
        f'<div class="table-scroll" role="region" tabindex="0" aria-label="{label}"><table class="data table">'
        f"<caption><span>{label}</span></caption><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>"
    )


def _copy(app: Sphinx, failed: Exception | None) -> None:
    """Put records, notebooks, the archive and the tidy table beside the pages."""
    if failed or app.builder.format != "html":
        return
    site = Path(app.outdir)
    for path in published(ROOT / "results"):
        copy = site / "records" / path.relative_to(ROOT / "results")
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, copy)
    (site / "notebooks").mkdir(exist_ok=True)
    for notebook in sorted((ROOT / "notebooks").glob("*.ipynb")):
        shutil.copy(notebook, site / "notebooks")
    shutil.copy(ROOT / "CITATION.cff", site)
    _git("archive", "--format=zip", f"--output={site / 'source.zip'}", "HEAD", "--", ".", ":!results")
    shutil.copy(Path(app.srcdir) / "data/preview.png", site / "_static")  # drawn by the front page
    rows = tidy(ROOT / "results")
    rows.to_csv(site / "capacities.csv", index=False)
    dictionary(rows).to_csv(site / "dictionary.csv", index=False)
    with zipfile.ZipFile(site / "results.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for path in published(ROOT / "results"):
            archive.write(path, path.relative_to(ROOT))
        for name in ("capacities.csv", "dictionary.csv"):
            archive.write(site / name, f"results/{name}")
