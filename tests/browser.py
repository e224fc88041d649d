"""Looks at a page with Debian's Chromium, as a reader without a network would."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

CHROMIUM = shutil.which("chromium")
ARGUMENTS = ("--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking")
PHONE = {"width": 360, "height": 740}
UNFOLD = "document.querySelectorAll('details').forEach(details => { details.open = true })"
CUT = """[...document.querySelectorAll('.scroll, .picture')]
  .filter(box => box.scrollWidth > box.clientWidth + 1)
  .map(box => box.closest('[id]').id + ', ' + box.scrollWidth + ' px wide')"""
WIDER_THAN_THE_SCREEN = "document.documentElement.scrollWidth > document.documentElement.clientWidth"


@dataclass
class Findings:
    """What is wrong with a page: requests beyond the page itself and `data:`, script errors, its width."""

    outside_requests: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    scrolls_sideways: bool = False


@contextmanager
def opened(path: Path) -> Iterator[tuple[Any, Findings]]:
    """The page at `path`, as Playwright has it, and what was found while it is open."""
    from playwright.sync_api import sync_playwright

    address = path.resolve().as_uri()
    found = Findings()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(ARGUMENTS))
        page = browser.new_page(viewport=PHONE)
        page.on("request", lambda request: _note(request.url, address, found))
        page.on("pageerror", lambda error: found.errors.append(str(error)))
        page.on("console", lambda said: found.errors.append(said.text) if said.type == "error" else None)
        page.goto(address)
        try:
            yield page, found
        finally:
            browser.close()


def open_page(path: Path) -> Findings:
    """Open a page on a screen of 360 px, unfold everything in it, and tell what is wrong with it."""
    with opened(path) as (page, found):
        page.evaluate(UNFOLD)
        found.scrolls_sideways = page.evaluate(WIDER_THAN_THE_SCREEN)
    return found


def barriers(page: Any) -> list[str]:
    """What axe finds that would stop a reader: the rule, how many parts break it, and the first of them."""
    from axe_playwright_python.sync_playwright import Axe

    found = Axe().run(page, options={"resultTypes": ["violations"]}).response["violations"]
    return [f"{each['id']}: {len(each['nodes'])}, as {each['nodes'][0]['target']}" for each in found]


def _note(url: str, address: str, found: Findings) -> None:
    if url.partition("#")[0] != address and not url.startswith("data:"):
        found.outside_requests.append(url)
