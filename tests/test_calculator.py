"""The calculator in Debian's chromium, against the Python that it repeats."""

import functools
import http.server
import json
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from playwright.sync_api import Page, expect, sync_playwright

from ecmlib.laws.base import Evidence, Law
from ecmlib.laws.design import predicted, smallest_architectures
from ecmlib.laws.points import SIZES
from ecmlib.laws.registry import LAWS, load_law

CHROMIUM = shutil.which("chromium")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no chromium on this machine: apt-get install chromium")
PARAMETERS = {"ecm": [600.0, -0.1, 1.4, 3.0, 0.5, 90.0, 1500.0], "signal": [1.8, 2.9, 1.1]}
BEGINNINGS = tuple(f'{{"law":"{name}",' for name in PARAMETERS)
COMMITTED = sorted(path.stem for path in Path("results/law").glob("*.json") if path.read_text().startswith(BEGINNINGS))
SHOWN = "scattered-ecm"
TESTED = [*(f"scattered-{name}" for name in PARAMETERS), *COMMITTED]
NUMBERS = ["C", "C_low", "C_high", "P", "MPP"]


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


def a_law(name: str) -> Law:
    """A law with its parameters scattered, and with residuals that are wider for small predictions."""
    random = np.random.default_rng(0)
    values = np.array(PARAMETERS[name])
    centres = np.sort(np.round(np.exp(random.uniform(1, 7.6, 90)), 6))
    saved = {
        "target": "C_plateau",
        "loss": "log",
        "region": {"d": [8, 128], "H": [1, 8], "N": [4, 32], "L": [1, 1], "K": [128, 128], "T": [2048, 2048]},
        "configurations": 90,
        "complete": 0,
        "draws": (values * (1 + 0.05 * random.standard_normal((250, len(values))))).tolist(),
        "calibration": np.column_stack([centres, random.standard_normal(90) / np.log(centres)]).tolist(),
    }
    named = dict(zip(LAWS[name].bounds, values.tolist(), strict=True))
    return LAWS[name](**named, evidence=Evidence.model_validate_json(json.dumps(saved)))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A page as the book's theme would show it, with every law that is committed."""
    folder = tmp_path_factory.mktemp("site")
    shutil.copytree("book/_static", folder / "_static")
    for name in PARAMETERS:
        a_law(name).save(folder / "_static" / f"scattered-{name}.json")
    for name in COMMITTED:
        shutil.copy(f"results/law/{name}.json", folder / "_static")
    fragment = Path("book/_static/calculator.html").read_text(encoding="utf-8")
    assert 'data-law="_static/' in fragment
    head = (
        '<!DOCTYPE html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
        '<title>Calculator</title><link rel="icon" href="data:,">'
        '<link rel="stylesheet" href="_static/calculator.css"><style>:root { color-scheme: light dark }</style>'
    )
    scattered = fragment.replace(fragment.split('data-law="')[1].split('"')[0], f"_static/{SHOWN}.json")
    (folder / "index.html").write_text(f"{head}{scattered}", encoding="utf-8")
    (folder / "lost.html").write_text(f"{head}{scattered.replace(SHOWN, 'lost')}", encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def site(folder: Path) -> Iterator[str]:
    handler = functools.partial(_Quiet, directory=folder)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


@pytest.fixture(scope="module")
def page(site: str) -> Iterator[Page]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 360, "height": 740})
        page.set_default_timeout(10_000)
        page.goto(site)
        yield page
        browser.close()


def in_browser(page: Page, law: str, expression: str, argument: Any) -> Any:
    """Evaluate an expression of ``law`` and ``argument`` with the calculator's module."""
    return page.evaluate(
        f"""async ([name, argument]) => {{
            const {{ Law }} = await import("/_static/law.mjs");
            const law = new Law(await (await fetch(`/_static/${{name}}.json`)).json());
            return {expression};
        }}""",
        [law, argument],
    )


@pytest.mark.parametrize("name", TESTED)
def test_predictions_agree_with_python_on_drawn_sizes(page: Page, folder: Path, name: str) -> None:
    random = np.random.default_rng(7)
    highest = {"d": 200, "H": 12, "N": 40, "L": 3, "K": 300, "T": 5000}
    lowest = {"d": 1, "H": 1, "N": 3, "L": 1, "K": 80, "T": 100}
    frame = pd.DataFrame({size: random.integers(lowest[size], highest[size], 200) for size in SIZES})
    law = load_law(folder / "_static" / f"{name}.json")
    frame.loc[:99, ["L", "K", "T"]] = [int(law.region[size][0]) for size in ("L", "K", "T")]
    there = in_browser(page, name, "argument.map(sizes => law.predict(sizes))", frame.to_dict("records"))
    here = predicted(frame, law)
    np.testing.assert_allclose(pd.DataFrame(there)[NUMBERS], here[NUMBERS].astype(float), rtol=1e-9)
    assert [bool(row["outside"]) for row in there] == here["outside_region"].tolist()
    assert here["outside_region"].nunique() == 2


@pytest.mark.parametrize("name", TESTED)
def test_candidates_agree_with_python_on_drawn_targets(page: Page, folder: Path, name: str) -> None:
    random = np.random.default_rng(8)
    law = load_law(folder / "_static" / f"{name}.json")
    targets = [
        {"capacity": float(np.exp(random.uniform(1, 8))), "N": int(random.integers(2, 33)), "K": 128, "T": 2048}
        for _ in range(6)
    ]
    targets += [{"capacity": 3000, "N": 16, "K": 128, "T": 2048}, {"capacity": 150, "N": 2, "K": 128, "T": 2048}]
    expression = """argument.map(({capacity, ...sizes}) => {
        try { return law.smallestArchitectures(capacity, sizes, {H: [1, 5]}); } catch { return "impossible"; }
    })"""
    answers = in_browser(page, name, expression, targets)
    for target, there in zip(targets, answers, strict=True):
        try:
            here: pd.DataFrame | str = smallest_architectures(**target, H=(1, 5), law=law)
        except ValueError:
            here = "impossible"
        if isinstance(here, str):
            assert there == here
        else:
            columns = [*SIZES, *NUMBERS, "probability"]
            np.testing.assert_allclose(pd.DataFrame(there)[columns], here[columns].astype(float), rtol=1e-9)
    assert 0 < answers.count("impossible") < len(answers)


def test_the_book_shows_a_law_that_the_calculator_knows() -> None:
    fragment = Path("book/_static/calculator.html").read_text(encoding="utf-8")
    shown = Path("results/law", fragment.split('data-law="_static/')[1].split('"')[0])
    assert load_law(shown).name in PARAMETERS


def test_typing_by_keyboard_changes_the_answer(page: Page, site: str, folder: Path) -> None:
    page.goto(site)
    answer = page.locator("#calculator-capacity output")
    expect(answer).to_contain_text("sequences")
    page.locator("input[name=d]").focus()
    for value in ("64", "4", "8"):  # d, H, N
        page.keyboard.press("Control+A")
        page.keyboard.type(value)
        page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.name") == "L"
    sizes: Law = load_law(folder / "_static" / f"{SHOWN}.json")
    row = predicted(pd.DataFrame([{"d": 64, "H": 4, "N": 8, "L": 1, "K": 128, "T": 2048}]), sizes).iloc[0]
    expect(answer).to_contain_text(f"{row['C']:,.0f} sequences")
    expect(answer).to_contain_text(f"{row['C_low']:,.0f} to {row['C_high']:,.0f}")
    expect(answer).to_contain_text(f"{row['P']:,}")
    expect(answer).not_to_contain_text("Outside")
    page.keyboard.type("2")
    expect(answer).to_contain_text("Outside the fitted region: L (fitted on 1)")


def test_target_gives_a_table_or_the_reason_why_not(page: Page, site: str) -> None:
    page.goto(site)
    answer = page.locator("#calculator-target output")
    expect(answer.locator("tbody tr")).to_have_count(8)
    capacity = page.locator("#calculator-target input[name=capacity]")
    capacity.fill("5000")
    expect(answer).to_have_text("The library has only T = 2048 sequences.")
    capacity.fill("2047")
    expect(answer).to_contain_text("promises so many sequences to no d")
    capacity.fill("-1")
    expect(answer).to_have_text("C must be a number from 1 to 1000000.")
    expect(capacity).to_have_attribute("aria-invalid", "true")
    capacity.fill("100")
    expect(answer.locator("tbody tr")).to_have_count(8)
    assert capacity.get_attribute("aria-invalid") is None


def test_every_input_has_a_label_and_nothing_is_wider_than_a_phone(page: Page, site: str) -> None:
    page.goto(site)
    expect(page.locator("#calculator-target tbody tr")).to_have_count(8)
    assert page.evaluate("[...document.querySelectorAll('input')].every(input => input.labels.length === 1)")
    assert page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")


def test_missing_law_is_said(page: Page, site: str) -> None:
    page.goto(f"{site}lost.html")
    expect(page.locator("#calculator")).to_contain_text("The law could not be loaded (404).")
