"""Which architecture memorises a wanted share of a text."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import pandas as pd

from ecmlib.contents import cut, split_content
from ecmlib.laws.base import Law
from ecmlib.laws.design import smallest_architectures
from ecmlib.laws.design_choices import DesignChoices, chosen_law
from ecmlib.laws.text_law import shipped_text_law
from ecmlib.library import LibrarySize, Tokens
from ecmlib.ngram import ngram_bits
from ecmlib.text import Paths, read_corpus
from ecmlib.validation import Seed, Share, checked


def smallest_for_text(
    text: Paths,
    N: int,
    K: int,
    share: float,
    *,
    law: Law | None = None,
    T: int | None = None,
    L: Iterable[int] = (1, 2),
    H: Iterable[int] = range(1, 9),
    probability: float = 0.9,
    seed: int = 0,
    max_steps: int | None = None,
) -> pd.DataFrame:
    """Find the smallest architectures that memorise a share of a text's sequences, beyond what they know without it.

    The law of text knows what a token takes. A law of random tokens can be asked, too, and is told the bits that
    n-grams need (`bits_a_token`): it promises too much to small models (grid ``designs-text``).

    Parameters
    ----------
    text : path or sequence of paths
        See `ecmlib.text.read_corpus`.
    N : int
        Sequence length in tokens.
    K : int
        Vocabulary size, of byte pairs.
    share : float
        Of the library's sequences, above 0 and at most 1.
    law : Law, optional
        By default the law of text that ships with the package (`ecmlib.laws.text_law`).
    L, H, probability, max_steps
        See `ecmlib.laws.design.smallest_architectures`.
    T : int, optional
        Library size in sequences, drawn from the text by ``seed``; by default all that begin differently. Where that
        is more than the law was fitted on, all candidates are ``outside_region``.

    Returns
    -------
    DataFrame
        As `ecmlib.laws.design.smallest_architectures`; with ``token_bits``, where the law was told what a token takes.

    Raises
    ------
    FileNotFoundError
        If there is no such text.
    ValueError
        If a parameter is out of range, the text is not usable, or nothing can hold so much of it.
    """
    law = chosen_law(law, shipped_text_law)
    checked(Share, share=share)
    checked(Seed, seed=seed)
    choices: dict[str, Any] = {"L": L, "H": H, "probability": probability, "max_steps": max_steps}
    choices |= DesignChoices(**choices).model_dump(include={*choices})  # what can be iterated over only once, as tuples
    LibrarySize(T=1 if T is None else T, N=N, K=K)
    corpus = read_corpus(text, K)
    if T is None and not (T := len(cut(corpus, N))):
        raise ValueError(f"N = {N}: the text has no sequence of so many tokens")
    library = split_content("text", corpus, T, N, seed).library
    token_bits = bits_a_token(library.numpy(), K) if "token_bits" in law.components else None
    return smallest_architectures(share * T, N, K, T, law=law, token_bits=token_bits, **choices)


def bits_a_token(library: Tokens, K: int) -> float:
    """Code each half of a library (T, N) by n-grams counted in the other one; at most log2 K."""
    if len(library) < 2:
        raise ValueError(f"T = {len(library)}: input should be at least 2, where n-grams say what a token takes")
    halves = library[::2], library[1::2]
    bits = [ngram_bits(seen, coded, K) for seen, coded in (halves, halves[::-1])]
    return float(min(np.concatenate(bits).mean(), np.log2(K)))
