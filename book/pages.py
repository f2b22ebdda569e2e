"""What the book's pages do with what they computed: figures as vectors with their data, tables, sentences."""

from __future__ import annotations

import html
import io
import json
import math
import re
from collections.abc import Callable
from numbers import Integral, Real
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml
from IPython.display import HTML, SVG, Markdown
from matplotlib.figure import Figure
from publication import points, stamp, year

from ecmlib.figures.style import save_svg
from ecmlib.laws.scope import MOST_D, MOST_T
from ecmlib.protocol import Protocol
from ecmlib.reproduction.stats import Finding

NOT_MEASURED = "Not measured yet."
_HOLDS = {True: "Holds.", False: "Fails.", None: "Undecided."}
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


def claims_table(claims: pd.DataFrame) -> HTML:
    """Render rows of `ecmlib.reproduction.claims.reproduction_table`; each verdict links to its place in the book."""
    records: Any = claims.to_dict("records")
    names = ("Claim", "The paper says", "It holds if", "We find (95 % intervals)", "Verdict")
    rows = [
        '<tr class="{kind}"><th scope="row">{name}</th><td data-name="{1}">{claim} <small>({where})</small></td>'
        '<td data-name="{2}">{criteria}</td><td data-name="{3}">{found}</td>'
        '<td data-name="{4}"><a href="{page}" aria-label="{verdict}: {name}">{verdict}</a></td></tr>'.format(
            *names, kind=row["verdict"].replace(" ", "-"), **row, **_statements(row["finding"])
        )
        for row in records
    ]
    head = "".join(f'<th scope="col">{name}</th>' for name in names)
    caption = f"<caption>The paper's {_listed(claims['name'].tolist())}, judged by our records</caption>"
    return HTML(f'<table class="claims">{caption}<thead><tr>{head}</tr></thead><tbody>{"".join(rows)}</tbody></table>')


def _listed(names: list[str]) -> str:
    """Name one claim, two, or the first and last of more."""
    if len(names) == 1:
        return f"claim {names[0]}"
    return f"claims {names[0]} {'and' if len(names) == 2 else 'to'} {names[-1]}"


def said(claim: str, finding: Finding) -> Markdown:
    """Say in one paragraph what was found of a claim that has no row in the reproduction table."""
    found = " ".join(map(str, finding.statements))
    criteria = " ".join(statement.criterion for statement in finding.statements)
    paragraph = f"*{claim}*: **{finding.verdict}**. {found} {finding.note}".strip()
    return Markdown(spaced(paragraph + (f" *It holds if*: {criteria}" if criteria else "")))


def _statements(finding: Finding) -> dict[str, str]:
    """Render what has to be so, each with whether it is, and what was found."""
    criteria = [
        f"<li>{html.escape(each.criterion)} <strong>{_HOLDS[each.holds]}</strong></li>" for each in finding.statements
    ]
    found = [html.escape(str(each)) for each in finding.statements]
    note = f" <small>{html.escape(finding.note)}</small>" if finding.note else ""
    listed = f"<ul>{''.join(criteria)}</ul>" if criteria else ""
    return {"criteria": spaced(listed), "found": spaced(" ".join(found) + note)}


def table(frame: pd.DataFrame, caption: str, number: Callable[[float], str] | None = None) -> HTML:
    """Render a table without index that scrolls by itself, its first column fixed; what is missing is left blank.

    Parameters
    ----------
    frame : DataFrame
    caption : str
        What the table shows.
    number : callable, optional
        Writes every float, by default `significant`.
    """
    typed = frame.convert_dtypes(convert_string=False)  # whole numbers become integers
    named = typed.astype(object).where(typed.notna(), "").rename(columns=lambda name: str(name).replace("_", " "))
    written = named.map(lambda value: _written(value, number or significant))
    rows = written.to_html(index=False, border=0, classes="data")
    titled = rows.replace("<thead>", f"<caption><span>{html.escape(caption)}</span></caption><thead>", 1)
    titled = titled.replace("<th>", '<th scope="col">')
    region = f'class="table-scroll" role="region" tabindex="0" aria-label="{html.escape(caption)}"'
    return HTML(f"<div {region}>{titled}</div>")


def _written(value: Any, number: Callable[[float], str]) -> str:
    if isinstance(value, bool | np.bool_):
        return "yes" if value else "no"
    if isinstance(value, Integral):
        return f"{value:,}"
    return number(float(value)) if isinstance(value, Real) else str(value)


def percent(share: float) -> str:
    """Write a share in per cent, and nothing if there is none."""
    return "" if math.isnan(share) else spaced(f"{share:.0%}")


def spaced(text: str) -> str:
    """Set every % apart from its number, without a break."""
    return re.sub(r"(?<=\d)%", "\N{NO-BREAK SPACE}%", text)


def whole(value: float) -> str:
    """Write a count: no decimals."""
    return f"{value:,.0f}"


def significant(value: float) -> str:
    """Write a number with three significant digits and no exponent, what is next to nothing as 0."""
    if abs(value) < 5e-6:
        return "0"
    if abs(value) >= 1e6:
        return f"{'below -' if value < 0 else 'over '}a million"
    rounded = float(f"{value:.2e}")
    return f"{value:,.{max(0, 2 - math.floor(math.log10(abs(rounded))))}f}"


def carried(name: str, law: str | Path, *scripts: str, figure: str = "") -> HTML:
    """Carry what a live picture needs in the page itself: no script may read a file beside a page opened from disk.

    Parameters
    ----------
    name : str
        Id of the element that holds the data.
    law : path
        A fitted law, as `ecmlib.laws.base.Law.save` writes it.
    scripts : str
        Names of scripts of ``_live``, run in this order.
    figure : str
        Id of the figure that the live picture replaces.
    """
    reference = Protocol.reference()
    data = {
        "law": json.loads(Path(law).read_text(encoding="utf-8")),
        "points": points(),
        "protocol": {name: value for name, value in reference.model_dump().items() if not reference.is_default(name)},
        "most": {"d": MOST_D, "T": MOST_T},
    }
    safe = json.dumps(data, separators=(",", ":")).replace("<", "\\u003c")
    loaded = "".join(f'<script src="_static/{script}.js"></script>' for script in scripts)
    return HTML(f'<script type="application/json" id="{name}" data-figure="{figure}">{safe}</script>{loaded}')


def bibtex() -> Markdown:
    """Write this software, as CITATION.cff describes it, and the paper as BibTeX."""
    cited = yaml.safe_load(Path("../CITATION.cff").read_text(encoding="utf-8"))
    paper = cited["references"][0]
    authors = " and ".join(f"{author['family-names']}, {author['given-names']}" for author in paper["authors"])
    entries = [
        f"@software{{ecmlib, author = {{{{{cited['authors'][0]['name']}}}}}, title = {{{cited['title']}}}, "
        f"version = {{{stamp()}}}, year = {{{year()}}}}}",
        f"@misc{{harma{paper['year']}, author = {{{authors}}}, title = {{{paper['title']}}}, "
        f"year = {{{paper['year']}}}, howpublished = {{{paper['identifiers'][0]['value']}}}}}",
    ]
    lines = [re.sub(r", (\w+ = \{)", r",\n  \1", entry) for entry in entries]
    return Markdown("```bibtex\n" + "\n\n".join(lines) + "\n```")
