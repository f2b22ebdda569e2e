import os
import pty
import subprocess
import sys
from pathlib import Path
from typing import Any

import nbformat
import pytest
from conftest import curves

from ecmlib import Architecture, Protocol, measure_mac, progress
from ecmlib.forward import make_forward
from ecmlib.library import random_library
from ecmlib.progress import Cost, duration, measured_cost
from ecmlib.trainer import Trainer


def test_cost_counts_the_steps_and_the_looks_of_every_stretch() -> None:
    protocol = Protocol(T=64, max_steps=100, min_steps=100, eval_every=30)
    assert Cost(step=1, look=1000).seconds(protocol, [(0, 100)]) == 100 + 1000 * 5  # at 0, 30, 60, 90, 100
    assert Cost(step=1, look=1000).seconds(protocol, [(0, 60), (60, 80)]) == 80 + 1000 * 4


@pytest.mark.parametrize("lr", [1e-3, 1e12])
def test_cost_is_measured_by_a_clock(lr: float, tiny: Architecture, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of steps that take 1 second each, and looks of 10, on a clock that these alone move."""
    now = 0.0
    advance, count = Trainer.advance, Trainer.count

    def moved(seconds: float) -> None:
        nonlocal now
        now += seconds

    def slow_advance(self: Trainer, end: int, protocol: Protocol) -> None:
        moved(end - self.step)
        advance(self, end, protocol)

    def slow_count(self: Trainer) -> Any:
        moved(10)
        return count(self)

    monkeypatch.setattr(Trainer, "advance", slow_advance)
    monkeypatch.setattr(Trainer, "count", slow_count)
    monkeypatch.setattr(progress.time, "perf_counter", lambda: now)
    protocol, model = Protocol(T=64, batch_size=24, lr=lr), tiny.build(0)
    trainer = Trainer(model, make_forward(model), random_library(64, tiny.N, tiny.K, seed=0), protocol, seed=0)
    assert measured_cost(trainer, protocol) == Cost(step=1, look=10)


def test_estimate_changes_no_measurement(
    tiny: Architecture, quick: dict[str, Any], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    silent = measure_mac(tiny, **quick)
    assert capsys.readouterr().out == ""
    measure_mac(tiny, **quick | {"progress": True})
    assert capsys.readouterr().out == "", "60 steps are not worth 8 more"
    monkeypatch.setattr(progress, "_WORTH_TIMING", 1)
    told = measure_mac(tiny, **quick | {"progress": True})
    assert curves(told) == curves(silent)
    assert "for 2 of them" in capsys.readouterr().out


def test_estimate_of_a_stack_counts_all_that_it_trains(
    tiny: Architecture, quick: dict[str, Any], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Where a count takes 1000 seconds, and all else nothing, 7 counts of each of 2 take 3.9 hours."""
    now = 0.0
    count = Trainer.count

    def slow_count(self: Trainer) -> Any:
        nonlocal now
        now += 1000
        return count(self)

    monkeypatch.setattr(Trainer, "count", slow_count)
    monkeypatch.setattr(progress.time, "perf_counter", lambda: now)
    monkeypatch.setattr(progress, "_WORTH_TIMING", 1)
    measure_mac(tiny, **quick | {"progress": True, "restarts": 4, "stack": 2})
    assert "at most 3.9 hours a run, 7.8 hours for 2 of them" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.123, "0.12 seconds"), (119, "119 seconds"), (150, "2.5 minutes"), (7200, "2 hours"), (1e6, "12 days")],
)
def test_durations_have_two_digits_and_a_unit(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_papermill_shows_estimate_and_bar_in_its_terminal(tmp_path: Path) -> None:
    """With nothing but a notebook, an output and parameters, on a terminal of this test's own."""
    sizes = {"d": 8, "N": 4, "K": 8, "head_dim": 4, "T": 64, "restarts": 1, "max_steps": 1000, "min_steps": 1000}
    settings = sizes | {"eval_every": 250, "compiled": False, "results": str(tmp_path / "results")}
    out = tmp_path / "out.ipynb"
    command = [sys.executable, "-m", "papermill", "notebooks/mac.ipynb", str(out)]
    for name, value in settings.items():
        command += ["-p", name, str(value)]
    ours, theirs = pty.openpty()
    # ipykernel redirects nothing in what looks like a test.
    environment = {name: value for name, value in os.environ.items() if name != "PYTEST_CURRENT_TEST"}
    with subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs, env=environment) as process:
        os.close(theirs)
        seen = b""
        while piece := _read(ours):
            seen += piece
    os.close(ours)
    shown = seen.decode()
    assert process.returncode == 0, shown
    assert "at most" in shown
    assert "restart 1/1: 100%" in shown
    assert "1000/1000" in shown
    notebook = "".join(str(cell.get("outputs")) for cell in nbformat.read(out, as_version=4).cells)
    assert "at most" in notebook


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 4096)
    except OSError:  # Linux: the other end is closed
        return b""
