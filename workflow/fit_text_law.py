"""Fit the law of text to the grid ``text``: ``python workflow/fit_text_law.py``.

Writes ``results/law-reference/text.json``, which ships with the package.
"""

from __future__ import annotations

from pathlib import Path

from ecmlib.laws.points import SIZES
from ecmlib.laws.signal import SignalLaw
from ecmlib.laws.text_law import TextLaw
from ecmlib.reproduction.text import compare, usable_cells
from ecmlib.results import one_frame
from ecmlib.text_record import load_text_records

RESULTS = Path(__file__).parent.parent / "results"


def fitted_law(results: Path) -> TextLaw:
    """Fit to what is neither lost nor full."""
    records = load_text_records(results / "text")
    usable = usable_cells(compare(records)).query("content == 'text'")
    runs = one_frame(record.frame() for record in records).merge(usable[["content", *SIZES]])
    return TextLaw.fit(runs, SignalLaw.load(results / "law-reference/signal.json"))


def main() -> None:
    law = fitted_law(RESULTS)
    law.save(RESULTS / "law-reference/text.json")
    print(f"a token takes {law.bits:.2f} bits, by {law.evidence.configurations} cells")


if __name__ == "__main__":
    main()
