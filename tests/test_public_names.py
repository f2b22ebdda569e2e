"""What the package offers: each public name has an example that runs, and nothing waits for PyTorch that needs none."""

import doctest
import inspect
import json
import re
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

import ecmlib

HEAVY = ("torch", "x_transformers", "sklearn", "statsmodels", "matplotlib")
KINDS = {
    "mls_record.MlsRecord": "results/mls",
    "shatter_record.ShatterRecord": "results/shatter",
    "noise_scale_record.NoiseScaleRecord": "results/batch-size/noise-scale",
    "text_record.TextRecord": "results/text-tiny",
    "budget_record.BudgetRecord": "results/budget",
}
READING = """
import json, sys
from importlib import import_module
import ecmlib
first = [name for name in (*HEAVY, "pandas", "scipy") if name in sys.modules]
from ecmlib.record import load_folder
ecmlib.load_results("results/mac-cpu")
ecmlib.smallest_architectures(300, N=8, T=2048)
ecmlib.load_law("results/law/ecm.json").predict(d=8, H=1, N=8, level=0.9)
for kind, folder in KINDS.items():
    module, name = kind.rsplit(".", 1)
    records = load_folder(folder, getattr(import_module(f"ecmlib.{module}"), name))
    assert records, folder
print(json.dumps([first, [name for name in HEAVY if name in sys.modules]]))
"""


@pytest.mark.parametrize("name", ecmlib.__all__)
def test_public_name_has_an_example_that_runs(name: str) -> None:
    named = getattr(ecmlib, name)
    module = sys.modules[named.__module__]
    found = doctest.DocTestFinder(recurse=False).find(named, name, module=module, globs={})
    (example,) = [test for test in found if test.examples]
    runner = doctest.DocTestRunner(verbose=False, optionflags=doctest.NORMALIZE_WHITESPACE)
    assert runner.run(example).failed == 0


@pytest.mark.parametrize("method", [ecmlib.SignalLaw.predict])
def test_examples_of_methods_run(method: object) -> None:
    (example,) = doctest.DocTestFinder(recurse=False).find(method, "method", module=False, globs={})
    assert example.examples
    assert doctest.DocTestRunner(verbose=False).run(example).failed == 0


def test_names_are_told_before_they_are_imported() -> None:
    code = "import ecmlib; print(sorted(set(ecmlib.__all__) - set(dir(ecmlib))))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"
    assert all(inspect.getdoc(getattr(ecmlib, name)) for name in ecmlib.__all__)
    with pytest.raises(AttributeError, match="module 'ecmlib' has no attribute 'nothing'"):
        _ = ecmlib.nothing


def test_records_laws_and_designs_need_no_torch() -> None:
    code = f"HEAVY = {HEAVY}\nKINDS = {KINDS}" + READING
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == [[], []]


def test_wheel_works_outside_the_checkout_with_the_law_that_was_fitted(tmp_path: Path) -> None:
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    subprocess.run(build, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    site = tmp_path / "site"
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(site)
    assert (site / "ecmlib/laws/signal.json").read_bytes() == Path("results/law-reference/signal.json").read_bytes()
    (example,) = re.findall(r"```python\n(.*?)```", Path("README.md").read_text(), flags=re.DOTALL)
    code = f"import sys; sys.path.insert(0, {str(site)!r})\n{example}\n" + (
        "import ecmlib\nprint(ecmlib.__file__, ecmlib.__version__, ecmlib.load_law().name)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path, check=False)
    assert done.returncode == 0, done.stderr
    file, version, law = done.stdout.splitlines()[-1].split()
    assert Path(file).is_relative_to(site)
    assert version == tomllib.loads(Path("pyproject.toml").read_text())["project"]["version"]
    assert law == "signal"


def test_checkout_ships_the_fitted_law_and_no_copy() -> None:
    from ecmlib.files import shipped_file

    assert shipped_file("laws/signal.json", "law-reference").samefile("results/law-reference/signal.json")
