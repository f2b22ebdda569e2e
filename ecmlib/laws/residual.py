"""What our law leaves unsaid: a Gaussian process on its errors, the rival that shows how much structure is missing."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
import pandas as pd

from ecmlib.chance import at_least_one, count_deviation
from ecmlib.laws.base import Law, Sizes
from ecmlib.laws.fitting import Array
from ecmlib.laws.points import ONE_SETTING, scored
from ecmlib.laws.signal import SignalLaw

if TYPE_CHECKING:
    from sklearn.gaussian_process import GaussianProcessRegressor

_INPUTS = ("d", "H", "N")
FEWEST = 8  # configurations from which a smooth function is learnt


class ResidualModel(Law):
    """Our law, times a smooth function of log d, log H and log N that is learnt from its errors.

    The function means nothing. Where it errs less than the law on what was left out, the law lacks that much.

    Parameters
    ----------
    ours : SignalLaw
        Fitted.
    inputs : list of lists
        Logarithms of d, H and N of the configurations at which a prediction can be wrong.
    off : list of float
        Logarithms of measured over predicted capacity there.
    noise : list of float
        Variances of these that counting explains.
    kernel : list of float
        Logarithms of the function's variance, of its three lengths, and of the variance of what is no function.
    """

    name = "residual"
    variables = SignalLaw.variables
    components = SignalLaw.components
    same = ONE_SETTING
    resamples: ClassVar[int] = 30

    ours: SignalLaw
    inputs: list[list[float]]
    off: list[float]
    noise: list[float]
    kernel: list[float]

    @property
    def n_parameters(self) -> int:
        """Those of the law, and of the kernel."""
        return self.ours.n_parameters + len(self.kernel)

    @classmethod
    def fit(
        cls, frame: pd.DataFrame, target: str = "C_plateau", *, starts: int = 20, bootstraps: int = 0, seed: int = 0
    ) -> Self:
        """Fit our law, and then the function to its errors.

        Raises
        ------
        ValueError
            As `SignalLaw.fit`, and if fewer than eight configurations can tell.
        """
        return cls._beside(SignalLaw.fit(frame, target, starts=starts, bootstraps=bootstraps, seed=seed), frame, target)

    def refit(self, frame: pd.DataFrame, bootstraps: int = 0) -> Self:
        """Fit to other data, the law from where its fit ended."""
        return self._beside(self.ours.refit(frame, bootstraps), frame, self.ours.evidence.target)

    @classmethod
    def _beside(cls, law: SignalLaw, frame: pd.DataFrame, target: str) -> Self:
        points = scored(frame, target, cls.same)
        told = points[points["telling"]]
        if len(told) < FEWEST:
            raise ValueError(f"{len(told)} configurations that can tell: a function of errors needs {FEWEST}")
        off = np.log(at_least_one(told[target]) / at_least_one(law.predict_frame(told)))
        deviation = count_deviation(told[target], told["T"], told["K"]) / at_least_one(told[target])
        inputs, noise = _inputs({name: told[name].to_numpy(float) for name in _INPUTS}), np.square(deviation)
        from sklearn.exceptions import ConvergenceWarning

        with warnings.catch_warnings(action="ignore", category=ConvergenceWarning):
            # A length at its bound says that errors do not depend on this size.
            learnt = _process(np.asarray(noise)).fit(inputs, off)
        kernel = learnt.kernel_.theta.tolist()
        fitted = cls(ours=law, inputs=inputs.tolist(), off=off.tolist(), noise=noise.tolist(), kernel=kernel)
        return fitted._with_evidence(frame, points, target, "log")

    def _values(self, sizes: Sizes) -> Array:
        return self._corrected(np.arange(len(self.off)), sizes)

    def _draws(self, sizes: Sizes) -> Array:
        random, n = np.random.default_rng(0), len(self.off)
        return np.array([self._corrected(random.integers(n, size=n), sizes) for _ in range(self.resamples)])

    def _corrected(self, rows: Any, sizes: Sizes) -> Array:
        process = _process(np.array(self.noise)[rows], self.kernel)
        process.fit(np.array(self.inputs)[rows], np.array(self.off)[rows])
        return np.asarray(self.ours._values(sizes) * np.exp(process.predict(_inputs(sizes))))


def _inputs(sizes: Sizes) -> Array:
    return np.asarray(np.log(np.column_stack([sizes[name] for name in _INPUTS])))


def _process(noise: Array, kernel: list[float] | None = None) -> GaussianProcessRegressor:
    """Return a process whose kernel is to be learnt, or is known."""
    from sklearn.gaussian_process import GaussianProcessRegressor  # reading laws need not wait for scikit-learn
    from sklearn.gaussian_process.kernels import RBF, ConstantKernel, WhiteKernel

    lengths = RBF([1.0] * len(_INPUTS), (0.2, 20))
    form = ConstantKernel(0.01, (1e-4, 1)) * lengths + WhiteKernel(0.01, (1e-4, 1))
    if kernel is None:
        return GaussianProcessRegressor(form, alpha=noise)
    return GaussianProcessRegressor(form.clone_with_theta(kernel), alpha=noise, optimizer=None)
