"""What a library consists of: text, or what keeps less and less of its statistics, at equal T, N and K."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Literal, NamedTuple, get_args

import numpy as np

from ecmlib.library import LibrarySize, Tokens, distinct, first_of_each_prefix, random_library
from ecmlib.text import Corpus

if TYPE_CHECKING:
    import torch

Content = Literal["uniform", "unigram", "bigram", "shuffled", "text"]
CONTENTS: tuple[Content, ...] = get_args(Content)
_ROUNDS = 20  # of drawing anew what begins like an earlier sequence, which a poor text may never end


class Split(NamedTuple):
    """Sequences of one source: those to be memorised, and those that no model sees which memorises them."""

    library: torch.Tensor  #: LongTensor of shape (T, N)
    held_out: torch.Tensor  #: LongTensor of shape (R, N), all that the source has left


def split_content(content: Content, corpus: Corpus, T: int, N: int, seed: int) -> Split:
    """Make a library of a content, and hold out the rest of its source.

    ``text`` is sequences cut from the text, in random order. The others are as many sequences of as many tokens:
    ``shuffled``, the same with the tokens of each sequence in random order; ``bigram``, a Markov chain with the text's
    frequencies of pairs, begun anywhere in it; ``unigram``, independent tokens with the text's frequencies;
    ``uniform``, independent tokens, all equally frequent (`random_library`). No two sequences share their first N - 1
    tokens, whether in the library or held out.

    Parameters
    ----------
    content : {"uniform", "unigram", "bigram", "shuffled", "text"}
        What the sequences keep of the text.
    corpus : Corpus
        The text's tokens, and K.
    T, N : int
        Sequences of the library, and tokens of each.
    seed : int
        The same seed and text give the same split on every machine. Libraries of one seed are nested: a smaller one is
        the beginning of a larger one.

    Raises
    ------
    ValueError
        If a size is out of range, or if the text has fewer than T sequences; the message says how many it has.
    """
    import torch  # reading records, which names contents, need not wait for it

    K = corpus.source.tokenizer.K
    LibrarySize(T=T, N=N, K=K)
    sequences = _sequences(content, corpus, N, seed)
    if len(sequences) < T:
        raise ValueError(
            f"T = {T}: this text has {len(sequences)} sequences of content {content!r}, of N = {N} tokens each, that "
            f"differ in their first N-1 (K = {K})"
        )
    rows = torch.from_numpy(sequences)
    return Split(rows[:T], rows[T:])


def cut(corpus: Corpus, N: int) -> Tokens:
    """Cut a text into sequences of N tokens, one after the other, and leave out what begins like an earlier one.

    Returns
    -------
    array of shape (n, N)
        No two rows share their first N - 1 tokens, none crosses the end of a file, and no token is in two rows.
    """
    rows = [tokens[: len(tokens) // N * N].reshape(-1, N) for tokens in corpus.tokens]
    return first_of_each_prefix(np.concatenate(rows))


def _sequences(content: Content, corpus: Corpus, N: int, seed: int) -> Tokens:
    """Return as many sequences as the text has, in random order."""
    text = cut(corpus, N)
    n, K = len(text), corpus.source.tokenizer.K
    if content == "uniform":
        return random_library(n, N, K, seed).numpy() if n else text
    # Only raw bits are promised to stay the same; see random_library. Each content has a stream of its own.
    bits = np.random.PCG64([seed, CONTENTS.index(content)])
    stream = np.concatenate(corpus.tokens)
    if content == "unigram":
        return distinct(lambda missing: stream[_below(len(stream), (missing, N), bits)], n, _ROUNDS)
    if content == "bigram":
        return distinct(_chain(stream, N, K, bits), n, _ROUNDS)
    text = text[np.argsort(bits.random_raw(n), kind="stable")]
    if content == "text":
        return text
    shuffled = np.take_along_axis(text, np.argsort(bits.random_raw((n, N)), axis=1, kind="stable"), axis=1)
    return distinct(lambda _: shuffled, n, 1)


def _chain(stream: Tokens, N: int, K: int, bits: np.random.PCG64) -> Callable[[int], Tokens]:
    """Make the Markov chain of a text closed to a ring, so that every token has a successor."""
    successors = np.roll(stream, -1)[np.argsort(stream, kind="stable")]  # those of token 0, those of token 1, ...
    frequency = np.bincount(stream, minlength=K)
    begin = np.cumsum(frequency) - frequency

    def draw(missing: int) -> Tokens:
        rows = np.empty((missing, N), dtype=np.int64)
        rows[:, 0] = stream[_below(len(stream), missing, bits)]
        for position in range(1, N):
            before = rows[:, position - 1]
            rows[:, position] = successors[begin[before] + _below(frequency[before], missing, bits)]
        return rows

    return draw


def _below(most: int | Tokens, shape: int | tuple[int, int], bits: np.random.PCG64) -> Tokens:
    """Draw whole numbers from 0 to ``most`` - 1, uniformly to within most / 2^64."""
    return (bits.random_raw(shape) % np.asarray(most, dtype=np.uint64)).astype(np.int64)
