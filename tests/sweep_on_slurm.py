"""A sweep on a SLURM of this machine's own: ``make test-slurm``, as root, for minutes; it changes ``/etc/slurm``."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import curves
from grids import load_grid
from test_sweep import measure, output_of, sweep

from ecmlib import CapacityRecord


@pytest.fixture
def _cluster() -> Iterator[None]:
    subprocess.run(["workflow/slurm/start.sh"], check=True)
    yield
    subprocess.run(["workflow/slurm/stop.sh"], check=True)


@pytest.mark.usefixtures("_cluster")
def test_records_measured_on_slurm_are_those_of_this_machine(tmp_path: Path) -> None:
    process = sweep(tmp_path, "--latency-wait", "5", "--slurm-init-seconds-before-status-checks", "5", profile="slurm")
    printed = output_of(process)
    assert process.returncode == 0, printed
    assert printed.count("has been submitted with SLURM jobid") == 4
    for job in load_grid("tiny").jobs(tmp_path / "results" / "tiny"):
        alone = measure(job._replace(record=tmp_path / job.record.name))
        assert curves(CapacityRecord.load(job.record)) == curves(alone)
    assert "Nothing to be done" in output_of(sweep(tmp_path, profile="slurm"))
