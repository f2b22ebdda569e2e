"""How much of a text a model memorises: our law of random tokens, of as many bits as a token of text takes."""

from __future__ import annotations

from typing import ClassVar, Self

import numpy as np
import pandas as pd

from ecmlib.files import shipped_file
from ecmlib.laws.base import Law
from ecmlib.laws.fitted import Sizes
from ecmlib.laws.fitting import Array
from ecmlib.laws.points import fittable, n_known, scored, weights
from ecmlib.laws.signal import SignalLaw

_FEWEST = 8  # configurations from which the bits are found
_TRIED = np.arange(2, 14.01, 0.05)  # bits a token


class TextLaw(Law):
    """Our law, told how many bits a token of text takes, at most log2 K: one number, fitted to what models held.

    Sequences count beyond generalising. For models as small as those that were measured, neither the bits that n-grams
    need nor K tell better what a token takes (grid ``text``).

    Parameters
    ----------
    ours : SignalLaw
        Fitted to random tokens.
    bits : float
        A token takes.
    """

    name = "text"
    nearness = 0.25
    components = tuple(name for name in SignalLaw.components if name != "token_bits")
    resamples: ClassVar[int] = 300

    ours: SignalLaw
    bits: float

    @property
    def n_parameters(self) -> int:
        """That fitted to text."""
        return 1

    @classmethod
    def fit(cls, frame: pd.DataFrame, ours: SignalLaw, seed: int = 0) -> Self:
        """Find the bits that predict best what models of text memorised, by least squares of logarithms.

        Configurations weigh as in any fit (`ecmlib.laws.points.weights`).

        Parameters
        ----------
        frame : DataFrame
            A row a restart, of configurations that are neither lost nor full: d, H, N, L, K, T and ``C`` in sequences;
            what else it says of architectures and protocols becomes what the law was fitted to.
        ours : SignalLaw
            Fitted to random tokens.
        seed : int
            Of the bootstrap over configurations.

        Raises
        ------
        ValueError
            If there are fewer than eight configurations, or if one holds nothing.
        """
        points = scored(frame, "C")
        if (known := n_known(points)) < _FEWEST:
            raise ValueError(f"{known} configurations of text: input should be at least {_FEWEST}")
        sizes = cls._sizes(points, cls.variables)
        predicted = np.array([ours._values(_with_bits_a_token(sizes, bits)) for bits in _TRIED])
        off = np.log(predicted / fittable(points, "C"))
        squares = weights(points, "C", cls.nearness) * np.square(off)
        drawn = np.random.default_rng(seed).integers(len(points), size=(cls.resamples, len(points)))
        draws = [[float(_TRIED[squares[:, rows].sum(axis=1).argmin()])] for rows in drawn]
        law = cls(ours=ours, bits=float(_TRIED[squares.sum(axis=1).argmin()]))
        return law._with_evidence(frame, points, "C", "log", draws=draws)

    def refit(self, frame: pd.DataFrame, bootstraps: int = 0) -> Self:
        """Fit to other data; there always is a bootstrap."""
        return self.fit(frame, self.ours)

    def _values(self, sizes: Sizes) -> Array:
        return self.ours._values(_with_bits_a_token(sizes, self.bits))

    def _draws(self, sizes: Sizes) -> Array:
        bits = np.ravel(self.evidence.draws)
        found = np.empty((len(bits), len(sizes["d"])))
        for of_a_token in np.unique(bits):
            of_ours, these = self.ours._draws(_with_bits_a_token(sizes, of_a_token)), np.flatnonzero(bits == of_a_token)
            found[these] = of_ours[these % len(of_ours)]
        return found


def shipped_text_law() -> TextLaw:
    """Return the law that ships with the package, fitted to one text, the King James Bible (grid ``text``)."""
    return TextLaw.load(shipped_file("laws/text.json", "law-reference"))


def _with_bits_a_token(sizes: Sizes, bits: float) -> Sizes:
    return {**sizes, "token_bits": np.minimum(bits, np.log2(sizes["K"]))}
