"""Everything that reads input says, at once and in a line, which value it cannot take and what it can."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import grids
import pytest
import torch
from conftest import code_of
from grids import load_grid
from status import report

from ecmlib import (
    Architecture,
    count_memorised,
    epochs_to_shatter,
    load_law,
    measure_mac,
    measure_mls,
    random_library,
    smallest_architectures,
)
from ecmlib.laws.design_choices import sizes_up_to
from ecmlib.reproduction.measure import measure_all


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
    "a key that is a list": (MAC + "axes: {[d, H]: [8]}", r"is no YAML \(line 3: found unhashable key\)"),
    "no configuration": (MAC, "axes and configurations are empty"),
    "an axis without values": (
        MAC + "axes: {d: [8, 16], H: []}\nconfigurations: [{d: 8}]",
        r"axes\.H = \[\]: list should have at least 1 item",
    ),
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

LAW = Path("results/law-reference/signal.json").resolve()
FIT = Path("notebooks/fit.ipynb").resolve()
SMALL = {"d": 8, "N": 4, "K": 8, "head_dim": 4}
QUICK = {"T": 64, "max_steps": 40, "restarts": 1, "compiled": False, "progress": False}
MEMORY = "takes at least .* GiB of memory, and there are"
IN_RANGE = "input should be less than or equal to 1000000000"


def mac(given: dict[str, Any]) -> None:
    """Measure with these values in place of those that would run."""
    values = SMALL | QUICK | given
    architecture = values.pop("architecture", None)
    sizes = {name: values.pop(name) for name in [*values] if name in Architecture.model_fields}
    if "protocol" in values:
        values = {"protocol": values["protocol"]}
    measure_mac(Architecture(**sizes) if architecture is None else architecture, **values)


def fit(given: dict[str, Any]) -> None:
    """Run the first cells of the notebook that fits laws, to where fits would begin."""
    declared, first = code_of(FIT)[:2]
    variables: dict[str, Any] = {"In": ["", declared, first]}
    exec(declared, variables)
    variables |= {"measured_in": str(FIT.parent.parent / "results"), "results": "new"} | given
    exec(first[: first.index("laws = fit_all")], variables)


def law_file(content: bytes) -> None:
    Path("law.json").write_bytes(content)
    load_law("law.json")


def count(given: dict[str, Any]) -> None:
    library = torch.zeros((given.get("T", 3), 4), dtype=torch.int64)
    count_memorised(torch.nn.Identity(), library, given.get("batch_size", 512))


CALLS: dict[str, tuple[Callable[[Any], Any], Any, str]] = {
    "N = 10^6": (mac, {"N": 10**6}, f"N = 1000000.*{MEMORY}"),
    "N = 10^9": (mac, {"N": 10**9}, f"N = 1000000000.*{MEMORY}"),
    "N = 10^12": (mac, {"N": 10**12}, f"N = 1000000000000: {IN_RANGE}"),
    "L = 10^6": (mac, {"L": 10**6, "d": 128, "head_dim": 64}, f"L = 1000000.*{MEMORY}"),
    "T = 10^9": (mac, {"T": 10**9, "N": 32}, f"T = 1000000000.*{MEMORY}"),
    "d = 10^7": (mac, {"d": 10**7, "head_dim": 64}, f"d = 10000000.*{MEMORY}"),
    "H = 10^9": (mac, {"H": 10**9}, f"H = 1000000000.*{MEMORY}"),
    "d = 10^20": (mac, {"d": 10**20}, f"d = 100000000000000000000: {IN_RANGE}"),
    "min_steps": (mac, {"min_steps": 41}, "min_steps = 41: input should be at most max_steps = 40"),
    "eval_every": (mac, {"eval_every": 41}, "eval_every = 41: input should be at most max_steps = 40"),
    "results = 5": (mac, {"results": 5}, "results = 5: input should be the path of a folder"),
    "results = ''": (mac, {"results": ""}, "results = '': input should be the path of a folder"),
    "results = /sys": (mac, {"results": "/sys"}, "results = '/sys': no folder that can be written"),
    "results = None": (lambda at: measure_all([SMALL], results=at), None, "results = None: input should be the path"),
    "weight_bits = None": (mac, {"weight_bits": None}, "weight_bits = None: input should be a valid list"),
    "weight_bits = [0]": (mac, {"weight_bits": (0,)}, "weight_bits.0 = 0: input should be greater than or equal to 1"),
    "architecture": (mac, {"architecture": {"d": 8}}, "architecture = {'d': 8}: input should be an Architecture"),
    "protocol": (mac, {"protocol": 64}, "protocol = 64: input should be a Protocol"),
    "a library of 10^9": (lambda T: random_library(T, 32, 128, 0), 10**9, f"T = 1000000000, N = 32.*{MEMORY}"),
    "MLS of 10^9": (lambda T: measure_mls(Architecture(d=8), T_max=T), 10**9, f"T = 1000000000.*{MEMORY}"),
    "shatter with L = 10^6": (lambda L: epochs_to_shatter(Architecture(d=128, L=L)), 10**6, f"L = 1000000.*{MEMORY}"),
    "an empty library": (count, {"T": 0}, r"library of shape \(0, 4\): input should be T x N"),
    "batch_size = 0": (count, {"batch_size": 0}, "batch_size = 0: input should be greater than or equal to 1"),
    "a law's name": (
        lambda law: smallest_architectures(100, 8, law=law),
        "signal",
        "law = 'signal': input should be a law, such as load_law reads",
    ),
    "N of a design": (
        lambda N: smallest_architectures(100, N, law=load_law(LAW)),
        10**12,
        f"N = 1000000000000: {IN_RANGE}",
    ),
    "N of a design, of 400 digits": (
        lambda N: smallest_architectures(100, N, T=2048, law=load_law(LAW)),
        10**400,
        "N = an integer of about 400 digits",
    ),
    "N of a design that is text": (
        lambda N: smallest_architectures(100, N, law=load_law(LAW)),
        "8",
        "N = '8': input should be a valid integer",
    ),
    "L_max = 0": (lambda most: sizes_up_to(L_max=most), 0, "L_max = 0: input should be an integer from 1 to 64"),
    "a law that is a list": (law_file, b"[]", r"law\.json: holds no law"),
    "a law cut off": (law_file, b'{"law": "signal", ', r"law\.json: is no JSON"),
    "an empty law": (law_file, b"", r"law\.json: is no JSON"),
    "a binary law": (law_file, b"\xff\xfe\0", r"law\.json: is not UTF-8"),
    "an unknown law": (law_file, b'{"law": ["x"]}', r"law\.json: holds the law \['x'\]; it should be 'ecm' or"),
    "a law without its numbers": (law_file, b'{"law": "ecm"}', r"law\.json: a is missing"),
    "no law at all": (load_law, "nowhere.json", r"nowhere\.json: cannot be read"),
    "level = 2": (fit, {"level": 2.0}, "level = 2.0: input should be less than 1"),
    "target = foo": (fit, {"target": "foo"}, "target = 'foo': input should be 'C', 'C_plateau' or 'C_paper_rule'"),
    "measured_in = /nope": (fit, {"measured_in": "/nope"}, "folder = '/nope/mac-cpu': there is no such folder"),
    "holdout = nope": (fit, {"holdout": "nope"}, "folder = '.*/nope': there is no such folder"),
}

REFUSALS = {
    f"grid file: {name}": Refusal(read_grid, content, message) for name, (content, message) in GRID_FILES.items()
}
REFUSALS |= {
    f"grid name: {name}": Refusal(load_grid, given, r"GRID = .*: there is no such grid; there are ")
    for name, given in GRID_NAMES.items()
}
REFUSALS |= {name: Refusal(*case) for name, case in CALLS.items()}


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
