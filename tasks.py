"""`invoke` tasks: calls, no logic. `invoke --list` names them, `invoke --help TASK` explains one."""

import sys
from pathlib import Path

from invoke import task

ROOT = Path(__file__).resolve().parent
PROFILE = {"profile": "smoke, sample, paper, paper_patients or mini (params/profiles)"}
DATA = {
    "dataset": "an id of params/datasets, such as roct; may be given more than once (default: all of the "
    "profile)",
    "data_root": "the folder that holds the images (default: MEDDEF_DATA)",
    "set": "override a parameter, such as training.epochs=3; may be given more than once",
}


@task(
    iterable=["dataset", "set", "only", "force"],
    help={
        **PROFILE,
        **DATA,
        "only": "just these notebooks and what they need, such as 04",
        "force": "make this cell anew, such as train/roct/full; what was computed from it stays: "
        "its key goes by recipes, and those are the same",
        "device": "auto, cpu, cuda or mps",
        "workers": "cells computed side by side (default: one a GPU, or one a core)",
        "yes": "start even where the estimate is long",
    },
)
def reproduce(
    c,
    profile="smoke",
    dataset=None,
    data_root=None,
    set=None,
    only=None,
    force=None,
    device="auto",
    workers=None,
    yes=False,
):
    """Compute what is missing, run the notebooks, render the report."""
    from meddef_lib.app import commands

    sys.exit(commands.reproduce(profile, dataset, data_root, set, only, force, device, workers, yes))


@task(
    iterable=["dataset", "set"],
    help={**PROFILE, **DATA, "why": "also say what changed since a stale cell was made"},
)
def status(c, profile="smoke", dataset=None, data_root=None, set=None, why=False):
    """Say of every cell whether it is there, stale or missing."""
    from meddef_lib.app import commands

    sys.exit(commands.status(profile, dataset, data_root, set, why))


@task(iterable=["dataset", "set"], help={**PROFILE, **DATA})
def plan(c, profile="smoke", dataset=None, data_root=None, set=None, device="auto"):
    """Estimate hours and disk of what is missing, from a short calibration on this machine."""
    from meddef_lib.app import commands

    sys.exit(commands.plan(profile, dataset, data_root, set, device))


@task(
    positional=["cell"],
    iterable=["set"],
    help={
        **PROFILE,
        "data_root": DATA["data_root"],
        "set": DATA["set"],
        "cell": "its id, or what ids begin with, such as train/roct",
        "reason": "kept in the receipts",
        "yes": "do not ask",
    },
)
def accept(c, cell, reason, profile="smoke", data_root=None, set=None, yes=False):
    """Adopt stale results knowingly, with the reason; lists them, and what changed since, and asks first."""
    from meddef_lib.app import commands

    sys.exit(commands.accept(cell, reason, profile, data_root, set, yes))


@task(
    iterable=["dataset", "set"],
    help={
        "profile": f"{PROFILE['profile']}; smoke where none is named",
        **DATA,
        "from_": "a folder with a results.json: draw the page from it, without the store",
    },
)
def report(c, profile=None, dataset=None, data_root=None, set=None, from_=None):
    """Render the report from what is there."""
    from meddef_lib.app import commands

    sys.exit(commands.report(profile, dataset, data_root, set, from_))


@task(
    iterable=["set"],
    help={
        **PROFILE,
        "weights": "a .safetensors file, or a state dict saved by torch",
        "variant": "its id, such as full (meddef_lib/models/variants.py)",
        "dataset": "an id of params/datasets, such as roct",
        "images": "which are tested: test (what the folder calls test), all, or paper (the share that the "
        "paper's own draw gives); default: test where there is one, else all",
        "yes": "start even where the estimate is long",
    },
)
def evaluate(
    c,
    weights,
    variant,
    dataset,
    profile="sample",
    data_root=None,
    set=None,
    images=None,
    device="auto",
    yes=False,
):
    """Put someone's own weights through the same attacks, tables and page."""
    from meddef_lib.app import commands

    sys.exit(commands.evaluate(weights, variant, dataset, profile, data_root, set, device, yes, images))


@task(
    help={
        "stale": "only what no profile asks for: also results and half-done work of runs with --set",
        "yes": "do not ask",
    }
)
def clean(c, stale=False, yes=False):
    """Remove the whole store, or what is stale in it; asks first and says how much."""
    from meddef_lib.app import commands

    sys.exit(commands.clean(stale, yes))


@task
def doctor(c):
    """Look at this machine: Python, torch, device, cv2, disk, locks, data root, kernel."""
    from meddef_lib.app import commands

    sys.exit(commands.doctor())


@task
def lab(c):
    """Open the notebooks in JupyterLab."""
    from meddef_lib.app import commands

    sys.exit(commands.lab())


@task(iterable=["set"], help={**DATA, "json": "print the findings as JSON"})
def audit(c, dataset, data_root=None, set=None, json=False):
    """Audit a data set: counts, duplicates, patients, unreadable files, shortcuts."""
    from meddef_lib.app import commands

    sys.exit(commands.audit(dataset, data_root, set, json))


@task(help={"json": "print the findings as JSON", "paper": "a folder with another paper's tables"})
def audit_paper(c, json=False, paper=None):
    """Check a paper's printed numbers against each other; needs no data and no torch."""
    from meddef_lib.app import commands

    sys.exit(commands.audit_paper(json, paper))


@task(
    help={
        "dataset": "an id of params/datasets, such as roct",
        "data_root": DATA["data_root"],
        "size": "28, 64, 128 or 224 px",
        "archive": "unpack this published archive instead",
    }
)
def fetch(c, dataset, data_root=None, size=64, archive=None):
    """Download the MedMNIST form of a data set, or unpack a published archive; tells where those are."""
    from meddef_lib.app import commands

    sys.exit(commands.fetch(dataset, data_root, size, archive))


@task(positional=["what"], help={"what": "preprocessing, training or attacks", "json": "print rows as JSON"})
def bench(c, what, json=False, quick=False):
    """Measure speed as ratios in one run."""
    from meddef_lib.app import commands

    sys.exit(commands.bench(what, json, quick))


@task
def check(c):
    """Ruff, mypy and the tests."""
    c.run(f'"{sys.executable}" -m ruff check', echo=True)
    c.run(f'"{sys.executable}" -m ruff format --check', echo=True)
    c.run(f'"{sys.executable}" -m mypy', echo=True)
    c.run(f'"{sys.executable}" -m pytest', echo=True)
