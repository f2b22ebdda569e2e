"""With what a run was measured: code, versions, machine and time."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Annotated

from pydantic import Field

from ecmlib.validation import Parameters, Positive

Seconds = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class Provenance(Parameters):
    """With what a restart was measured.

    ``commit`` is that of the code which ended the run, with "-dirty" after it if that code differed from the commit.
    (By the code before commit e02013c it is that of the checkout at the run's end, and any changed file made it dirty.)
    ``compiled`` is no part of a configuration, nor of a record's name: it changes the order of sums, and so the tenth
    digit of bits and, along a run, single counts; no capacity by more than seeds do (``results/precision``).
    """

    commit: str | None
    versions: dict[str, str]
    device: str
    threads: Positive
    compiled: bool
    seconds: Seconds  # on the clock
    core_seconds: Seconds  # of all cores together, whatever else ran


def provenance(device: str, threads: int, compiled: bool, seconds: float, core_seconds: float) -> Provenance:
    """Say with what this process has just measured."""
    return Provenance(
        commit=_COMMIT,
        versions={"python": sys.version.split()[0]}
        | {name: version(name) for name in ("ecmlib", "tokenizers", "torch", "x-transformers")},
        device=device,
        threads=threads,
        compiled=compiled,
        seconds=round(seconds, 3),
        core_seconds=round(core_seconds, 3),
    )


def commit_of(package: Path) -> str | None:
    """Commit of a package's code, with "-dirty" after it if its files differ; None outside a checkout of its own."""
    git = ["git", "--no-optional-locks", "-C", str(package.parent)]
    try:
        below, commit, changed = (
            subprocess.run([*git, *asked], capture_output=True, text=True, check=True).stdout.strip()
            for asked in (
                ["rev-parse", "--show-prefix"],
                ["rev-parse", "HEAD"],
                ["status", "--porcelain", "--", package.name],
            )
        )
    except (OSError, subprocess.CalledProcessError):
        return None
    if below:  # installed inside another's checkout
        return None
    return f"{commit}-dirty" if changed else commit


_COMMIT = commit_of(Path(__file__).parent)  # as the code is loaded: what is committed while it runs is other code
