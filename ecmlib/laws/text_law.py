"""How much of a text a model memorises: our law of random tokens, and what text adds to it."""

from __future__ import annotations

from typing import Any, ClassVar, Self

import numpy as np
import pandas as pd

from ecmlib.files import shipped_file
from ecmlib.laws.base import Law, Sizes
from ecmlib.laws.fitting import Array
from ecmlib.laws.points import CONDITIONS, configurations
from ecmlib.laws.signal import SignalLaw

_ADDED = ("d", "T", "K")  # on which it was found to depend how far our law is off
_FEWEST = 8  # cells from which that is fitted


class TextLaw(Law):
    """What our law says when it is told how many bits a token takes, times powers of d, T and K.

    Told the bits that n-grams need, a law of random tokens says too much of small models and of large texts: they do
    not foresee text as n-grams do, and have to memorise what these know.

    Parameters
    ----------
    ours : SignalLaw
        Fitted to random tokens.
    powers : list of float
        Logarithm of a factor, and the powers of d, T and K that go with it.
    """

    name = "text"
    nearness = 0.3
    variables = SignalLaw.variables
    components: ClassVar[tuple[str, ...]] = tuple(SignalLaw.components)
    resamples: ClassVar[int] = 300

    ours: SignalLaw
    powers: list[float]

    @property
    def n_parameters(self) -> int:
        """Those fitted to text."""
        return len(self.powers)

    @classmethod
    def fit(cls, cells: pd.DataFrame, ours: SignalLaw, seed: int = 0) -> Self:
        """Fit the powers to what models of text memorised beyond generalising, by least squares of logarithms.

        Parameters
        ----------
        cells : DataFrame
            A row a configuration that is neither lost nor full: d, H, N, L, K, T, ``C`` (sequences) and ``token_bits``.
        ours : SignalLaw
            Fitted to random tokens.
        seed : int
            Of the bootstrap over cells.

        Raises
        ------
        ValueError
            If there are fewer than eight cells.
        """
        points = configurations(cells, ["C", "token_bits"], CONDITIONS)
        if len(points) < _FEWEST:
            raise ValueError(f"{len(points)} cells of text: input should be at least {_FEWEST}")
        off = np.log(points["C"].to_numpy(float) / ours.predict_frame(points))
        terms = _terms({name: points[name].to_numpy(float) for name in _ADDED})
        random = np.random.default_rng(seed)
        draws = [
            _solved(terms[rows], off[rows]) for rows in random.integers(len(points), size=(cls.resamples, len(off)))
        ]
        law = cls(ours=ours, powers=_solved(terms, off))
        return law._with_evidence(points, points, "C", "log", draws=draws)

    def refit(self, frame: pd.DataFrame, bootstraps: int = 0) -> Self:
        """Fit to other cells; there always is a bootstrap."""
        return self.fit(frame, self.ours)

    def _values(self, sizes: Sizes) -> Array:
        return _bounded(self.ours._values(sizes), self.powers, sizes)

    def _draws(self, sizes: Sizes) -> Array:
        of_ours, powers = self.ours._draws(sizes), self.evidence.draws
        return np.array([_bounded(of_ours[n % len(of_ours)], drawn, sizes) for n, drawn in enumerate(powers)])


def shipped_text_law() -> TextLaw:
    """Return the law that ships with the package, fitted to one text, the King James Bible (grid ``text``)."""
    return TextLaw.load(shipped_file("laws/text.json", "law-reference"))


def _bounded(C: Array, powers: list[float], sizes: Sizes) -> Array:
    return np.asarray(np.minimum(C * np.exp(_terms(sizes) @ np.array(powers)), sizes["T"]))


def _terms(sizes: Any) -> Array:
    return np.column_stack([np.ones(len(sizes["d"])), *(np.log(sizes[name]) for name in _ADDED)])


def _solved(terms: Array, off: Array) -> list[float]:
    solution: list[float] = np.linalg.lstsq(terms, off, rcond=None)[0].tolist()
    return solution
