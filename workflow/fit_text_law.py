"""Fit the law of text to the grid ``text``: ``python workflow/fit_text_law.py FILE``, the text it was measured on.

Writes ``results/law-reference/text.json``, which ships with the package.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import pandas as pd

from ecmlib.contents import split_content
from ecmlib.laws.points import SIZES
from ecmlib.laws.registry import load_law
from ecmlib.laws.signal import SignalLaw
from ecmlib.laws.text_design import bits_a_token
from ecmlib.laws.text_law import TextLaw
from ecmlib.reproduction.text import compare, usable_cells
from ecmlib.text import Paths, read_corpus
from ecmlib.text_record import TextRecord, load_text_records

RESULTS = Path(__file__).parent.parent / "results"


def cells_of(records: list[TextRecord], text: Paths) -> pd.DataFrame:
    """Return the cells of text that are neither lost nor full, with ``token_bits`` as a design counts them.

    Raises
    ------
    ValueError
        If a record is of another text.
    """
    bits = []
    for record in records:
        size, protocol = record.architecture, record.protocol
        corpus = read_corpus(text, size.K)
        if record.source != corpus.source:
            raise ValueError(f"d = {size.d}, N = {size.N}, K = {size.K}: measured on another text than {text}")
        library = split_content("text", corpus, protocol.T, size.N, protocol.seed).library
        sizes = {name: getattr(size if name != "T" else protocol, name) for name in SIZES}
        bits.append(sizes | {"token_bits": bits_a_token(library.numpy(), size.K)})
    of_a_token = pd.DataFrame(bits).groupby(SIZES, as_index=False).mean()
    return usable_cells(compare(records)).merge(of_a_token, on=SIZES)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("text", help="the text of the grid, runs/kjv.txt")
    text = parser.parse_args().text
    records = [record for record in load_text_records(RESULTS / "text") if record.protocol.content == "text"]
    ours = load_law(RESULTS / "law-reference/signal.json")
    assert isinstance(ours, SignalLaw)
    law = TextLaw.fit(cells_of(records, text), ours)
    law.save(RESULTS / "law-reference/text.json")
    print(f"{law.evidence.configurations} cells; powers {', '.join(f'{power:.2f}' for power in law.powers)}")


if __name__ == "__main__":
    main()
