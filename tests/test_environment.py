"""The ways to install agree, and what the README shows works."""

import ast
import re
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from ecmlib.workplace import WORKER_ENVIRONMENT

PROJECT_FILE = tomllib.loads(Path("pyproject.toml").read_text())
PROJECT = PROJECT_FILE["project"]
REQUIRED = PROJECT["dependencies"] + [name for extra in PROJECT["optional-dependencies"].values() for name in extra]
LOCK = Path("requirements.lock").read_text()
TORCH = Path("torch.lock").read_text()
LOCKED = {
    canonicalize_name(name): version
    for name, version in re.findall(r"^([\w.-]+)==(\S+)", LOCK + TORCH, flags=re.MULTILINE)
}


@pytest.mark.parametrize("requirement", REQUIRED)
def test_lock_holds_what_the_package_requires(requirement: str) -> None:
    wanted = Requirement(requirement)
    assert LOCKED[canonicalize_name(wanted.name)] in wanted.specifier


def test_package_requires_what_it_imports() -> None:
    imported = set()
    for path in Path("ecmlib").glob("**/*.py"):
        for statement in ast.walk(ast.parse(path.read_text())):
            if isinstance(statement, ast.Import):
                imported |= {name.name.split(".")[0] for name in statement.names}
            elif isinstance(statement, ast.ImportFrom):
                imported |= {str(statement.module).split(".")[0]}
    distributions = packages_distributions()
    needed = {canonicalize_name(distributions[name][0]) for name in imported & distributions.keys()}
    required = {canonicalize_name(Requirement(entry).name) for entry in PROJECT["dependencies"]}
    of_others = {"ecmlib", "pydantic-core"}  # pydantic pins its core
    assert needed - of_others == required


def test_every_locked_file_has_its_hash_but_those_of_pytorch() -> None:
    entries = re.split(r"\n(?=[a-zA-Z])", LOCK.split("\n", 2)[2])
    assert len(entries) > 100
    assert all("--hash=sha256:" in entry for entry in entries)
    assert not re.findall(r"^(torch|nvidia-.*|triton|cuda-.*)==", LOCK, flags=re.MULTILINE)
    (torch,) = PROJECT_FILE["tool"]["uv"]["dependency-metadata"]
    assert torch["version"] == LOCKED["torch"]


def test_install_takes_no_file_without_its_hash() -> None:
    (of_lock,) = re.findall(r"pip install .*requirements\.lock$", Path("Makefile").read_text(), flags=re.MULTILINE)
    assert {"--no-deps", "--require-hashes"} <= set(of_lock.split())


@pytest.mark.parametrize("path", sorted(Path(".github/workflows").glob("*.yml")), ids=lambda path: path.stem)
def test_workflow_may_only_read_and_names_every_action_by_its_commit(path: Path) -> None:
    text = path.read_text()
    assert yaml.safe_load(text)["permissions"] == {"contents": "read"}
    used = re.findall(r"uses: *(\S+)", text)
    assert used
    assert all(re.fullmatch(r"[\w/-]+@[0-9a-f]{40}", action) for action in used)


def test_newer_versions_of_packages_and_actions_are_proposed() -> None:
    updates = yaml.safe_load(Path(".github/dependabot.yml").read_text())["updates"]
    assert {update["package-ecosystem"] for update in updates} == {"pip", "github-actions"}


def test_conda_environment_has_a_supported_python_and_leaves_the_packages_to_the_lock() -> None:
    dependencies = yaml.safe_load(Path("environment.yml").read_text())["dependencies"]
    assert not [entry for entry in dependencies if isinstance(entry, dict)]
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


def test_kernel_of_make_install_starts_as_the_workers_of_a_sweep_do() -> None:
    (command,) = re.findall(r"-m ipykernel install (.*?)>", Path("Makefile").read_text(), flags=re.DOTALL)
    given = dict(re.findall(r"--env (\S+) (\S+)", command))
    assert given.keys() == {"OMP_WAIT_POLICY", "MALLOC_MMAP_MAX_", "MALLOC_TRIM_THRESHOLD_"}
    assert given.items() <= WORKER_ENVIRONMENT.items()
