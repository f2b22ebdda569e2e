"""What a reader needs to redo the fit, asked as in "(Mis)Fitting: a survey of scaling laws" (arXiv 2502.18969)."""

from __future__ import annotations

import pandas as pd

from ecmlib.laws.parametric import ParametricLaw
from ecmlib.laws.points import CONDITIONS, SIZES, configurations, surviving


def reporting_checklist(frame: pd.DataFrame, law: ParametricLaw, holdout: pd.DataFrame | None = None) -> pd.DataFrame:
    """Answer the four groups of questions for a law fitted to a frame, from the data as far as they can tell.

    Parameters
    ----------
    frame : DataFrame
        Rows of `ecmlib.load_results`, what was fitted.
    law : ParametricLaw
        The fitted law.
    holdout : DataFrame, optional
        Rows that were not.

    Returns
    -------
    DataFrame
        Columns ``about``, ``question`` and ``answer``.
    """
    evidence = law.fitted
    alive, points = surviving(frame), configurations(frame, evidence.target)
    restarts = alive.groupby(SIZES).size()
    ended = alive["status"].value_counts() if "status" in alive else pd.Series(dtype=int)
    minimised = {
        "log": "sum of squared differences of log capacity",
        "mape": "sum of absolute relative errors",
        "squares": "sum of squared differences",
    }
    unseen = 0 if holdout is None or holdout.empty else len(configurations(holdout, evidence.target))
    answers = {
        "the law": {
            "What is its form?": (type(law).__doc__ or "").strip().splitlines()[0].replace("``", ""),
            "In which variables, of which units?": "d, H, N, L, K, T, all counts; C in sequences less guesses",
            "Which parameters are fitted?": ", ".join(law.bounds),
            "Was the form chosen before the data were seen?": "the paper's was; ours was chosen on the "
            "main grid, after a look at the first 6 records of the holdout grid, to which nothing was fitted",
        },
        "training": {
            "How many models, of which sizes?": f"{len(alive)} runs of {len(points)} configurations; "
            + ", ".join(f"{size} {low:g} to {high:g}" for size, (low, high) in law.region.items()),
            "How is P counted?": "attention, feed-forward and norm gains; embeddings and output are frozen",
            "What do all runs share?": "Adam without schedule, "
            + ", ".join(f"{name}={alive[name].iloc[0]}" for name in CONDITIONS if name in alive),
            "When did they end?": ", ".join(f"{status}: {count}" for status, count in ended.items()),
            "Is anything tuned for each size?": "nothing",
        },
        "data": {
            "What is a data point?": f"{evidence.target} of the best of {restarts.min()} to {restarts.max()} restarts",
            "Is any left out?": f"{len(frame) - len(alive)} restarts that diverged",
            "Is any a bound only?": f"{evidence.complete} configurations memorised all T, so that C is at least T",
            "Are intermediate checkpoints used?": "of each run's curve, the best count",
            "Can the data be had?": "every record is committed with its curve, commit and versions",
        },
        "fit": {
            "What is minimised?": minimised[evidence.loss],
            "By what, from where?": "scipy's least_squares with exact derivatives, from many starts; "
            f"{evidence.share_of_starts:.0%} of them reached the best optimum",
            "Are parameters bounded?": ", ".join(f"{name} {a:g} to {b:g}" for name, (a, b) in law.bounds.items()),
            "How sure are they?": f"{len(evidence.draws)} bootstraps over configurations; "
            + ("; ".join(evidence.doubts) or "no doubts"),
            "How is the law validated?": "configurations, H, N and the largest d left out in turn; "
            + (f"{unseen} configurations drawn at random and never fitted" if unseen else "no holdout measured yet"),
            "Are parameters given in full precision?": "with all bootstraps, as JSON",
        },
    }
    rows = [(about, question, answer) for about, part in answers.items() for question, answer in part.items()]
    return pd.DataFrame(rows, columns=["about", "question", "answer"])
