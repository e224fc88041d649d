"""`invoke` tasks: what each does stands in `meddef_lib/app` (most in `commands.py`), with its options.

`invoke --list` names the tasks, `invoke --help TASK` explains one.
"""

import inspect
import sys
from functools import wraps

from invoke import task

from meddef_lib.app import cluster, commands, data_commands, opening, slurm

HELP = {
    "profile": "smoke, sample, paper, paper_patients or mini (params/profiles); smoke where none is named",
    "dataset": "an id of params/datasets, such as roct; where a profile is run, more than once or none for "
    "all of it",
    "data_root": "the folder that holds the images (default: MEDDEF_DATA)",
    "set": "override a parameter, such as training.epochs=3; may be given more than once",
    "only": "just these notebooks and what they need, such as 04",
    "force": "make this cell anew, such as train/roct/full; what was computed from it stays: its key goes by "
    "recipes, and those are the same",
    "device": "auto, cpu, cuda or mps",
    "on": "plan for a device that is not here: h100, a100, rtx4090, t4 or cpu (params/devices.yaml)",
    "picture": "where to draw time and use by workers, such as plan.svg",
    "workers": "cells computed side by side (default: one a GPU, or one a core); for a plan also several "
    "numbers, such as 1,8,64",
    "scheduler": "of a cluster that computes the cells, such as tcp://host:8786",
    "scheduler_file": "the file in which the scheduler tells where it is, instead of its address",
    "memory": "of the main memory, what cells may take, in MiB (default: what this machine or job has)",
    "gpus": "one for each worker; 0 with --workers for workers that compute on CPUs",
    "hours": "after which SLURM ends the job; the same script submitted again goes on",
    "cpus": "cores of each worker",
    "host": "whom to listen to: an address of this machine; 127.0.0.1 is itself alone (see SECURITY.md)",
    "port": "where to listen; 0 for any that is free",
    "dashboard": "also show in a browser what is done, at such an address as 127.0.0.1:8787 (needs bokeh)",
    "page_every": "seconds between renderings of the page while the run goes on (0: only at its end)",
    "yes": "do not ask, and start even where the estimate is long",
    "why": "also say what changed since a stale cell was made",
    "cell": "its id, or what ids begin with, such as train/roct",
    "reason": "kept in the receipts",
    "from_": "a folder with a results.json: draw the page from it, without the store",
    "against": "the results.json of an earlier run, elsewhere: the page says what changed since",
    "serve": "show the page to browsers of this machine; it reloads itself when it was rendered anew",
    "watch": "say again every so many seconds how far a run is, who makes what, and what is left",
    "weights": "a .safetensors file, or a state dict saved by torch",
    "variant": "its id, such as full (meddef_lib/models/variants.py)",
    "file": "the archive",
    "models": "pack the networks, too",
    "images": "which are tested: test (what the folder calls test), all, or paper (the share that the "
    "paper's own draw gives); default: test where there is one, else all",
    "stale": "only what no profile asks for: also results and half-done work of runs with --set",
    "repair": "make what is damaged anew",
    "json": "print the findings, or the rows, as JSON",
    "paper": "a folder with another paper's tables",
    "size": "28, 64, 128 or 224 px",
    "archive": "unpack this published archive instead",
    "what": "preprocessing, training, attacks, autoattack, faults or cluster",
    "quick": "measure less",
}


def _task(command, **options):
    """A task that takes what a command takes, and exits with its code."""

    @wraps(command)
    def run(c, **said):
        sys.exit(command(**said))

    taken = inspect.signature(command).parameters
    own = inspect.Parameter("c", inspect.Parameter.POSITIONAL_OR_KEYWORD)
    run.__signature__ = inspect.Signature([own, *taken.values()])  # type: ignore[attr-defined]
    several = [name for name, parameter in taken.items() if parameter.annotation == opening.Texts]
    return task(run, iterable=several, help={name: HELP[name] for name in taken if name in HELP}, **options)


reproduce = _task(commands.reproduce)
status = _task(commands.status, optional=["watch"])
plan = _task(commands.plan)
accept = _task(commands.accept, positional=["cell"])
report = _task(commands.report)
evaluate = _task(commands.evaluate)
export = _task(commands.export, positional=["file"])
import_ = _task(commands.import_, positional=["file"], name="import")
verify = _task(commands.verify)
clean = _task(commands.clean)
doctor = _task(commands.doctor)
lab = _task(commands.lab)
audit = _task(data_commands.audit)
audit_paper = _task(data_commands.audit_paper)
fetch = _task(data_commands.fetch)
bench = _task(commands.bench)
scheduler = _task(cluster.scheduler)
worker = _task(cluster.worker)
slurm = _task(slurm.slurm)


@task
def check(c):
    """Ruff, mypy and the tests."""
    c.run(f'"{sys.executable}" -m ruff check', echo=True)
    c.run(f'"{sys.executable}" -m ruff format --check', echo=True)
    c.run(f'"{sys.executable}" -m mypy', echo=True)
    c.run(f'"{sys.executable}" -m pytest', echo=True)
