"""The ways to install agree, and what the README shows works."""

import re
import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

PROJECT = tomllib.loads(Path("pyproject.toml").read_text())["project"]
REQUIRED = PROJECT["dependencies"] + [name for extra in PROJECT["optional-dependencies"].values() for name in extra]
LOCKED = {
    canonicalize_name(line.split("==")[0]): line.split("==")[1]
    for line in Path("requirements.lock").read_text().splitlines()
    if not line.startswith("#")
}


@pytest.mark.parametrize("requirement", REQUIRED)
def test_lock_holds_what_the_package_requires(requirement: str) -> None:
    wanted = Requirement(requirement)
    assert LOCKED[canonicalize_name(wanted.name)] in wanted.specifier


def test_conda_environment_installs_the_same_lock_on_a_supported_python() -> None:
    dependencies = yaml.safe_load(Path("environment.yml").read_text())["dependencies"]
    (pip,) = [entry["pip"] for entry in dependencies if isinstance(entry, dict)]
    assert pip == ["-r requirements.lock", "-e ."]
    (python,) = [entry for entry in dependencies if str(entry).startswith("python=")]
    assert Requirement(f"python{PROJECT['requires-python']}").specifier.contains(python.removeprefix("python="))


def test_readme_example_runs(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (example,) = re.findall(r"```python\n(.*?)```", Path("README.md").read_text(), flags=re.DOTALL)
    monkeypatch.chdir(tmp_path)
    exec(compile(example, "README.md", "exec"), {})
    assert re.search(r"\d", capsys.readouterr().out)


def test_readme_names_make_targets_that_exist() -> None:
    targets = set(re.findall(r"^([a-z-]+):", Path("Makefile").read_text(), flags=re.MULTILINE))
    named = set(re.findall(r"\bmake ([a-z-]+)", Path("README.md").read_text()))
    assert named <= targets
