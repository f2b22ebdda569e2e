"""What was measured of a library of text, or of a control: counts and code lengths, with and without having seen it."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, NamedTuple, Self

import pandas as pd
from pydantic import Field, model_validator
from scipy import stats

from ecmlib.architecture import Architecture
from ecmlib.contents import Content
from ecmlib.curve import Bits, Count, check_counts
from ecmlib.files import named_folder
from ecmlib.library import LibrarySize
from ecmlib.protocol import Protocol
from ecmlib.provenance import Provenance
from ecmlib.record import Record, load_folder
from ecmlib.restart import Restart, check_restarts, end_value, ended_count, seed_of_restart, settings_of
from ecmlib.text import TextSource
from ecmlib.validation import Parameters, Positive, said_of

REFERENCE = 2**16  # number under which the reference is trained and kept, far from those of restarts


class TextProtocol(Protocol):
    """How the capacity for a content is measured. Everything else is as for random tokens.

    Parameters
    ----------
    content : {"uniform", "unigram", "bigram", "shuffled", "text"}
        What the library consists of (`ecmlib.contents.split_content`).
    order : int
        Tokens in the longest n-gram of the cheap reference (`ecmlib.ngram.ngram_bits`).
    """

    content: Content
    order: Annotated[int, Field(ge=1)] = 5

    @model_validator(mode="after")
    def _has_one_library(self) -> Self:
        if self.vary in ("all", "library"):
            raise ValueError(
                f"vary = {self.vary!r}: restarts share a library, and its reference; other seeds have others"
            )
        return self


class Told(Parameters):
    """What a model tells of sequences: how many it counts as known, and how long their code is."""

    n: Positive  # sequences asked for
    last_count: Count
    full_count: Count
    bits: Bits  # a prediction, on average

    @model_validator(mode="after")
    def _counts_fit(self) -> Self:
        check_counts(self.last_count, self.full_count, self.n)
        return self


class Reference(Parameters):
    """A model of the same shape, trained in the same way on the sequences held out."""

    seed: Count
    steps: Count
    held_out: Told  # what it was trained on, all of it
    library: Told  # what it never saw
    provenance: Provenance


class Unintended(Parameters):
    """Bits of a library that a model holds and a reference lacks (Morris et al. 2025: unintended memorisation)."""

    floored: Bits  # sum over sequences of reference code length less model code length, where this is positive
    net: Annotated[float, Field(allow_inf_nan=False)]  # the same sum with the negative ones

    @model_validator(mode="after")
    def _floor_is_above(self) -> Self:
        if self.floored < self.net:
            raise ValueError(f"floored = {self.floored}: input should be at least net = {self.net}")
        return self


class TextRestart(Restart):
    """One training run on the library, and what its model says at the end."""

    held_out: Told | None  # as many held-out sequences as the library has; None after divergence, as below
    beyond_model: Unintended | None  # against the trained reference; for uniform tokens, against log2 K
    beyond_ngram: Unintended | None


class TextRecord(Record):
    """One architecture, one library of one content, what is memorised of it and what was known without it."""

    parts: ClassVar[str] = "restarts"
    experiment: Literal["text"] = "text"
    architecture: Architecture
    protocol: TextProtocol
    source: TextSource | None = None  # None before anything is measured
    ngram_bits: Bits | None = None  # a prediction of the library, by n-grams of what is held out
    reference: Reference | None = None  # None before it is trained; uniform tokens need none
    restarts: list[TextRestart] = Field(default_factory=list)

    @model_validator(mode="after")
    def _is_whole(self) -> Self:
        LibrarySize(T=self.protocol.T, N=self.architecture.N, K=self.architecture.K)
        if self.restarts and (self.source is None or self.ngram_bits is None or self.reference_bits is None):
            raise ValueError("restarts without source, ngram_bits or reference: none of them is measured before these")
        if self.source is not None and self.source.tokenizer.K != self.architecture.K:
            raise ValueError(f"K = {self.architecture.K}: the tokenizer's is {self.source.tokenizer.K}")
        check_restarts(self.restarts, self.protocol, self.architecture.K)
        for number, restart in enumerate(self.restarts):
            with said_of(f"restarts.{number}"):
                self._check_held_out(restart)
        if self.reference is not None:
            with said_of("reference"):
                self._check_reference(self.reference)
        return self

    def _check_held_out(self, restart: TextRestart) -> None:
        told = [part is not None for part in (restart.held_out, restart.beyond_model, restart.beyond_ngram)]
        if told != [restart.status != "diverged"] * 3:
            raise ValueError(f"held_out, beyond_model, beyond_ngram: status = {restart.status!r} has all or none")
        if restart.held_out is not None and restart.held_out.n != self.protocol.T:
            raise ValueError(f"held_out.n = {restart.held_out.n}: input should be T = {self.protocol.T}")

    def _check_reference(self, reference: Reference) -> None:
        if reference.seed != (seed := seed_of_restart(self.protocol.seed, REFERENCE)):
            raise ValueError(f"seed = {reference.seed}: the seed of the reference is {seed}")
        if reference.steps > (most := self.protocol.max_steps):
            raise ValueError(f"steps = {reference.steps}: input should be at most max_steps = {most}")
        if reference.library.n != (T := self.protocol.T) or reference.held_out.n < T:
            raise ValueError(f"n: the library has T = {T} sequences, and at least as many are held out")

    @property
    def _settings(self) -> dict[str, Any]:
        known = {} if self.source is None else {"source": self.source}  # of a plan it is not
        return {"architecture": self.architecture, "protocol": self.protocol, **known}

    @property
    def P(self) -> int:
        """Trainable parameters."""
        return self.architecture.n_params

    @property
    def reference_bits(self) -> float | None:
        """Bits a token of the library takes for who knows its source: the reference's, or log2 K of uniform tokens."""
        if self.protocol.content == "uniform":
            return math.log2(self.architecture.K)
        return None if self.reference is None else self.reference.library.bits

    def frame(self) -> pd.DataFrame:
        """Return a row a restart: architecture, protocol, ``P`` and what is said of library and held-out sequences.

        Columns: ``restart`` (from 0), ``status`` and ``core_seconds``; ``counted`` and ``counted_held_out``, of T
        sequences those whose last token is predicted; ``C``, what the library has more, among those that are not
        predicted anyway (`beyond_generalising`); ``full_counted`` and ``full_held_out``, of T sequences those of which
        every token is predicted; ``bits`` and ``bits_held_out``, of the model; ``reference_bits`` and ``ngram_bits``,
        a token of the library for who never saw it; ``memorised`` and ``memorised_ngram``, bits of the whole library
        beyond these references, floored a sequence, and ``memorised_net``, not floored; ``bits_per_parameter``,
        ``memorised / P``. What is measured of a restart is missing if it diverged.
        """
        references = {"reference_bits": self.reference_bits, "ngram_bits": self.ngram_bits}
        common = settings_of(self.architecture, self.protocol) | references
        return pd.DataFrame([common | self._row(number) for number in range(len(self.restarts))])

    def _row(self, number: int) -> dict[str, Any]:
        restart = self.restarts[number]
        row: dict[str, Any] = {
            "restart": number,
            "status": restart.status,
            "core_seconds": restart.provenance.core_seconds,
        }
        if restart.held_out is None or restart.beyond_model is None or restart.beyond_ngram is None:
            return row | dict.fromkeys(_OfText._fields, math.nan)
        T, known = self.protocol.T, restart.held_out.last_count / restart.held_out.n
        counted = ended_count(self.protocol, restart)
        full_counted, bits = (
            end_value(self.protocol, restart.step, values) for values in (restart.full_count, restart.bits)
        )
        said = _OfText(
            counted=counted,
            counted_held_out=known * T,
            C=beyond_generalising(counted, T, known),
            full_counted=full_counted,
            full_held_out=restart.held_out.full_count / restart.held_out.n * T,
            bits=bits,
            bits_held_out=restart.held_out.bits,
            memorised=restart.beyond_model.floored,
            memorised_net=restart.beyond_model.net,
            memorised_ngram=restart.beyond_ngram.floored,
            bits_per_parameter=restart.beyond_model.floored / self.P,
        )
        return row | said._asdict()


class _OfText(NamedTuple):
    """What a row says of library and held-out sequences, unless it diverged."""

    counted: float
    counted_held_out: float
    C: float
    full_counted: float
    full_held_out: float
    bits: float
    bits_held_out: float
    memorised: float
    memorised_net: float
    memorised_ngram: float
    bits_per_parameter: float


def beyond_generalising(count: float, T: int, known: float) -> float:
    """Remove from a raw count what is predicted without having been seen, as guesses are removed of random tokens.

    A count c of T contains ``C + (T - C) known`` sequences when C are memorised and the share ``known`` of all others
    is predicted anyway. For uniform tokens, it is 1 / K and this is `ecmlib.chance.guess_corrected`.
    """
    return (count - T * known) / (1 - known) if known < 1 else math.nan


def cannot_be_told_apart(counted: float, held_out: float, n: float) -> bool:
    """Whether no more of n sequences of a library are counted than of n held-out ones, one-sided at 95 %."""
    pooled = (counted + held_out) / (2 * n)
    deviation = math.sqrt(2 * n * pooled * (1 - pooled))
    return bool(counted - held_out <= stats.norm.ppf(0.95) * deviation)


def load_text_records(folder: str | Path) -> list[TextRecord]:
    """Read every record of a folder such as ``results/text``, all of one text.

    Raises
    ------
    FileNotFoundError
        If there is no such folder, or no record in it.
    ValueError
        If two records are of different texts.

    Warns
    -----
    UserWarning
        For each file that is no such record, with the reason. It is left out.
    """
    records = load_folder(folder, TextRecord) if named_folder(folder).is_dir() else []
    if not records:
        raise FileNotFoundError(f"results = {str(folder)!r}: no record of a text is there; train = True measures one")
    texts = {record.source.model_dump_json(include={"files"}) for record in records if record.source is not None}
    if len(texts) > 1:
        raise ValueError(f"results = {str(folder)!r}: its records are of {len(texts)} different texts")
    return records
