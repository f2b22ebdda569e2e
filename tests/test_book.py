import re
from collections import Counter
from pathlib import Path

import pandas as pd
import pytest
from matplotlib.figure import Figure
from pages import claims_table, show, significant

from ecmlib.figures.style import new_figure
from ecmlib.reproduction.stats import Estimate, Finding, Statement

SHOWS = re.compile(r"^(show|table|said|claims_table|Markdown)\(", re.MULTILINE)
NO_RECORDS = {
    "background": 1,
    "data": 1,
    "experiments": 2,
    "measurements": 1,
    "model": 2,
}  # simulated, timed, or counted in models


def drawn(data: pd.DataFrame, title: str = "") -> Figure:
    figure, axes = new_figure()
    axes.plot(data["x"], data["y"])
    axes.set(title=title)
    return figure


def test_figure_is_a_vector_with_its_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    data = pd.DataFrame({"x": [1, 2], "y": [3.5, 4.5]})
    first, second = (show(drawn, data, "some", title="a title")._repr_svg_() for _ in range(2))
    assert "<svg" in first
    assert first == second, "two builds of one book would differ"
    pd.testing.assert_frame_equal(pd.read_csv("data/some.csv"), data)


def test_figure_without_data_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert "Not measured yet" in show(drawn, pd.DataFrame(), "none").data
    assert Path("data/none.csv").exists(), "the caption's link needs it"


def test_verdicts_link_to_their_place() -> None:
    finding = Finding([Statement("a < b.", "It is {}.", False, Estimate(1.0, 0.5, 2.0))])
    row = {"name": "R1", "claim": "a", "where": "Fig. 2", "finding": finding, "verdict": finding.verdict}
    html = claims_table(pd.DataFrame([row | {"page": "law.html#here"}])).data
    assert "a &lt; b. <strong>Fails.</strong>" in html
    assert "<caption>The paper's claim R1, judged by our records</caption>" in html
    assert "It is 1.00 (0.50 to 2.00)." in html
    assert 'href="law.html#here"' in html
    assert 'class="not-supported"' in html
    assert '<td data-name="It holds if">' in html, "a phone shows it as a card, without a head"


def test_what_is_next_to_nothing_is_written_as_nothing() -> None:
    assert [significant(value) for value in (-1.95e-6, -3e-14, 0.0123)] == ["0", "0", "0.0123"]


@pytest.mark.parametrize(
    ("value", "written"), [(0.99996, "1.00"), (-0.999934, "-1.00"), (2048.4, "2,048"), (0.0946, "0.0946"), (1e-9, "0")]
)
def test_three_digits_count(value: float, written: str) -> None:
    assert significant(value) == written


def test_what_is_shown_of_records_leads_to_them() -> None:
    ending = Counter()
    for page in Path("book").glob("*.md"):
        for cell in re.findall(r"^```\{code-cell\}.*?^```$", page.read_text(), flags=re.MULTILINE | re.DOTALL):
            options, _, code = cell.partition("---\n")[2].partition("---\n") if "\n---\n" in cell else ("", "", cell)
            leads = "records:" in options or re.search(r'results, "[\w-]+"|results / "[\w-]+', code)
            ending[page.stem] += "hide-input" in cell and bool(SHOWS.search(code)) and not leads
    assert +ending == NO_RECORDS
