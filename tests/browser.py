"""A page in a real browser: what it asked for from outside, what went wrong, whether it fits a phone."""

import shutil
from dataclasses import dataclass
from pathlib import Path

ARGUMENTS = ("--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking")
PHONE_PX = 360


@dataclass(frozen=True)
class Findings:
    """What a browser noticed on a page."""

    outside_requests: list[str]
    errors: list[str]
    scrolls_sideways: bool  # at the width of a phone


def open_page(page: Path) -> Findings:
    """Open a file in Debian's Chromium and look at it."""
    from playwright.sync_api import sync_playwright

    requests: list[str] = []
    errors: list[str] = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=list(ARGUMENTS))
        shown = browser.new_page(viewport={"width": PHONE_PX, "height": 800})
        shown.on("request", lambda request: requests.append(request.url))
        shown.on("pageerror", lambda error: errors.append(str(error)))
        shown.goto(page.as_uri())
        width = shown.evaluate("document.documentElement.scrollWidth")
        browser.close()
    outside = [url for url in requests if not url.startswith(("file:", "data:"))]
    return Findings(outside, errors, width > PHONE_PX)
