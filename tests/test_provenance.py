import subprocess
from pathlib import Path

import pytest

from ecmlib.provenance import commit_of


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """A package of one module, and a record beside it, in a checkout."""
    for name in ("package/module.py", "results/record.json"):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).write_text("1")
    git(tmp_path, "init", "--quiet")
    git(tmp_path, "add", ".")
    git(tmp_path, "-c", "user.name=a", "-c", "user.email=b", "commit", "--quiet", "--message=c")
    return tmp_path / "package"


def git(checkout: Path, *command: str) -> str:
    return subprocess.run(["git", *command], cwd=checkout, check=True, capture_output=True, text=True).stdout.strip()


def test_code_is_dirty_if_it_was_changed_and_not_if_records_were(package: Path) -> None:
    commit = git(package, "rev-parse", "HEAD")
    assert commit_of(package) == commit
    (package.parent / "results/record.json").write_text("2")
    assert commit_of(package) == commit
    (package / "another.py").write_text("3")
    assert commit_of(package) == f"{commit}-dirty"


def test_code_installed_inside_of_anothers_checkout_or_of_none_has_no_commit(package: Path, tmp_path: Path) -> None:
    within = package / "site-packages/other"
    within.mkdir(parents=True)
    assert commit_of(within) is None
    (tmp_path / ".git").rename(tmp_path / "away")
    assert commit_of(package) is None
