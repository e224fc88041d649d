"""`invoke reproduce`: cells, then notebooks, then the report; what is there already is not made again."""

import os
import time
from collections.abc import Sequence
from dataclasses import dataclass

from meddef_lib import params, paths
from meddef_lib.app import boundary, plan, progress
from meddef_lib.durations import duration
from meddef_lib.engine import scheduler
from meddef_lib.engine.devices import default_workers, resolve_device
from meddef_lib.engine.files import StoreError
from meddef_lib.engine.recipe import Recipe
from meddef_lib.engine.scheduler import CellStatus
from meddef_lib.engine.store import Store
from meddef_lib.engine.workers import LocalEngine
from meddef_lib.errors import DONE, FAILED, REFUSED
from meddef_lib.paper import published
from meddef_lib.workbook import notebooks
from meddef_lib.workbook.book import Workbook, workbook
from meddef_lib.workbook.cell_ids import dataset_of, kind_of
from meddef_lib.workbook.cells import prepared
from meddef_lib.workbook.kinds import every_cell, kinds


@dataclass(frozen=True)
class Request:
    """What the command line asks for; every field is an option of `invoke reproduce`."""

    profile: str = "smoke"
    datasets: Sequence[str] = ()
    overrides: params.Overrides = ()
    only: Sequence[str] = ()
    force: Sequence[str] = ()
    device: str = "auto"
    workers: int | None = None
    yes: bool = False
    command: str = "invoke reproduce"  # shown as the way to resume
    command_unforced: str = "invoke reproduce"  # the way to resume once `force` has removed what it names


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
    from meddef_lib.data.sources.folders import DataError

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


def ask_for_yes(book: Workbook, estimate: plan.Estimate) -> int:
    """Say what a run on this CPU would cost and how to start it; returns the exit code."""
    print(plan.text(estimate))
    print(
        f"The profile {book.profile.name} is meant for a GPU. Run again with --yes to start it on this CPU."
    )
    return REFUSED


def reproduce(request: Request) -> int:
    """Run a workbook and render its report; returns the exit code. Raises UserError."""
    started = time.monotonic()
    book = workbook(request.profile, datasets=request.datasets, overrides=request.overrides)
    _require_data(book)
    pages = notebooks.recipes(book, notebooks.chosen(request.only))
    forced = _forced(book, request.force)
    wanted = list(pages.values()) if request.only else [*every_cell(book).values(), *pages.values()]
    named = {recipe.id for recipe in wanted}
    wanted += [recipe for recipe in forced if recipe.id not in named]
    require_images(book, wanted)
    device = resolve_device(request.device)
    require_folders()
    estimate = plan.estimate(book, wanted, device, request.workers)
    work = bool(estimate.seconds or forced)
    if needs_yes(book, device) and work and not request.yes:
        return ask_for_yes(book, estimate)
    for recipe in forced:
        book.store.remove(recipe)
    try:
        if forced:
            estimate = plan.estimate(book, wanted, device, request.workers)
        return _make(request, book, wanted, device, estimate, started)
    except KeyboardInterrupt:
        # what was named is gone: to name it again would remove what has been made of it since
        return boundary.interrupted(request.command_unforced if forced else request.command)


def _make(
    request: Request,
    book: Workbook,
    wanted: Sequence[Recipe],
    device: str,
    estimate: plan.Estimate,
    started: float,
) -> int:
    """Compute what is missing of `wanted` and render the report; returns the exit code."""
    from meddef_lib.app import freshness

    plan.remember(book.store, estimate, scheduler.missing(wanted, book.store))
    outcomes = compute(book, wanted, device=device, workers=request.workers, seconds=estimate.seconds)
    if all(outcome.state == "there" for outcome in outcomes.values()) and freshness.is_current(book):
        index = freshness.folder_of(book) / "index.html"
    else:
        from meddef_lib.app import rendering  # takes seconds, with all that draws

        index = rendering.write(book, outcomes, estimate=estimate, seconds=time.monotonic() - started)
    return sum_up(outcomes, str(index), time.monotonic() - started)


def compute(
    book: Workbook,
    recipes: Sequence[Recipe],
    *,
    device: str,
    workers: int | None = None,
    seconds: dict[str, float] | None = None,
) -> dict[str, CellStatus]:
    """Make what is missing of `recipes` on this machine's engine, with progress."""
    threads = book.profile.threads

    def start(cells: int) -> LocalEngine:
        return LocalEngine(
            workers=min(cells, workers or default_workers(device, threads)),
            threads=threads,
            device=device,
            deterministic=book.profile.deterministic,
            store=book.store,
            prepare="meddef_lib.workbook.computing:prepare",
            # receipts remember what the paper's numbers and tolerances were when a result was made
            context={"published": published.hashes(), "deterministic": book.profile.deterministic},
        )

    missing = scheduler.missing(recipes, book.store)
    if not missing:
        return scheduler.compute(recipes, book.store, start)
    known = {name: (seconds or {}).get(name, 1.0) for name in missing}
    with progress.shown(len(missing), known) as watch:
        return scheduler.compute(recipes, book.store, start, watch=watch, seconds=known)


def _forced(book: Workbook, names: Sequence[str]) -> list[Recipe]:
    """The cells that are to be made anew: those called by one of `names`, or below it as below a folder.

    Raises ParamsError for a name that fits none.
    """
    pages = notebooks.recipes(book, notebooks.every_notebook()) if names else {}
    cells = every_cell(book) | {recipe.id: recipe for recipe in pages.values()} if names else {}
    found: dict[str, Recipe] = {}
    for name in names:
        fitting = {id: recipe for id, recipe in cells.items() if id == name or id.startswith(f"{name}/")}
        if not fitting:
            raise params.ParamsError(f"--force {name}: there is no such cell; `invoke status` lists them")
        found |= fitting
    return list(found.values())


def sum_up(outcomes: dict[str, CellStatus], index: str, seconds: float | None = None) -> int:
    """Print how a run ended and where its report is; returns the exit code."""
    counts = {
        state: sum(o.state == state for o in outcomes.values()) for state in ("made", "there", "failed")
    }
    failures = [outcome for outcome in outcomes.values() if outcome.state == "failed"]
    blocked = sum(outcome.state == "blocked" for outcome in outcomes.values())
    print(
        f"{counts['made']} cells made, {counts['there']} were there, {len(failures)} failed"
        + (f", {blocked} could not start" if blocked else "")
        + (f"; {duration(seconds)} in all." if seconds is not None else ".")
    )
    for outcome in failures:
        print(f"  failed: {outcome.id}: {outcome.text}" + (f" (log: {outcome.log})" if outcome.log else ""))
    print(f"The report: {index}")
    return FAILED if failures else DONE
