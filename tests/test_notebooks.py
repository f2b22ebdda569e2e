import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import nbformat
import pytest
from conftest import executed, prose
from IPython.core.interactiveshell import InteractiveShell

from ecmlib import load_results
from ecmlib.text_record import load_text_records
from ecmlib.validation import refuse_wrong_parameters

SMALLEST = {"K": 8, "H": 1, "head_dim": 4, "T": 64, "compiled": False}
NOTEBOOKS = sorted(Path("notebooks").glob("*.ipynb"))
TINY: dict[str, dict[str, object]] = {  # parameters with which a notebook measures in seconds
    "mac": {"d": 16, "T": 128, "N": 8, "restarts": 2, "max_steps": 62, "compiled": False},
    "hopfield": {"n": [20, 40], "trials": 2},
    "mls": {
        **{"d": [8], "H": [1], "K": 8, "N": 4, "T": 32, "T_start": 2, "T_max": 4, "restarts": 1},
        **{"min_steps": 31, "max_steps": 31, "compiled": False},
    },
    "parameters": {"d": [4, 8], "H": [1, 2]},
    "shatter": {"d": [8], "K": 8, "N": 4, "T": 4, "trials": 20, "lr": 0.01, "bootstraps": 4},
    "design": {"text": "", "capacity": 10, "N": 8, "H_max": 2, "max_steps": 300, "compiled": False},
    "fit": {"starts": 2, "bootstraps": 10, "folds": 2},
    "feedforward": SMALLEST | {"d": [4, 8, 12], "L": 1, "N": 4, "max_steps": 31},
    "layers": SMALLEST | {"d": 8, "L": [1, 2, 3], "N": 4, "max_steps": 31},
    "vocabulary": SMALLEST | {"K": [4, 8, 16], "d": [8], "N": 4, "max_steps": 31},
    "batch_size": SMALLEST | {"N": [4], "d": [8], "batch_size": [[256, 512, 1024]], "steps": [31], "noise_every": [31]},
    "text": {
        **{"K": [64], "d": [8], "H": [1], "N": [6], "T": [64], "head_dim": 4},
        **{"content": ["uniform", "text"], "max_steps": 31, "precision": "float32", "compiled": False},
    },
    "budget": SMALLEST | {"N": 4, "d": 8, "budgets": [20, 40], "warmup_steps": 5},
    "forecast": {"results": ["results/mac-cpu-L2"], "within": [0.1]},
    "external": {},
    "stopping": {"results": "results/mac-cpu", "patience_steps": [62, 310], "starts": 2, "bootstraps": 2},
}


def tiny_parameters(name: str, folder: Path, **parameters: object) -> dict[str, object]:
    """Return a notebook's tiny size; whatever folder of records it has is one in ``folder``."""
    notebook = Path("notebooks", f"{name}.ipynb")
    declared = notebook.read_text(encoding="utf-8")
    folders: dict[str, object] = {"results": str(folder / "results"), "mac_results": [str(folder / "mac")]}
    folders["text"] = str(folder / "prose.txt")
    Path(str(folders["text"])).write_text(prose(600), encoding="utf-8")
    return {key: value for key, value in folders.items() if f"{key} = " in declared} | TINY[name] | parameters


def run(shell: InteractiveShell, name: str, folder: Path, **parameters: object) -> dict[str, Any]:
    return executed(shell, Path("notebooks", f"{name}.ipynb"), tiny_parameters(name, folder, **parameters))


def papermill(name: str, folder: Path, **parameters: object) -> subprocess.CompletedProcess[str]:
    """Run a notebook in a kernel of its own, as users do; `make experiments` does so with all of them."""
    chosen = json.dumps(tiny_parameters(name, folder, **parameters))
    command = [sys.executable, "-m", "papermill", f"notebooks/{name}.ipynb", str(folder / "out.ipynb"), "-y", chosen]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_committed_notebook_has_no_output_and_says_its_parameters(path: Path) -> None:
    cells = nbformat.read(path, as_version=4).cells
    code = [cell for cell in cells if cell.cell_type == "code"]
    assert all(not cell.outputs and cell.execution_count is None for cell in code)
    (parameters,) = [cell for cell in code if "parameters" in cell.metadata.get("tags", [])]
    assert all("  # " in line for line in parameters.source.splitlines()), "a comment a line"


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebook_runs_end_to_end(path: Path, shell: InteractiveShell, tmp_path: Path) -> None:
    shown = run(shell, path.stem, tmp_path)
    assert shown["image/png"]
    assert shown["text/html"]


def test_budget_notebook_shows_what_is_there_and_says_what_is_not(shell: InteractiveShell, tmp_path: Path) -> None:
    (tmp_path / "results").mkdir()
    assert "0 architectures measured" in run(shell, "budget", tmp_path, train=False)["text"]
    run(shell, "budget", tmp_path)
    said = run(shell, "budget", tmp_path, train=False, d=128)["text"]
    assert "1 architectures measured; 0 budgets of the one asked for." in said
    with pytest.raises(ValueError, match=r"the frame mixes decay_share = 0\.2, 0\.3"):
        run(shell, "budget", tmp_path, decay_share=0.2)
    assert len(list((tmp_path / "results").glob("*.json"))) == 1, "it was trained"


def test_papermill_leaves_a_record_and_a_picture(tmp_path: Path) -> None:
    done = papermill("mac", tmp_path)
    assert done.returncode == 0, done.stderr
    assert len(load_results(tmp_path / "results")) == 2
    assert "image/png" in (tmp_path / "out.ipynb").read_text(encoding="utf-8")


def test_design_notebook_designs_for_a_text_and_trains(shell: InteractiveShell, tmp_path: Path) -> None:
    text = str(tmp_path / "prose.txt")
    shown = run(shell, "design", tmp_path, text=text, share=0.2, N=6, K=64, T=256, H_max=1, L_max=1)
    (record,) = load_text_records(tmp_path / "results")
    assert (record.protocol.content, record.protocol.T, record.architecture.K) == ("text", 256, 64)
    (said,) = re.findall(r"memorised (-?\d+) sequences", shown["text"])
    assert float(said) == round(record.frame()["C"].item())


def test_bad_papermill_parameter_stops_the_notebook(tmp_path: Path) -> None:
    done = papermill("mac", tmp_path, sed=9)
    assert done.returncode != 0
    assert "unknown parameter sed: this notebook has d, H, N, L, K" in done.stderr
    assert not (tmp_path / "results").exists()


@pytest.mark.parametrize(
    ("parameters", "message"),
    [({"sed": 9}, "unknown parameter sed"), ({"d": -1}, "d = -1: input should be greater than or equal to 1")],
)
def test_bad_parameter_stops_the_notebook(
    parameters: dict[str, object], message: str, shell: InteractiveShell, tmp_path: Path
) -> None:
    with pytest.raises(ValueError, match=message):
        run(shell, "mac", tmp_path, **parameters)
    assert not (tmp_path / "results").exists()


@pytest.mark.parametrize("lr", [1e3, 1e30])
def test_record_of_diverged_restarts_is_rendered(lr: float, shell: InteractiveShell, tmp_path: Path) -> None:
    shown = run(shell, "mac", tmp_path, lr=lr)
    assert load_results(tmp_path / "results")["status"].tolist() == ["diverged", "diverged"]
    assert "All 2 runs diverged" in shown["text"]


def test_first_assigning_cell_declares_the_parameters() -> None:
    cells = ["", "d = 1  # size\nH = 2", "# Parameters\nd = 3\n", "x = 1"]
    refuse_wrong_parameters(cells)
    with pytest.raises(ValueError, match="unknown parameter h, n: this notebook has d, H"):
        refuse_wrong_parameters([*cells, "# Parameters\nh = 4\nn = 5\n"])


def test_text_is_no_switch() -> None:
    cells = ["train = True  # False reads\nname = ''"]
    refuse_wrong_parameters([*cells, '# Parameters\ntrain = False\nname = "false"\n'])
    with pytest.raises(ValueError, match="train = 'false': input should be True or False"):
        refuse_wrong_parameters([*cells, '# Parameters\ntrain = "false"\n'])
