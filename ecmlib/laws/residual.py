"""What our law leaves unsaid: a Gaussian process on its errors, the rival that shows how much structure is missing."""

from __future__ import annotations

import math
import warnings
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
import pandas as pd

from ecmlib.chance import at_least_one
from ecmlib.laws.base import Law
from ecmlib.laws.fitted import Sizes
from ecmlib.laws.fitting import Array
from ecmlib.laws.points import SIZES, noise, scored
from ecmlib.laws.signal import SignalLaw

if TYPE_CHECKING:
    from sklearn.gaussian_process import GaussianProcessRegressor

ALSO = ["head_dim", "ff_mult", "embeddings", "max_steps"]  # on which errors may depend, besides sizes
_FEWEST = 8  # configurations from which a smooth function is learnt


class ResidualModel(Law):
    """Our law, times a smooth function of all sizes, components and steps that is learnt from its errors.

    The function means nothing. Where it errs less than the law on what was left out, the law lacks that much. What the
    data have one value of changes nothing.

    Parameters
    ----------
    ours : SignalLaw
        Fitted.
    inputs : list of lists
        Logarithms of d, H, N, L, K, T and what `ALSO` names, of the configurations at which a prediction can be wrong.
    off : list of float
        Logarithms of measured over predicted capacity there.
    noise : list of float
        Variances of these that counting and seeds explain.
    kernel : list of float
        Logarithms of the function's variance, of its lengths, one an input, and of the variance of what is no function.
        Without enough configurations there is no function, and nothing in these lists.
    freedom : float
        Effective number of parameters of the function: the trace of the matrix that smooths.
    """

    name = "residual"
    nearness = SignalLaw.nearness
    variables = SignalLaw.variables
    components = SignalLaw.components
    same = SignalLaw.same
    resamples: ClassVar[int] = 30

    ours: SignalLaw
    inputs: list[list[float]]
    off: list[float]
    noise: list[float]
    kernel: list[float]
    freedom: float

    @property
    def n_parameters(self) -> int:
        """Those of the law, and as many as a function so smooth has effectively."""
        return self.ours.n_parameters + math.ceil(self.freedom)

    @classmethod
    def fit(cls, frame: pd.DataFrame, target: str = "C_plateau", *, starts: int = 20, seed: int = 0) -> Self:
        """Fit our law, and then the function to its errors.

        Raises
        ------
        ValueError
            As `SignalLaw.fit`.
        """
        ours = SignalLaw.fit(frame, target, starts=starts, bootstraps=cls.resamples, seed=seed)
        return cls.beside(ours, frame)

    def refit(self, frame: pd.DataFrame, bootstraps: int = 0) -> Self:
        """Fit to other data, the law from where its fit ended."""
        return self.beside(self.ours.refit(frame, bootstraps), frame)

    @classmethod
    def beside(cls, ours: SignalLaw, frame: pd.DataFrame) -> Self:
        """Fit the function alone, to the errors of a law where it can be wrong on the frame that it was fitted to."""
        from sklearn.exceptions import ConvergenceWarning

        target = ours.evidence.target
        points = scored(frame, target, cls.same)
        telling = points[points["telling"]]
        if len(telling) < _FEWEST:
            alone = cls(ours=ours, inputs=[], off=[], noise=[], kernel=[], freedom=0.0)
            return alone._with_evidence(frame, points, target, "log")
        inputs = _inputs(cls._sizes(telling, SIZES))
        off = np.log(at_least_one(telling[target]) / at_least_one(ours.predict_frame(telling)))
        variances = np.square(noise(telling, target))
        with warnings.catch_warnings(action="ignore", category=ConvergenceWarning):
            # A length at its bound says that errors do not depend on this input.
            learnt = _process(variances).fit(inputs, off).kernel_
        both = learnt(inputs) + np.diag(variances)
        fitted = cls(
            ours=ours,
            inputs=inputs.tolist(),
            off=off.tolist(),
            noise=variances.tolist(),
            kernel=learnt.theta.tolist(),
            freedom=float(np.trace(np.linalg.solve(both, learnt.k1(inputs)))),
        )
        return fitted._with_evidence(frame, points, target, "log")

    def _values(self, sizes: Sizes) -> Array:
        return self.ours._values(sizes) * self._correction(np.arange(len(self.off)), sizes)

    def _draws(self, sizes: Sizes) -> Array:
        random, n = np.random.default_rng(0), len(self.off)
        of_ours = self.ours._draws(sizes)
        return np.array([one * self._correction(random.integers(n, size=n), sizes) for one in of_ours])

    def _correction(self, rows: Any, sizes: Sizes) -> Array:
        if not self.off:
            return np.ones(len(sizes["d"]))
        process = _process(np.array(self.noise)[rows], self.kernel)
        process.fit(np.array(self.inputs)[rows], np.array(self.off)[rows])
        return np.asarray(np.exp(process.predict(_inputs(sizes))))


def _inputs(sizes: Sizes) -> Array:
    present, may_be_0 = (np.column_stack([sizes[name] for name in names]) for names in (SIZES, ALSO))
    return np.hstack([np.log(present), np.log1p(may_be_0)])


def _process(noise: Array, kernel: list[float] | None = None) -> GaussianProcessRegressor:
    """Return a process whose kernel is to be learnt, or is known."""
    from sklearn.gaussian_process import GaussianProcessRegressor  # reading laws need not wait for scikit-learn
    from sklearn.gaussian_process.kernels import RBF, ConstantKernel, WhiteKernel

    lengths = RBF([1.0] * (len(SIZES) + len(ALSO)), (0.2, 20))
    form = ConstantKernel(0.01, (1e-4, 1)) * lengths + WhiteKernel(0.01, (1e-4, 1))
    if kernel is None:
        return GaussianProcessRegressor(form, alpha=noise)
    return GaussianProcessRegressor(form.clone_with_theta(kernel), alpha=noise, optimizer=None)
