"""How the data's answer to a claim is said."""

from __future__ import annotations

from typing import Literal, NamedTuple

Verdict = Literal["supported", "mixed", "not supported", "not measured yet"]


class Finding(NamedTuple):
    """What our data say of one claim."""

    verdict: Verdict  #: what they make of it
    number: str = ""  #: what was found, in words and numbers
    interval: str = ""  #: and how sure that is

    def __str__(self) -> str:
        """Verdict, numbers and intervals in one line."""
        return "; ".join(
            part for part in (f"{self.verdict.upper()}: {self.number}".rstrip(": "), self.interval) if part
        )


NOT_MEASURED = Finding("not measured yet")


def verdict_of(*holds: bool) -> Verdict:
    """All statements of a claim hold, some do, or none."""
    return "supported" if all(holds) else "mixed" if any(holds) else "not supported"
