"""What this book adds to jupyter-book's pages: ways down from every figure, a stamp, and less to load."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from docutils import nodes
from publication import ROOT, stamp
from pybtex.database import Entry
from pybtex.plugin import register_plugin
from pybtex.style.formatting.plain import Style
from pybtex.style.labels import BaseLabelStyle
from quoting import PLACE, Number
from sphinx.application import Sphinx
from sphinx.transforms.post_transforms import SphinxPostTransform
from sphinx.writers.html5 import HTML5Translator

_ICONS_TWICE = "fontawesome.js"  # 1.5 MB; the theme's stylesheet brings the same icons as a font
_SEARCHING = ("searchtools.js", "language_data.js", "searchindex.js")  # 0.2 MB that only the search page asks
_DESCRIPTION = "How many sequences a transformer can memorise: measured again, with a law that predicts it."


def setup(app: Sphinx) -> dict[str, bool]:
    """Register everything with Sphinx."""
    app.add_post_transform(FoldCode)
    app.add_role_to_domain("glue", "text", Number(), override=True)
    register_plugin("pybtex.style.labels", "author_year", AuthorYear)
    register_plugin("pybtex.style.formatting", "author_year", Bibliography)
    app.add_node(nodes.citation, override=True, html=(_visit_citation, _depart_citation))
    app.add_node(nodes.image, override=True, html=(_visit_image, _depart_image))
    app.connect("config-inited", _configure)
    app.connect("html-page-context", _describe)
    app.connect("build-finished", _load_less)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


class AuthorYear(BaseLabelStyle):  # type: ignore[misc]
    """Label the entries of the bibliography as the text cites them."""

    def format_labels(self, entries: list[Entry]) -> Iterator[str]:
        """Name one author, two, or the first of more, and the year."""
        for entry in entries:
            names = [" ".join([*person.prelast_names, *person.last_names]) for person in entry.persons["author"]]
            named = " and ".join(names) if len(names) < 3 else f"{names[0]} et al."
            yield f"{named}, {entry.fields['year']}"


class Bibliography(Style):  # type: ignore[misc]
    """A plain bibliography with those labels."""

    default_label_style = "author_year"


class FoldCode(SphinxPostTransform):
    """Put a cell's code behind one small mark below what it shows, beside its notebook and its records.

    The records are those of the folders of results/ that the code names. A cell may name more, and its notebook, among
    its options: ``records: [mac-cpu]``, ``notebook: fit``.
    """

    default_priority = 198  # before myst_nb folds the code into a bar above the figure
    formats = ("html",)

    def run(self, **_: Any) -> None:
        """Fold every cell tagged hide-input."""
        for cell in list(self.document.findall(nodes.container)):
            if cell.get("nb_element") == "cell_code" and cell.get("hide_mode") == "input":
                places = [raw for raw in cell.findall(nodes.raw) if f'id="{PLACE}' in raw.astext()]
                for place in places:
                    place.parent.remove(place)
                code, *outputs = cell.children
                shown = [output for output in outputs if any(output.findall(_is_seen))]
                what = "this was" if shown else "these numbers were"
                links = _ways_down(cell["cell_metadata"], code.astext())
                opened = f'<details class="way-down"><summary>How {what} computed</summary>{links}'
                del cell["hide_mode"]
                cell.children = []
                cell.extend([*shown, _raw(opened), *places, code, _raw("</details>")])


def _is_seen(node: nodes.Node) -> bool:
    return isinstance(node, nodes.Text | nodes.image)


def _ways_down(options: dict[str, Any], code: str) -> str:
    in_code = ("".join(found) for found in re.findall(r'results, "([\w-]+)"|results / "([\w-]+)', code))
    named = dict.fromkeys([*in_code, *options.get("records", [])])
    grids = [grid for grid in named if (ROOT / "results" / grid).is_dir()]
    links = [f'<a href="records/{grid}.html">records of {grid}</a>' for grid in grids]
    if notebook := options.get("notebook"):
        links.append(f'<a href="notebooks/{notebook}.ipynb" download>notebook {notebook}.ipynb</a>')
    return f"<p>{', '.join(links)}</p>" if links else ""


def _raw(html: str) -> nodes.raw:
    return nodes.raw("", html, format="html")


def _configure(_: Sphinx, config: Any) -> None:
    config.html_static_path.append("_live")  # jupyter-book would load what it knows of on every page
    said = stamp()
    source = "" if said.endswith("unknown") else '<a href="{root}source.zip">source</a>, '
    config.html_theme_options["extra_footer"] += (
        f'<p>Version {said}: {source}<a href="{{root}}records/index.html">records</a>, '
        '<a href="{root}CITATION.cff">CITATION.cff</a>.</p>'
    )


def _describe(app: Sphinx, page: str, _: str, context: dict[str, Any], __: Any) -> None:
    """Tell social networks what the page is, and a page in a folder where the footer's links lead."""
    root = "../" * page.count("/")
    context["theme_extra_footer"] = context["theme_extra_footer"].replace("{root}", root)
    title = re.sub("<.*?>", "", context.get("title") or app.config.html_title)
    base = app.config.html_baseurl.rstrip("/") + "/" if app.config.html_baseurl else root
    for name, content in {
        "og:type": "article",
        "og:title": title,
        "og:description": _DESCRIPTION,
        "og:image": f"{base}_static/preview.png",
    }.items():
        context["metatags"] = context.get("metatags", "") + f'\n<meta property="{name}" content="{content}" />'


def _load_less(app: Sphinx, failed: Exception | None) -> None:
    if failed or app.builder.format != "html":
        return
    for page in Path(app.outdir).rglob("*.html"):
        needless = [_ICONS_TWICE, *(_SEARCHING if page.name != "search.html" else ())]
        loads = re.compile(rf"\s*<(script|link)[^>]*({'|'.join(map(re.escape, needless))})[^>]*>(</script>)?")
        html = page.read_text(encoding="utf-8")
        page.write_text(loads.sub("", html), encoding="utf-8")
    (Path(app.outdir) / "_static/scripts" / _ICONS_TWICE).unlink(missing_ok=True)


def _visit_citation(self: HTML5Translator, node: nodes.citation) -> None:
    """Write a list of items; docutils' role for an entry of a bibliography is deprecated, and no list's child."""
    if not isinstance(node.previous_sibling(), nodes.citation):
        self.body.append('<div role="list" class="citation-list">\n')
    self.body.append(self.starttag(node, "div", classes=["citation"], role="listitem"))


def _depart_citation(self: HTML5Translator, node: nodes.citation) -> None:
    self.body.append("</div>\n")
    if not isinstance(node.next_node(descend=False, siblings=True), nodes.citation):
        self.body.append("</div>\n")


def _visit_image(self: HTML5Translator, node: nodes.image) -> None:
    """Link a figure to its picture alone, which a phone can enlarge."""
    place = len(self.body)
    HTML5Translator.visit_image(self, node)  # makes the address that of the site
    if isinstance(node.parent, nodes.figure):
        self.body.insert(place, f'<a class="enlarge" href="{node["uri"]}">')


def _depart_image(self: HTML5Translator, node: nodes.image) -> None:
    HTML5Translator.depart_image(self, node)
    if isinstance(node.parent, nodes.figure):
        self.body.append("</a>\n")
