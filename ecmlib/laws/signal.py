"""Our law: a memory of so many bits a usable number, read out by detecting a signal among rivals."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ecmlib.architecture import FEED_FORWARD_WIDTH, HEAD_DIM
from ecmlib.laws.demand import knowable_bits
from ecmlib.laws.detection import detected
from ecmlib.laws.fitted import Sizes
from ecmlib.laws.fitting import Array
from ecmlib.laws.inputs import USUAL_STEPS
from ecmlib.laws.parametric import Numbers, ParametricLaw
from ecmlib.laws.points import COMPONENTS, CONDITIONS


class SignalLaw(ParametricLaw):
    """Capacity from bits of memory and signal detection; covers every size and component with six parameters.

    1. Not every weight can be used. What comes in are sums of K token and N - 1 position vectors, what goes out is
       compared with K frozen vectors, and a norm takes the mean away before either: of the d dimensions
       ``i = min(d - 1, K + N - 2)`` carry something in and ``o = min(d - 1, K - 1)`` something out. A layer stores
       ``bits_ff`` bits in each of the ``4 d (i + o)`` usable weights of its feed-forward block (``ff_mult d (i + o)``,
       if it is of another width, or missing), and ``bits_att`` bits in each free number of its attention: Wq Wk' and
       Wv Wo are matrices of rank at most head_dim (paper, eq. 3), however many weights they are made of
       (`free_numbers`). L layers store ``L^lam`` times that. Embeddings that are trained add ``bits_emb`` bits in each
       of their ``d (2 K + N)`` numbers; frozen ones store nothing.
    2. Training leaves a share of that out, which falls with the tokens that it has seen, ``lacking`` times the root of
       70,000 over ``S (N - 1)``: S steps, at equal batches, beside 10,000 with N = 8.
    3. The library asks for the bits that can be known of it (`ecmlib.laws.demand.knowable_bits`), at most
       ``T (N - 1) log2 K``. The stored share u of them, at most 1, makes each token stand out of the K - 1 others by
       a signal of mean square ``-2 ln K ln(1 - u)``: for small u that is what u log2 K bits of information amount to in
       Gaussian noise, and a full memory makes no error. Some tokens are known better than others: ``uneven`` is the
       signal's standard deviation over its mean.
    4. A sequence counts when its last token is the largest of K Gaussian numbers, one of which is shifted by the
       signal (`ecmlib.laws.detection.detected`). Less the guesses, that is C, between 0 and T.

    Of text, which takes fewer bits a token than log2 K, steps 3 and 4 are told these (column ``token_bits``): K is then
    the number of tokens among which a guess is as hard.

    Parameters
    ----------
    bits_ff : float
        Bits a usable feed-forward weight.
    bits_att : float
        Bits a free number of attention.
    lam : float
        How memory grows with layers; 1 where they add up. Data with a single L do not change it from 1.
    uneven : float
        Standard deviation of the signal over tokens, in means.
    lacking : float
        Share of the memory that 10,000 steps leave unused at N = 8. Data with a single number of steps do not change it
        from 0.
    bits_emb : float
        Bits a trained number of the embeddings; 0 where the data have frozen ones alone, and others are then refused.

    Examples
    --------
    >>> from ecmlib import SignalLaw
    >>> float(SignalLaw(bits_ff=1.8, bits_att=2.9).predict(d=16, H=1, N=8, T=2048).round())
    68.0
    """

    name = "signal"
    nearness = 0.1
    components = ("head_dim", "ff", "ff_mult", "embeddings", "max_steps", "token_bits")
    same = tuple(name for name in CONDITIONS if name not in COMPONENTS)
    bounds: ClassVar[dict[str, tuple[float, float]]] = {
        "bits_ff": (0, 100),
        "bits_att": (0, 100),
        "lam": (-1, 4),
        "uneven": (0, 2),
        "lacking": (0, 0.5),
        "bits_emb": (0, 100),
    }

    bits_ff: float
    bits_att: float
    lam: float = 1.0
    uneven: float = 0.0
    lacking: float = 0.0
    bits_emb: float = 0.0

    @staticmethod
    def formula(parameters: Numbers, sizes: Sizes) -> Numbers:
        """Predict capacities; see the class."""
        uneven = np.moveaxis(parameters, -1, 0)[3, ..., None]
        return np.asarray(sizes["T"] * detected(_share(parameters, sizes), _choices(sizes), uneven))

    def share(self, frame: pd.DataFrame) -> Array:
        """Return stored bits over those that can be known, one a row: from 1 on, the library is known whole.

        Parameters
        ----------
        frame : DataFrame
            As `predict_frame` takes it.
        """
        return np.asarray(_share(self.parameters, self._known(frame)), float)

    def stored(self, frame: pd.DataFrame) -> Array:
        """Return stored bits, one a row, however many the library asks for.

        Parameters
        ----------
        frame : DataFrame
            As `predict_frame` takes it.
        """
        return np.asarray(_stored(self.parameters, self._known(frame)), float)

    def trained(self, steps: float) -> float:
        """Share of the memory that so many steps with sequences of 8 tokens put to use."""
        return float(_trained(np.array(self.lacking), {"max_steps": np.array(steps), "N": np.array(8)}))

    def _values(self, sizes: Sizes) -> Array:
        self._refuse_unknown(sizes)
        return super()._values(sizes)

    def _known(self, frame: pd.DataFrame) -> Sizes:
        sizes = self._sizes(frame, self.variables)
        self._refuse_unknown(sizes)
        return sizes

    def knows(self, frame: pd.DataFrame) -> NDArray[np.bool_]:
        """Say of each row whether the law can be asked of it: fitted to frozen embeddings alone it refuses others."""
        trained = frame.get("embeddings", "") == "trained"
        return np.broadcast_to(bool(self.bits_emb) | ~np.asarray(trained), len(frame))

    def _refuse_unknown(self, sizes: Sizes) -> None:
        if not self.bits_emb and sizes["embeddings"].any():
            raise ValueError("embeddings = trained: this law was fitted to models with frozen ones alone")

    def _fullness(self, predicted: Array, sizes: Sizes) -> Array:
        """Stored bits over those that can be known: from 1 on all is known, with more or less to spare."""
        return np.asarray(_share(self.parameters, sizes), float)

    @classmethod
    def starts(cls, points: pd.DataFrame, measured: Array, n: int, seed: int) -> Array:
        """Start anywhere between a tenth of a bit and 10 bits."""
        drawn = 10 ** np.random.default_rng(seed).uniform(-1, 1, (n, 2))
        return np.column_stack([drawn, np.tile([1.0, 0.3, 0.1, 2.0], (n, 1))])

    @classmethod
    def held(cls, points: pd.DataFrame) -> dict[str, float]:
        """Layers add up, no step is lacking and embeddings hold nothing, where nothing says otherwise."""
        varied = {
            "lam": points["L"].nunique() > 1,
            "lacking": "max_steps" in points and points["max_steps"].nunique() > 1,
            "bits_emb": "embeddings" in points and (points["embeddings"] == "trained").any(),
        }
        neutral = {"lam": 1.0, "lacking": 0.0, "bits_emb": 0.0}
        return {name: value for name, value in neutral.items() if not varied[name]}


def in_layer(bits_ff: Numbers | float, bits_att: Numbers | float, sizes: Sizes) -> Numbers:
    """Bits that one layer stores, so many in a usable feed-forward weight and in a free number of attention."""
    return np.asarray(bits_ff * usable_weights(sizes) + bits_att * free_numbers(sizes))


def usable_weights(sizes: Sizes) -> Array:
    """Weights of one layer's feed-forward block that carry something: ``ff_mult d (i + o)``, see `SignalLaw`."""
    going_in, going_out = carried(sizes)
    width = sizes.get("ff_mult", np.asarray(FEED_FORWARD_WIDTH)) * sizes["d"]
    return np.asarray(width * (going_in + going_out))


def free_numbers(sizes: Sizes) -> Array:
    """Numbers that one layer's attention is free to choose: those of H pairs of matrices of rank head_dim at most.

    An a x b matrix of rank r is free in ``r (a + b - r)`` numbers. Queries and keys meet in one of i x i, values go out
    through one of i x o (`carried`).
    """
    going_in, going_out = carried(sizes)
    head_dim = sizes.get("head_dim", np.asarray(HEAD_DIM))
    matching = np.minimum(going_in, head_dim)
    moving = np.minimum(np.minimum(going_in, going_out), head_dim)
    numbers = matching * (2 * going_in - matching) + moving * (going_in + going_out - moving)
    return np.asarray(sizes["H"] * numbers)


def carried(sizes: Sizes) -> tuple[Array, Array]:
    """Return the dimensions, of d, in which tokens and positions come in, and in which K tokens are told apart."""
    d, N, K = sizes["d"], sizes["N"], sizes["K"]
    return np.minimum(d - 1, K + N - 2), np.minimum(d - 1, K - 1)


def _share(parameters: Numbers, sizes: Sizes) -> Numbers:
    return np.asarray(_stored(parameters, sizes) / knowable_bits(sizes["N"], _choices(sizes), sizes["T"]))


def _stored(parameters: Numbers, sizes: Sizes) -> Numbers:
    bits_ff, bits_att, lam, _, lacking, bits_emb = np.moveaxis(parameters, -1, 0)[..., None]
    in_layers = in_layer(bits_ff, bits_att, sizes) * sizes["L"] ** lam
    in_embeddings = bits_emb * sizes["embeddings"] * sizes["d"] * (2 * sizes["K"] + sizes["N"])
    return np.asarray((in_layers + in_embeddings) * _trained(lacking, sizes))


def _trained(lacking: Numbers, sizes: Sizes) -> Numbers:
    seen = sizes["max_steps"] * (sizes["N"] - 1) / (USUAL_STEPS * 7)
    return np.asarray(np.maximum(1 - lacking / np.sqrt(seen), 0))


def _choices(sizes: Sizes) -> Array:
    """Return the number of tokens among which a guess is as hard: K, where they are random."""
    return np.asarray(2 ** sizes["token_bits"])
