"""What each `invoke` task does: read the parameters, call the library, print, return an exit code.

`invoke --help` shows the names, defaults and docstrings that stand here; an option that is `Texts` may be
given more than once.
"""

import subprocess
import sys
from collections import Counter
from functools import partial
from pathlib import Path

from meddef_lib import params, paths
from meddef_lib.app import cluster, exits, interim, progress, runner, running
from meddef_lib.app.exits import ANEW, command
from meddef_lib.app.options import Texts, port_number, use_data_root, whole_number, workbook_of
from meddef_lib.declared import not_hidden
from meddef_lib.engine import devices
from meddef_lib.engine.processes import run_family
from meddef_lib.errors import DONE, UserError, known_are
from meddef_lib.workbook import notebooks
from meddef_lib.workbook.kinds import every_cell

PORT = "8910"  # of `report --serve`

begun_anew = partial(command, after=ANEW)


@command
def reproduce(
    profile: str = "smoke",
    dataset: Texts = None,
    data_root: str | None = None,
    set: Texts = None,
    only: Texts = None,
    force: Texts = None,
    device: str = "auto",
    workers: str | None = None,
    scheduler: str | None = None,
    scheduler_file: str | None = None,
    yes: bool = False,
    page_every: str = str(interim.SECONDS_BETWEEN_PAGES),
) -> int:
    """Compute what is missing, here or on a cluster, run the notebooks, render the report."""
    on = cluster.named(scheduler, scheduler_file)
    if on is not None and workers is not None:
        raise UserError("--workers are those of this machine; a cluster's are started by `invoke worker`")
    number = None if workers is None else whole_number("--workers", workers, "a whole number from 1")
    return runner.reproduce(
        workbook_of(profile, dataset, data_root, set),
        only=only or (),
        force=force or (),
        device=device,
        workers=number,
        yes=yes,
        on=on,
        page_every=whole_number("--page-every", page_every, "seconds, 0 or a whole number", least=0),
    )


@command
def accept(
    step: str,
    reason: str,
    profile: str = "smoke",
    data_root: str | None = None,
    set: Texts = None,
    yes: bool = False,
) -> int:
    """Adopt stale results knowingly, with the reason; lists them, and what changed since, and asks first."""
    book = workbook_of(profile, (), data_root, set)
    fitting = runner.called(step, every_cell(book), f"there is no step {step!r} in {profile}")
    # with what they are made from: else a run would make that anew beneath what was adopted
    adopted = {each.id: each for recipe in fitting.values() for each in recipe.with_inputs()}
    states = {name: book.store.state(recipe) for name, recipe in adopted.items()}
    stale = [recipe for name, recipe in adopted.items() if states[name].state == "stale"]
    for recipe in stale:
        print(recipe.id)
        for change in states[recipe.id].changed:
            print(f"    {change}")
    others = Counter(states[name].state for name in fitting if states[name].state != "stale")
    print(
        f"{len(stale)} stale results to adopt"
        + "".join(f", {number} {state}" for state, number in sorted(others.items()))
    )
    if not stale and others["missing"]:
        raise UserError(
            f"{step} has no earlier result of the profile {profile} that could be adopted; run it instead"
        )
    if not stale:
        return DONE
    if not yes and not exits.agreed("Adopt them?"):
        print("Nothing was adopted.")
        return DONE
    for recipe in stale:
        book.store.accept(recipe, reason)
    print(f"Adopted; each receipt says so, and why: {reason}")
    return DONE


@begun_anew
def report(
    profile: str | None = None,
    dataset: Texts = None,
    data_root: str | None = None,
    set: Texts = None,
    from_: str | None = None,
    against: str | None = None,
    serve: bool = False,
    port: str = PORT,
) -> int:
    """Render the report from what is there; with --serve show it to browsers of this machine."""
    from meddef_lib.app import report_files, serving
    from meddef_lib.report import page

    at = port_number("--port", port)
    if serve:
        serving.listening(Path(), at).server_close()  # a port that is taken is told before the work
    if from_ is not None:
        asked = {"--profile": profile, "--dataset": dataset, "--data-root": data_root, "--set": set}
        asked |= {"--against": against}
        if unused := [name for name, value in asked.items() if value]:
            raise UserError(
                f"--from draws the page of {from_} as its results.json was written, whatever "
                f"{', '.join(unused)} asks for; leave one of them out"
            )
        index = report_files.drawn_anew(paths.given(from_, "--from", Path.cwd()))
    else:
        book = workbook_of(profile or "smoke", dataset, data_root, set)
        before = None if against is None else page.read(paths.given(against, "--against", Path.cwd()))
        index = report_files.write(book, {}, running=lambda: running.told(book), against=before)
    print(f"The report: {index}", flush=True)
    if serve:
        serving.serve(index.parent, at)
    return DONE


@begun_anew
def export(
    file: str,
    profile: str = "smoke",
    dataset: Texts = None,
    data_root: str | None = None,
    set: Texts = None,
    models: bool = False,
) -> int:
    """Pack the results of a profile for another machine: receipts, records, pictures, results.json."""
    from meddef_lib.app import archive

    book = workbook_of(profile, dataset, data_root, set)
    target = paths.given(file, "the file", Path.cwd())
    print(f"{target}: {archive.export(book, target, models=models)}")
    return DONE


@begun_anew
def import_(file: str) -> int:
    """Verify what `invoke export` packed, render its page, keep its results; or refuse it whole."""
    from meddef_lib.app import importing

    runner.require_folders()
    with progress.steps() as told:
        index, kept = importing.take_over(paths.given(file, "the file", Path.cwd()), told)
    print(kept)
    print(f"The report: {index}")
    return DONE


@command
def evaluate(
    weights: str,
    variant: str,
    dataset: str,
    profile: str = "sample",
    data_root: str | None = None,
    set: Texts = None,
    device: str = "auto",
    yes: bool = False,
    images: str | None = None,
) -> int:
    """Put someone's own weights through the same attacks, tables and page."""
    from meddef_lib.app import given_weights

    file = paths.given(weights, "--weights", Path.cwd())
    book = workbook_of(profile, [dataset], data_root, set)
    return given_weights.evaluate(book, file, variant, images=images, device=device, yes=yes)


@command
def lab() -> int:
    """Open the notebooks in JupyterLab, the first one at once."""
    first = notebooks.every_notebook()[0].file.name
    words = [sys.executable, "-m", "jupyterlab", f"--notebook-dir={paths.NOTEBOOKS}"]
    words.append(f"--LabApp.default_url=/lab/tree/{first}")
    return subprocess.run(words, env=paths.environment(), check=False).returncode


@begun_anew
def bench(what: str, json: bool = False, quick: bool = False) -> int:
    """Measure speed as ratios, (autoattack) strength, or what (faults) damage, (cluster) deaths come to."""
    files = (file.stem for file in not_hidden((paths.ROOT / "benchmarks").glob("*.py")))
    known = sorted(name for name in files if not name.startswith(("_", "test_")))
    if what not in known:
        raise UserError(f"there is no benchmark {what!r}; {known_are(what, known)}")
    options = [*(["--json"] if json else []), *(["--quick"] if quick else [])]
    command = [sys.executable, "-m", f"benchmarks.{what}", *options]
    return run_family(command, cwd=paths.ROOT, env=paths.environment())


@command
def audit(dataset: str, data_root: str | None = None, set: Texts = None, json: bool = False) -> int:
    """Audit a data set: counts, duplicates, patients, unreadable files, shortcuts."""
    from meddef_lib.data import audit_report, image_audit
    from meddef_lib.paper import published
    from meddef_lib.workbook.cells import audit as cell

    use_data_root(data_root)
    source = "folders" if paths.data_root() else "phantoms"
    book = workbook_of("sample" if source == "folders" else "smoke", [dataset], None, set)
    found = book.datasets[dataset]
    with progress.steps() as told:  # on stderr, so that --json prints JSON and nothing else
        folder = book.store.get(
            cell.recipe(book, dataset, told),
            processes=devices.available_cores(),
            progress=told,
            say=lambda text: print(text, file=sys.stderr),
        )
    summary = image_audit.load(folder).summary
    facts = published.read().datasets.get(dataset)
    printed = facts.model_dump(mode="json") if facts else None
    audit_report.show(audit_report.describe(summary, found, printed, source=source), as_json=json)
    return DONE


@command
def fetch(dataset: str, data_root: str | None = None, size: str = "64", archive: str | None = None) -> int:
    """Download the MedMNIST form of a data set, or unpack a published archive; tells where those are."""
    from meddef_lib.data import splits
    from meddef_lib.data.fetch import fetch_medmnist
    from meddef_lib.data.sources import folders
    from meddef_lib.data.unpack import unpack

    use_data_root(data_root)
    root = paths.data_root()
    if root is None:
        raise UserError("fetch needs a folder to put the data into; name it with --data-root or MEDDEF_DATA")
    found = params.read_dataset(dataset)
    with progress.steps() as told:
        if archive is None:
            file = fetch_medmnist(found, root, image_size=size, progress=told)
        else:
            file = paths.given(archive, "--archive", Path.cwd())
            own = partial(folders.require_class_folders, dataset=found, archive=file)
            unpack(file, root, check=own, progress=told)
    if archive is None:
        print(f"Fetched {file}")
        print(f"Use it with --set data.source=medmnist --data-root {root} (or MEDDEF_DATA={root}).")
    else:
        images = folders.list_folder(root, found).images
        print(f"{splits.data_version(splits.listed(images), found)}: {splits.counts(images, found)}")
    return DONE


@command
def audit_paper(json: bool = False, paper: str | None = None) -> int:
    """Check a paper's printed numbers against each other; needs no data and no torch."""
    from meddef_lib.paper.audit.terminal import show

    show(paper, as_json=json)
    return DONE
