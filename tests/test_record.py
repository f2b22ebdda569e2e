"""The store of records: nothing is lost, whoever writes, and nothing comes in that is no record."""

import json
import math
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import kill_writers
import pytest
from conftest import KINDS, curves, spoiled

from ecmlib import Architecture, CapacityRecord, load_results, measure_mac
from ecmlib.files import writable_folder, write_atomically
from ecmlib.record import load_folder

SAMPLES = sorted(Path("tests/records").glob("*/*/*.json"))


@pytest.fixture(scope="module")
def stored() -> dict[str, Any]:
    record = measure_mac(
        Architecture(d=8, H=1, N=4, K=8, head_dim=4),
        T=64,
        restarts=2,
        min_steps=20,
        max_steps=60,
        eval_every=10,
        compiled=False,
        progress=False,
    )
    return json.loads(record.model_dump_json())


@pytest.fixture
def record(stored: dict[str, Any]) -> CapacityRecord:
    return CapacityRecord.model_validate(stored)


@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: "-".join(path.parts[2:4]))
def test_every_version_of_every_kind_is_read(path: Path) -> None:
    (record,) = load_folder(path.parent, KINDS[path.parent.name])
    old = json.loads(path.read_text())
    new = json.loads(record.model_dump_json())
    assert includes(new[record.parts], old[record.parts]), "what was measured is there unchanged"
    assert includes(new["architecture"], old["architecture"])
    assert new["schema_version"] == 3


def test_fields_that_version_1_got_late_are_kept_where_they_are(stored: dict[str, Any], tmp_path: Path) -> None:
    late = stored | {"schema_version": 1}
    late["protocol"] = {**stored["protocol"], "stop": "patience", "min_steps": 5000}
    early = json.loads(json.dumps(stored | {"schema_version": 1}))
    for name in ("stop", "forecast_within"):
        del early["protocol"][name]
    for restart in early["restarts"]:
        del restart["rounded"]
    for content, stop in ((late, "patience"), (early, "plateau")):
        (tmp_path / "record.json").write_text(json.dumps(content))
        assert CapacityRecord.load(tmp_path / "record.json").protocol.stop == stop


def includes(whole: Any, part: Any) -> bool:
    """Whether everything in ``part`` is in ``whole``, which may say more in its mappings."""
    if isinstance(part, dict):
        return all(
            name in whole and includes(whole[name], value) for name, value in part.items() if name != "schema_version"
        )
    if isinstance(part, list):
        return len(whole) == len(part) and all(map(includes, whole, part))
    return bool(whole == part)


@pytest.mark.parametrize("version", [4, 10**30, -1, "1", True, None, 0.5])
def test_other_versions_are_refused_by_name(version: object, stored: dict[str, Any], tmp_path: Path) -> None:
    path = tmp_path / "record.json"
    path.write_text(json.dumps(stored | {"schema_version": version}))
    with pytest.raises(ValueError, match=r"record\.json: schema_version = .*: this library reads versions 0 to 3;"):
        CapacityRecord.load(path)


BAD_FILES: dict[str, tuple[Callable[[Path], Any], str]] = {
    "empty": (lambda path: path.touch(), "EOF while parsing"),
    "cut off": (lambda path: path.write_text("{"), "EOF while parsing"),
    "a list": (lambda path: path.write_text("[]"), "[Ii]nput should be"),
    "null": (lambda path: path.write_text("null"), "[Ii]nput should be"),
    "not UTF-8": (lambda path: path.write_bytes(b"\xff{}"), "is not UTF-8"),
    "deep": (lambda path: path.write_text("[" * 10**5), "recursion limit exceeded"),
    "a dangling link": (lambda path: path.symlink_to("nowhere"), "cannot be read"),
    "a directory": (lambda path: path.mkdir(), "cannot be read"),
    "another experiment": (
        lambda path: path.write_text('{"experiment": "mls"}'),
        "experiment = 'mls': input should be",
    ),
}


@pytest.mark.parametrize("how", BAD_FILES)
def test_bad_file_stops_no_folder_and_is_not_replaced(how: str, record: CapacityRecord, tmp_path: Path) -> None:
    spoil, reason = BAD_FILES[how]
    record.save(tmp_path / record.file_name)
    bad = tmp_path / "bad.json"
    spoil(bad)
    with pytest.warns(UserWarning, match=rf"left out .*bad\.json: .*{reason}"):
        assert len(load_results(tmp_path)) == 2
    with pytest.raises(ValueError, match=r"bad\.json: "):
        record.save(bad)
    assert sorted(tmp_path.glob("*.json")) == sorted([tmp_path / record.file_name, bad]), "nothing is written beside"


CONTENTS: dict[str, tuple[str, object, str]] = {
    "count above T": ("restarts.0.last_count.1", 65, "last_count"),
    "negative count": ("restarts.0.last_count.1", -1, "greater than or equal to 0"),
    "full above last": ("restarts.0.full_count.1", 64, "full_count"),
    "curve with a gap": ("restarts.0.bits.1", ..., "equally long"),
    "no curve": ("restarts.0.step", [], "equally long"),
    "steps that go back": ("restarts.0.step.1", 0, "step must increase"),
    "steps beyond max_steps": ("restarts.0.step.-1", 61, "max_steps"),
    "infinite bits": ("restarts.0.bits.1", math.inf, "finite"),
    "no number of bits": ("restarts.0.bits.1", math.nan, "finite"),
    "negative bits": ("restarts.0.bits.1", -0.5, "greater than or equal to 0"),
    "worse than guessing at the end": ("restarts.0.bits.-1", 9.0, "diverged"),
    "complete without T": ("restarts.0.status", "complete", "complete"),
    "seed of another record": ("restarts.1.seed", 7, "seed"),
    "unknown field": ("note", "edited", "extra inputs are not permitted"),
    "no architecture": ("architecture", ..., "architecture is missing"),
    "text for a number": ("architecture.d", "8", "valid integer"),
    "a library that does not exist": ("architecture.K", 2, "T = 64: at most"),
    "huge text": ("restarts.0.status", "x" * 10**7, "status = 'xxx"),
    "huge number": ("architecture.d", 10**4000, "d = an integer of about 4000 digits"),
    "negative time": ("restarts.0.provenance.seconds", -1.0, "greater than or equal to 0"),
}


@pytest.mark.parametrize("how", CONTENTS)
def test_content_that_cannot_be_is_refused_in_one_line(how: str, stored: dict[str, Any], tmp_path: Path) -> None:
    where, value, reason = CONTENTS[how]
    path = tmp_path / "bad.json"
    path.write_text(json.dumps(spoiled(stored, where, value)))
    with pytest.raises(ValueError, match=rf"bad\.json: .*{reason}") as refused:
        CapacityRecord.load(path)
    assert "\n" not in str(refused.value)
    assert len(str(refused.value)) < 1000


def test_a_restart_twice_is_refused(stored: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="seed"):
        CapacityRecord.model_validate(stored | {"restarts": [stored["restarts"][0]] * 2})


def test_a_record_under_another_name_is_reported(record: CapacityRecord, tmp_path: Path) -> None:
    record.save(tmp_path / record.file_name)
    record.save(tmp_path / "copy.json")
    with pytest.warns(UserWarning, match=f"^left out .*copy.json: holds what belongs into {record.file_name}$"):
        assert load_folder(tmp_path, CapacityRecord) == [record]


def test_what_another_process_has_added_is_kept(record: CapacityRecord, tmp_path: Path) -> None:
    path = tmp_path / record.file_name
    shorter = record.model_copy(update={"restarts": record.restarts[:1]})
    record.save(path)
    assert shorter.save(path) == record, "the writer learns of it"
    assert CapacityRecord.load(path) == record


def test_a_record_of_other_settings_is_not_overwritten(record: CapacityRecord, tmp_path: Path) -> None:
    path = tmp_path / "record.json"
    record.save(path)
    other = record.model_copy(update={"architecture": record.architecture.model_copy(update={"H": 2})})
    with pytest.raises(ValueError, match=r"record\.json holds another configuration"):
        other.save(path)
    assert CapacityRecord.load(path) == record


def test_failed_write_names_the_file_and_leaves_the_old_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "record.json"
    write_atomically(path, "old")

    def full_disk(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full_disk)
    with pytest.raises(
        OSError, match=r"record\.json: could not be written \(No space left on device\); it is as it was"
    ):
        write_atomically(path, "new")
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_full_disk_is_named_before_training(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full_disk(*_: object) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full_disk)
    monkeypatch.setattr(Architecture, "build", pytest.fail)
    with pytest.raises(OSError, match=rf"results = '{tmp_path}': no folder that can be written \(No space left"):
        measure_mac(Architecture(d=8, N=4, K=8), T=64, results=tmp_path)


def test_git_ignores_what_writers_leave_beside_records() -> None:
    left = ["results/mac-cpu/.x7.tmp", "results/mac-cpu/.lock", "results/mac-cpu/in-flight/run.0.json"]
    asked = subprocess.run(["git", "check-ignore", *left], capture_output=True, text=True, check=True)
    assert asked.stdout.split() == left


def test_directory_is_flushed_after_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    flushed: list[bool] = []
    flush = os.fsync
    monkeypatch.setattr(os, "fsync", lambda file: (flushed.append(Path(f"/proc/self/fd/{file}").is_dir()), flush(file)))
    write_atomically(tmp_path / "record.json", "new")
    assert flushed == [False, True]


def test_what_killed_writers_left_is_cleared(record: CapacityRecord, tmp_path: Path) -> None:
    record.save(tmp_path / record.file_name)
    left = tmp_path / ".x7.tmp"
    left.touch()
    assert load_folder(tmp_path, CapacityRecord) == [record]
    writable_folder(tmp_path)
    assert not left.exists()
    assert CapacityRecord.load(tmp_path / record.file_name) == record


def test_twenty_kills_of_two_writers_lose_nothing(tmp_path: Path) -> None:
    script = [sys.executable, "tests/kill_writers.py", str(tmp_path / "results"), "1"]
    subprocess.run(script, check=True, env=os.environ | {"OMP_NUM_THREADS": "1"})
    (disturbed,) = load_folder(tmp_path / "results", CapacityRecord)
    undisturbed = measure_mac(kill_writers.ARCHITECTURE, restarts=40, **kill_writers.MEASURED)
    assert curves(disturbed) == curves(undisturbed)
    assert not list((tmp_path / "results").glob(".*.tmp"))
