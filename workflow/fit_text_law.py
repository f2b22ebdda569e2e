"""Fit the law of text to the grid ``text``: ``python workflow/fit_text_law.py``.

Writes ``results/law-reference/text.json``, which ships with the package.
"""

from __future__ import annotations

from pathlib import Path

from ecmlib.laws.signal import SignalLaw
from ecmlib.laws.text_law import TextLaw
from ecmlib.reproduction.text import compare, usable_cells
from ecmlib.text_record import load_text_records

RESULTS = Path(__file__).parent.parent / "results"


def fitted_law(results: Path) -> TextLaw:
    """Fit to what is neither lost nor full."""
    cells = usable_cells(compare(load_text_records(results / "text")))
    return TextLaw.fit(cells[cells["content"] == "text"], SignalLaw.load(results / "law-reference/signal.json"))


def main() -> None:
    law = fitted_law(RESULTS)
    law.save(RESULTS / "law-reference/text.json")
    print(f"a token takes {law.bits:.2f} bits, by {law.evidence.configurations} cells")


if __name__ == "__main__":
    main()
