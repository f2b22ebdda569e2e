"""What is memorised of a text: measured on texts so small that the answer is known or can be bounded."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import prose

from ecmlib import Architecture, Protocol, memorisation
from ecmlib.chance import guess_corrected
from ecmlib.curve import DivergedError
from ecmlib.memorisation import measure_text
from ecmlib.record import record_name
from ecmlib.reproduction.designs import design_hits
from ecmlib.text import Corpus, read_corpus
from ecmlib.text_record import (
    TextProtocol,
    TextRecord,
    Told,
    beyond_generalising,
    cannot_be_told_apart,
    load_text_records,
)
from ecmlib.trainer import Trainer

K, N, T = 48, 6, 64
SMALL = Architecture(d=16, H=1, N=N, K=K, head_dim=8)
QUICK: dict[str, Any] = {"content": "text", "T": T, "lr": 0.01, "max_steps": 100, "eval_every": 50, "schedule": "wsd"}
RUN: dict[str, Any] = {"compiled": False, "progress": False}


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    path = tmp_path_factory.mktemp("text") / "prose.txt"
    path.write_text(prose(600), encoding="utf-8")
    return read_corpus(path, K)


@pytest.fixture(scope="module")
def of_text(corpus: Corpus) -> TextRecord:
    return measure_text(SMALL, corpus, TextProtocol(**QUICK), **RUN)


def told(record: TextRecord) -> dict[str, Any]:
    """All that a measurement says but times and places."""
    return record.model_dump(exclude={"reference": {"provenance"}, "restarts": {"__all__": {"provenance"}}})


def test_text_is_memorised_beyond_what_a_reference_knows(of_text: TextRecord, corpus: Corpus) -> None:
    assert of_text.source == corpus.source
    (restart,) = of_text.restarts
    assert of_text.reference is not None
    assert restart.held_out is not None
    assert restart.beyond_model is not None
    assert of_text.reference.held_out.bits < 0.8 * math.log2(K), "language is predictable"
    assert restart.bits[-1] < of_text.reference.library.bits < restart.held_out.bits
    assert restart.held_out.n == T
    net = (N - 1) * T * (of_text.reference.library.bits - restart.bits[-1])
    assert restart.beyond_model.net == pytest.approx(net, rel=1e-4)
    assert restart.beyond_model.floored >= restart.beyond_model.net > 0
    (row,) = of_text.frame().to_dict("records")
    assert row["C"] == pytest.approx((row["counted"] - row["counted_held_out"]) / (1 - row["counted_held_out"] / T))
    assert row["bits_per_parameter"] == restart.beyond_model.floored / of_text.P


def test_run_that_ended_with_all_memorised_at_a_constant_rate_holds_all(of_text: TextRecord) -> None:
    (restart,) = of_text.restarts
    steps = len(restart.step)
    whole = restart.model_copy(update={"last_count": [*[T // 2] * (steps - 1), T], "status": "complete"})
    constant = of_text.protocol.model_copy(update={"schedule": "constant", "warmup_steps": 0})
    frame = of_text.model_copy(update={"restarts": [whole], "protocol": constant}).frame()
    assert frame["counted"].tolist() == [T]


def test_uniform_tokens_need_no_reference_and_nothing_of_them_generalises(corpus: Corpus) -> None:
    record = measure_text(SMALL, corpus, TextProtocol(**QUICK | {"content": "uniform"}), **RUN)
    assert record.reference is None
    assert record.reference_bits == math.log2(K)
    assert record.ngram_bits == pytest.approx(math.log2(K), rel=0.05)
    (restart,) = record.restarts
    assert restart.held_out is not None
    assert restart.beyond_model is not None
    assert restart.held_out.last_count < 8  # 1.3 of 64 are expected
    assert restart.held_out.bits > math.log2(K)
    assert restart.beyond_model.net == pytest.approx((N - 1) * T * (math.log2(K) - restart.bits[-1]), rel=1e-4)


def test_measured_text_is_not_measured_again(
    corpus: Corpus, of_text: TextRecord, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / record_name(SMALL, of_text.protocol)
    of_text.save(path)
    assert TextRecord.load(path) == of_text

    def refuse(*_: object) -> None:
        raise AssertionError("nothing may be trained")

    monkeypatch.setattr(Trainer, "advance", refuse)
    assert measure_text(SMALL, corpus, of_text.protocol, results=tmp_path, **RUN) == of_text


def test_interrupted_measurement_resumes_without_its_reference_trained_anew(
    corpus: Corpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = measure_text(SMALL, corpus, TextProtocol(**QUICK), restarts=2, **RUN)
    run, advance, trained_on = memorisation._Model.run, Trainer.advance, []

    def killed_in_the_second(self: Any, sequences: Any, protocol: Any, seeds: Any, name: str, checkpoint: Any) -> Any:
        if name == "restart 2/2":
            raise KeyboardInterrupt
        return run(self, sequences, protocol, seeds, name, checkpoint)

    def watched(trainer: Trainer, end: int, protocol: Protocol) -> None:
        trained_on.append(len(trainer.library))
        advance(trainer, end, protocol)

    with monkeypatch.context() as patch:
        patch.setattr(memorisation._Model, "run", killed_in_the_second)
        with pytest.raises(KeyboardInterrupt):
            measure_text(SMALL, corpus, TextProtocol(**QUICK), restarts=2, results=tmp_path, **RUN)
    monkeypatch.setattr(Trainer, "advance", watched)
    resumed = measure_text(SMALL, corpus, TextProtocol(**QUICK), restarts=2, results=tmp_path, **RUN)
    assert set(trained_on) == {T}, "never again on what is held out"
    assert told(resumed) == told(whole)
    assert [left.name for left in (tmp_path / "in-flight").iterdir()] == [".lock"]


def test_what_another_process_has_measured_meanwhile_is_not_measured_again(
    corpus: Corpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    protocol = TextProtocol(**QUICK)
    whole = measure_text(SMALL, corpus, protocol, restarts=2, **RUN)
    run = memorisation._Model.run

    def run_beside_another(self: Any, sequences: Any, of: Any, seeds: Any, name: str, checkpoint: Any) -> Any:
        restart = run(self, sequences, of, seeds, name, checkpoint)
        if name == "restart 1/2":
            whole.save(tmp_path / whole.file_name)
        return restart

    monkeypatch.setattr(memorisation._Model, "run", run_beside_another)
    measured = measure_text(SMALL, corpus, protocol, restarts=2, results=tmp_path, **RUN)
    assert told(measured) == told(whole)
    assert TextRecord.load(tmp_path / whole.file_name) == measured


def test_diverged_restart_has_nothing_to_say_and_a_diverged_reference_stops(
    corpus: Corpus, of_text: TextRecord
) -> None:
    hot = QUICK | {"lr": 1e6, "schedule": "constant"}
    record = measure_text(SMALL, corpus, TextProtocol(**hot | {"content": "uniform"}), **RUN)
    assert record.restarts[0].status == "diverged"
    assert record.restarts[0].held_out is None
    assert set(record.frame()) == set(of_text.frame())
    assert record.frame()["status"].tolist() == ["diverged"]
    assert record.frame()[["counted", "C", "bits", "memorised", "bits_per_parameter"]].isna().all(axis=None)
    sizes = record.frame()[["d", "H", "N", "L", "K", "T"]]
    assert design_hits(sizes.assign(capacity=5), record.frame())["reached"].tolist() == [False]
    with pytest.raises(DivergedError, match="the reference diverged"):
        measure_text(SMALL, corpus, TextProtocol(**hot), **RUN)


def test_another_text_is_refused(corpus: Corpus, of_text: TextRecord, tmp_path: Path) -> None:
    of_text.save(tmp_path / record_name(SMALL, of_text.protocol))
    (tmp_path / "other.txt").write_text(prose(601))
    with pytest.raises(ValueError, match=r"holds another configuration \(source\)"):
        measure_text(SMALL, read_corpus(tmp_path / "other.txt", K), of_text.protocol, results=tmp_path, **RUN)
    assert len(load_text_records(tmp_path)) == 1
    other = of_text.source.model_copy(update={"files": [of_text.source.files[0].model_copy(update={"name": "b"})]})
    protocol = of_text.protocol.model_copy(update={"order": 4})
    of_text.model_copy(update={"source": other, "protocol": protocol}).save(tmp_path / record_name(SMALL, protocol))
    with pytest.raises(ValueError, match="its records are of 2 different texts"):
        load_text_records(tmp_path)


@pytest.mark.parametrize(
    ("architecture", "protocol", "message"),
    [
        (SMALL, {"T": 1000}, r"T = 1000: at most \d+, since as many sequences must be held out, and this text has"),
        (SMALL, {"T": 20_000}, "T = 20000: this text has"),
        (Architecture(d=16, N=N, K=K + 1), {}, "K = 49: the text was tokenised with K = 48"),
    ],
)
def test_unusable_text_is_refused_before_training(
    architecture: Architecture, protocol: dict[str, int], message: str, corpus: Corpus, tmp_path: Path
) -> None:
    with pytest.raises(ValueError, match=message):
        measure_text(architecture, corpus, TextProtocol(**QUICK | protocol), results=tmp_path / "results", **RUN)
    assert not (tmp_path / "results").exists()


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (
            {"content": "prose"},
            "content = 'prose': input should be 'uniform', 'unigram', 'bigram', 'shuffled' or 'text'",
        ),
        ({"order": 0}, "order = 0: input should be greater than or equal to 1"),
        ({"vary": "all"}, "vary = 'all': restarts share a library"),
    ],
)
def test_bad_protocol_is_refused(values: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        TextProtocol(**{"content": "text"} | values)


def test_record_that_is_not_whole_is_refused(of_text: TextRecord) -> None:
    whole = of_text.model_dump()
    for broken in (
        {"reference": None},
        {"ngram_bits": None},
        {"source": None},
        {"architecture": whole["architecture"] | {"K": K + 1}},
    ):
        with pytest.raises(ValueError, match=r"restarts without source|the tokenizer's is"):
            TextRecord(**whole | broken)
    with pytest.raises(ValueError, match="last_count = 6: input should be at most T = 5"):
        Told(n=5, last_count=6, full_count=0, bits=1.0)


def test_memory_beyond_generalising_corrects_guesses_of_random_tokens() -> None:
    assert beyond_generalising(300, 1000, 1 / 128) == pytest.approx(guess_corrected(300, 1000, 128))
    assert beyond_generalising(1000, 1000, 0.4) == pytest.approx(1000)
    assert math.isnan(beyond_generalising(10, 10, 1.0))


def test_counts_are_told_apart_as_often_as_the_level_says() -> None:
    random = np.random.default_rng(0)
    counted, held_out = random.binomial(400, 0.2, size=(2, 4000))
    apart = [not cannot_be_told_apart(*pair, 400) for pair in zip(counted, held_out, strict=True)]
    assert np.mean(apart) == pytest.approx(0.05, abs=0.01)
    assert cannot_be_told_apart(0, 0, 400)
    assert not cannot_be_told_apart(120, 80, 400)
