"""What a record says is possible, or the record is refused: of every kind, in one clear line."""

import json
import math
from pathlib import Path
from typing import Any

import pytest
from conftest import KINDS, spoiled

from ecmlib.files import read_json

COMMITTED = [path for path in sorted(Path("results").glob("**/*.json")) if read_json(path).get("experiment")]
GOOD = {path.parent.name: path for path in Path("tests/records/version-3").glob("*/*.json")}

# Where in a good record, what stands there instead, and what the refusal says.
DAMAGES: dict[str, list[tuple[str, object, str]]] = {
    "mac": [
        ("restarts.0.rounded.0.last_count", 65, r"restarts\.0: rounded: last_count = 65: .* at most T = 64"),
        ("restarts.0.rounded.0.full_count", 64, "full_count"),
        ("restarts.0.rounded.0.bits", math.inf, "finite"),
        ("restarts.0.rounded.0.weight_bits", 17, "less than or equal to 16"),
        ("restarts.0.rounded", [{"weight_bits": 4, "last_count": 0, "full_count": 0, "bits": 3.0}] * 2, "twice"),
        ("restarts.0.provenance.core_seconds", math.nan, "finite"),
        ("architecture.H", 0, r"architecture: H = 0: input should be greater than or equal to 1$"),
        ("protocol.T", 0, r"protocol: T = 0: input should be greater than or equal to 1$"),
        ("restarts.0.positions.count.-1", 64, r"restarts\.0: positions: count ends at 64: the curve's last_count"),
        ("restarts.0.positions.count.0", 0, "1 sequences are right at every position"),
        ("restarts.0.positions.count", [], "equally long and not empty"),
        ("restarts.0.positions.bits.0", 0.0, "on average: the curve ends at"),
        ("restarts.0.positions.bits.0", math.nan, "finite"),
    ],
    "mls": [
        ("protocol.T_max", 513, r"T = 513: at most K\^\(N-1\)"),
        ("protocol.T_start", 17, "at most T_max = 16"),
        ("trials.0.T", 17, "above T_max"),
        ("trials.0.T", 0, "greater than or equal to 1"),
        ("trials.0.seed", 7, r"trials\.0: seed = 7 is that of none of 2 restarts"),
        ("trials.0.steps", 311, "above max_steps"),
        ("trials.0.best_count", 15, "above T"),
        ("trials.0.best_count", -1, "greater than or equal to 0"),
        ("trials.0.best_count", 1, "'complete': the last count is 1, not T = 2"),
        ("trials.1.T", 2, r"trials\.1: T = 2 with seed = \d+ is there twice"),
    ],
    "shatter": [
        ("protocol.T", 513, "T = 513: at most"),
        ("protocol.trials", 4, "trials = 4"),
        ("protocol.max_epochs", 1, "at most max_epochs"),
        ("epochs.0", -1, "greater than or equal to 0"),
        ("epochs.0", 1.5, "integer"),
        ("provenance", [], "0 stacks of 5 trials"),
    ],
    "noise-scale": [
        ("architecture.K", 2, "T = 64: at most"),
        ("points.1.step", 0, r"points\.1: step = 0: steps rise"),
        ("points.2.step", 41, "max_steps = 40"),
        ("points.0.last_count", 65, "at most T = 64"),
        ("points.0.small.0", math.inf, "finite"),
        ("points.0.big.0", math.nan, "finite"),
        ("points.0.big.0", -1.0, "greater than or equal to 0"),
        ("points.0.small", [], "2 numbers each"),
        ("sampling.repetitions", 3, "3 numbers each"),
    ],
    "budget": [
        ("architecture.K", 2, "T = 64: at most"),
        ("budgets", [80, 40], "input should rise"),
        ("restarts.0.seed", 7, r"restarts\.0: seed = 7: the seed of restart 0 is"),
        ("restarts.0.trunk.last_count.0", 65, "trunk: last_count = 65"),
        ("restarts.0.trunk.full_count.0", 64, "trunk: full_count = 64"),
        ("restarts.0.trunk.step.1", 0, "step must increase"),
        ("restarts.0.trunk.step.-1", 57, "trunk: step = 57"),
        ("restarts.0.trunk", {"step": [], "last_count": [], "full_count": [], "bits": []}, "no trunk"),
        ("restarts.0.branches.1.last_count.-1", 65, r"branches\.1: last_count = 65"),
        ("restarts.0.branches.1.step.0", 57, "begins on the trunk, at step 56"),
        ("restarts.0.branches.1.bits.0", 1.0, "begins on the trunk, at step 56"),
        ("restarts.0.branches.1.step.-1", 79, "end at the budget, 80"),
        ("restarts.0.branches.0.budget", 80, r"of the budgets \[40, 80\], in order"),
        ("restarts.0.branches.1", ..., "1 branches of 2 budgets"),
        ("restarts.0.branches.1.core_seconds", math.inf, "finite"),
        ("restarts.0.branches.1.bits.-1", 9.0, "diverged"),
        ("restarts.0.status", "complete", "not T = 64"),
    ],
    "text": [
        ("restarts.0.seed", 7, r"restarts\.0: seed = 7: the seed of restart 0 is"),
        ("restarts.0.last_count.0", 65, "at most T = 64"),
        ("restarts.0.bits.-1", 99.0, "diverged"),
        ("restarts.0.status", "complete", "not T = 64"),
        ("restarts.0.status", "diverged", "all or none"),
        ("restarts.0.held_out", None, "all or none"),
        ("restarts.0.held_out.n", 65, r"held_out\.n = 65"),
        ("restarts.0.held_out.last_count", 65, "at most T = 64"),
        ("restarts.0.held_out.bits", math.nan, "finite"),
        ("restarts.0.beyond_model.net", math.inf, "finite"),
        ("restarts.0.beyond_model.floored", -1.0, "greater than or equal to 0"),
        ("restarts.0.beyond_model.net", 1e9, "at least net"),
        ("ngram_bits", math.inf, "finite"),
        ("reference", None, "reference"),
        ("reference.seed", 7, "the seed of the reference"),
        ("reference.steps", 41, "at most max_steps = 40"),
        ("reference.library.n", 65, "T = 64"),
        ("source.files", [], "at least 1"),
        ("source.tokenizer.K", 65, "tokenizer"),
    ],
}


@pytest.mark.parametrize("path", COMMITTED, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_committed_record_is_possible_and_named_after_what_it_holds(path: Path) -> None:
    record = KINDS[read_json(path)["experiment"]].load(path)
    assert path.name == record.file_name
    assert getattr(record, record.parts)


def test_positions_of_a_run_without_a_curve_are_refused(tmp_path: Path) -> None:
    good = json.loads(GOOD["mac"].read_text())
    bare = good["restarts"][0] | {key: [] for key in ("step", "last_count", "full_count", "bits", "rounded")}
    (tmp_path / "bad.json").write_text(json.dumps(good | {"restarts": [bare | {"status": "diverged"}]}))
    with pytest.raises(ValueError, match=r"restarts\.0: positions: a run without a curve has none"):
        KINDS["mac"].load(tmp_path / "bad.json")


@pytest.mark.parametrize(
    ("kind", "where", "value", "reason"),
    [(kind, *damage) for kind, damages in DAMAGES.items() for damage in damages],
    ids=lambda value: str(value)[:40],
)
def test_what_cannot_be_is_refused_in_one_line(
    kind: str, where: str, value: object, reason: str, tmp_path: Path
) -> None:
    good: dict[str, Any] = json.loads(GOOD[kind].read_text())
    path = tmp_path / "bad.json"
    path.write_text(json.dumps(spoiled(good, where, value)))
    with pytest.raises(ValueError, match=rf"bad\.json: .*{reason}") as refused:
        KINDS[kind].load(path)
    assert "\n" not in str(refused.value)
    assert len(str(refused.value)) < 1000
