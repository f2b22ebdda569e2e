"""Do conclusions drawn on random tokens hold for natural language? Judged component by component."""

from __future__ import annotations

import numpy as np
import pandas as pd

from ecmlib.reproduction.stats import NOT_MEASURED, Estimate, Finding, Statement, mean
from ecmlib.reproduction.text import growth, law_errors, paired, power_of_bits

MARGIN = 0.1  # by which bits a parameter may differ, relatively, and still be called the same
_OTHERS = ("bits a parameter", "prediction by the law", "sequences follow the bits they need", "bits are constant")


def statements(cells: pd.DataFrame) -> dict[str, Statement | None]:
    """Judge "conclusions drawn on random tokens hold for text", statement by statement.

    Capacity in sequences grows with d, H or N as that for uniform tokens does if the exponent of their ratio can be 0;
    bits a parameter are the same if their ratio can be within a tenth of 1; the law holds if its mean error can be
    factor 1 and is no larger than twice that for uniform tokens; sequences follow the bits they need if C goes as the
    reference's bits, over all contents, to a power that can be -1, and bits are constant if those memorised go to a
    power that can be 0. "Can be" means: its 95 % t interval contains it.
    None stands for what is not measured yet.
    """
    pairs, errors = paired(cells).query("content == 'text'"), law_errors(cells)
    judged = {f"growth with {size}": _growth(size, **found) for size, found in growth(cells, errors).items()}
    others = (_bits(pairs), _law(errors), _following(cells, errors), _constant(cells))
    return judged | dict(zip(_OTHERS, others, strict=True))


def judge(cells: pd.DataFrame) -> Finding:
    """Sum up `statements`: not measured as long as one of them is not."""
    found = statements(cells)
    judged = [statement for statement in found.values() if statement is not None]
    if len(judged) < len(found):
        return NOT_MEASURED
    return Finding(judged, f"Judged by {len(cells)} cells of {int(cells['runs'].sum())} runs.")


def _growth(
    size: str, uniform: Estimate | None, text: Estimate | None, larger: Estimate | None, predicted: Estimate | None
) -> Statement | None:
    if uniform is None or text is None or larger is None or (larger.contains(0) and larger.contains(-uniform.value)):
        return None
    told = "" if predicted is None else f" The law, told the bits a token, says {predicted.value:.2f}."
    return Statement(
        f"Capacity grows with {size} as it does for uniform tokens: the exponents can be equal.",
        f"Capacity grows as {size} to the power {uniform.value:.2f} for uniform tokens; at the sizes that "
        f"both have, the exponent for text differs from that by {{}}.{told}",
        larger.contains(0),
        larger,
    )


def _bits(text: pd.DataFrame) -> Statement | None:
    if len(text) < 2:
        return None
    ratio = mean(np.log(text["ratio_bits"])).exp()
    net = float((text["memorised_net"] / text["memorised"]).median())
    return Statement(
        "A parameter holds as many bits of text as of uniform tokens: their ratio can be within a tenth of 1.",
        f"A parameter holds {{}} times as many bits of text as of uniform tokens ({len(text)} pairs); sequences that "
        f"the model codes worse than its reference subtracted, {net:.0%} of those of text are left (median).",
        ratio.low <= 1 + MARGIN and ratio.high >= 1 / (1 + MARGIN),
        ratio,
    )


def _law(errors: pd.DataFrame) -> Statement | None:
    text, uniform = (errors[errors["content"] == content] for content in ("text", "uniform"))
    if len(text) < 2:
        return None
    average = mean(text["error"])
    size, of_uniform, unchanged = (
        float(np.mean(np.abs(np.expm1(of)))) for of in (text["error"], uniform["error"], text["error_K"])
    )
    return Statement(
        "A law of uniform tokens that is told the reference's bits a token predicts text: on average its predictions "
        "can be right, and they err by no more than twice what they err for uniform tokens.",
        f"Told the reference's bits a token, a law of uniform tokens predicts {{}} times what is measured for text; "
        f"it errs by {size:.0%}, where it errs by {of_uniform:.0%} for the tokens it was fitted to; told log2 K, by "
        f"{unchanged:.0%}.",
        average.contains(0) and size <= 2 * of_uniform,
        average.exp(),
    )


def _following(cells: pd.DataFrame, errors: pd.DataFrame) -> Statement | None:
    power = power_of_bits(cells, "C")
    if power is None or (power.contains(0) and power.contains(-1)):
        return None
    predicted = power_of_bits(errors, "predicted")
    told = "" if predicted is None else f" The law that is told them says {predicted.value:.2f}."
    return Statement(
        "Sequences follow the bits they need: capacity goes as the bits of a sequence to a power that can be -1.",
        f"Over all contents, capacity in sequences goes as the bits of a sequence to the power {{}}.{told}",
        power.contains(-1),
        power,
    )


def _constant(cells: pd.DataFrame) -> Statement | None:
    power = power_of_bits(cells, "memorised")
    if power is None or (power.contains(0) and (power.contains(1) or power.contains(-1))):
        return None
    return Statement(
        "Capacity in bits is constant over contents: it goes as the bits of a sequence to a power that can be 0.",
        "Memorised bits go as the bits of a sequence to the power {}.",
        power.contains(0),
        power,
    )
