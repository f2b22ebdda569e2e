"""What several tests share: the smallest architecture that learns, and a protocol that takes a second."""

import json
import os
import signal
import traceback
import warnings
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from random import Random
from typing import Any

import nbformat
import pytest
import torch
from IPython.core.interactiveshell import InteractiveShell
from IPython.core.pylabtools import select_figure_formats
from IPython.utils.capture import capture_output
from papermill.iorw import load_notebook_node
from papermill.parameterize import parameterize_notebook
from traitlets.config import Config

from ecmlib import Architecture, CapacityRecord, MlsRecord, ShatterRecord
from ecmlib.budget_record import BudgetRecord
from ecmlib.noise_scale_record import NoiseScaleRecord
from ecmlib.record import Record
from ecmlib.text_record import TextRecord

KINDS: dict[str, type[Record]] = {
    "mac": CapacityRecord,
    "mls": MlsRecord,
    "shatter": ShatterRecord,
    "noise-scale": NoiseScaleRecord,
    "budget": BudgetRecord,
    "text": TextRecord,
}


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(autouse=True, scope="session")
def _kernels_of_its_own(pytestconfig: pytest.Config) -> None:
    """Of two processes that compile one kernel into one place, one may load what the other has half written."""
    place = f"kernels-{os.environ.get('PYTEST_XDIST_WORKER', 'main')}"
    os.environ["TORCHINDUCTOR_CACHE_DIR"] = str(pytestconfig.rootpath / ".pytest_cache" / place)


@pytest.fixture
def tiny() -> Architecture:
    return Architecture(d=8, H=1, N=4, K=8, head_dim=4)


@pytest.fixture
def quick() -> dict[str, Any]:
    return {
        "T": 64,
        "restarts": 2,
        "min_steps": 20,
        "max_steps": 60,
        "eval_every": 10,
        "compiled": False,
        "progress": False,
    }


def code_of(notebook: Path) -> list[str]:
    """Return the sources of a notebook's code cells; the first declares the parameters."""
    cells = nbformat.read(notebook, as_version=4).cells
    return [cell.source for cell in cells if cell.cell_type == "code"]


def kills_itself(work: Callable[[Callable[[], None]], object]) -> bool:
    """Do work in a process that it kills by calling what it is given, and say whether it did.

    A fork, since importing PyTorch takes longer than all the rest.
    """
    with warnings.catch_warnings(action="ignore", category=DeprecationWarning):  # pytest-xdist has threads, which wait
        process = os.fork()
    if process == 0:
        try:
            work(lambda: os.kill(os.getpid(), signal.SIGKILL))
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(1)
    return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]) == -signal.SIGKILL


@pytest.fixture(scope="session")
def shell() -> Iterator[InteractiveShell]:
    """What runs cells in a kernel, in this process: starting a kernel takes longer than a tiny notebook."""
    shell = InteractiveShell.instance(config=Config(HistoryManager={"enabled": False}))
    select_figure_formats(shell, {"png"})
    yield shell
    InteractiveShell.clear_instance()


def executed(shell: InteractiveShell, notebook: Path, parameters: dict[str, Any]) -> dict[str, Any]:
    """Run a notebook as papermill would, raise its errors, and return what it displays: the last of each MIME type."""
    filled = parameterize_notebook(load_notebook_node(str(notebook)), parameters)
    shell.reset()
    shown: dict[str, Any] = {}
    with warnings.catch_warnings(action="ignore"):  # in a kernel no warning is an error
        for cell in filled.cells:
            if cell.cell_type == "code":
                with capture_output() as captured:
                    result = shell.run_cell(cell.source, store_history=True)
                result.raise_error()
                shown |= {"text": shown.get("text", "") + captured.stdout}
                if result.result is not None:
                    shown |= shell.display_formatter.format(result.result)[0]
    return shown


def curves(record: CapacityRecord) -> list[dict[str, Any]]:
    """Return what two measurements of one configuration have in common: all but times and places."""
    return [restart.model_dump(exclude={"provenance"}) for restart in record.restarts]


def spoiled(stored: dict[str, Any], where: str, value: object) -> dict[str, Any]:
    """Return a copy with another value at a place such as ``restarts.0.bits.1``; ``...`` deletes what is there."""
    copy = json.loads(json.dumps(stored))
    *parents, last = [int(name) if name.lstrip("-").isdigit() else name for name in where.split(".")]
    holder = copy
    for name in parents:
        holder = holder[name]
    if value is ...:
        del holder[last]
    else:
        holder[last] = value
    return copy


def prose(sentences: int) -> str:
    """Write sentences that are partly predictable, as language is; the same on every machine."""
    random = Random(0).random  # of which alone Python promises that it stays the same

    def one_of(choices: Sequence[str]) -> str:
        return choices[int(len(choices) * random() ** 3)]  # the first are frequent

    words = {
        kind: ["".join(one_of(letters) for _ in range(2 + int(5 * random()))) for _ in range(60)]
        for kind, letters in {"noun": "onmbdgelatrs", "verb": "aeikprtuw", "adjective": "ycefhilos"}.items()
    }
    sentence = ("the", "adjective", "noun", "verb", "the", "noun", "and", "verb", "adjective", "noun")
    return "".join(
        " ".join(one_of(words[kind]) if kind in words else kind for kind in sentence) + ".\n" for _ in range(sentences)
    )
