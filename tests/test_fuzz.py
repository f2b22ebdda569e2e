"""Whatever is put in is either accepted and valid, or refused with one clear line."""

import json
import math
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grids
import pytest
import yaml
from conftest import KINDS, code_of, prose
from grids import load_grid
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ecmlib import Architecture, CapacityRecord

SAMPLES = {path.parent.name: path for path in sorted(Path("tests/records").glob("version-3/*/*.json"))}
NOTEBOOKS = sorted(path.stem for path in Path("notebooks").glob("*.ipynb"))
READING = ["external", "forecast", "stopping"]  # whose records are not theirs to write
# What would cost minutes: it ends a notebook whose parameters are all accepted.
COSTLY = [
    "ecmlib.architecture.Architecture.build",
    "ecmlib.laws.contestants.fit_all",
    "ecmlib.mls.random_library",
    "ecmlib.reproduction.forecast.teach",
    "ecmlib.reproduction.hopfield._random_patterns",
    "ecmlib.shatter.random_library",
    "ecmlib.training.random_library",
]


CELLS = {name: code_of(Path(f"notebooks/{name}.ipynb"))[:2] for name in NOTEBOOKS}
TEXT = prose(2000)

numbers = st.integers(-3, 40) | st.sampled_from([10**6, 10**9, 10**12, 10**20, -(10**20), 10**400]) | st.floats()
texts = st.text(max_size=8) | st.sampled_from(["auto", "8", "1e-3", "$(touch x)", "'; touch x #", "/sys", "../x", "\0"])
scalars = st.none() | st.booleans() | numbers | texts
values = st.recursive(scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=2))
names = st.sampled_from([*Architecture.model_fields, "T", "lr", "compiled", "device", "seed", "max_steps"]) | texts
quick = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture(scope="module")
def some_results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Laws, and a few records of each grid that notebooks read."""
    folder = tmp_path_factory.mktemp("some") / "results"
    for grid in (path for path in Path("results").iterdir() if path.is_dir()):
        (folder / grid.name).mkdir(parents=True)
        files = [path for path in sorted(grid.iterdir()) if path.is_file()]
        for path in files if grid.name == "law" else files[:8]:
            shutil.copy(path, folder / grid.name)
    return folder


class AcceptedError(Exception):
    """Training would begin."""


@pytest.mark.parametrize("kind", SAMPLES)
@quick
@given(data=st.data())
def test_spoiled_record(kind: str, tmp_path: Path, data: st.DataObject) -> None:
    content = json.loads(SAMPLES[kind].read_text())
    place = data.draw(st.sampled_from(list(places(content))))
    spoil(content, place, data.draw(values))
    path = tmp_path / "record.json"
    path.write_text(json.dumps(content))
    if (record := accepted(lambda: KINDS[kind].load(path))) is not None:
        assert KINDS[kind].model_validate_json(record.model_dump_json()) == record
        assert all(math.isfinite(number) for number in floats(record.model_dump()))


@quick
@given(content=st.binary(max_size=64) | st.text(max_size=64).map(str.encode))
def test_file_of_anything(content: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(grids, "GRIDS", tmp_path)
    for name, read in {"record.json": CapacityRecord.load, "grid.yaml": lambda _: load_grid("grid")}.items():
        path = tmp_path / name
        path.write_bytes(content)
        accepted(lambda path=path, read=read: read(path))


@quick
@given(data=st.data())
def test_spoiled_grid(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, data: st.DataObject) -> None:
    monkeypatch.setattr(grids, "GRIDS", tmp_path)
    experiment = data.draw(st.sampled_from(["mac", "mls", "shatter"]))
    content = {"experiment": experiment, "restarts": 2, "parameters": {"N": 4, "K": 8}, "axes": {"d": [4, 8], "H": [1]}}
    where = data.draw(st.sampled_from([(), *places(content)]))
    if where:
        spoil(content, where, data.draw(values))
    content["parameters" if where else data.draw(texts)] = data.draw(st.dictionaries(names, values, max_size=2))
    (tmp_path / "given.yaml").write_text(yaml.safe_dump(content), encoding="utf-8")
    jobs = accepted(lambda: list(load_grid("given").jobs(tmp_path / "a b")))
    for job in jobs or []:
        several = job.experiment.lists
        told = {name: [value] if name in several else value for name, value in job.parameters.items()}
        assert same(yaml.safe_load(job.arguments), told), "papermill reads what the grid says"


@pytest.mark.parametrize("name", NOTEBOOKS)
@settings(quick, max_examples=25)
@given(data=st.data())
def test_notebook_parameter(
    name: str, some_results: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, data: st.DataObject
) -> None:
    declared, first = CELLS[name]
    variables: dict[str, Any] = {}
    exec(declared, variables)
    del variables["__builtins__"]
    chosen = data.draw(st.sampled_from(list(variables)))
    if name not in READING:
        variables["results"] = "new"
    variables[chosen] = data.draw(values)

    def stop(*_: object, **__: object) -> None:
        raise AcceptedError

    for place in COSTLY:
        monkeypatch.setattr(place, stop)
    monkeypatch.chdir(tmp_path)
    Path("runs").mkdir(exist_ok=True)
    Path("runs/kjv.txt").write_text(TEXT)
    if not Path("results").exists():
        Path("results").symlink_to(some_results)  # nothing is written where training stops
    accepted(lambda: exec(first, variables | {"In": ["", declared, first]}))


def accepted(read: Any) -> Any:
    """Return what reading gives, None if it is refused as it should be."""
    try:
        return read()
    except AcceptedError:
        return None
    except (ValueError, OSError) as error:
        message = str(error)
        assert message
        assert "\n" not in message
        assert len(message) < 1000
        return None


def places(content: Any, above: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Every place in nested mappings and lists, of long lists the first and the last."""
    if isinstance(content, dict):
        inner = list(content.items())
    else:
        inner = [(place, content[place]) for place in sorted({0, len(content) - 1})] if content else []
    for name, value in inner:
        yield (*above, name)
        if isinstance(value, dict | list):
            yield from places(value, (*above, name))


def spoil(content: Any, place: tuple[Any, ...], value: object) -> None:
    *above, last = place
    for name in above:
        content = content[name]
    content[last] = value


def floats(content: Any) -> Iterator[float]:
    if isinstance(content, dict | list):
        for value in content.values() if isinstance(content, dict) else content:
            yield from floats(value)
    elif isinstance(content, float):
        yield content


def same(one: Any, other: Any) -> bool:
    return json.dumps(one) == json.dumps(other)
