"""`invoke` tasks: what each does stands in `meddef_lib/app` (most in `commands.py`), with its options.

`invoke --list` names the tasks, `invoke --help TASK` explains one.
"""

import inspect
import sys
from functools import wraps

from invoke import task

from meddef_lib.app import cluster, commands, doctor, options, planning, running, slurm, upkeep

options.show_values()


def _task(command, **settings):
    """A task that takes what a command takes, and exits with its code."""

    @wraps(command)
    def run(c, **said):
        sys.exit(command(**said))

    taken = inspect.signature(command).parameters
    own = inspect.Parameter("c", inspect.Parameter.POSITIONAL_OR_KEYWORD)
    run.__signature__ = inspect.Signature([own, *taken.values()])  # type: ignore[attr-defined]
    several = [name for name, parameter in taken.items() if parameter.annotation == options.Texts]
    said = {name: options.said_of(command.__name__.strip("_"), name)[1] for name in taken}
    return task(run, iterable=several, help=said, **settings)


reproduce = _task(commands.reproduce)
status = _task(running.status)
plan = _task(planning.plan)
accept = _task(commands.accept, positional=["step"])
report = _task(commands.report)
evaluate = _task(commands.evaluate)
export = _task(commands.export, positional=["file"])
import_ = _task(commands.import_, positional=["file"], name="import")
verify = _task(upkeep.verify)
clean = _task(upkeep.clean)
doctor = _task(doctor.doctor)
lab = _task(commands.lab)
audit = _task(commands.audit)
audit_paper = _task(commands.audit_paper)
fetch = _task(commands.fetch)
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
