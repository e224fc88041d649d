"""A run on a cluster: which one, and `invoke scheduler` and `invoke worker`, which it is made of."""

import asyncio
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from meddef_lib import paths
from meddef_lib.app.exits import Ended, command
from meddef_lib.app.options import port_number, whole_number
from meddef_lib.engine import cluster
from meddef_lib.engine.cluster import CELL, GPU, MEMORY, Cluster, Needs
from meddef_lib.engine.cluster_engine import ClusterEngine
from meddef_lib.engine.devices import resolve_device
from meddef_lib.engine.recipe import Recipe
from meddef_lib.errors import UserError
from meddef_lib.workbook.book import Workbook
from meddef_lib.workbook.kinds import kind_of, kinds

# of the main memory of a worker's machine, with some to spare
MIB_OF_A_NETWORK, MIB_OF_ANOTHER_CELL = 3072, 1024
say = partial(print, flush=True)
NAME = "scheduler.json"  # of a scheduler file, as an example


def named(scheduler: str | None, scheduler_file: str | None) -> Cluster | None:
    """The cluster that the options name; None where they name none. Raises UserError."""
    if scheduler and scheduler_file:
        raise UserError("--scheduler and --scheduler-file name a cluster each; leave one of them out")
    if scheduler and not scheduler.startswith(("tcp://", "tls://")):
        raise UserError(
            f"--scheduler is {scheduler!r}; expected an address such as tcp://host:8786, or tls://"
        )
    file = _scheduler_file(scheduler_file)
    return Cluster(scheduler or "", file) if scheduler or file else None


def device(found: Cluster, wanted: str) -> str:
    """What cells that compute networks go by: "auto" is cuda where a worker offers a GPU, else cpu."""
    if wanted == "auto":
        return "cuda" if found.has_gpus() else "cpu"
    if wanted not in ("cpu", "cuda"):
        raise UserError(f"--device is {wanted!r}; a cluster computes on auto, cpu or cuda")
    return wanted


def engine(
    found: Cluster, book: Workbook, missing: Mapping[str, Recipe], options: Mapping[str, Any]
) -> ClusterEngine:
    """The engine that has the missing cells of a workbook made by a cluster. Raises ClusterRefused.

    `options` are those of the worker processes.
    """
    places = paths.variables(book.store.root)
    needs = {name: _needs(name, options["device"]) for name in missing}
    return ClusterEngine(found, store=book.store, options=options, variables=places, needs=needs)


def _needs(cell: str, device: str) -> Needs:
    networks = kinds()[kind_of(cell)].needs_rates
    gpu = {GPU: 1.0} if networks and device == "cuda" else {}
    return {CELL: 1.0, MEMORY: float(MIB_OF_A_NETWORK if networks else MIB_OF_ANOTHER_CELL), **gpu}


@command
def worker(
    scheduler: str | None = None,
    scheduler_file: str | None = None,
    device: str = "auto",
    memory: str | None = None,
) -> int:
    """Make steps for runs on a cluster, one at a time, until its scheduler ends."""
    found = named(scheduler, scheduler_file)
    if found is None:
        raise UserError("a worker needs a scheduler; name it with --scheduler or --scheduler-file")
    asked = None if memory is None else whole_number("--memory", memory, "MiB, a whole number", least=0)
    device = resolve_device(device)
    cluster.library()
    from distributed.system import MEMORY_LIMIT  # of the machine, or what its job is held to

    from meddef_lib.engine.cluster_worker import work

    mib = MEMORY_LIMIT // 2**20 if asked is None else asked
    ended = asyncio.run(work(found, gpu=device == "cuda", memory_mib=float(mib), say=say))
    if ended:
        raise Ended(ended)
    raise cluster.ClusterLost(
        f"the scheduler at {found} is gone, so this worker ends; what it was making goes on from its last "
        "checkpoint"
    )


@command
def scheduler(
    host: str = "127.0.0.1",
    port: str = "8786",
    scheduler_file: str | None = None,
    dashboard: str | None = None,
) -> int:
    """Bring the runs and the workers of a cluster together, until a signal ends it."""
    place = port_number("--port", port)
    cluster.library()
    from meddef_lib.engine.cluster_worker import schedule

    file = _scheduler_file(scheduler_file)
    if file is not None and not file.parent.is_dir():
        raise UserError(f"--scheduler-file is {str(file)!r}, but there is no folder {file.parent}")
    if dashboard is not None:
        _require_address("--dashboard", dashboard)
    try:
        ended = asyncio.run(schedule(host=host, port=place, file=file, dashboard=dashboard, say=say))
    except (OSError, RuntimeError) as error:  # RuntimeError: Dask's, about what kept it from starting
        why = error.__cause__ or error
        raise UserError(
            f"no scheduler can listen at {host}:{port} ({why}); name another --host or --port"
        ) from error
    raise Ended(ended)


def _scheduler_file(said: str | None) -> Path | None:
    """The file that --scheduler-file names; None where it names none. Raises UserError for a folder."""
    file = paths.given(said, "--scheduler-file", Path.cwd()) if said else None
    if file is not None and file.is_dir():
        raise UserError(f"--scheduler-file is {str(file)!r}, a folder; name a file in it: {file / NAME}")
    return file


def _require_address(option: str, said: str) -> None:
    """Raise UserError where an option says no host and port, such as 127.0.0.1:8787."""
    host, _, port = said.rpartition(":")
    wrong = UserError(f"{option} is {said!r}; expected a host and a port, such as 127.0.0.1:8787")
    if not host:
        raise wrong
    try:
        port_number(option, port)
    except UserError as error:
        raise wrong from error
