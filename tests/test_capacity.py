from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from conftest import curves, kills_itself
from hypothesis import given
from hypothesis import strategies as st

from ecmlib import Architecture, CapacityRecord, count_memorised, load_results, measure_mac, random_library
from ecmlib.rounding import rounded

TRAIN = "ecmlib.training.Trainer.advance"


@pytest.mark.parametrize("batch_size", [1, 7, 50, 1000])
def test_counts_are_those_of_a_plain_loop(tiny: Architecture, batch_size: int) -> None:
    model, library = tiny.build(1), random_library(50, tiny.N, tiny.K, seed=1)
    last = full = 0
    for sequence in library:
        right = []
        for known in range(1, tiny.N):
            logits = model(sequence[None, :known])[0, -1]
            right.append(int(logits.argmax()) == int(sequence[known]))
        last += right[-1]
        full += all(right)
    assert count_memorised(model, library, batch_size) == (last, full)
    assert last > 0


def test_large_enough_model_memorises_a_small_library() -> None:
    record = measure_mac(Architecture(d=16, N=4, K=8), T=8, restarts=1, max_steps=1000, compiled=False, progress=False)
    assert record.restarts[0].status == "complete"
    assert record.C_plateau == record.C == 8


def test_end_of_the_curve_is_what_the_trained_model_counts(tiny: Architecture, quick: dict[str, Any]) -> None:
    models = []
    original = Architecture.build

    def remember(self: Architecture, seed: int) -> torch.nn.Module:
        models.append(original(self, seed))
        return models[-1]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Architecture, "build", remember)
        record = measure_mac(tiny, **quick | {"restarts": 1})
    library = random_library(64, tiny.N, tiny.K, seed=0)
    restart = record.restarts[0]
    assert count_memorised(models[0], library) == (restart.last_count[-1], restart.full_count[-1])


def test_same_seed_same_record_but_for_times(tiny: Architecture, quick: dict[str, Any]) -> None:
    first, second = measure_mac(tiny, **quick), measure_mac(tiny, **quick)
    assert curves(first) == curves(second)
    assert curves(first) != curves(measure_mac(tiny, **quick | {"seed": 1}))
    assert first.restarts[0].last_count != first.restarts[1].last_count


def test_restarts_already_measured_are_not_measured_again(
    tiny: Architecture, quick: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = measure_mac(tiny, **quick)
    measure_mac(tiny, **quick | {"restarts": 1}, results=tmp_path)
    resumed = measure_mac(tiny, **quick, results=tmp_path)
    assert curves(resumed) == curves(whole)
    monkeypatch.setattr(TRAIN, pytest.fail)
    assert measure_mac(tiny, **quick, results=tmp_path) == resumed


def test_kill_between_restarts_loses_nothing(tiny: Architecture, quick: dict[str, Any], tmp_path: Path) -> None:
    def killed_after_a_restart(kill: Callable[[], None]) -> None:
        save = CapacityRecord.save

        def save_and_die(record: CapacityRecord, path: Path) -> None:
            save(record, path)
            kill()

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(CapacityRecord, "save", save_and_die)
            measure_mac(tiny, **quick, results=tmp_path)

    assert kills_itself(killed_after_a_restart)
    assert len(load_results(tmp_path)) == 1
    assert curves(measure_mac(tiny, **quick, results=tmp_path)) == curves(measure_mac(tiny, **quick))


def test_interrupt_within_a_restart_keeps_the_finished_ones(
    tiny: Architecture, quick: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    measure_mac(tiny, **quick | {"restarts": 1}, results=tmp_path)

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(TRAIN, interrupt)
    with pytest.raises(KeyboardInterrupt):
        measure_mac(tiny, **quick, results=tmp_path)
    assert len(load_results(tmp_path)) == 1
    assert {path.name for path in tmp_path.iterdir()} <= {".lock", *(path.name for path in tmp_path.glob("d*.json"))}


def test_diverged_restart_is_recorded_but_never_counted(tiny: Architecture, quick: dict[str, Any]) -> None:
    record = measure_mac(tiny, **quick | {"lr": 1e38})
    assert [restart.status for restart in record.restarts] == ["diverged", "diverged"]
    with pytest.raises(ValueError, match="C_plateau is unknown: 2 restarts, and none that did not diverge"):
        _ = record.C_plateau
    assert record.frame()["C_plateau"].isna().tolist() == [True, True]


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        ({"T": 0}, "T = 0: input should be greater than or equal to 1"),
        ({"T": "many"}, "T = 'many': input should be a valid integer"),
        ({"T": 513}, r"T = 513: at most K\^\(N-1\) = 8\^3 = 512"),
        ({"batch_size": 0}, "batch_size = 0: input should be greater than or equal to 1"),
        ({"restarts": 0}, "restarts = 0: input should be greater than or equal to 1"),
        ({"restarts": 1.5}, "restarts = 1.5: input should be a valid integer"),
        ({"lr": 0.0}, "lr = 0.0: input should be greater than 0"),
        ({"lr": float("nan")}, "lr = nan: input should be"),
        ({"loss": "first"}, "loss = 'first': input should be 'all' or 'last'"),
        ({"precision": "int8"}, "precision = 'int8': input should be 'float32' or 'bfloat16'"),
        ({"patience_steps": 0}, "patience_steps = 0: input should be greater than or equal to 1"),
        ({"max_steps": 0}, "max_steps = 0: input should be greater than or equal to 1"),
        ({"eval_every": 0}, "eval_every = 0: input should be greater than or equal to 1"),
        ({"weight_bits": (8, 8)}, r"weight_bits = \[8, 8\]: input should have no number twice"),
        ({"seed": -1}, "seed = -1: input should be greater than or equal to 0"),
        ({"device": "tpu"}, "device = 'tpu': input should be 'auto', 'cpu' or 'cuda'"),
        ({"compiled": "maybe"}, "compiled = 'maybe': input should be 'auto', True or False"),
    ],
)
def test_bad_value_stops_before_training(
    bad: dict[str, Any], message: str, tiny: Architecture, quick: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(TRAIN, pytest.fail)
    with pytest.raises(ValueError, match=message):
        measure_mac(tiny, **quick | bad)


def test_unwritable_results_stop_before_training(
    tiny: Architecture, quick: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(TRAIN, pytest.fail)
    (tmp_path / "file").touch()
    for folder in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(OSError, match=f"results = '{folder}': no folder that can be written"):
            measure_mac(tiny, **quick, results=folder)


def test_foreign_record_under_the_same_name_is_refused(
    tiny: Architecture, quick: dict[str, Any], tmp_path: Path
) -> None:
    record = measure_mac(tiny, **quick, results=tmp_path)
    (path,) = tmp_path.glob("*.json")
    path.unlink()
    record.model_copy(update={"protocol": record.protocol.model_copy(update={"lr": 0.5})}).save(path)
    with pytest.raises(ValueError, match="holds another configuration"):
        measure_mac(tiny, **quick, results=tmp_path)


@given(bits=st.integers(1, 8), seed=st.integers(0, 99))
def test_rounding_keeps_ends_of_rows_and_moves_nothing_further_than_half_a_level(bits: int, seed: int) -> None:
    matrix = torch.randn(3, 7, generator=torch.Generator().manual_seed(seed))
    coarse = rounded(matrix, bits)
    low, high = matrix.aminmax(dim=1)
    half = (high - low) / (2**bits - 1) / 2
    assert ((coarse - matrix).abs() <= half[:, None] * 1.001).all()
    assert torch.allclose(coarse.amin(1), low)
    assert torch.allclose(coarse.amax(1), high, atol=1e-5)
    assert all(len(row.unique()) <= 2**bits for row in coarse)


def test_rows_of_one_number_survive_rounding() -> None:
    assert rounded(torch.full((2, 3), 0.5), 2).tolist() == [[0.5] * 3] * 2


def test_rounded_counts_are_of_the_trained_model_and_leave_it_as_it_is(tiny: Architecture, tmp_path: Path) -> None:
    settings: dict[str, Any] = {
        "T": 64,
        "restarts": 1,
        "max_steps": 40,
        "compiled": False,
        "progress": False,
        "lr": 0.01,
    }
    plain = measure_mac(tiny, **settings)
    record = measure_mac(tiny, **settings, weight_bits=[16, 1], results=tmp_path)
    assert record.restarts[0].last_count == plain.restarts[0].last_count
    fine, coarse = record.restarts[0].rounded
    assert fine.bits == pytest.approx(record.restarts[0].bits[-1], abs=1e-3)
    assert coarse.bits > fine.bits + 0.01, "one bit a weight is too few"
    (stored,) = CapacityRecord.load(next(tmp_path.glob("*.json"))).restarts
    assert stored.rounded == [fine, coarse]
    with pytest.raises(ValueError, match="= 0: input should be greater than or equal to 1"):
        measure_mac(tiny, **settings, weight_bits=[0])


class Attending(torch.nn.Module):
    """Drops attention weights by a function: no part of it is a `torch.nn.Dropout`."""

    def __init__(self) -> None:
        super().__init__()
        self.tokens = torch.nn.Embedding(8, 16)
        self.attention = torch.nn.MultiheadAttention(16, 2, dropout=0.5, batch_first=True)
        self.logits = torch.nn.Linear(16, 8)

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        x = self.tokens(tokens)
        return self.logits(x + self.attention(x, x, x, need_weights=False)[0])


def test_any_dropout_is_off_when_a_model_is_counted_and_each_part_keeps_its_mode() -> None:
    torch.manual_seed(0)
    model, library = Attending(), random_library(200, 4, 8, seed=0)
    counted = {count_memorised(model, library) for _ in range(3)}
    assert counted == {count_memorised(model.eval(), library)}
    assert not any(part.training for part in model.modules())
    model.attention.train()
    before = [part.training for part in model.modules()]
    assert counted == {count_memorised(model, library)}
    assert [part.training for part in model.modules()] == before


@pytest.mark.parametrize(
    ("library", "message"),
    [
        ([[0, 1], [1, 0]], r"library = \[\[0, 1\], \[1, 0\]\]: input should be a LongTensor of shape \(T, N\)"),
        (torch.zeros(3, 4), r"library = tensor.*: input should be a LongTensor"),
        (torch.zeros(3, 1, dtype=torch.long), r"library of shape \(3, 1\): input should be T x N, T 1 or more and N 2"),
        (torch.zeros(0, 4, dtype=torch.long), r"library of shape \(0, 4\): input should be T x N, T 1 or more"),
        (torch.tensor([[0, 1, 2, 8]]), r"library with tokens 0 to 8: input should be 0 to K - 1 = 7"),
        (torch.tensor([[0, 9, 2, 3]]), r"library with tokens 0 to 9: input should be 0 to K - 1 = 7"),
        (torch.tensor([[0, 1, 2, -100]]), r"library with tokens -100 to 2: input should be 0 to K - 1 = 7"),
    ],
    ids=str,
)
def test_what_is_no_library_is_not_counted(library: Any, message: str, tiny: Architecture) -> None:
    with pytest.raises(ValueError, match=message):
        count_memorised(tiny.build(0), library)


def test_name_that_is_too_long_for_a_file_is_refused_before_training(
    tiny: Architecture, quick: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(TRAIN, pytest.fail)
    unusual = {"lr": 0.0123456789, "plateau_share": 0.123456789, "plateau_tolerance": 0.0123456789, "vary": "library"}
    unusual |= {"eval_growth": 0.123456789, "seed": 2**63 - 1, "precision": "bfloat16", "optimizer": "muon"}
    with pytest.raises(ValueError, match=r"\.json: the name .* has 2\d\d bytes, input should have at most 212"):
        measure_mac(tiny, **quick | unusual, results=tmp_path / "results")
    assert not (tmp_path / "results").exists()
