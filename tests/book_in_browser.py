"""The built book in a real browser, from disk and over HTTP, on a desk and a phone: `make test-book`."""

import contextlib
import functools
import http.server
import json
import re
import shutil
import threading
import zipfile
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote, urldefrag, urlparse

import pandas as pd
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, ConsoleMessage, Page, Response, expect, sync_playwright

from ecmlib import Protocol

BUILT = Path("_build/html").resolve()
PAGES = sorted(path.relative_to(BUILT).as_posix() for path in BUILT.rglob("*.html") if "_static" not in path.parts)
CHAPTERS = [
    name for name in PAGES if "/" not in name and name not in ("genindex.html", "search.html", "py-modindex.html")
]
SHOWN = [*CHAPTERS, "search.html", "records/index.html", "records/mac-cpu.html"]  # other grids look like this one
DESK, PHONE = (1400, 900), (390, 844)
MOST_BYTES = 1_500_000
SCROLLS_BY_KEYBOARD = """[...document.querySelectorAll("pre")].every(
    pre => pre.tabIndex === 0 || (pre.scrollWidth <= pre.clientWidth && pre.scrollHeight <= pre.clientHeight))"""
FORMULAS_CUT = """[...document.querySelectorAll("article .katex-display .base")].filter(part => {
    const [{ left, right }, box] = [part, part.closest("div.math")].map(one => one.getBoundingClientRect());
    return left < Math.max(box.left, 0) || right > Math.min(box.right, document.documentElement.clientWidth);
}).map(part => part.textContent)"""
COLUMNS_THAT_LEAVE = """[...document.querySelectorAll("article .table-scroll")].filter(region => {
    region.scrollLeft = 60;
    const first = region.querySelector("tbody tr > :first-child").getBoundingClientRect();
    const left = first.left - region.getBoundingClientRect().left;
    region.scrollLeft = 0;
    return left < -1;
}).map(region => region.ariaLabel)"""
TABLES_CUT = """[...document.querySelectorAll("article .table-scroll, .calculator-table")].filter(
    region => region.scrollWidth > region.clientWidth + 1).map(region => region.ariaLabel)"""
EXPONENTS = (
    "[...document.querySelectorAll('article td')].map(cell => cell.innerText).filter(text => /\\de[+-]?\\d/.test(text))"
)


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="module")
def served() -> Iterator[str]:
    assert PAGES, "no book in _build/html: run `make book` first"
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(_Quiet, directory=BUILT)) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


@pytest.fixture(params=["disk", "http"])
def site(request: pytest.FixtureRequest, served: str) -> str:
    return f"{BUILT.as_uri()}/" if request.param == "disk" else served


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    chromium = shutil.which("chromium")
    assert chromium, "no chromium: install Debian's package"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture(params=[DESK, PHONE], ids=["desk", "phone"])
def page(request: pytest.FixtureRequest, browser: Browser) -> Iterator[Page]:
    with noting(browser, request.param) as page:
        yield page


@pytest.fixture(scope="module", params=CHAPTERS)
def chapter(request: pytest.FixtureRequest, browser: Browser) -> Iterator[Page]:
    """A chapter, opened once for all that is asked of it."""
    page = opened(browser.new_page(viewport={"width": DESK[0], "height": DESK[1]}), f"{BUILT.as_uri()}/{request.param}")
    yield page
    page.close()


@contextlib.contextmanager
def noting(browser: Browser, size: tuple[int, int]) -> Iterator[Page]:
    """Give a page that notes whatever goes wrong on it, and fail for it."""
    context = browser.new_context(viewport={"width": size[0], "height": size[1]})
    page = context.new_page()
    wrong: list[str] = []
    page.on("console", lambda message: wrong.append(message.text) if _is_wrong(message) else None)
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("requestfailed", lambda asked: wrong.append(f"{asked.url} failed"))
    page.on("response", lambda answer: wrong.append(f"{answer.url}: {answer.status}") if answer.status >= 400 else None)
    page.on("request", lambda asked: None if _is_here(asked.url) else wrong.append(asked.url))
    yield page
    context.close()
    assert not wrong, wrong


def _is_wrong(message: ConsoleMessage) -> bool:
    return message.type in ("error", "warning")


def _is_here(address: str) -> bool:
    return address.startswith(("http://127.0.0.1:", BUILT.as_uri(), "data:"))


def opened(page: Page, address: str) -> Page:
    page.goto(address, wait_until="load")
    page.add_style_tag(content="* { transition: none !important }")  # axe would see colours on their way
    # Images below the fold load lazily.
    page.evaluate("document.querySelectorAll('img').forEach(image => { image.loading = 'eager' })")
    page.wait_for_function("[...document.images].every(image => image.complete)")
    return page


@pytest.mark.parametrize("name", SHOWN)
def test_page_is_whole_and_accessible(browser: Browser, name: str) -> None:
    with noting(browser, DESK) as page:
        opened(page, f"{BUILT.as_uri()}/{name}")
        assert page.locator(".katex-error").count() == 0
        unset = "[...document.querySelectorAll('article .math')].filter(math => !math.querySelector('.katex')).length"
        assert page.evaluate(unset) == 0, "math that is not typeset"
        images = page.evaluate("[...document.querySelectorAll('article img')].map(i => [i.src, i.naturalWidth, i.alt])")
        for address, width, alternative in images:
            assert width > 0, f"{address} is empty"
            assert len(alternative) > 20, f"{address} has no alternative text"
        assert re.search(r"Version \S+, commit \w+", page.locator("body").inner_text())
        assert page.locator(".pasted-text").count() == page.locator("a.number .pasted-text").count(), (
            "a number leads nowhere"
        )
        assert page.evaluate(EXPONENTS) == []
        if name == "index.html":
            page.locator("#fig-headline").scroll_into_view_if_needed()
            expect(page.locator(".live svg").first).to_be_visible()
        for width, height in (DESK, PHONE):
            page.set_viewport_size({"width": width, "height": height})
            overflow = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
            assert overflow <= 0, f"the page is {overflow} px wider than a window of {width}"
            assert page.evaluate(FORMULAS_CUT) == []
            assert page.evaluate(COLUMNS_THAT_LEAVE) == []
            assert (width, height) == PHONE or page.evaluate(TABLES_CUT) == []
            page.wait_for_function(SCROLLS_BY_KEYBOARD)  # the theme sees to it a moment after a resize
            for scheme in ("light", "dark"):
                page.emulate_media(color_scheme=scheme)
                expect(page.locator("html")).to_have_attribute("data-theme", scheme)
                assert inaccessible(page, in_colour_alone=scheme == "dark") == []


def inaccessible(page: Page, in_colour_alone: bool) -> list[tuple[str, list[str]]]:
    """Return what axe finds wrong, each with the elements; formulas have thousands, in no colours of their own."""
    rules = {"runOnly": ["color-contrast"]} if in_colour_alone else {}
    found = Axe().run(page, context={"exclude": [[".katex"]]}, options={"preload": False, **rules})
    return [(one["id"], [node["html"][:200] for node in one["nodes"]]) for one in found.response["violations"]]


@pytest.mark.parametrize("name", SHOWN)
def test_page_over_http_is_light_before_a_picture_is_asked_for(browser: Browser, served: str, name: str) -> None:
    with noting(browser, (DESK[0], 300)) as page:  # scripts may fetch over HTTP what they may not from disk
        answers: list[Response] = []
        page.on("response", lambda answer: answers.append(answer))
        page.goto(served + name, wait_until="load")
        sizes = {one.url: len(one.body()) for one in answers if one.request.resource_type != "image"}
        heaviest = sorted(sizes.items(), key=lambda item: -item[1])[:5]
        assert sum(sizes.values()) <= MOST_BYTES, heaviest
        opened(page, served + name)


def test_figures_are_vectors_with_data_and_a_way_down(chapter: Page) -> None:
    for figure in chapter.locator("article figure").all():
        if "Not measured yet." in figure.inner_text():
            continue
        source = figure.locator("img").first.get_attribute("src") or ""
        assert source.endswith(".svg")
        assert figure.locator("a.enlarge").first.get_attribute("href") == source
        if "_static" not in source and "model" not in source:
            data = figure.locator("a.download").first.get_attribute("href") or ""
            assert len((BUILT / data).read_text(encoding="utf-8").splitlines()) > 1, f"{data} has no rows"
            way = figure.locator("xpath=ancestor::div[contains(concat(' ', @class, ' '), ' cell ')][1]//details")
            assert "How this was computed" in way.last.inner_text()


def test_legends_and_axes_name_no_folder() -> None:
    folders = {path.name for path in Path("results").iterdir() if "-" in path.name}
    for picture in BUILT.glob("_images/*.svg"):
        written = set(re.findall(r"<!-- (.*?) -->", picture.read_text(encoding="utf-8")))
        assert not {text for text in written for folder in folders if folder in text}, picture.name


@pytest.mark.parametrize("name", ["index.html", "law.html", "limits.html"])
def test_number_leads_to_the_code_that_computed_it(page: Page, site: str, name: str) -> None:
    opened(page, site + name)
    number = page.locator("article a.number").first
    number.click()
    (key,) = re.findall(r"#computed-(\w+)$", page.url)
    cell = page.locator("details.way-down", has=page.locator(f"#computed-{key}"))
    expect(cell).to_have_attribute("open", "")
    expect(cell.locator("pre")).to_be_visible()
    assert number.inner_text()


def test_text_cites_as_the_bibliography_labels(browser: Browser) -> None:
    page = browser.new_page()
    page.goto(f"{BUILT.as_uri()}/bibliography.html")
    labels = {re.sub(r"[\[\]\s]+", " ", label).strip() for label in page.locator(".citation .label").all_inner_texts()}
    page.goto(f"{BUILT.as_uri()}/background.html")
    cited = page.locator("article a[href*='bibliography.html#id']").all_inner_texts()
    page.close()
    assert len(cited) > 10
    assert {text for text in cited if re.search(r"[A-Za-z]", text)} <= labels


def test_front_page_answers_in_ten_minutes(browser: Browser) -> None:
    page = browser.new_page()
    page.goto(f"{BUILT.as_uri()}/index.html")
    said = page.locator("article").inner_text()
    page.close()
    for expected in (
        "How many random sequences",
        "The law",
        "Four findings",
        "interval",
        "it is off by",
        "What this rests on",
    ):
        assert expected in said
    for expected in (
        "Loss",
        "Library",
        "Budget",
        "Models",
        "Hardware",
        "Limits",
        "How large a model?",
        "@software{ecmlib",
    ):
        assert expected in said


def test_links_within_the_book_lead_somewhere(browser: Browser) -> None:
    page = browser.new_page()
    ids: dict[Path, str] = {}
    for name in PAGES:
        page.goto(f"{BUILT.as_uri()}/{name}", wait_until="domcontentloaded")
        for link in page.evaluate("[...document.querySelectorAll('a[href]')].map(a => a.href)"):
            address, fragment = urldefrag(link)
            if not address.startswith(BUILT.as_uri()):
                assert not address.startswith("file:"), f"{name} links to {address}, outside of the book"
                continue
            path = Path(unquote(urlparse(address).path))
            assert path.is_file(), f"{name} links to {address}"
            if path not in ids:
                ids[path] = path.read_text(encoding="utf-8") if path.suffix == ".html" else ""
            assert not fragment or f'id="{fragment}"' in ids[path], f"{name} links to {link}"
    page.close()


def test_search_finds_shatter(page: Page, site: str) -> None:
    page.goto(f"{site}search.html?q=shatter")
    expect(page.locator("#search-results li a").first).to_be_visible()
    assert "experiments" in str(page.evaluate("[...document.querySelectorAll('#search-results a')].map(a => a.href)"))


def test_calculator_answers_by_keyboard(page: Page, site: str) -> None:
    opened(page, f"{site}design.html")
    answer = page.locator("#calculator-capacity output")
    expect(answer).to_contain_text("sequences")
    before = answer.inner_text()
    page.locator("#calculator input[name=d]").focus()
    page.keyboard.press("Control+A")
    page.keyboard.type("24")
    expect(answer).not_to_have_text(before)
    expect(page.locator("#calculator-target tbody tr").first).to_be_visible()
    page.locator(".calculator-picture").scroll_into_view_if_needed()
    expect(page.locator(".calculator-picture svg").first).to_be_visible()
    assert "d=24" in page.url


def test_calculator_explains_shares_and_exports(page: Page, site: str) -> None:
    opened(page, f"{site}design.html?N=8&T=1000&C=300&p=0.8&d=48&H=2&L=1&K=64")
    target = page.locator("#calculator-target output")
    expect(target.locator("tbody tr")).to_have_count(8)
    page.locator("#calculator summary").click()
    expect(page.locator(".calculator-python")).to_contain_text("Architecture(d=48, H=2, N=8, L=1, K=64)")
    expect(page.locator(".calculator-shell")).to_contain_text("papermill notebooks/mac.ipynb")
    expect(page.locator(".calculator-shell")).to_contain_text(f"-p lr {Protocol.reference().lr}")
    page.get_by_label("slider of d token vector size").focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    expect(page.locator("#calculator input[name=d]")).not_to_have_value("48")
    page.locator("input[name=C]").fill("1001")
    expect(target).to_have_text("capacity = 1001: the library has only T = 1000 sequences")
    page.locator("input[name=whole]").check()
    expect(page.locator("input[name=C]")).to_be_disabled()
    assert "whole=on" in page.url


def test_live_picture_leads_from_a_choice_to_a_record(page: Page, site: str) -> None:
    opened(page, f"{site}index.html")
    still = page.locator("#fig-headline img")
    page.locator("#fig-headline").scroll_into_view_if_needed()
    live = page.locator(".live")
    expect(live.locator("svg").first).to_be_visible()
    expect(still).to_be_hidden()
    live.locator("select[name=H]").select_option("2")
    live.locator("select[name=N]").select_option("8")
    expect(live.locator("[role=status]")).to_contain_text("configurations measured")
    points = live.locator("svg a")
    for point in points.all():
        said = point.locator("[aria-label]").get_attribute("aria-label") or point.get_attribute("aria-label") or ""
        assert "H = 2, N = 8" in said
        href = point.evaluate("a => a.href.baseVal ?? a.getAttribute('href')")
        record = json.loads((BUILT / href).read_text(encoding="utf-8"))
        assert (record["architecture"]["H"], record["architecture"]["N"]) == (2, 8)
    assert points.count() > 3
    for point in points.all():
        box = point.locator("path").bounding_box()
        assert box
        page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
        tip = live.locator("svg [aria-label=tip]", has_text="lr0.02")
        expect(tip).to_have_count(1)
        expect(tip).to_contain_text(".json")
        with page.expect_popup() as opening:  # by the mouse, on which a tip must not lie
            page.mouse.down()
            page.mouse.up()
        assert opening.value.url.endswith(".json")
        opening.value.close()
    live.locator("select[name=H]").select_option("")
    live.locator("select[name=N]").select_option("16")
    live.locator("select[name=L]").select_option("3")
    expect(live.locator("[role=status]")).to_have_text("1 configuration measured.")
    expect(live.locator("svg[aria-label] g[aria-label=line] path")).to_be_visible()
    expect(live.locator("svg[aria-label] g[aria-label='x-axis tick label']")).to_contain_text("64")


def test_without_scripts_and_on_paper_the_still_picture_stands(browser: Browser) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(f"{BUILT.as_uri()}/index.html")
    expect(page.locator("#fig-headline img")).to_be_visible()
    page.goto(f"{BUILT.as_uri()}/design.html")
    expect(page.locator("#calculator")).to_contain_text("scripts have not run here")
    context.close()


def test_printed_page_is_text_and_figures_alone(chapter: Page) -> None:
    page, is_front = chapter, chapter.url.endswith("/index.html")
    page.set_viewport_size({"width": 794, "height": 1123})  # A4
    if is_front:
        page.locator("#fig-headline").scroll_into_view_if_needed()
        expect(page.locator(".live svg").first).to_be_visible()
    page.emulate_media(media="print")
    for away in (".bd-sidebar-primary", ".bd-header-article", "details.way-down", ".live"):
        for one in page.locator(away).all():
            expect(one).to_be_hidden()
    if is_front:
        expect(page.locator("#fig-headline img")).to_be_visible()
    expect(page.get_by_text(re.compile(r"^Version \S+, commit "))).to_be_visible()
    article = page.locator("article").first.bounding_box()
    assert article
    assert article["x"] >= 0
    assert article["x"] + article["width"] <= 794
    assert len(page.pdf(format="A4")) > 10_000
    page.emulate_media(media="print", color_scheme="dark")
    dark = "e => getComputedStyle(e).backgroundColor.match(/\\d+/g).slice(0, 3).every(part => part < 128)"
    opaque = "e => !/, 0\\)$|transparent/.test(getComputedStyle(e).backgroundColor)"
    everything = "[document.body, article, ...article.querySelectorAll('*')]"
    script = f"article => {everything}.filter({opaque}).filter({dark}).map(e => e.outerHTML.slice(0, 120))"
    painted = page.locator("article").evaluate(script)
    assert painted == [], "ink for nothing"


def test_social_preview_and_data_are_there() -> None:
    front = (BUILT / "index.html").read_text(encoding="utf-8")
    image = re.search(r'property="og:image" content="([^"]+)"', front)
    assert image
    assert (BUILT / image[1]).read_bytes().startswith(b"\x89PNG")
    with zipfile.ZipFile(BUILT / "results.zip") as archive:
        names = archive.namelist()
    assert "results/capacities.csv" in names
    records = [path for path in Path("results").rglob("*.json")]
    assert {path.as_posix() for path in records} <= set(names)
    columns = pd.read_csv(BUILT / "capacities.csv").columns.tolist()
    assert pd.read_csv(BUILT / "dictionary.csv")["column"].tolist() == columns
    with zipfile.ZipFile(BUILT / "source.zip") as archive:
        assert {"README.md", "ecmlib/__init__.py", "book/index.md"} <= set(archive.namelist())
