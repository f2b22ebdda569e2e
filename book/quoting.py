"""Numbers from the pages' code to their text, and from the text back to the code: all that the book knows of `glue`."""

from __future__ import annotations

from typing import Any

from docutils import nodes
from IPython.display import HTML, display
from myst_nb import glue
from myst_nb.ext.glue.roles import PasteTextRole

PLACE = "computed-"  # begins the id of the place where a number was computed


def glue_numbers(**numbers: float) -> None:
    """Make numbers known to the text, which quotes them as ``{glue:text}`name:.0f```, each a link to this cell."""
    for name, number in numbers.items():
        glue(name, float(number), display=False)  # numpy's own types would be quoted with their name
    display(HTML("".join(f'<span id="{PLACE}{name}"></span>' for name in numbers)))


def glue_output(name: str, shown: Any) -> None:
    """Make something to be displayed known to the page, which shows it by the directive ``{glue} name``."""
    glue(name, shown, display=False)


class Number(PasteTextRole):  # type: ignore[misc]
    """Quote a number as myst_nb does, linked to the cell that computed it, where `glue_numbers` left a mark."""

    def run(self) -> tuple[list[nodes.Node], list[nodes.system_message]]:
        """Return the number in a link."""
        quoted, messages = super().run()
        for text in [text for node in quoted for text in node.findall(nodes.Text)]:
            text.parent.replace(text, nodes.Text(text.replace("%", "\N{NO-BREAK SPACE}%")))
        page, _, name = self.text.rsplit(":", 1)[0].rpartition("::")
        place = f"{page.removesuffix('.md')}{'.html' if page else ''}#{PLACE}{name}"
        return [nodes.reference("", "", *quoted, refuri=place, internal=True, classes=["number"])], messages
