"""JupyterLab as a reader has it: every notebook run from the menu, looked at in a light and a dark theme.

By hand: `pytest -m lab`. It computes a small workbook first, unless MEDDEF_LAB_STORE names a store that has
the profile `mini`, or that of MEDDEF_LAB_PROFILE; with MEDDEF_LAB_PICTURES it keeps pictures of what it saw.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from meddef_lib import paths
from tests.browser import ARGUMENTS, CHROMIUM

pytestmark = [
    pytest.mark.lab,
    pytest.mark.skipif(CHROMIUM is None, reason="Debian's chromium is not installed"),
]
SETTINGS = {
    "notebook-extension/tracker": {"windowingMode": "none"},  # else what is out of sight is not there
    "apputils-extension/notification": {"fetchNews": "false", "checkForUpdates": False},
}
LEAST_CONTRAST = 3.0
# words in an output whose contrast with what lies behind them is too low, with that contrast
UNREADABLE = """least => {
  const rgb = colour => {
    const [r, g, b, a = 1] = colour.match(/[\\d.]+/g).map(Number);
    return [r, g, b, a];
  };
  const light = ([r, g, b]) => [r, g, b].map(v => v / 255)
    .map(v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
    .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
  const behind = element => {
    const layers = [];  // from the nearest to the first that hides what is behind it
    for (let at = element; at && layers.at(-1)?.[3] !== 1; at = at.parentElement) {
      layers.push(rgb(getComputedStyle(at).backgroundColor));
    }
    return layers.reduceRight((below, [r, g, b, a]) => [r, g, b].map((v, i) => a * v + (1 - a) * below[i]),
      [255, 255, 255]);
  };
  const found = [];
  const outputs = document.querySelectorAll(".jp-OutputArea-output");
  for (const output of outputs) for (const element of output.querySelectorAll("*")) {
    const texts = [...element.childNodes].filter(node => node.nodeType === 3);
    const own = texts.map(node => node.data.trim()).join("");
    if (!own || element.closest("style, title, math") || !element.getClientRects().length) continue;
    const drawn = element.closest("svg");
    if (drawn && Number(getComputedStyle(element).opacity) < 0.5) continue;  // the mark of phantoms
    const ink = getComputedStyle(element)[drawn ? "fill" : "color"];
    const [one, other] = [light(rgb(ink)), light(behind(element))];
    const contrast = (Math.max(one, other) + 0.05) / (Math.min(one, other) + 0.05);
    if (contrast < least) found.push(`${own.slice(0, 40)} (${contrast.toFixed(1)})`);
  }
  return found;
}"""


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    """The address of JupyterLab on copies of the notebooks with a small profile."""
    profile = os.environ.get("MEDDEF_LAB_PROFILE", "mini")
    root = tmp_path_factory.mktemp("lab")
    folder = root / "notebooks"
    folder.mkdir()
    for file in paths.NOTEBOOKS.glob("*.ipynb"):
        text = file.read_text(encoding="utf-8")
        text = text.replace('profile = \\"smoke\\"', f'profile = \\"{profile}\\"')
        (folder / file.name).write_text(text.replace('\\"roct\\"', '\\"chest_xray\\"'), encoding="utf-8")
    for name, said in SETTINGS.items():
        file = root / "settings/@jupyterlab" / f"{name}.jupyterlab-settings"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(said), encoding="utf-8")
    own = {
        "JUPYTERLAB_SETTINGS_DIR": "settings",
        "JUPYTER_CONFIG_DIR": "config",
        "JUPYTER_RUNTIME_DIR": "run",
    }
    environment = os.environ | {name: str(root / value) for name, value in own.items()}
    environment["MEDDEF_STORE"] = os.environ.get("MEDDEF_LAB_STORE", str(root / "store"))
    words = ["--no-browser", "--allow-root", "--ip=127.0.0.1", "--port=0", f"--notebook-dir={folder}"]
    log = (root / "log").open("w")
    process = subprocess.Popen([sys.executable, "-m", "jupyterlab", *words], env=environment, stderr=log)
    try:
        yield _address(root / "log")
    finally:
        process.terminate()
        process.wait()
        log.close()
        shutil.rmtree(root / "settings")


def _address(log: Path) -> str:
    deadline = time.monotonic() + 300
    while time.monotonic() < deadline:
        if found := re.search(r"http://127\.0\.0\.1:\d+/lab\?token=\w+", log.read_text(encoding="utf-8")):
            return found[0]
        time.sleep(0.2)
    raise AssertionError(log.read_text(encoding="utf-8"))


def _menu(page, *names):
    page.click(f'.lm-MenuBar-itemLabel:text-is("{names[0]}")')
    for name in names[1:]:
        item = page.locator(f'.lm-Menu-itemLabel:text-is("{name}")').last
        item.hover()
    item.click()


def _run_all(page):
    """Run every cell from the menu; the errors that cells ended with."""
    page.wait_for_selector(".jp-Notebook .jp-CodeCell", timeout=300_000)
    for _ in range(2):  # where the first connection to a kernel fails, JupyterLab begins another
        page.wait_for_selector('.jp-Notebook-ExecutionIndicator[data-status="idle"]', timeout=300_000)
        page.wait_for_timeout(5000)
    _menu(page, "Run", "Run All Cells")
    deadline, errors = time.monotonic() + 1500, page.locator('.jp-OutputArea-output[data-mime-type*="error"]')
    while time.monotonic() < deadline and not errors.count():
        prompts = page.locator(".jp-CodeCell .jp-InputPrompt").all_inner_texts()
        if all(re.search(r"\d", prompt) for prompt in prompts):
            return []
        page.wait_for_timeout(500)
    return errors.all_inner_texts() or ["it did not end"]


def _look(page, pictures, stem):
    """What cannot be read, by theme."""
    height = page.evaluate('document.querySelector(".jp-WindowedPanel-outer").scrollHeight')
    page.set_viewport_size({"width": 1500, "height": min(height + 200, 15_000)})
    found = {}
    for theme in ("Dark", "Light"):
        _menu(page, "Settings", "Theme", f"JupyterLab {theme}")
        light = str(theme == "Light").lower()
        page.wait_for_selector(f'body[data-jp-theme-light="{light}"]', state="attached")
        page.wait_for_timeout(1500)
        if pictures:
            page.screenshot(path=Path(pictures) / f"{stem}.{theme.lower()}.png")
        found[theme] = page.evaluate(UNREADABLE, LEAST_CONTRAST)
    return found


@pytest.mark.parametrize("file", sorted(paths.NOTEBOOKS.glob("*.ipynb")), ids=lambda file: file.stem)
def test_a_notebook_runs_from_the_menu_and_is_read_in_light_and_dark(lab, file):
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(ARGUMENTS))
        page = browser.new_page(viewport={"width": 1500, "height": 1000})
        page.goto(lab.replace("/lab?", f"/lab/tree/{file.name}?reset&"), timeout=300_000)
        assert _run_all(page) == []
        found = _look(page, os.environ.get("MEDDEF_LAB_PICTURES"), file.stem)
        browser.close()
    assert found == {"Light": [], "Dark": []}
