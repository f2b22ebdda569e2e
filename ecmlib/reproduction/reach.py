"""Which tokens can the frozen output map make the most likely at all, and how easily?"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import nnls

from ecmlib.architecture import Architecture

Rows = NDArray[np.float64]  # (K, d)


def output_rows(architecture: Architecture, seed: int) -> Rows:
    """Return the frozen output map that `Architecture.build` draws, a row a token: its logit is row times state."""
    return np.asarray(architecture.build(seed).to_logits.weight.detach().numpy(), dtype=float)


def centred(rows: Rows) -> Rows:
    """Take each row's mean off: the rest acts on states of mean 0, which the last norm gives while its gains are 1."""
    return np.asarray(rows - rows.mean(axis=1, keepdims=True))


def token_reach(rows: Rows, tokens: NDArray[np.int64] | None = None) -> NDArray[np.float64]:
    """Return by how much a token's logit can exceed all others', over all states of length 1.

    It is the distance of the token's row from the convex hull of the other rows. In a small dimension some rows lie
    inside, and their tokens are never the most likely ones, whatever is trained.

    Parameters
    ----------
    rows : array of shape (K, d)
    tokens : array of int, optional
        Which tokens; all by default.

    Returns
    -------
    array
        One reach a token; 0 if it can never be the most likely one.
    """
    chosen = range(len(rows)) if tokens is None else tokens
    return np.array([_margin(rows[token] - np.delete(rows, token, axis=0)) for token in chosen])


def _margin(differences: Rows) -> float:
    """Largest m for which a state of length 1 has a product of at least m with every difference.

    The shortest state whose products are all at least 1 is found by non-negative least squares (least distance
    programming: Lawson and Hanson, Solving Least Squares Problems, 1974, chapter 23).
    """
    constraints = np.vstack([differences.T, np.ones(len(differences))])
    wanted = np.zeros(len(constraints))
    wanted[-1] = 1
    found, distance = nnls(constraints, wanted)
    if distance < 1e-9:  # then 0 is a mean of differences, and no state is on the right side of all
        return 0.0
    residual = constraints @ found - wanted
    return float(-residual[-1] / np.linalg.norm(residual[:-1]))
