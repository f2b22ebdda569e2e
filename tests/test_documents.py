"""What the repository says of itself is so."""

import re
import tomllib
from pathlib import Path

import pandas as pd
import yaml

from ecmlib import load_results
from ecmlib.text_record import load_text_records

RECORDS = Path("results/README.md").read_text(encoding="utf-8")
TABLES = {  # and the headings of the columns that say what is in them
    "comparison.csv": "Column of `comparison.csv`",
    "grids.csv": "Column of `grids.csv`",
    "like_for_like.csv": "Column of `like_for_like.csv`",
    "left_out.csv": "Column of `left_out.csv`",
    "targets.csv": "Column of `targets.csv` and `hits.csv`",
    "hits.csv": "Column of `targets.csv` and `hits.csv`",
}


def rows(heading: str) -> list[str]:
    """First cells of the table under a heading."""
    (section,) = re.findall(rf"^## {heading}[^\n]*\n(.*?)(?=^## |\Z)", RECORDS, flags=re.MULTILINE | re.DOTALL)
    return re.findall(r"^\| `([^`]+)`", section, flags=re.MULTILINE)


def explained(heading: str) -> set[str]:
    """Names in the first cells of the table whose first heading this is."""
    (table,) = re.findall(rf"^\| {re.escape(heading)} \|.*\n\|.*\n((?:\|.*\n)*)", RECORDS, flags=re.MULTILINE)
    return {name for line in table.splitlines() for name in re.findall(r"`([^`]+)`", line.split("|")[1])}


def test_every_column_of_a_record_has_a_row() -> None:
    records = load_results("results/mac-cpu")
    assert explained("Column") == set(records)
    of_text = set(load_text_records("results/text-tiny")[0].frame())
    assert of_text - set(records) == explained("Column of a text") - set(records)


def test_every_column_of_a_table_has_a_row() -> None:
    columns: dict[str, set[str]] = {heading: set() for heading in TABLES.values()}
    for name, heading in TABLES.items():
        tables = [path for path in Path("results").glob(f"*/{name}") if "local" not in path.parts]
        columns[heading] |= {column for path in tables for column in pd.read_csv(path, nrows=1)} - {"Unnamed: 0"}
    for heading, found in columns.items():
        assert found == explained(heading)


def test_every_folder_of_records_has_a_row_and_every_row_a_folder_or_grid() -> None:
    named = set(rows("Folders"))
    folders = {path.name for path in Path("results").iterdir() if path.is_dir() and any(path.rglob("*.json"))} - {
        "local"
    }
    grids = {path.stem for path in Path("workflow/grids").glob("*.yaml")}
    assert folders - named == set()
    assert named - folders - grids == set()


def test_changes_begin_with_this_version() -> None:
    version = tomllib.loads(Path("pyproject.toml").read_text())["project"]["version"]
    assert re.findall(r"^## (\S+)", Path("CHANGELOG.md").read_text(), flags=re.MULTILINE)[0] == version


def test_citation_names_this_version() -> None:
    version = tomllib.loads(Path("pyproject.toml").read_text())["project"]["version"]
    assert yaml.safe_load(Path("CITATION.cff").read_text())["version"] == version


def test_contributing_names_what_exists() -> None:
    text = Path("CONTRIBUTING.md").read_text()
    targets = re.findall(r"^([a-z-]+):", Path("Makefile").read_text(), flags=re.MULTILINE)
    for line in re.findall(r"(?:^|`)make ([a-z -]+)", text, flags=re.MULTILINE):
        assert set(line.split()) <= set(targets), line
    for path in re.findall(r"`?((?:ecmlib|workflow|tests|results|notebooks)/[\w./-]*)", text):
        assert Path(path).exists(), path


def test_readme_names_every_notebook() -> None:
    readme = Path("README.md").read_text()
    (table,) = re.findall(r"^\| notebook \|.*\n\| ---.*\n((?:\|.*\n)+)", readme, flags=re.MULTILINE)
    named = re.findall(r"`(\w+)`", "".join(row.split("|")[1] for row in table.splitlines()))
    assert sorted(named) == sorted(path.stem for path in Path("notebooks").glob("*.ipynb"))


def test_lint_before_a_commit_is_lint() -> None:
    (repository,) = yaml.safe_load(Path(".pre-commit-config.yaml").read_text())["repos"]
    assert [hook["entry"] for hook in repository["hooks"]] == ["make lint"]


def test_oldest_and_newest_python_are_tested() -> None:
    python = yaml.safe_load(Path(".github/workflows/test.yml").read_text())["jobs"]["test"]["strategy"]["matrix"]
    assert python == {"python": ["3.11", "3.12", "3.13"]}
