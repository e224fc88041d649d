"""`invoke reproduce`: cells, then notebooks, then the report; what is there already is not made again."""

import os
import sys
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from itertools import accumulate
from pathlib import Path

from meddef_lib import params, paths
from meddef_lib.app import cluster, estimates, exits, freshness, interim, progress
from meddef_lib.durations import duration
from meddef_lib.engine import scheduler
from meddef_lib.engine.cluster import Cluster, ClusterLost
from meddef_lib.engine.devices import default_workers, resolve_device
from meddef_lib.engine.files import StoreError
from meddef_lib.engine.recipe import Recipe
from meddef_lib.engine.scheduler import CellStatus
from meddef_lib.engine.store import Store
from meddef_lib.engine.workers import Engine, Event, LocalEngine
from meddef_lib.errors import DONE, FAILED, REFUSED, DataError, did_you_mean
from meddef_lib.paper import published
from meddef_lib.paper.audit.finding import counted
from meddef_lib.workbook import notebooks
from meddef_lib.workbook.book import Workbook
from meddef_lib.workbook.cells import prepared
from meddef_lib.workbook.kinds import dataset_of, every_cell, kind_of, kinds


def require_folders() -> None:
    """Make the store and the folder of reports, or say now what would otherwise be said hours later.

    Raises StoreError.
    """
    for name, folder in (("store", paths.store_root()), ("reports", paths.reports_root())):
        try:
            folder.mkdir(parents=True, exist_ok=True)
            writable = os.access(folder, os.W_OK | os.X_OK)
            why = "it is not yours to write to"
        except OSError as error:
            writable, why = False, error.strerror or str(error)
        if not writable:
            raise StoreError(
                f"the folder {folder} of the {name} cannot be written to ({why}); name another one with "
                f"MEDDEF_{name.upper()}"
            )
    Store().locks.require()


def _require_data(book: Workbook) -> None:
    """Raise one DataError that names every data set whose images are missing, not only the first."""
    said: list[str] = []
    for dataset in book.datasets:
        try:
            prepared.recipe(book, dataset)
        except DataError as error:
            said += str(error).splitlines()
    if said:
        raise DataError("\n".join(dict.fromkeys(said)))  # each line once: they share the first


def require_images(book: Workbook, recipes: Sequence[Recipe]) -> None:
    """Raise DataError, before any work, where a split that a missing cell needs is empty or lacks a class."""
    from meddef_lib.data.sources.folders import require_every_class
    from meddef_lib.workbook.cells.prepared import listing

    needed: dict[str, set[str]] = {}
    for name in scheduler.missing(recipes, book.store):
        if of_kind := kinds()[kind_of(name)].splits:
            needed.setdefault(dataset_of(name), set()).update(of_kind)
    for name, splits in needed.items():
        dataset = book.datasets[name]
        if (found := listing(book.profile, dataset)) is not None:
            splits |= set(found.images["split"])
            require_every_class(found.images, dataset, found.folder, splits=sorted(splits))


def needs_yes(book: Workbook, device: str) -> bool:
    """Whether the profile is meant for a GPU and the device is none: work then takes a `--yes`."""
    return book.profile.needs_yes_on_cpu and device == "cpu"


def ask_for_yes(book: Workbook, estimate: estimates.Estimate) -> int:
    """Say what a run on this CPU would cost and how to start it; returns the exit code."""
    print(estimates.text(estimate))
    print(
        f"The profile {book.profile.name} is meant for a GPU. Run again with --yes to start it on this CPU."
    )
    return REFUSED


def reproduce(
    book: Workbook,
    *,
    only: Sequence[str] = (),
    force: Sequence[str] = (),
    device: str,
    workers: int | None = None,
    yes: bool,
    on: Cluster | None = None,
    page_every: float = interim.SECONDS_BETWEEN_PAGES,
) -> int:
    """Run a workbook, here or `on` a cluster, and render its report; returns the exit code.

    `only` names notebooks, `force` cells that are made anew; the page is rendered meanwhile `page_every` so
    many seconds (0: only at the end). Raises UserError.
    """
    started = time.monotonic()
    _require_data(book)
    # of given weights there are none: they show what was trained here
    pages = {} if book.given else notebooks.recipes(book, notebooks.chosen(only))
    forced = _forced(book, force)
    wanted = list(pages.values()) if only else [*every_cell(book).values(), *pages.values()]
    named = {recipe.id for recipe in wanted}
    wanted += [recipe for recipe in forced if recipe.id not in named]
    missing = scheduler.missing(wanted, book.store)
    require_images(book, list(missing.values()))
    device = cluster.device(on, device) if on and (forced or missing) else resolve_device(device)
    if on and (forced or missing):
        book.store.share()
    if forced or missing:  # else a store that can only be read is enough
        require_folders()
    # a cluster's cells are weighed by what they would take here
    measured = resolve_device("auto") if on else device
    estimate = estimates.estimate(book, wanted, measured, workers)
    if needs_yes(book, device) and (estimate.seconds or forced) and not yes:
        return ask_for_yes(book, estimate)
    for recipe in forced:
        book.store.remove(recipe)
    try:
        if forced:
            estimate = estimates.estimate(book, wanted, measured, workers)
        if estimate.seconds and on is None:
            estimates.remember(book.store, estimate, scheduler.missing(wanted, book.store))
        outcomes = compute(
            book,
            wanted,
            device=device,
            workers=workers,
            seconds=estimate.seconds,
            on=on,
            page_every=page_every,
        )
        if all(each.state == "there" for each in outcomes.values()) and freshness.is_current(book):
            index = freshness.folder_of(book) / "index.html"
        else:
            from meddef_lib.app import report_files  # takes seconds, with all that draws

            seconds = time.monotonic() - started
            index = report_files.write(book, outcomes, estimate=estimate.total_seconds, seconds=seconds)
        return _sum_up(outcomes, index, time.monotonic() - started)
    except (KeyboardInterrupt, ClusterLost) as end:
        # what was named is gone: to name it again would remove what has been made of it since
        command = exits.typed(_without_force(sys.argv[1:]))
        if isinstance(end, ClusterLost):
            raise ClusterLost(
                f"{end}. Where a scheduler and workers run again, this goes on:\n    {command}"
            ) from end
        return exits.interrupted(end, command)


def compute(
    book: Workbook,
    recipes: Sequence[Recipe],
    *,
    device: str,
    workers: int | None = None,
    seconds: dict[str, float] | None = None,
    on: Cluster | None = None,
    page_every: float | None = None,
) -> dict[str, CellStatus]:
    """Make what is missing or damaged of `recipes`, on this machine or `on` a cluster, with progress.

    With `page_every` the run is told of meanwhile, and its page rendered (see `interim.pages`).
    """
    threads, deterministic = book.profile.threads, book.profile.deterministic
    missing = scheduler.missing(recipes, book.store)
    options = {
        "device": device,
        "threads": threads,
        "deterministic": deterministic,
        # receipts remember what the paper's numbers and tolerances were when a result was made
        "context": book.store.context | {"published": published.hashes(), "deterministic": deterministic},
        "prepare": "meddef_lib.precision:prepare",
    }

    def start(cells: int) -> Engine:
        if on is not None:
            return cluster.engine(on, book, missing, options)
        return LocalEngine(book.store, options, min(cells, workers or default_workers(device, threads)))

    if not missing:
        return scheduler.compute(recipes, book.store, start, lacking=missing)
    for state in map(book.store.state, missing.values()):
        if state.state == "damaged":
            print(f"damaged, and made anew: {state.id}: {'; '.join(state.changed)}")
    known = {name: (seconds or {}).get(name, 1.0) for name in missing}
    told = nullcontext() if page_every is None else interim.pages(book, page_every, known)
    with progress.shown(len(missing), known) as show, told as note:

        def watch(event: Event) -> None:
            show(event)
            if note is not None:
                note(event)

        return scheduler.compute(recipes, book.store, start, lacking=missing, watch=watch, seconds=known)


def called(name: str, cells: Mapping[str, Recipe], refusal: str) -> dict[str, Recipe]:
    """The cells, by id, that are called `name` or stand below it as below a folder.

    Raises ParamsError, which begins with `refusal`, where there are none.
    """
    name = name.rstrip("/")
    found = {id: recipe for id, recipe in cells.items() if f"{id}/".startswith(f"{name}/")}
    if not found:
        known = {above for id in cells for above in accumulate(id.split("/"), "{}/{}".format)}
        raise params.ParamsError(f"{refusal}; `invoke status` lists them{did_you_mean(name, sorted(known))}")
    return found


def _forced(book: Workbook, names: Sequence[str]) -> list[Recipe]:
    """The cells and notebooks that are to be made anew. Raises ParamsError for a name that fits none."""
    if not names:
        return []
    pages = notebooks.recipes(book, notebooks.every_notebook())
    cells = every_cell(book) | {recipe.id: recipe for recipe in pages.values()}
    found: dict[str, Recipe] = {}
    for name in names:
        found |= called(name, cells, f"--force {name}: there is no such step")
    return list(found.values())


def _without_force(words: Sequence[str]) -> list[str]:
    """The words of a command line without `--force` (or `-f`) and what it names."""
    kept: list[str] = []
    left = iter(words)
    for word in left:
        if word in ("--force", "-f"):
            next(left, None)
        elif not word.startswith(("--force=", "-f")):
            kept.append(word)
    return kept


def _sum_up(outcomes: dict[str, CellStatus], index: Path, seconds: float) -> int:
    counts = Counter(outcome.state for outcome in outcomes.values())
    print(
        f"{counted(counts['made'], 'step')} made, {counts['there']} were there, {counts['failed']} failed"
        + (f", {counts['blocked']} could not start" if counts["blocked"] else "")
        + f"; {duration(seconds)} in all."
    )
    for outcome in outcomes.values():
        if outcome.state == "failed":
            log = f" (log: {outcome.log})" if outcome.log else ""
            print(f"  failed: {outcome.id}: {outcome.text}{log}")
    print(f"The report: {index}")
    return FAILED if counts["failed"] else DONE
