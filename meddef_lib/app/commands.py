"""What each `invoke` task does: read the parameters, call the library, print, return an exit code."""

import os
import shutil
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import ParamSpec

from meddef_lib import params, paths
from meddef_lib.app import plan as planning
from meddef_lib.app import progress, runner
from meddef_lib.app.boundary import command, typed
from meddef_lib.app.runner import Request
from meddef_lib.engine import devices, scheduler
from meddef_lib.engine.store import Store
from meddef_lib.errors import DONE, FAILED, UserError
from meddef_lib.models.variants import VARIANTS
from meddef_lib.workbook.book import Workbook, workbook
from meddef_lib.workbook.cells import train
from meddef_lib.workbook.kinds import every_cell
from meddef_lib.workbook.notebooks import cells_and_pages

LISTED = 20  # folders that `clean --stale` names before it asks
Texts = Sequence[str] | None
P = ParamSpec("P")


@command
def reproduce(
    profile: str,
    dataset: Texts,
    data_root: str | None,
    overrides: Texts,
    only: Texts,
    force: Texts,
    device: str,
    workers: str | int | None,
    yes: bool,
) -> int:
    """`invoke reproduce`."""
    _use_data_root(data_root)
    if workers is not None and (not str(workers).isdigit() or int(workers) < 1):
        raise UserError(f"--workers is {workers!r}; expected a whole number from 1")
    return runner.reproduce(
        Request(
            profile=profile,
            datasets=dataset or (),
            overrides=overrides or (),
            only=only or (),
            force=force or (),
            device=device,
            workers=int(workers) if workers is not None else None,
            yes=yes,
            command=typed(sys.argv[1:]),
            command_unforced=typed(_without_force(sys.argv[1:])),
        )
    )


@command
def status(profile: str, dataset: Texts, data_root: str | None, overrides: Texts, why: bool) -> int:
    """`invoke status`: a line a cell and a notebook."""

    def run(book: Workbook) -> int:
        counts: dict[str, int] = {}
        for recipe in cells_and_pages(book).values():
            state = book.store.state(recipe)
            counts[state.state] = counts.get(state.state, 0) + 1
            print(f"{state.state:8} {recipe.id}")
            if why:
                for change in state.changed:
                    print(f"         {change}")
        print(", ".join(f"{number} {name}" for name, number in sorted(counts.items())))
        return DONE

    return _with_workbook(profile, dataset, data_root, overrides, run)


@command
def plan(profile: str, dataset: Texts, data_root: str | None, overrides: Texts, device: str) -> int:
    """`invoke plan`: hours and disk of what is missing."""

    def run(book: Workbook) -> int:
        recipes = list(cells_and_pages(book).values())
        print(planning.text(planning.estimate(book, recipes, devices.resolve_device(device))))
        return DONE

    return _with_workbook(profile, dataset, data_root, overrides, run)


@command
def accept(prefix: str, reason: str, profile: str, data_root: str | None, overrides: Texts, yes: bool) -> int:
    """`invoke accept`: adopt stale results, the one of this id or all below it as below a folder."""

    def run(book: Workbook) -> int:
        cells = every_cell(book)
        fitting = [
            recipe for name, recipe in cells.items() if f"{name}/".startswith(f"{prefix.rstrip('/')}/")
        ]
        if not fitting:
            raise UserError(f"there is no cell {prefix!r} in {profile}; `invoke status` lists them")
        # with what they are made from: else a run would make that anew beneath what was adopted
        adopted = {each.id: each for recipe in fitting for each in recipe.with_inputs()}
        states = {name: book.store.state(recipe) for name, recipe in adopted.items()}
        stale = [recipe for name, recipe in adopted.items() if states[name].state == "stale"]
        for recipe in stale:
            print(recipe.id)
            for change in states[recipe.id].changed:
                print(f"    {change}")
        others = Counter(states[recipe.id].state for recipe in fitting if recipe not in stale)
        print(
            f"{len(stale)} stale results to adopt"
            + "".join(f", {number} {state}" for state, number in sorted(others.items()))
        )
        if not stale and others["missing"]:
            raise UserError(
                f"{prefix} has no earlier result of the profile {profile} that could be adopted; run it "
                "instead"
            )
        if not stale:
            return DONE
        if not yes and not _agreed("Adopt them?"):
            print("Nothing was adopted.")
            return DONE
        for recipe in stale:
            book.store.accept(recipe, reason)
        print(f"Adopted; each receipt says so, and why: {reason}")
        return DONE

    return _with_workbook(profile, (), data_root, overrides, run)


@command
def report(
    profile: str | None, dataset: Texts, data_root: str | None, overrides: Texts, folder: str | None
) -> int:
    """`invoke report`: render from what is there, or from the results.json and the pictures in `folder`."""
    from meddef_lib.app import rendering
    from meddef_lib.report import page

    if folder is not None:
        asked = {"--profile": profile, "--dataset": dataset, "--data-root": data_root, "--set": overrides}
        if unused := [name for name, value in asked.items() if value]:
            raise UserError(
                f"--from draws the page of {folder} as its results.json was written, whatever "
                f"{', '.join(unused)} asks for; leave one of them out"
            )
        print(f"The report: {page.from_folder(paths.given(folder, '--from', Path.cwd()))}")
        return DONE

    def run(book: Workbook) -> int:
        print(f"The report: {rendering.write(book, {})}")
        return DONE

    return _with_workbook(profile or "smoke", dataset, data_root, overrides, run)


@command
def evaluate(
    weights: str,
    variant: str,
    dataset: str,
    profile: str,
    data_root: str | None,
    overrides: Texts,
    device: str,
    yes: bool,
    images: str | None = None,
) -> int:
    """`invoke evaluate`: someone's own weights through the same attacks, tables and page."""
    from meddef_lib.app import rendering
    from meddef_lib.models import given

    file = paths.given(weights, "--weights", Path.cwd())
    os.environ[given.VARIABLE] = str(file)
    started = time.monotonic()

    def run(book: Workbook) -> int:
        if variant not in VARIANTS:
            raise UserError(f"--variant is {variant!r}; expected one of {', '.join(VARIANTS)}")
        mine = replace(
            book,
            profile=book.profile.model_copy(
                update={
                    "variants": (variant,),
                    "seeds": book.profile.seeds[:1],
                    "data": _tested(book, dataset, images),
                }
            ),
            given=given.digest(file),
            given_name=file.name,
        )
        cells, on = list(every_cell(mine).values()), devices.resolve_device(device)
        runner.require_images(mine, cells)
        runner.require_folders()
        (model,) = mine.models(dataset)
        given.read(train.recipe(mine, model).settings)  # a file that does not fit is refused before any work
        estimate = planning.estimate(mine, cells, on)
        if estimate.seconds and runner.needs_yes(mine, on) and not yes:
            return runner.ask_for_yes(mine, estimate)
        planning.remember(mine.store, estimate, scheduler.missing(cells, mine.store))
        outcomes = runner.compute(mine, cells, device=on, seconds=estimate.seconds)
        name = f"{profile}-{variant}-{mine.given[:8]}"
        seconds = time.monotonic() - started
        folder = paths.reports_root() / name
        index = rendering.write(mine, outcomes, estimate=estimate, seconds=seconds, folder=folder)
        return runner.sum_up(outcomes, str(index), seconds)

    return _with_workbook(profile, [dataset], data_root, overrides, run)


def _tested(book: Workbook, dataset: str, images: str | None) -> params.DataParams:
    """Which images an evaluation tests: those of `--images`, of `--set`, or what the folder calls test.

    As many as there are, unless `--set` limits them. Raises UserError.
    """
    from meddef_lib.workbook.cells import prepared

    data = book.profile.data
    rules = {"test": "published", "all": "all", "paper": params.read_dataset(dataset).split}
    if images is not None and images not in rules:
        raise UserError(f"--images is {images!r}; expected one of {', '.join(rules)}")
    if images is not None and data.split not in (None, rules[images]):
        raise UserError(f"--images {images} and data.split={data.split} name different images; leave one out")
    rule = rules.get(images or "", data.split)
    if rule is None and f"{dataset}.split" in book.overrides:
        rule = book.datasets[dataset].split
    if rule is None:
        as_it_lies = book.profile.model_copy(update={"data": data.model_copy(update={"split": "published"})})
        found = prepared.listing(as_it_lies, book.datasets[dataset])
        rule = "published" if found is None or "test" in set(found.images["split"]) else "all"
    limited = any(key.startswith("data.limits") for key in book.overrides)
    limits = data.limits if limited else data.limits.model_copy(update={"test": None})
    return data.model_copy(update={"split": rule, "limits": limits})


@command
def clean(stale: bool, yes: bool) -> int:
    """`invoke clean`: remove results, after asking."""
    store = Store()
    if stale:
        what, found = _stale(store)
    elif by := store.locks.holder():
        print(f"{by} is making a result in {store.root}: nothing was removed. End it first.", file=sys.stderr)
        return FAILED
    else:
        what, found = "the whole store", store.entries()
    if not found:
        print(f"Nothing to remove under {store.root}.")
        return DONE
    mib = {path: _bytes(path) / 2**20 for path in found}
    print(f"{what} under {store.root}: {sum(mib.values()):,.0f} MiB")
    if stale:
        for path in found[:LISTED]:
            print(f"{mib[path]:10,.1f} MiB  {store.title(path)}")
        if len(found) > LISTED:
            print(f"and {len(found) - LISTED} more")
    if not yes and not _agreed("Remove them?" if stale else "Remove it?"):
        print("Nothing was removed.")
        return DONE
    for path in found:
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()
    if not stale:
        with suppress(OSError):  # what else lies there is not ours, or a disk is mounted there
            store.root.rmdir()
    print("Removed.")
    return DONE


def _stale(store: Store) -> tuple[str, list[Path]]:
    """What no profile asks for: words for it and the folders, half-done work first."""
    books = [workbook(name) for name in params.profile_ids()]
    seen = [book for book in books if _data_are_there(book)]
    folders = store.stale_folders(
        [recipe for book in seen for recipe in cells_and_pages(book).values()],
        spare_source_files=len(seen) < len(books),
    )
    folders.sort(key=lambda folder: folder.parent != store.root / "work")  # may be days: never out of sight
    if len(seen) < len(books):
        return "stale results of phantoms (no real images in sight)", folders
    return "stale results, also those of other parameters (--set),", folders


def _bytes(path: Path) -> int:
    files = path.rglob("*") if path.is_dir() else [path]
    return sum(file.stat().st_size for file in files if file.is_file())


def _agreed(question: str) -> bool:
    try:
        return input(f"{question} [y/N] ").strip().lower() in ("y", "yes")
    except EOFError:  # nobody is there to answer
        print()
        return False


@command
def audit(dataset: str, data_root: str | None, overrides: Texts, as_json: bool) -> int:
    """`invoke audit`: what is in a data set's folder."""
    from meddef_lib.data import audit as auditing
    from meddef_lib.data import audit_report
    from meddef_lib.paper import published
    from meddef_lib.workbook.cells import audit as cell

    _use_data_root(data_root)
    source = "folders" if paths.data_root() else "phantoms"
    profile = "sample" if source == "folders" else "smoke"

    def run(book: Workbook) -> int:
        # news of the run goes to stderr, so that --json prints JSON and nothing else
        with progress.steps() as told:
            folder = book.store.get(
                cell.recipe(book, dataset, told),
                processes=devices.available_cores(),
                progress=told,
                say=lambda text: print(text, file=sys.stderr),
            )
        found = auditing.load(folder).summary
        facts = published.read().datasets.get(dataset)
        printed = facts.model_dump(mode="json") if facts else None
        described = audit_report.describe(found, book.datasets[dataset], printed, source=source)
        audit_report.show(described, as_json=as_json)
        return DONE

    return _with_workbook(profile, [dataset], data_root, overrides, run)


@command
def fetch(dataset: str, data_root: str | None, size: str | int, archive: str | None) -> int:
    """`invoke fetch`: the MedMNIST file of a data set, or the content of a published archive."""
    from meddef_lib.data import fetch as fetching
    from meddef_lib.data import splits, unpack
    from meddef_lib.data.sources import folders, medmnist

    _use_data_root(data_root)
    root = paths.data_root()
    if root is None:
        raise UserError("fetch needs a folder to put the data into; name it with --data-root or MEDDEF_DATA")
    found = params.read_dataset(dataset)
    if archive is None:
        downloads = medmnist.form(found).downloads
        if str(size) not in downloads:
            raise UserError(f"--size is {size!r}; expected one of {', '.join(downloads)}")
        with progress.steps() as told:
            file = fetching.fetch(found, root, image_size=int(size), progress=told)
        print(f"Fetched {file}")
        print(f"Use it with --set data.source=medmnist --data-root {root} (or MEDDEF_DATA={root}).")
    else:
        with progress.steps() as told:
            unpack.unpack(paths.given(archive, "--archive", Path.cwd()), root, progress=told)
        images = folders.list_folder(root, found).images
        print(f"{splits.data_version(splits.listed(images), found)}: {splits.counts(images, found)}")
    return DONE


@command
def audit_paper(as_json: bool, paper: str | None) -> int:
    """`invoke audit-paper`: a paper's printed numbers against each other."""
    from meddef_lib.paper.audit.__main__ import main

    return main([*(["--json"] if as_json else []), *(["--paper", paper] if paper else [])])


@command
def doctor() -> int:
    """`invoke doctor`: a look at this machine."""
    from meddef_lib.app.doctor import main

    return main()


@command
def lab() -> int:
    """`invoke lab`: JupyterLab on the notebooks, with this checkout's library."""
    words = [sys.executable, "-m", "jupyterlab", f"--notebook-dir={paths.NOTEBOOKS}"]
    return subprocess.run(words, env=paths.environment(), check=False).returncode


@command
def bench(what: str, as_json: bool, quick: bool) -> int:
    """`invoke bench`: one of the programs in benchmarks/."""
    known = sorted(file.stem for file in (paths.ROOT / "benchmarks").glob("*.py") if file.stem[0] != "_")
    known = [name for name in known if not name.startswith("test_")]
    if what not in known:
        raise UserError(f"there is no benchmark {what!r}; there are {', '.join(known)}")
    options = [*(["--json"] if as_json else []), *(["--quick"] if quick else [])]
    command = [sys.executable, "-m", f"benchmarks.{what}", *options]
    return subprocess.run(command, cwd=paths.ROOT, env=paths.environment(), check=False).returncode


def _use_data_root(data_root: str | None) -> None:
    """The data root travels in the environment: kernels and workers inherit it."""
    if data_root:
        os.environ["MEDDEF_DATA"] = str(paths.given(data_root, "--data-root", Path.cwd()))


def _with_workbook(
    profile: str,
    datasets: Texts,
    data_root: str | None,
    overrides: Texts,
    run: Callable[[Workbook], int],
) -> int:
    """Read the parameters, then `run`. Raises UserError."""
    _use_data_root(data_root)
    return run(workbook(profile, datasets=datasets or (), overrides=overrides or ()))


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


def _data_are_there(book: Workbook) -> bool:
    from meddef_lib.data.sources.folders import DataError

    try:
        return bool(every_cell(book))
    except DataError:
        return False
