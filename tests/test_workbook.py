"""Whole workbooks from parameters to page: the smoke profile once, the mini profile killed and resumed."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from hashlib import sha256
from html import unescape

import pytest
from filelock import FileLock

from benchmarks import faults
from meddef_lib import paths
from meddef_lib.engine import sealed
from meddef_lib.engine.processes import kill_family
from meddef_lib.paper.published import read as read_paper
from meddef_lib.report.section import how_to_read
from meddef_lib.results import results_json
from tests.browser import CHROMIUM, CUT, PHONE, UNFOLD, barriers, open_page, opened
from tests.damage import flip
from tests.privileges import allowed_no_more_than_modes_say

SECTIONS = ("2.2", "3.1.1", "3.1.2", "3.2.1", "3.2.2", "3.3", "3.4", "3.5", "3.7", "3.8")
SECTIONS += ("4.2", "4.3", "4.1, 4.4", "4.5", "4.6", "4.7", "4.8")
DESK, SHEET = {"width": 1280, "height": 900}, {"width": 794, "height": 1123}
HONEST_OF_PHANTOMS = {"smoke", "not_run", "cannot_run"}


def run(folder, *arguments, task="reproduce", before=None):
    """`invoke TASK ...` with a store and reports of its own; returns the finished process."""
    process = start(folder, *arguments, task=task, before=before)
    output, _ = process.communicate()
    return subprocess.CompletedProcess(process.args, process.returncode, output)


def start(folder, *arguments, task="reproduce", before=None):
    (folder / "temporary").mkdir(exist_ok=True)
    environment = os.environ | {
        "MEDDEF_STORE": str(folder / "store"),
        "MEDDEF_REPORTS": str(folder / "reports"),
        "TMPDIR": str(folder / "temporary"),
    }
    environment.pop("MEDDEF_DATA", None)
    return subprocess.Popen(
        [sys.executable, "-m", "invoke", task, *arguments],
        cwd=paths.ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
        # tests that were started in the background have SIGINT ignored, and hand that on
        preexec_fn=before or (lambda: signal.signal(signal.SIGINT, signal.SIG_DFL)),
    )


def results(folder, profile):
    return json.loads((folder / "reports" / profile / "results.json").read_text(encoding="utf-8"))


def measured(folder, profile):
    return faults.measured(results(folder, profile))


def left_behind(folder):
    """What a run left in its temporary folder, among its locks and half done."""
    return [
        path
        for name in ("temporary", "store/locks", "store/parts", "store/work")
        for path in (folder / name).glob("*")
    ]


def made_once(tmp_path_factory, name, *arguments):
    """A whole run that all processes of the tests share: the first makes it, the others wait."""
    root = tmp_path_factory.getbasetemp()
    root = root.parent if "PYTEST_XDIST_WORKER" in os.environ else root  # of this session, in either case
    folder = root / f"whole_{name}"
    folder.mkdir(exist_ok=True)
    with FileLock(folder / "lock"):
        if not (folder / "output").is_file():
            # pages while it goes on have tests of their own, and take a core from what is made
            done = run(folder, *arguments, "--page-every", "0")
            assert done.returncode == 0, done.stdout[-4000:]
            (folder / "output").write_text(done.stdout, encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def smoke(tmp_path_factory):
    """One whole smoke run."""
    return made_once(tmp_path_factory, "smoke")


# by the beginning of their ids: the paper's own numbers, the network as built, and what the run cost
NEED_NO_IMAGES = (
    *("claims", "values", "paper-audit", "audit-grades", "ledger", "costs", "cells", "environments"),
    *("figure2", "figure3", "blocks", "parameters", "schedule", "attack-settings", "equations", "novelty"),
)
of_smoke = pytest.mark.xdist_group("smoke")  # one process waits for the run, the others go on


def blocks(page):
    """The tables and figures of a page by id, each with what stands below it."""
    starts = [
        (found.start(), found[1])
        for found in re.finditer(r'<(?:div class="table"|figure|details class="fold") id="([^"]+)"', page)
    ]
    ends = [*(start for start, _ in starts[1:]), page.index('id="notebooks"')]
    return {name: page[start:end] for (start, name), end in zip(starts, ends, strict=True)}


@of_smoke
def test_smoke_fills_every_section(smoke):
    page = (smoke / "reports/smoke/index.html").read_text(encoding="utf-8")
    headings = re.findall(r"<h2 id=[^>]*>(.*?)</h2>", page)
    for number in SECTIONS:
        assert any(heading.startswith(number) for heading in headings), f"section {number} is missing"
    assert 'class="missing"' not in page
    tables = re.findall(r"<tbody>(.*?)</tbody>", page, flags=re.DOTALL)
    assert len(tables) > 20
    assert all("<tr" in body for body in tables), "a table is empty"
    for dataset in ("roct", "chest_xray"):
        assert f'id="trainings-compared-{dataset}"' in page, "models trained in two ways stand side by side"
    assert not re.search(r'(src|href)="(?:https?:)?//', page), "nothing is loaded from elsewhere"


@of_smoke
def test_smoke_decides_nothing_and_says_so_everywhere(smoke):
    found = results(smoke, "smoke")
    results_json.check(found)
    of_images = [value for value in found["values"] if value["unit"] != "millions"]
    assert {value["status"] for value in of_images} <= HONEST_OF_PHANTOMS
    assert {claim["verdict"] for claim in found["claims"]} == {"smoke"}
    page = (smoke / "reports/smoke/index.html").read_text(encoding="utf-8")
    assert "nothing that it measured counts for or against the paper" in page
    of_images = [part for name, part in blocks(page).items() if not name.startswith(NEED_NO_IMAGES)]
    assert len(of_images) > 60
    assert all("Made-up images." in part for part in of_images)


@of_smoke
def test_what_needs_no_images_is_not_called_smoke(smoke):
    found = {value["id"]: value for value in results(smoke, "smoke")["values"]}
    sizes = [
        value for value in found.values() if value["unit"] == "millions" and value["id"].startswith("table")
    ]
    assert {value["status"] for value in sizes} == {"within_tolerance"}
    parts = blocks((smoke / "reports/smoke/index.html").read_text(encoding="utf-8"))
    own = [part for name, part in parts.items() if name.startswith(NEED_NO_IMAGES)]
    assert len(own) > 5
    assert not any("Made-up images." in part for part in own)


@of_smoke
def test_smoke_has_an_entry_for_every_printed_number(smoke):
    found = {value["id"]: value for value in results(smoke, "smoke")["values"]}
    assert set(found) == set(read_paper().values)
    measured = [value for name, value in found.items() if name.startswith(("table1/", "table2/"))]
    assert all(value["reproduced"] is not None for value in measured)
    assert found["table1/full/clean"]["reproduced"] >= 85
    assert found["table2/full/clean"]["reproduced"] >= 85
    clean, attacked = (found[f"table1/full/{name}"]["reproduced"] for name in ("clean", "eps=0.05/bim"))
    assert attacked < clean - 20, "the attacks bite"


@of_smoke
def test_smoke_executed_every_notebook(smoke):
    folder = smoke / "reports/smoke/notebooks"
    expected = {file.stem for file in paths.NOTEBOOKS.glob("*.ipynb")}
    executed = {file.name.split(".")[0] for file in folder.glob("*.ipynb")}
    assert executed == expected
    for file in folder.glob("*.html"):
        assert not re.search(r'(src|href)="(?:https?:)?//', file.read_text(encoding="utf-8"))


@of_smoke
def test_a_second_call_makes_nothing_and_changes_no_result(smoke):
    before = results(smoke, "smoke")
    done = run(smoke)
    assert done.returncode == 0
    assert re.search(r"^0 steps made", done.stdout, flags=re.MULTILINE)
    assert results(smoke, "smoke") == before


@of_smoke
def test_after_a_change_of_one_attack_only_its_cells_are_made(smoke):
    done = run(smoke, "--set", "attacks.jsma.theta=0.2", task="status")
    stale = {line.split()[1] for line in done.stdout.splitlines() if line.startswith("stale")}
    pages = {name for name in stale if name.startswith("notebook/")}  # they are given what was set
    assert "notebook/04_epsilon_sweep.roct" in pages
    readings = {name for name in stale if name.startswith("readings/")}  # which try every attack
    readings |= {name for name in stale if name.startswith("gallery/")}
    assert stale > pages | readings
    assert all(name.endswith("/jsma") for name in stale - pages - readings)


@pytest.mark.skipif(CHROMIUM is None, reason="Debian's chromium is not installed")
@of_smoke
def test_the_report_in_a_browser(smoke):
    for page in (
        smoke / "reports/smoke/index.html",
        *(smoke / "reports/smoke/notebooks").glob("0[1-9]*.roct.html"),
    ):
        found = open_page(page)
        assert found.outside_requests == []
        assert found.errors == []
        assert not found.scrolls_sideways
    with opened(smoke / "reports/smoke/index.html") as (page, _):
        page.set_viewport_size(DESK)
        assert page.evaluate("document.documentElement.scrollHeight") < 25 * DESK["height"]
        page.evaluate(UNFOLD)
        page.wait_for_timeout(1000)  # until a table that was folded has its width
        assert page.evaluate(CUT) == [], "everything fits a screen of this width"


# --- killed and resumed ---------------------------------------------------------------------------


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """One whole mini run."""
    return made_once(tmp_path_factory, "mini", "--profile", "mini")


@pytest.mark.skipif(CHROMIUM is None, reason="Debian's chromium is not installed")
@pytest.mark.parametrize(
    ("size", "look"),
    [
        (DESK, {"color_scheme": "light"}),
        (DESK, {"color_scheme": "dark"}),
        (PHONE, {"color_scheme": "light"}),
        (SHEET, {"media": "print"}),
    ],
    ids=["light", "dark", "phone", "print"],
)
def test_axe_finds_nothing_in_the_unfolded_page(undisturbed, size, look):
    with opened(undisturbed / "reports/mini/index.html") as (page, found):
        page.set_viewport_size(size)
        page.emulate_media(**look)
        page.evaluate(UNFOLD)
        assert barriers(page) == []
        assert found.errors == []


def test_a_run_leaves_nothing_behind(undisturbed):
    assert left_behind(undisturbed) == []


def test_a_store_that_can_only_be_read_serves_what_is_there(undisturbed, tmp_path):
    for name in ("store", "reports"):
        shutil.copytree(undisturbed / name, tmp_path / name)
    folders = [tmp_path / "store", *(path for path in (tmp_path / "store").rglob("*") if path.is_dir())]
    for folder in folders:
        folder.chmod(0o555)
    (tmp_path / "store/hashes.sqlite").chmod(0o444)
    try:
        for task in ("status", "plan", "report", "verify", "reproduce"):
            of_mini = () if task == "verify" else ("--profile", "mini")
            done = run(tmp_path, *of_mini, task=task, before=allowed_no_more_than_modes_say)
            assert done.returncode == 0, done.stdout
        assert re.search(r"^0 steps made", done.stdout, flags=re.MULTILINE)
        refused = run(
            tmp_path, "--profile", "mini", "--force", "audit", before=allowed_no_more_than_modes_say
        )
        assert refused.returncode == 2
        assert "MEDDEF_STORE" in refused.stdout
    finally:
        for folder in folders:
            folder.chmod(0o755)


def test_the_quick_form_of_the_faults_finds_nothing_lost_wrong_or_silent(undisturbed, capsys):
    assert faults.main(["--quick", "--json", "--reference", str(undisturbed)]) == 0
    rows = {row["what"]: row for row in json.loads(capsys.readouterr().out)}
    assert sum(row["tried"] for name, row in rows.items() if name.startswith("kill")) == faults.QUICK.kills
    assert sum(row["tried"] for name, row in rows.items() if name.startswith("flip")) == faults.QUICK.flips
    assert sum(row["tried"] for name, row in rows.items() if name.startswith("image")) == faults.QUICK.images


def kill_when(process, happened, seconds_after):
    """SIGKILL the whole process group a moment after something has happened; False if it ended before."""
    deadline = time.monotonic() + 300
    while not happened():
        if process.poll() is not None or time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    time.sleep(seconds_after)
    if process.poll() is not None:
        return False
    kill_family(process.pid)
    process.wait()
    process.stdout.close()
    return True


@pytest.mark.exhaustive  # the quick faults kill a run twice, other tests a training and an evaluation
def test_killed_at_five_moments_and_started_again_the_results_are_the_same(undisturbed, tmp_path):
    logs = tmp_path / "store/logs"
    moments = [
        (lambda: any(logs.glob("train/**/*.log")), 3.0),
        (lambda: any(logs.glob("attack/**/*.log")), 0.1),
        (lambda: any(logs.glob("prune/**/*.log")), 0.3),
        (lambda: any(logs.glob("notebook/*.log")), 1.5),
        (
            lambda: any((tmp_path / "reports/mini").glob("*.part")) or (tmp_path / "reports/mini").is_dir(),
            0.0,
        ),
    ]
    killed = []
    for happened, seconds_after in moments:
        killed.append(kill_when(start(tmp_path, "--profile", "mini"), happened, seconds_after))
    assert sum(killed) >= 4, f"killed at {killed}"
    done = run(tmp_path, "--profile", "mini")
    assert done.returncode == 0, done.stdout[-4000:]
    assert measured(tmp_path, "mini") == measured(undisturbed, "mini")


def test_a_failing_cell_leaves_the_others_and_is_told(undisturbed, tmp_path):
    shutil.copytree(undisturbed / "store", tmp_path / "store")
    broken = next((tmp_path / "store/cells/train/chest_xray/full").rglob("model.json"))
    broken.write_text("{}", encoding="utf-8")
    receipt = broken.with_name("receipt.json")  # as if it had been written so
    said = json.loads(receipt.read_text(encoding="utf-8"))
    said["files"]["model.json"] = sha256(b"{}").hexdigest()
    sealed.write(receipt, said)
    options = ("--profile", "mini", "--set", "attacks.eps=[0.03]")
    done = run(tmp_path, *options, "--only", "04")  # one notebook of those that would be made anew
    assert done.returncode == 1
    assert "failed: attack/chest_xray/full/clean/seed=0/" in done.stdout
    (index,) = (tmp_path / "reports").glob("mini+*/index.html")
    page = index.read_text(encoding="utf-8")
    assert "What failed" in page
    assert f"<code>reports/{index.parent.name}</code>" in page
    assert not (tmp_path / "reports/mini").exists(), "that of the plain profile is left alone"
    assert run(tmp_path, *options, task="report").returncode == 0
    again = index.read_text(encoding="utf-8")
    failed = re.compile(r"<li><strong>(attack/[^<]*)</strong> \(failed\)")
    assert failed.findall(again) == failed.findall(page) != [], "it has not been made since"
    found = {value["id"]: value for value in results(tmp_path, index.parent.name)["values"]}
    assert found["table2/resnet18/clean"]["reproduced"] is not None


def test_damaged_cells_are_named_the_others_shown_and_all_made_as_they_were(undisturbed, tmp_path):
    shutil.copytree(undisturbed / "store", tmp_path / "store")
    damaged = {}
    for receipt in (tmp_path / "store/cells").rglob("receipt.json"):
        name = sorted(json.loads(receipt.read_text(encoding="utf-8"))["files"])[-1]
        file = receipt.parent / name
        flip(file)
        damaged[str(receipt.parent.parent.relative_to(tmp_path / "store/cells"))] = name
    said = run(tmp_path, "--profile", "mini", task="status").stdout
    for cell, name in damaged.items():
        assert f"damaged  {cell}\n         {name} is not what was written\n" in said
    shutil.rmtree(tmp_path / "store")
    shutil.copytree(undisturbed / "store", tmp_path / "store")
    cell = "attack/chest_xray/full/clean/seed=0/bim"
    os.truncate(next((tmp_path / "store/cells" / cell).rglob("records.parquet")), 4000)
    done = run(tmp_path, "--profile", "mini", task="report")
    assert done.returncode == 0, done.stdout[-4000:]
    assert f"{cell}: records.parquet is not what was written. Make it anew with: invoke repro" in done.stdout
    page = (tmp_path / "reports/mini/index.html").read_text(encoding="utf-8")
    assert f"<strong>{cell}</strong> (damaged): records.parquet is not what was written" in page
    found = {value["id"]: value["reproduced"] for value in results(tmp_path, "mini")["values"]}
    assert found["table2/full/eps=0.05/pgd"] is not None
    assert found["table2/full/eps=0.05/bim"] is None
    done = run(tmp_path, "--profile", "mini")
    assert done.returncode == 0, done.stdout[-4000:]
    assert f"damaged, and made anew: {cell}: records.parquet" in done.stdout
    assert re.search(r"^1 step made", done.stdout, flags=re.MULTILINE)
    assert measured(tmp_path, "mini") == measured(undisturbed, "mini")


def test_a_cell_is_made_anew_when_it_is_forced_and_nothing_else(undisturbed, tmp_path):
    shutil.copytree(undisturbed / "store", tmp_path / "store")
    cell = "anatomy/chest_xray/full/clean/seed=0"
    (before,) = (tmp_path / "store/cells" / cell).glob("@*/receipt.json")
    told = before.read_bytes()
    refused = run(tmp_path, "--profile", "mini", "--set", "needs_yes_on_cpu=true", "--force", cell)
    assert refused.returncode == 2
    assert before.read_bytes() == told, "what is refused has removed nothing"
    # the notebooks of 04 do not need the cell: it is made all the same
    done = run(tmp_path, "--profile", "mini", "--only", "04", "--force", cell)
    assert done.returncode == 0, done.stdout[-4000:]
    assert re.search(r"^1 step made", done.stdout, flags=re.MULTILINE)
    assert before.read_bytes() != told
    page = "notebook/04_epsilon_sweep.chest_xray"
    done = run(tmp_path, "--profile", "mini", "--only", "04", "--force", page)
    assert re.search(r"^1 step made", done.stdout, flags=re.MULTILINE)


def test_the_report_says_of_everything_how_it_was_made_and_marks_phantoms(undisturbed):
    folder = undisturbed / "reports/mini"
    page = (folder / "index.html").read_text(encoding="utf-8")
    for name, part in blocks(page).items():
        made_of_files = name.startswith(NEED_NO_IMAGES) and not name.startswith(("figure2", "blocks"))
        assert made_of_files or "How this was made" in part, f"{name} says nothing of how it was made"
        assert f'href="tables/{name}.csv"' in part, f"{name} has no data"
        assert (folder / f"tables/{name}.csv").is_file()
        # what is said of the paper's own numbers, or of a network as it is built, holds without a run
        assert "Made-up images." in part or name.startswith(NEED_NO_IMAGES), name
    anchors = set(re.findall(r' id="([^"]+)"', page))
    linked = set(re.findall(r'href="(notebooks/[^"]+)"', page))
    pages = sorted((folder / "notebooks").glob("*.html"))
    assert linked >= {f"notebooks/{file.name}" for file in pages}
    for address in linked:
        assert (folder / address).is_file(), f"{address} is not there"
    for file in pages:
        own = file.read_text(encoding="utf-8")
        (back,) = re.findall(r'href="\.\./index\.html#([^"]+)"', own)
        assert back in anchors, f"{file.name} leads to {back}"
        assert 'href="notebooks/' not in own
        assert "<button" not in own, "a button without a script"


def test_what_the_page_says_a_notebook_made_is_shown_there(undisturbed):
    folder = undisturbed / "reports/mini"
    named = 0
    for name, part in blocks((folder / "index.html").read_text(encoding="utf-8")).items():
        for file in re.findall(r'href="(notebooks/[^"]+)"', part.partition("How this was made")[2])[:1]:
            named += 1
            assert f'id="{name}' in (folder / file).read_text(encoding="utf-8"), f"{file} has no {name}"
    assert named > 30
    (saliency,) = (folder / "notebooks").glob("07_*.html")
    shown = saliency.read_text(encoding="utf-8")
    drawn = [tag for tag in re.findall(r"<image [^>]*>", shown) if 'href="data:image/webp;base64,' in tag]
    sheets = [sheet for tag in drawn for sheet in re.findall(r' id="([^"]+)"', tag)]
    assert any(f'<use href="#{sheet}"' in shown for sheet in sheets)


def test_the_page_and_the_notebooks_share_their_words(undisturbed):
    folder = undisturbed / "reports/mini"
    page = unescape((folder / "index.html").read_text(encoding="utf-8"))
    pages = [file.read_text(encoding="utf-8") for file in (folder / "notebooks").glob("*.html")]
    shown = unescape("".join(pages))
    read = how_to_read().values()
    assert sum(words in page for words in read) > 15
    assert [words for words in read if (words in page) != (words in shown)] == []
    parts = "".join(re.findall(r'<div class="claims">.*?</div>', shown, flags=re.DOTALL))
    claimed = [one["text"] for one in results(undisturbed, "mini")["claims"] if one["text"] in parts]
    assert len(claimed) > 20
    assert [text for text in claimed if text not in page] == []


def test_a_report_is_rendered_again_only_where_it_would_say_something_else(undisturbed, tmp_path):
    for name in ("store", "reports"):
        shutil.copytree(undisturbed / name, tmp_path / name)  # with the times of its files
    folder = tmp_path / "reports/mini"
    page, first = folder / "index.html", (folder / "index.html").stat().st_mtime_ns
    assert run(tmp_path, "--profile", "mini").returncode == 0
    assert page.stat().st_mtime_ns == first, "nothing has changed"
    spoilt = next((folder / "notebooks").glob("04*.html"))
    spoilt.unlink()
    assert run(tmp_path, "--profile", "mini").returncode == 0
    assert spoilt.is_file()
    page.write_text("half a page", encoding="utf-8")
    assert run(tmp_path, "--profile", "mini").returncode == 0
    assert "half a page" not in page.read_text(encoding="utf-8")
    receipt = next((tmp_path / "store/cells/audit").rglob("receipt.json"))
    receipt.write_text(receipt.read_text(encoding="utf-8"), encoding="utf-8")
    before = page.stat().st_mtime_ns
    assert run(tmp_path, "--profile", "mini").returncode == 0
    assert page.stat().st_mtime_ns > before


def test_a_whole_small_workbook_travels_and_its_page_is_the_same(undisturbed, tmp_path):
    archive = str(tmp_path / "mini.zip")
    for name in ("store", "reports"):
        shutil.copytree(undisturbed / name, tmp_path / "home" / name)
    packed = run(tmp_path / "home", archive, "--profile", "mini", task="export")
    assert packed.returncode == 0, packed.stdout
    (tmp_path / "away").mkdir()
    taken = run(tmp_path / "away", archive, task="import")
    assert taken.returncode == 0, taken.stdout
    assert measured(tmp_path / "away", "mini") == measured(undisturbed, "mini")
    assert (tmp_path / "away/reports/mini/notebooks/07_grad_cam.chest_xray.html").is_file()


def test_given_weights_go_through_the_same_cells(undisturbed, tmp_path):
    weights = next((undisturbed / "store/cells/train/chest_xray/full").rglob("model.safetensors"))
    shutil.copytree(undisturbed / "store", tmp_path / "store")
    arguments = (
        "--weights",
        str(weights),
        "--variant",
        "full",
        "--dataset",
        "chest_xray",
        "--profile",
        "mini",
        "--images",
        "paper",
    )
    done = run(tmp_path, *arguments, task="evaluate")
    assert done.returncode == 0, done.stdout[-4000:]
    (report,) = (tmp_path / "reports").glob("mini-full-*")
    given = {value["id"]: value for value in json.loads((report / "results.json").read_text())["values"]}
    trained = {value["id"]: value for value in results(undisturbed, "mini")["values"]}
    assert given["table2/full/clean"]["reproduced"] == trained["table2/full/clean"]["reproduced"]
    page = (report / "index.html").read_text(encoding="utf-8")
    assert f"the weights of {weights.name} (sha256 {report.name.rpartition('-')[2]}" in page
    assert "the 15\u00a0% of all images that the paper&#39;s pooled split draws" in page
    assert "invoke reproduce" not in page, "which would not make what is missing here"
    assert not re.search(r"Notebook: notebooks/0[1-9]", page), "they show what is trained here"


def test_a_file_that_holds_no_such_weights_is_refused_in_a_sentence(tmp_path):
    file = tmp_path / "weights.pt"
    file.write_text("not weights", encoding="utf-8")
    of_mini = ("--variant", "full", "--dataset", "chest_xray", "--profile", "mini")
    for weights, word in ((file, "weights.pt"), (tmp_path / "absent.pt", "absent.pt")):
        done = run(tmp_path, "--weights", str(weights), *of_mini, task="evaluate")
        assert done.returncode == 2, done.stdout
        assert word in done.stdout
        assert "Traceback" not in done.stdout
    assert not (tmp_path / "store/cells").exists()


# --- refused before any work ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--profile", "paper"), ["OCT2017", "chest_xray", "--data-root"]),
        (("--profile", "smok"), ["no profile 'smok'", "did you mean smoke?"]),
        (("--set", "training.epoch=3"), ["training.epoch", "did you mean epochs?"]),
        (("--dataset", "mnist"), ["no data set 'mnist'", "roct, chest_xray"]),
        (("--only", "99"), ["--only 99", "04_epsilon_sweep"]),
        (("--force", "train/nothing"), ["--force train/nothing", "invoke status"]),
        (("--workers", "none"), ["--workers", "whole number"]),
        (("--device", "tpu"), ["--device", "cuda"]),
        (("--profile", "paper", "--data-root", "/nowhere"), ["nowhere"]),
    ],
)
def test_what_is_refused_is_refused_before_any_work(tmp_path, arguments, words):
    done = run(tmp_path, *arguments)
    assert done.returncode == 2, done.stdout
    for word in words:
        assert word in done.stdout
    assert "Traceback" not in done.stdout
    assert not (tmp_path / "store/cells").exists()


def test_ctrl_c_tells_how_to_go_on(tmp_path):
    process = start(tmp_path, "--profile", "mini")
    deadline = time.monotonic() + 120
    while not any((tmp_path / "store/logs").glob("**/*.log")) and time.monotonic() < deadline:
        time.sleep(0.05)
    os.kill(process.pid, signal.SIGINT)
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "invoke reproduce --profile mini" in output
    assert "Traceback" not in output
    assert left_behind(tmp_path) == []


def test_a_tolerance_changed_after_the_run_shows(undisturbed, tmp_path):
    shutil.copytree(undisturbed / "store", tmp_path / "store")
    for receipt in (tmp_path / "store/cells").rglob("receipt.json"):
        said = json.loads(receipt.read_text(encoding="utf-8"))
        said["context"]["published"]["tolerances.yaml"] = "0" * 64  # as if it had been another file then
        sealed.write(receipt, said)
    done = run(tmp_path, "--profile", "mini", task="report")
    assert done.returncode == 0, done.stdout[-4000:]
    assert results(tmp_path, "mini")["published_files"]["changed"] == ["tolerances.yaml"]
    page = (tmp_path / "reports/mini/index.html").read_text(encoding="utf-8")
    assert "Changed after the run" in page
