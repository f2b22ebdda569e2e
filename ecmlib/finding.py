"""What data say of a claim."""

from __future__ import annotations

from typing import Literal, NamedTuple

Verdict = Literal["supported", "mixed", "not supported", "not measured yet"]


class Finding(NamedTuple):
    """What our data say of one claim."""

    verdict: Verdict
    number: str = ""  # what was found, in words and numbers
    interval: str = ""  # and how sure that is

    def __str__(self) -> str:
        return f"{self.verdict}: {self.number} ({self.interval})" if self.number else self.verdict


NOT_MEASURED = Finding("not measured yet")


def all_hold(holds: list[bool]) -> Verdict:
    """Judge a claim of several parts: "supported" if all hold, "mixed" if some do."""
    return "supported" if all(holds) else "mixed" if any(holds) else "not supported"
