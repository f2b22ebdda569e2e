"""Text becomes tokens and sequences, or an error that says what is wrong with it."""

import codecs
import hashlib
import re
from pathlib import Path

import numpy as np
import pytest
from conftest import prose
from hypothesis import given
from hypothesis import strategies as st

from ecmlib import random_library
from ecmlib.contents import CONTENTS, Content, cut, split_content
from ecmlib.text import Corpus, TextSource, TokenizerSettings, read_corpus

K = 64


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    path = tmp_path_factory.mktemp("text") / "prose.txt"
    path.write_text(prose(4000), encoding="utf-8")
    return read_corpus(path, K)


def made_of(*files: list[int], K: int) -> Corpus:
    source = TextSource(files=[{"name": "a", "sha256": "0" * 64}], tokenizer=TokenizerSettings(K=K))
    return Corpus(source, [np.array(tokens, dtype=np.int64) for tokens in files])


@pytest.mark.parametrize(
    ("content", "sha256"),
    [("text", "549850cebe54aa81"), ("shuffled", "66898952641e7a68"), ("bigram", "ca1d836626a8396b")],
)
def test_same_file_and_seed_give_this_library_on_every_machine(corpus: Corpus, content: Content, sha256: str) -> None:
    tokens = split_content(content, corpus, T=300, N=6, seed=0).library.numpy().astype("<i8").tobytes()
    assert hashlib.sha256(tokens).hexdigest()[:16] == sha256


def test_record_keeps_name_and_hash_but_no_text(tmp_path: Path) -> None:
    content = prose(200).encode()
    (tmp_path / "secret").mkdir()
    path = tmp_path / "secret" / "prose.txt"
    path.write_bytes(content)
    source = read_corpus(path, 40).source
    assert source.model_dump() == {
        "files": [{"name": "prose.txt", "sha256": hashlib.sha256(content).hexdigest()}],
        "tokenizer": {"K": 40, "min_frequency": 2, "model": "BPE", "pre_tokenizer": "ByteLevel"},
    }


def test_folder_is_read_in_order_and_like_a_list_of_its_files(tmp_path: Path) -> None:
    (tmp_path / "b").mkdir()
    (tmp_path / ".git").mkdir()
    for name in ("a.txt", "b/c.txt", "d.txt", ".hidden", ".git/config"):
        (tmp_path / name).write_text(prose(100 + len(name)))
    of_folder = read_corpus(tmp_path, 40)
    of_list = read_corpus([tmp_path / name for name in ("a.txt", "b/c.txt", "d.txt")], 40)
    assert [file.name for file in of_folder.source.files] == ["a.txt", "b/c.txt", "d.txt"]
    assert [tokens.tolist() for tokens in of_folder.tokens] == [tokens.tolist() for tokens in of_list.tokens]


@given(
    files=st.lists(st.lists(st.integers(0, 2), max_size=60), min_size=1, max_size=3),
    N=st.integers(2, 5),
)
def test_cut_overlaps_nowhere_and_no_beginning_comes_twice(files: list[list[int]], N: int) -> None:
    rows = cut(made_of(*files, K=3), N).tolist()
    whole = [tokens[i : i + N] for tokens in files for i in range(0, len(tokens) - N + 1, N)]
    expected: dict[tuple[int, ...], list[int]] = {}
    for row in whole:
        expected.setdefault(tuple(row[:-1]), row)
    assert rows == list(expected.values())


@pytest.mark.parametrize("content", CONTENTS)
def test_split_is_distinct_nested_and_the_same_for_a_seed(corpus: Corpus, content: Content) -> None:
    N, T = 6, 300
    split = split_content(content, corpus, T, N, seed=0)
    both = np.concatenate([split.library.numpy(), split.held_out.numpy()])
    assert split.library.shape == (T, N)
    assert len(np.unique(both[:, :-1], axis=0)) == len(both)
    assert both.min() >= 0
    assert both.max() < K
    assert len(both) == pytest.approx(len(cut(corpus, N)), rel=0.1), "as many as the text has"
    larger = split_content(content, corpus, 2 * T, N, seed=0)
    assert larger.library[:T].tolist() == split.library.tolist()
    assert split_content(content, corpus, T, N, seed=1).library.tolist() != split.library.tolist()


def test_shuffling_keeps_the_tokens_of_each_sequence(corpus: Corpus) -> None:
    text = {tuple(row) for row in cut(corpus, 6).tolist()}
    shuffled = {tuple(row) for row in split_content("shuffled", corpus, 300, 6, seed=0).library.tolist()}
    assert {tuple(sorted(row)) for row in shuffled} <= {tuple(sorted(row)) for row in text}
    assert len(shuffled & text) < 30


def test_controls_have_the_frequencies_of_the_text() -> None:
    """0 is always followed by 1, 1 by 0 or by 2 equally often, and 2 by 0."""
    parts = ([0, 1], [0, 1, 2])
    tokens = [token for row in random_library(10_000, 60, 2, seed=0)[:, 0].tolist() for token in parts[row]]
    text = made_of(tokens, K=3)
    frequencies = np.bincount(tokens) / len(tokens)
    pairs = {}
    for content in ("uniform", "unigram", "bigram"):
        rows = split_content(content, text, 700, 30, seed=0).library.numpy()  # type: ignore[arg-type]
        pairs[content] = np.zeros((3, 3))
        np.add.at(pairs[content], (rows[:, :-1], rows[:, 1:]), 1 / rows[:, 1:].size)
    assert pairs["uniform"] == pytest.approx(np.full((3, 3), 1 / 9), abs=0.01)
    assert pairs["unigram"] == pytest.approx(np.outer(frequencies, frequencies), abs=0.01)
    assert pairs["bigram"] == pytest.approx(np.array([[0, 0.4, 0], [0.2, 0, 0.2], [0.2, 0, 0]]), abs=0.01)


def test_poor_text_ends_the_drawing_of_controls() -> None:
    poor = made_of([0, 1] * 500 + [0, 0, 1, 1] * 3, K=2)
    with pytest.raises(ValueError, match=r"T = 40: this text has \d+ sequences of content 'bigram', of N = 8 tokens"):
        split_content("bigram", poor, 40, 8, seed=0)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "there is no text in it"),
        (b" \n\t", "there is no text in it"),
        (b"\x7fELF\x02\x01\x00", "a binary file, or text in another encoding than UTF-8.* 0x02 at byte 4"),
        ("Tag".encode("utf-16"), ".* such as UTF-16 .control character 0x00 at byte 3"),
        ("die T\u00fcr".encode("latin-1"), r"input should be UTF-8 \(0xfc at byte 5 is not\); iconv"),
        (codecs.BOM_UTF8 + "die T\u00fcr".encode("latin-1"), r"input should be UTF-8 \(0xfc at byte 8 is not\); iconv"),
        (
            b"\xef\xbb\xbfabab abab",
            "K = 64: the text supports at most 5 tokens, its bytes and the pairs of",
        ),
        (bytes(range(32, 127)), "K = 64: the text has 95 different bytes, and each is a token"),
    ],
)
def test_bad_text_is_refused_with_its_reason(content: bytes, message: str, tmp_path: Path) -> None:
    path = tmp_path / "bad.txt"
    path.write_bytes(content)
    of_file = "" if message.startswith("K = ") else re.escape(f"text = {str(path)!r}: ")
    with pytest.raises(ValueError, match=f"^{of_file}{message}"):
        read_corpus(path, K)


def test_missing_text_is_refused(tmp_path: Path) -> None:
    for missing in (tmp_path / "none.txt", tmp_path, ""):
        with pytest.raises(FileNotFoundError, match=r"text = '.*': there is no .*; input should be a file, a folder"):
            read_corpus(missing, K)
    for none in (None, 3, [None], "\0"):
        with pytest.raises(ValueError, match=r"text = .*: input should be a file"):
            read_corpus(none, 128)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"text = \[\]: input should be a file"):
        read_corpus([], K)
    (tmp_path / "a").write_text("a")
    with pytest.raises(ValueError, match="two files are called a"):
        read_corpus([tmp_path / "a", tmp_path], K)


def test_too_little_text_says_how_many_sequences_there_are(corpus: Corpus) -> None:
    n = len(cut(corpus, 6))
    with pytest.raises(ValueError, match=f"T = 20000: this text has {n} sequences of content 'text', of N = 6 tokens"):
        split_content("text", corpus, 20_000, 6, seed=0)
    for content in CONTENTS:
        with pytest.raises(ValueError, match=f"T = 1: this text has 0 sequences of content '{content}'"):
            split_content(content, made_of([0, 1, 2], K=3), 1, 8, seed=0)
