"""The built book in a real browser: `make book test-book`."""

import functools
import http.server
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urldefrag, urljoin

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, expect, sync_playwright

BUILT = Path("_build/html")
PAGES = sorted(path.name for path in BUILT.glob("*.html"))
CHAPTERS = [name for name in PAGES if name not in ("genindex.html", "search.html", "py-modindex.html")]
WIDTHS = {"desktop": (1280, 900), "phone": (390, 844)}


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="module")
def site() -> Iterator[str]:
    assert PAGES, "no book in _build/html: run `make book` first"
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(_Quiet, directory=BUILT)) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    chromium = shutil.which("chromium")
    assert chromium, "no chromium: install Debian's package"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture(params=WIDTHS)
def page(request: pytest.FixtureRequest, browser: Browser, site: str) -> Iterator[Page]:
    """Give a page that notes whatever goes wrong on it, and fails the test for it."""
    width, height = WIDTHS[request.param]
    context = browser.new_context(viewport={"width": width, "height": height})
    page = context.new_page()
    wrong: list[str] = []
    page.on("console", lambda message: wrong.append(message.text) if _is_wrong(message) else None)
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("requestfailed", lambda asked: wrong.append(f"{asked.url} failed"))
    page.on("response", lambda answer: wrong.append(f"{answer.url}: {answer.status}") if answer.status >= 400 else None)
    page.on("request", lambda asked: None if asked.url.startswith((site, "data:")) else wrong.append(asked.url))
    yield page
    context.close()
    assert not wrong, wrong


def _is_wrong(message: ConsoleMessage) -> bool:
    # Sphinx's search asks for a module's anchor by a selector in which the dots of its name mean classes.
    known = message.text.startswith("Anchored content block not found") and "#module-ecmlib." in message.text
    return message.type == "error" or (message.type == "warning" and not known)


def opened(page: Page, address: str) -> Page:
    page.goto(address, wait_until="load")
    page.evaluate("window.MathJax?.startup?.promise")
    # Images below the fold load lazily.
    page.evaluate("document.querySelectorAll('img').forEach(image => { image.loading = 'eager' })")
    page.wait_for_function("[...document.images].every(image => image.complete)")
    return page


@pytest.mark.parametrize("name", PAGES)
def test_page_is_whole(page: Page, site: str, name: str) -> None:
    opened(page, site + name)
    assert page.locator("mjx-container").count() >= page.locator("article .math").count(), "math that is not typeset"
    assert page.locator("mjx-merror").count() == 0
    images = page.evaluate("[...document.querySelectorAll('article img')].map(i => [i.src, i.naturalWidth, i.alt])")
    for address, width, alternative in images:
        assert width > 0, f"{address} is empty"
        assert len(alternative) > 20, f"{address} has no alternative text"
    overflow = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    assert overflow <= 0, f"the page is {overflow} px wider than the window"


@pytest.mark.parametrize("name", CHAPTERS)
def test_figures_are_vectors_with_data(page: Page, site: str, name: str) -> None:
    opened(page, site + name)
    for figure in page.locator("article figure").all():
        if "Not measured yet." in figure.inner_text():
            continue
        source = figure.locator("img").first.get_attribute("src") or ""
        assert source.endswith(".svg")
        if "_static" not in source and "model" not in source:
            data = figure.locator("a.download").get_attribute("href")
            lines = page.request.get(urljoin(page.url, data)).text().splitlines()
            assert len(lines) > 1, f"{data} has no rows"


def test_links_within_the_book_lead_somewhere(page: Page, site: str) -> None:
    seen: dict[str, str] = {}
    for name in CHAPTERS:
        opened(page, site + name)
        for link in page.evaluate("[...document.querySelectorAll('article a[href]')].map(a => a.href)"):
            address, fragment = urldefrag(link)
            if not address.startswith(site):
                continue
            if address not in seen:
                answer = page.request.get(address)
                assert answer.ok, f"{name} links to {address}"
                seen[address] = answer.text() if address.endswith(".html") else ""
            assert not fragment or f'id="{fragment}"' in seen[address], f"{name} links to {link}"


def test_search_finds_shatter(page: Page, site: str) -> None:
    page.goto(f"{site}search.html?q=shatter")
    expect(page.locator("#search-results li a").first).to_be_visible()
    assert "experiments" in str(page.evaluate("[...document.querySelectorAll('#search-results a')].map(a => a.href)"))


def test_calculator_is_usable_by_keyboard(page: Page, site: str) -> None:
    opened(page, site + "design.html")
    answer = page.locator("#calculator-capacity output")
    expect(answer).to_contain_text("sequences")
    page.locator("#calculator-capacity input[name=d]").focus()
    before = answer.inner_text()
    page.keyboard.press("Control+A")
    page.keyboard.type("24")
    expect(answer).not_to_have_text(before)
    for _ in range(6):
        page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.name") == "capacity"
    page.keyboard.press("Control+A")
    page.keyboard.type("150")
    expect(page.locator("#calculator-target tbody tr").first).to_be_visible()
