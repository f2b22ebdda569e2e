"""What the book's pages do with what they computed: show figures as vectors with their data, and glue numbers."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
from IPython.display import HTML, SVG, Markdown
from matplotlib.figure import Figure
from myst_nb import glue

from ecmlib.figures.style import save_svg

NOT_MEASURED = "Not measured yet."
_DATA = Path("data")  # beside the pages, in whose folder they run


def show(draw: Callable[..., Figure], data: pd.DataFrame, name: str, **options: Any) -> SVG | Markdown:
    """Draw a figure, and keep its data as ``data/<name>.csv`` for the link in its caption.

    Parameters
    ----------
    draw : callable
        A function of `ecmlib.figures`; gets ``data`` and ``options``.
    data : DataFrame
        What is drawn; if it is empty, a sentence says so in the figure's place.
    name : str
        Of the file.

    Returns
    -------
    SVG or Markdown
        The page's output.
    """
    _DATA.mkdir(exist_ok=True)
    data.to_csv(_DATA / f"{name}.csv", index=False)
    if data.empty:
        return Markdown(f"*{NOT_MEASURED}*")
    drawn = io.StringIO()
    save_svg(draw(data, **options), drawn, name)
    return SVG(drawn.getvalue())


def glue_numbers(**numbers: float) -> None:
    """Make numbers known to the page's text, which quotes them as ``{glue:text}`name:.0f```."""
    for name, number in numbers.items():
        glue(name, float(number), display=False)  # numpy's own types would be quoted with their name


def claims_table(claims: pd.DataFrame) -> HTML:
    """Render what `ecmlib.reproduction.claims.reproduction_table` returns; verdicts link to their place in the book."""
    records: Any = claims.to_dict("records")
    rows = [
        '<tr class="{kind}"><th scope="row">{name}</th><td>{claim} <small>({where})</small></td>'
        '<td>{number}<br><small>{interval}</small></td><td><a href="{page}">{verdict}</a></td></tr>'.format(
            kind=row["verdict"].replace(" ", "-"), **row
        )
        for row in records
    ]
    head = "<th></th><th>The paper claims</th><th>We find <small>(and how sure that is)</small></th><th>Verdict</th>"
    return HTML(f'<table class="claims"><thead><tr>{head}</tr></thead><tbody>{"".join(rows)}</tbody></table>')


def table(frame: pd.DataFrame, number: str) -> HTML:
    """Render a table without index; ``number`` formats every float, and what is missing is left blank."""
    named = frame.rename(columns=lambda name: str(name).replace("_", " "))
    return HTML(named.to_html(index=False, border=0, float_format=number.format, na_rep="", classes="data"))
