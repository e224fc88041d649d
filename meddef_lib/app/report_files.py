"""Writes a workbook's report: `results.json`, pictures and executed notebooks, and the page of them."""

import json
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict
from pathlib import Path
from typing import Any

from meddef_lib import params
from meddef_lib.app import estimates, freshness
from meddef_lib.app.running import Running
from meddef_lib.engine import sealed
from meddef_lib.engine.files import PART, write_whole
from meddef_lib.engine.locks import Locks
from meddef_lib.engine.scheduler import CellStatus
from meddef_lib.report import page
from meddef_lib.results import changes
from meddef_lib.visible import visible
from meddef_lib.workbook import notebooks, photographs, results_file
from meddef_lib.workbook.book import Workbook
from meddef_lib.workbook.stored import Stored

LAST = ".last.json"  # beside the report while a run goes on: what the last one at its end said
EARLIER = ".earlier.json"  # beside the report: what it is compared with
FAILURES = ".failures.json"  # beside the report: what it says failed
LOCKS = ".locks"  # beside the folders of reports


def write(
    book: Workbook,
    outcomes: Mapping[str, CellStatus],
    *,
    estimate: float | None = None,
    seconds: float | None = None,
    running: Callable[[], Running | None] = lambda: None,
    against: Mapping[str, Any] | None = None,
) -> Path:
    """Render the report of what is there; returns the path of `index.html`.

    `outcomes` tell which cells failed in this run, `estimate` and `seconds` how long it was thought to take
    and took. What failed in an earlier run is told again until it is made. `running` says whether a run
    goes on: asked when it is this call's turn to write, since the page at the end of a run is to stay.
    `against` is the document of a run to say what changed since: by default the last one here that said
    otherwise.
    Files appear whole, `index.html` last; another call that writes this report is waited for. Raises
    notebook_page.NotSelfContained.
    """
    folder = freshness.folder_of(book)
    with turn(folder):
        (folder / "notebooks").mkdir(parents=True, exist_ok=True)
        freshness.forget(folder)
        _sweep(folder)
        run = running()
        if run is not None:
            outcomes = {failure.id: failure for failure in run.failures}
        failures = _failures(book, folder / FAILURES, outcomes)
        call = {
            "estimate_seconds": estimate,
            "seconds": seconds,
            "made": sum(outcome.state == "made" for outcome in outcomes.values()),
            "failures": [asdict(failure) for failure in failures],
        } | ({"underway": run.facts()} if run else {})
        found = results_file.document(
            book,
            call,
            estimated=estimates.remembered(book.store),
            to_come=run.to_come(book) if run else (),
            changed=lambda now: _changed(folder, now, against),
        )
        if run is not None:
            _keep_last(folder)
        numbers = json.dumps(found, indent=1, ensure_ascii=False, allow_nan=False) + "\n"
        write_whole(folder / page.NUMBERS, visible(numbers))
        photographs.write(Stored(book), found, folder / "pictures")
        _copy_notebooks(book, folder / "notebooks")
        index = page.write(found, folder)
        if run is None:
            (folder / LAST).unlink(missing_ok=True)
        if not book.given and not failures and run is None:
            freshness.note(book, folder)  # what failed must not stay on a page that nothing renders again
        return index


def turn(folder: Path) -> AbstractContextManager[None]:
    """Write the report in `folder` alone: who writes it already is waited for."""
    return Locks(folder.parent / LOCKS).writing(folder.name, f"the report {folder}", print)


def drawn_anew(folder: Path) -> Path:
    """Render the page of a folder that has `results.json`; returns its path. Raises NoDocument."""
    of_runs = (folder.parent / LOCKS).is_dir()  # elsewhere nobody else writes, and no lock is left behind
    with turn(folder) if of_runs else nullcontext():
        return page.from_folder(folder)


def _changed(
    folder: Path, now: Mapping[str, Any], against: Mapping[str, Any] | None
) -> Mapping[str, Any] | None:
    """What a finished document says otherwise than an earlier one; None where there is no such one.

    That is the last one here, unless it says the same: then the one that it was compared with stays it. So it
    does where it only had fewer numbers, as a page that was rendered after a run had been interrupted.
    """
    if against is None:
        against = earlier = _document(folder / EARLIER)
        last = _document(folder / LAST) or _document(folder / page.NUMBERS)
        if last is not None:
            found = changes.since(last, now)
            if not changes.are_none(found) and (earlier is None or not found["new"]):
                write_whole(folder / EARLIER, json.dumps(last, ensure_ascii=False, allow_nan=False))
                return found
    if against is None:
        return None
    found = changes.since(against, now)
    return None if changes.are_none(found) else found


def _document(file: Path) -> Mapping[str, Any] | None:
    """The document of a finished run; None where there is none, or one that cannot be compared with."""
    if not file.exists():
        return None
    try:
        found = page.read(file)
    except page.NoDocument as error:
        print(f"nothing is said of what changed since an earlier run: {error}", file=sys.stderr)
        return None
    return None if "underway" in found["run"] else found


def _keep_last(folder: Path) -> None:
    """Keep what the last run said at its end, before a page takes its place that is rendered meanwhile."""
    last = _document(folder / page.NUMBERS)
    if last is not None:
        write_whole(folder / LAST, json.dumps(last, ensure_ascii=False, allow_nan=False))


def _failures(book: Workbook, file: Path, outcomes: Mapping[str, CellStatus]) -> Sequence[CellStatus]:
    """What failed or could not start, in this run or in an earlier one, and what is damaged.

    What failed is kept in `file` for the next call.
    """
    states = [book.store.state(recipe) for recipe in notebooks.cells_and_pages(book).values()]
    failed = [outcome for outcome in outcomes.values() if outcome.state in ("failed", "blocked")]
    earlier = [CellStatus(**told) for told in (sealed.read(file) or {"failures": []})["failures"]]
    lacking = {each.id for each in states if each.state != "there"}
    failed += [told for told in earlier if told.id in lacking and told.id not in outcomes]
    sealed.write(file, {"failures": [asdict(outcome) for outcome in failed]})
    told_of = {outcome.id for outcome in failed}
    damaged = [
        CellStatus(each.id, "damaged", f"{'; '.join(each.changed)}. Make it anew with: {book.command}")
        for each in states
        if each.state == "damaged" and each.id not in told_of
    ]
    for each in damaged:
        print(f"damaged, and left out of the report: {each.id}: {each.text}", file=sys.stderr)
    return [*failed, *damaged]


def _copy_notebooks(book: Workbook, folder: Path) -> None:
    """Put the executed notebooks and their pages beside the report."""
    if book.given:  # the notebooks show what was trained here
        return
    recipes = notebooks.recipes(book, notebooks.every_notebook())
    there = {stem: book.store.has(recipe) for stem, recipe in recipes.items()}
    of_others = [
        each.executed_name(name) for each in notebooks.every_notebook() for name in params.dataset_ids()
    ]
    for stem in dict.fromkeys([*there, *of_others]):
        for made, suffix in notebooks.COPIED.items():
            target = folder / f"{stem}{suffix}"
            if there.get(stem):
                source = book.store.folder(recipes[stem]) / made
                write_whole(target, source.read_text(encoding="utf-8"))
            else:
                target.unlink(missing_ok=True)  # of an earlier run: it shows other numbers than this report


def _sweep(folder: Path) -> None:
    """Remove what killed calls left half written in a report's folder, which nobody else writes into now."""
    for part in folder.rglob(f"*{PART}"):
        part.unlink(missing_ok=True)
