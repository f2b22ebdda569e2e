"""The calculator in Debian's chromium, against the Python that it repeats."""

import ast
import inspect
import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from grids import notebook_parameters
from pages import carried
from playwright.sync_api import Page, expect, sync_playwright

from ecmlib import Architecture, Protocol, measure_mac
from ecmlib.laws.base import Law
from ecmlib.laws.design import smallest_architectures
from ecmlib.laws.evidence import Evidence
from ecmlib.laws.points import SIZES
from ecmlib.laws.registry import LAWS, load_law
from ecmlib.laws.worth import predicted

CHROMIUM = shutil.which("chromium")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no chromium on this machine: apt-get install chromium")
PARAMETERS = {"ecm": [600.0, -0.1, 1.4, 3.0, 0.5, 90.0, 1500.0], "signal": [1.8, 2.9, 1.1, 0.4, 0.1, 2.5]}
BEGINNINGS = tuple(f'{{"law":"{name}",' for name in PARAMETERS)
COMMITTED = {
    f"{path.parent.name}-{path.stem}": path
    for path in sorted(Path("results").glob("law*/*.json"))
    if path.read_text().startswith(BEGINNINGS)
}
SHOWN = "scattered-ecm"
TESTED = [*(f"scattered-{name}" for name in PARAMETERS), *COMMITTED]
NUMBERS = ["C", "C_low", "C_high", "P", "MPP"]


def a_law(name: str) -> Law:
    """A law with its parameters scattered, and with residuals that are wider where libraries are nearly empty."""
    random = np.random.default_rng(0)
    values = np.array(PARAMETERS[name])
    centres = np.sort(np.round(np.exp(random.uniform(-6, 0.5, 90)), 6))
    saved = {
        "target": "C_plateau",
        "loss": "log",
        "region": {"d": [8, 128], "H": [1, 8], "N": [4, 32], "L": [1, 1], "K": [128, 128], "T": [2048, 2048]},
        "configurations": 90,
        "complete": 0,
        "draws": (values * (1 + 0.05 * random.standard_normal((250, len(values))))).tolist(),
        "calibration": np.column_stack([centres, random.standard_normal(90) * (1 - centres / 2)]).tolist(),
    }
    named = dict(zip(LAWS[name].bounds, values.tolist(), strict=True))
    return LAWS[name](**named, evidence=Evidence.model_validate_json(json.dumps(saved)))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A page as the book's theme would show it, opened from disk, and every law that is committed."""
    folder = tmp_path_factory.mktemp("site")
    for scripts_or_styles in ("book/_live", "book/_static"):
        shutil.copytree(scripts_or_styles, folder / "_static", dirs_exist_ok=True)
    for name in PARAMETERS:
        a_law(name).save(folder / f"scattered-{name}.json")
    for name, path in COMMITTED.items():
        shutil.copy(path, folder / f"{name}.json")
    head = (
        '<!DOCTYPE html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
        '<title>Calculator</title><link rel="icon" href="data:,"><link rel="stylesheet" href="_static/calculator.css">'
        "<style>:root { color-scheme: light dark }</style>"
    )
    fragment = Path("book/_live/calculator.html").read_text(encoding="utf-8")
    point = {"d": 32, "H": 1, "N": 16, "L": 1, "K": 128, "T": 2048, "C": 130.0, "record": "one", "href": "one.json"}
    law = json.loads((folder / f"{SHOWN}.json").read_text())
    carried = {"law": law, "points": [point], "protocol": {"lr": 0.02, "max_steps": 500}}
    carried |= {"most": {"d": 128, "T": 20_000}}
    data = f'<script type="application/json" id="calculator-data">{json.dumps(carried)}</script>'
    scripts = "".join(f'<script src="_static/{name}.js"></script>' for name in ("law", "pictures", "calculator"))
    (folder / "index.html").write_text(f"{head}<body>{fragment}{data}{scripts}", encoding="utf-8")
    (folder / "lost.html").write_text(f"{head}<body>{fragment}{scripts}", encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def site(folder: Path) -> str:
    return f"{folder.as_uri()}/"


@pytest.fixture(scope="module")
def page(site: str) -> Iterator[Page]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 360, "height": 740})
        page.set_default_timeout(10_000)
        page.goto(f"{site}index.html")
        yield page
        browser.close()


def in_browser(page: Page, law: Path, expression: str, argument: Any) -> Any:
    """Evaluate an expression of ``law`` and ``argument`` with the calculator's script."""
    return page.evaluate(
        f"""([saved, argument]) => {{
            const law = new window.ecmlib.Law(saved);
            return {expression};
        }}""",
        [json.loads(law.read_text()), argument],
    )


@pytest.mark.parametrize("name", TESTED)
def test_predictions_agree_with_python_on_drawn_sizes(page: Page, folder: Path, name: str) -> None:
    random = np.random.default_rng(7)
    highest = {"d": 200, "H": 12, "N": 40, "L": 3, "K": 300, "T": 5000}
    lowest = {"d": 1, "H": 1, "N": 3, "L": 1, "K": 80, "T": 100}
    frame = pd.DataFrame({size: random.integers(lowest[size], highest[size], 200) for size in SIZES})
    law = load_law(folder / f"{name}.json")
    frame.loc[:99, ["L", "K", "T"]] = [int(law.region[size][0]) for size in ("L", "K", "T")]
    frame.loc[:99, "N"] = frame.loc[:99, "N"].clip(lower=6)  # a few tokens in fewer places do not make T sequences
    there = in_browser(
        page, folder / f"{name}.json", "argument.map(sizes => law.predict(sizes))", frame.to_dict("records")
    )
    here = predicted(frame, law)
    np.testing.assert_allclose(pd.DataFrame(there)[NUMBERS], here[NUMBERS].astype(float), rtol=1e-9, atol=1e-9)
    assert [bool(row["outside"]) for row in there] == here["outside_region"].tolist()
    assert here["outside_region"].nunique() == 2


@pytest.mark.parametrize("name", TESTED)
def test_candidates_agree_with_python_on_drawn_targets(page: Page, folder: Path, name: str) -> None:
    random = np.random.default_rng(8)
    law = load_law(folder / f"{name}.json")
    targets = [
        {"capacity": float(np.exp(random.uniform(1, 8))), "N": int(random.integers(2, 33)), "K": 128, "T": 2048}
        for _ in range(6)
    ]
    targets += [{"capacity": 3000, "N": 16, "K": 128, "T": 2048}, {"capacity": 150, "N": 2, "K": 128, "T": 2048}]
    targets += [{"capacity": 2048, "N": 16, "K": 128, "T": 2048}]  # the whole library
    targets = [target | {"probability": p} for target in targets for p in (0.1, 0.5, 0.75, 0.94, 0.995)]
    expression = """argument.map(({capacity, probability, ...sizes}) => {
        try { return law.smallestArchitectures(capacity, sizes, {H: [1, 5], p: probability}); }
        catch (error) { return error.message; }
    })"""
    answers = in_browser(page, folder / f"{name}.json", expression, targets)
    for target, there in zip(targets, answers, strict=True):
        try:
            here: pd.DataFrame | str = smallest_architectures(**target, H=(1, 5), law=law)
        except ValueError as error:
            here = str(error)
        if isinstance(here, str):
            assert there == here
        else:
            found = pd.DataFrame(there)
            columns = [*SIZES, "C", "P", "MPP", "probability"]
            np.testing.assert_allclose(found[columns], here[columns].astype(float), rtol=1e-9)
    refused = [answer for answer in answers if isinstance(answer, str)]
    assert 0 < len(refused) < len(answers)


def typed(page: Page, **values: float) -> None:
    for name, value in values.items():
        page.locator(f"input[name={name}]").fill(str(value))


def test_typing_by_keyboard_changes_the_answer(page: Page, site: str, folder: Path) -> None:
    page.goto(f"{site}index.html")
    answer = page.locator("#calculator-capacity output")
    expect(answer).to_contain_text("sequences")
    page.locator("input[name=d]").focus()
    for value in ("64", "4"):  # d, H, a slider behind each
        page.keyboard.press("Control+A")
        page.keyboard.type(value)
        page.keyboard.press("Tab")
        page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.name") == "L"
    law = load_law(folder / f"{SHOWN}.json")
    row = predicted(pd.DataFrame([{"d": 64, "H": 4, "N": 16, "L": 1, "K": 128, "T": 2048}]), law).iloc[0]
    expect(answer).to_contain_text(f"{row['C']:,.0f} sequences")
    expect(answer).to_contain_text(f"{row['C_low']:,.0f} to {row['C_high']:,.0f}")
    expect(answer).to_contain_text(f"{row['P']:,}")
    expect(answer).not_to_contain_text("Outside")
    page.keyboard.type("2")
    expect(answer).to_contain_text("Outside the fitted region: L (fitted on 1)")


def test_slider_and_number_move_each_other(page: Page, site: str) -> None:
    page.goto(f"{site}index.html")
    number = page.locator("input[name=H]")
    slider = page.get_by_label("slider of H heads", exact=True)
    number.fill("6")
    expect(slider).to_have_value("6")
    slider.press("ArrowRight")
    expect(number).to_have_value("7")


def test_target_gives_cards_or_the_reason_why_not(page: Page, site: str) -> None:
    page.goto(f"{site}index.html")
    answer = page.locator("#calculator-target output")
    expect(answer.locator("tbody tr")).to_have_count(8)
    card = answer.locator("tbody tr").first
    assert card.evaluate("row => getComputedStyle(row).display") == "block", "on a phone, a card an architecture"
    capacity = page.locator("input[name=C]")
    capacity.fill("5000")
    expect(answer).to_have_text("capacity = 5000: the library has only T = 2048 sequences")
    page.locator("input[name=whole]").check()
    expect(answer).to_contain_text("2048 with probability 0.")
    expect(capacity).to_be_disabled()
    most = float(re.findall(r"2048 with probability (0\.\d+) at most", answer.inner_text())[0])
    typed(page, p=most + 0.002)
    expect(answer).to_contain_text(f"2048 with probability {most:g} at most")
    typed(page, p=most)
    expect(answer.locator("tbody tr").first).to_be_visible()
    typed(page, p=0.05)
    expect(answer.locator("tbody tr").first).to_be_visible()
    typed(page, p=0.99)
    expect(answer).to_contain_text("probability = 0.99: the 37 residuals around a prediction of this law promise 0.973")
    typed(page, p=0.95)
    page.locator("input[name=whole]").uncheck()
    capacity.fill("-1")
    expect(answer).to_have_text("C must be a number from 1 to 1000000.")
    expect(capacity).to_have_attribute("aria-invalid", "true")
    expect(page.locator("#calculator-capacity output")).to_contain_text("sequences")
    capacity.fill("100")
    expect(answer.locator("tbody tr")).to_have_count(8)
    assert capacity.get_attribute("aria-invalid") is None


def test_shown_candidate_is_what_the_other_question_asks(page: Page, site: str) -> None:
    page.goto(f"{site}index.html")
    button = page.locator("#calculator-target tbody button").nth(1)
    name = button.get_attribute("aria-label")
    button.click()
    fields = {size: page.locator(f"input[name={size}]").input_value() for size in "dHL"}
    assert name == "show above " + ", ".join(f"{size} = {value}" for size, value in fields.items())


def test_address_keeps_the_question(page: Page, site: str) -> None:
    page.goto(f"{site}index.html")
    typed(page, d=48, N=8, p=0.8)
    page.locator("input[name=whole]").check()
    assert "d=48" in page.url
    page.goto("about:blank")
    page.go_back()
    expect(page.locator("input[name=d]")).to_have_value("48")
    expect(page.locator("input[name=N]")).to_have_value("8")
    expect(page.locator("input[name=whole]")).to_be_checked()
    expect(page.locator("#calculator-target output")).not_to_be_empty()


def test_code_measures_what_is_asked(page: Page, site: str) -> None:
    page.goto(f"{site}index.html?d=48&H=2&N=8&L=3&K=64&T=1000")
    page.locator("summary").click()
    python, shell = (page.locator(f".calculator-{language}").inner_text() for language in ("python", "shell"))
    call = next(node for node in ast.walk(ast.parse(python)) if isinstance(node, ast.Call))
    assert ast.unparse(call.func) == measure_mac.__name__
    sizes = {"d": 48, "H": 2, "N": 8, "L": 3, "K": 64}
    assert eval(ast.unparse(call.args[0]), {"Architecture": Architecture}) == Architecture(**sizes)
    assert eval(ast.unparse(call.args[1]), {"Protocol": Protocol}) == Protocol.reference(T=1000)
    inspect.signature(measure_mac).bind(*call.args)
    words = shell.split()
    assert words[:3] == ["papermill", "notebooks/mac.ipynb", "runs/mac.ipynb"]
    passed = sizes | {"T": 1000, "lr": 0.02, "max_steps": 500}
    assert dict(zip(words[4::3], words[5::3], strict=True)) == {name: str(value) for name, value in passed.items()}


def test_page_carries_what_the_reference_protocol_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir("book")
    told = carried("data", ".." / COMMITTED["law-reference-signal"]).data
    sent = json.loads(re.search(r"<script[^>]*>(.*?)</script>", told)[1])["protocol"]  # type: ignore[index]
    assert Protocol(T=1000, **sent) == Protocol.reference(T=1000)
    assert set(sent) <= set(notebook_parameters("mac"))


@pytest.mark.parametrize(("T", "said"), [(20_000, False), (20_001, True)])
def test_library_of_which_the_law_does_not_speak_is_named(page: Page, site: str, T: int, said: bool) -> None:
    page.goto(f"{site}index.html?T={T}")
    answer = page.locator("#calculator-capacity output")
    expect(answer).to_contain_text("500 steps by the reference protocol")
    expect(answer).to_contain_text(f"T (fitted on 2048){'' if said else '.'}")
    assert ("The law is not for T above 20,000" in answer.inner_text()) == said


@pytest.mark.parametrize(("d", "said"), [(128, False), (129, True)])
def test_width_that_is_hardly_trained_is_named(page: Page, site: str, d: int, said: bool) -> None:
    page.goto(f"{site}index.html?d={d}")
    answer = page.locator("#calculator-capacity output")
    expect(answer).to_contain_text("500 steps by the reference protocol")
    assert ("The law is not for d above 128" in answer.inner_text()) == said


def test_picture_shows_law_point_and_choice(page: Page, site: str) -> None:
    page.goto(f"{site}index.html")
    page.locator(".calculator-picture").scroll_into_view_if_needed()
    picture = page.locator(".calculator-picture svg[aria-label]")
    expect(picture).to_be_visible()
    link = picture.locator("a")
    assert link.get_attribute("xlink:href") or link.get_attribute("href") == "one.json"
    assert "one" in picture.inner_html()


def test_drawn_interval_is_smooth_and_no_wider_than_the_library(page: Page, site: str) -> None:
    page.goto(f"{site}index.html")
    sizes = {"H": 1, "N": 16, "L": 1, "K": 128, "T": 2048}
    expression = "window.ecmlib.curve(law, argument, [8, 80], true)"
    drawn = pd.DataFrame(in_browser(page, COMMITTED["law-reference-signal"], expression, sizes))
    assert drawn["C"].is_monotonic_increasing
    assert (drawn["C_low"].pct_change().iloc[1:] > -0.01).all(), "a notch"
    assert (drawn["C_high"].pct_change().iloc[1:] > -0.01).all(), "a notch"
    assert (drawn["C_high"] <= 2048).all()
    assert drawn["C_high"].iloc[0] < 200


def test_capacity_lost_in_guessing_has_no_interval(page: Page, site: str) -> None:
    page.goto(f"{site}index.html?d=1&N=64")
    expect(page.locator("#calculator-capacity output")).to_contain_text("cannot be told from guessing")


def test_every_input_has_a_name_and_nothing_is_wider_than_a_phone(page: Page, site: str) -> None:
    page.goto(f"{site}index.html")
    expect(page.locator("#calculator-target tbody tr")).to_have_count(8)
    named = "[...document.querySelectorAll('input')].every(i => i.ariaLabel || i.labels.length === 1)"
    assert page.evaluate(named)
    assert page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")


def test_missing_law_is_said(page: Page, site: str) -> None:
    page.goto(f"{site}lost.html")
    expect(page.locator("#calculator")).to_contain_text('This page carries no data "calculator-data".')


def test_without_scripts_the_page_says_so(page: Page, site: str) -> None:
    assert page.context.browser
    context = page.context.browser.new_context(java_script_enabled=False)
    without = context.new_page()
    without.goto(f"{site}index.html")
    expect(without.locator("#calculator")).to_contain_text("scripts have not run here")
    expect(without.locator("form")).to_be_hidden()
    context.close()
