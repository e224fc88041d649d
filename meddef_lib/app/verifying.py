"""`invoke verify`: reads every file of finished results, names those that are damaged, makes them anew."""

from collections.abc import Sequence
from pathlib import Path

from meddef_lib.app import cleaning, estimates, progress, runner
from meddef_lib.engine import housekeeping
from meddef_lib.engine.devices import resolve_device
from meddef_lib.engine.store import Store
from meddef_lib.errors import DONE, FAILED
from meddef_lib.workbook.book import Workbook
from meddef_lib.workbook.notebooks import cells_and_pages


def verify(book: Workbook | None, *, repair: bool, yes: bool) -> int:
    """Read the results of a workbook, or all of the store; returns the exit code.

    0 means that each is whole or, with `repair`, made anew: what the workbook, or a profile, asks for can be.
    """
    store = book.store if book else Store()
    folders = store.folders()
    if book:
        asked_for = {store.folder(recipe) for recipe in cells_and_pages(book).values()}
        folders = [folder for folder in folders if folder in asked_for]
    bad: dict[Path, str] = {}
    with progress.steps() as told:
        for number, folder in enumerate(folders):
            told(number, len(folders), "reading results")
            if damage := store.damage(folder, in_full=True):
                bad[folder] = "; ".join(damage)
        told(len(folders), len(folders), "reading results")
    for folder, what in bad.items():
        print(f"damaged: {housekeeping.title(store, folder)}: {what}")
    print(f"{len(folders)} results read, {len(bad)} damaged")
    if not bad or not repair:
        if bad:
            print("`--repair` makes them anew.")
        return FAILED if bad else DONE
    return _repair([book] if book else cleaning.in_sight(), bad, yes=yes)


def _repair(books: Sequence[Workbook], bad: dict[Path, str], *, yes: bool) -> int:
    """Make anew what `books` ask for of the damaged folders; returns the exit code."""
    runner.require_folders()
    device, code = resolve_device("auto"), DONE
    left = dict(bad)
    for book in books:
        damaged = [each for each in cells_and_pages(book).values() if left.pop(book.store.folder(each), "")]
        if not damaged:
            continue
        runner.require_images(book, damaged)
        if runner.needs_yes(book, device) and not yes:
            code = runner.ask_for_yes(book, estimates.estimate(book, damaged, device))
            continue
        for recipe in damaged:
            book.store.remove_damaged(recipe)
        outcomes = runner.compute(book, damaged, device=device)
        for recipe in damaged:
            ended = outcomes[recipe.id]
            made = ended.state in ("made", "there")
            print(f"{'whole again' if made else ended.state}: {recipe.id} {ended.text}".rstrip())
            code = code if made else FAILED
    for folder in left:
        print(f"damaged still: {folder}")
    if left:
        print(
            "No profile whose images are in sight asks for these. Name the run with --profile and --set to "
            "make them anew; `invoke clean --stale` removes them."
        )
    return FAILED if left else code
