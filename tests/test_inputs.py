"""Everything that reads input says, at once and in a line, which value it cannot take and what it can."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import grids
import pytest
from grids import load_grid
from status import report


class Refusal(NamedTuple):
    """An input, what reads it, and how it is refused."""

    read: Callable[[Any], Any]
    given: Any
    message: str  # a regular expression


MAC = "experiment: mac\nrestarts: 1\n"


def read_grid(content: str | bytes | None) -> None:
    """Read a grid file of this content, of None: a directory of that name."""
    path = grids.GRIDS / "given.yaml"
    if content is None:
        path.mkdir()
    else:
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    report("given", Path("results"), Path("runs"), cores=1)


GRID_FILES = {
    "empty": ("", r"given\.yaml: a grid is a mapping of names to values, not null"),
    "a list": ("- 1\n- 2", r"given\.yaml: a grid is a mapping of names to values, not a list"),
    "a scalar": ("mac", r"given\.yaml: a grid is a mapping of names to values, not 'mac'"),
    "a directory": (None, r"given\.yaml: cannot be read \(Is a directory\)"),
    "not UTF-8": (b"experiment: \xff", r"given\.yaml: is not UTF-8"),
    "not YAML": ("experiment: [", r"given\.yaml: is no YAML \(line 1: .*\)"),
    "a key that is no name": ("1: 2", r"given\.yaml: 1: a grid's keys are names"),
    "a tag that would run code": (
        MAC + "axes: !!python/object/apply:os.system ['true']",
        "is no YAML .*could not determine",
    ),
    "a key twice": (MAC + "axes: {d: [8], d: [16]}", r"is no YAML \(line 3: 'd' is there twice\)"),
    "no restarts": ("experiment: mac", "restarts is missing"),
    "restarts 0": ("experiment: mac\nrestarts: 0", "restarts = 0: input should be greater than or equal to 1"),
    "no configuration": (MAC, "axes and configurations are empty"),
    "an axis without values": (MAC + "axes: {d: []}", "axes and configurations are empty"),
    "an unknown experiment": ("experiment: mca\nrestarts: 1\naxes: {d: [8]}", "experiment = 'mca': there is no such"),
    "an unknown key": (MAC + "axis: {}", "axis = {}: extra inputs are not permitted"),
    "a size out of range": (MAC + "axes: {d: [0]}", "d = 0: input should be greater than or equal to 1"),
    "an unknown parameter": (MAC + "axes: {d: [8], TT: [9]}", "unknown parameter 'TT': notebook 'mac' has d, H"),
    "a configuration twice": (MAC + "axes: {d: [8, 8]}", "d8_H1_N32_L1_K128_T16000: is on the grid twice"),
    "more than can be listed": (
        MAC + "axes: {d: &a [1, 2, 3, 4, 5, 6, 7, 8, 9, 10], N: *a, H: *a, L: *a, K: *a, T: *a}",
        "1000000 configurations: a grid has at most 10000",
    ),
    "a shell command": (
        MAC + "parameters: {compiled: 'False; touch /tmp/x #'}\naxes: {d: [8]}",
        "compiled = 'False; touch /tmp/x #': input should be 'auto', True or False",
    ),
    "a shell command as a device": (
        MAC + "parameters: {device: '$(touch x)'}\naxes: {d: [8]}",
        r"device = '\$\(touch x\)': input should be 'auto', 'cpu' or 'cuda'",
    ),
    "results of a grid's own": (
        MAC + "parameters: {results: /tmp}\naxes: {d: [8]}",
        "results = '/tmp': extra inputs are not permitted",
    ),
    "a value that mls does not search with": (
        "experiment: mls\nrestarts: 1\nparameters: {T: '1; touch x'}\naxes: {d: [8]}",
        "T = '1; touch x': input should be a valid integer",
    ),
    "a shell command for shatter": (
        "experiment: shatter\nrestarts: 1\nparameters: {device: 'cpu; x'}\naxes: {d: [8]}",
        "device = 'cpu; x': input should be",
    ),
}
GRID_NAMES = {
    "a path": "../../../x",
    "an absolute path": "/tmp/x",
    "a space": "b space",
    "nothing": "",
    "a number": 7,
    "a folder": "mac/x",
    "the ending": "mac-cpu.yaml",
}

REFUSALS = {
    f"grid file: {name}": Refusal(read_grid, content, message) for name, (content, message) in GRID_FILES.items()
}
REFUSALS |= {
    f"grid name: {name}": Refusal(load_grid, given, r"GRID = .*: there is no such grid; there are ")
    for name, given in GRID_NAMES.items()
}


@pytest.mark.parametrize("case", REFUSALS)
def test_bad_input_is_refused_in_one_line(case: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read, given, message = REFUSALS[case]
    monkeypatch.setattr(grids, "GRIDS", tmp_path)
    monkeypatch.chdir(tmp_path)
    with pytest.raises((ValueError, OSError), match=message) as refused:
        read(given)
    assert "\n" not in str(refused.value)
    assert len(str(refused.value)) < 500


def test_numbers_of_a_grid_may_be_written_as_in_python(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(grids, "GRIDS", tmp_path)
    (tmp_path / "given.yaml").write_text(MAC + "parameters: {lr: 1e-3}\naxes: {d: [8]}")
    (job,) = load_grid("given").jobs(tmp_path)
    assert job.plan.protocol.lr == 0.001
