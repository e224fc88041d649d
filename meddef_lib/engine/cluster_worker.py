"""A worker of a cluster: Dask's, in this process, and beside it the worker process that every engine has.

The two end together: the worker process when this one closes its pipe or dies, and this one when its
scheduler is gone or a signal asks it to end.
"""

import asyncio
import json
import os
import platform
import signal
import tempfile
import threading
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any, cast

import dask
from distributed import Scheduler, Worker, WorkerPlugin, get_worker
from distributed.comm import get_address_host
from distributed.utils import get_ip

from meddef_lib.engine import leases
from meddef_lib.engine.cluster import CELL, GPU, MEMORY, SECONDS_TO_CONNECT, Cluster, ClusterRefused, see
from meddef_lib.engine.devices import available_cores
from meddef_lib.engine.processes import SECONDS_TO_END
from meddef_lib.engine.recipe import canonical_json
from meddef_lib.engine.workers import Event, Keeper

NAME = "meddef"
HTTP_ALONE = "127.0.0.1:0"  # Dask serves pages of its own, by default to the whole network
ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
SCHEDULING = {
    "distributed.scheduler.worker-saturation": 1.0,  # nothing is queued on a worker
    "distributed.scheduler.allowed-failures": 0,  # the driver counts
    "distributed.scheduler.work-stealing": False,  # and decides where a cell goes
    "distributed.scheduler.worker-ttl": "60s",  # one that is silent is gone
}


class Host(WorkerPlugin):
    """Makes the cells that come to a Dask worker, by a worker process of its own, one at a time."""

    name = NAME

    def __init__(self, *, gpu: bool) -> None:
        self._gpu = gpu
        self._keeper: Keeper | None = None
        self._kept_for = ""  # what the process was started with
        self._task = ""
        self._at_work = ("", "")  # the topic and the id of the cell
        self._lock = threading.Lock()

    def setup(self, worker: Worker) -> None:
        self._worker = worker

    def transition(self, key: Any, start: str, finish: str, **_: Any) -> None:
        """End a cell that nobody waits for any more: its run was interrupted, or is dead."""
        if start in ("executing", "long-running") and finish == "released" and key == self._task:
            self.cancel()

    def teardown(self, worker: Worker) -> None:
        self.cancel()

    def cancel(self) -> None:
        """End the worker process, whatever it makes; the next cell gets a new one."""
        with self._lock:
            keeper, self._keeper = self._keeper, None
        if keeper is not None:
            keeper.cancel()
            if not self._task:  # else whoever waits for its answer closes it
                keeper.close()

    def leave(self) -> None:
        """Tell the run whose cell is being made that this worker was asked to end."""
        topic, name = self._at_work
        if topic:
            self._worker.log_event(topic, json.dumps(asdict(Event(name, "leaving"))))

    def make(self, order: dict[str, Any]) -> Event:
        """Have a cell made; how it ended."""
        name, root = order["recipe"]["id"], Path(order["options"]["store"])
        if not see(root) or leases.told(root).get("id") != order["store"]:
            said = (
                f"{platform.node()} does not see the store {root} of this run: it must lie on a file system "
                "that all machines see under one path"
            )
            return Event(name, "failed", text=said)
        for folder in order["inputs"]:  # what another machine has just made
            see(root / folder)
        options = {**order["options"], "processes": available_cores()}
        if options["device"] == "cuda" and not self._gpu:  # a cell that computes no network
            options["device"] = "cpu"
        self._at_work = order["topic"], name
        keeper = self._keeper_for(options, order["variables"])
        self._task = order["task"]
        try:
            outcome = keeper.make(order)
        finally:
            self._task, self._at_work = "", ("", "")
            if keeper is not self._keeper:
                keeper.close()
        return outcome

    def _keeper_for(self, options: dict[str, Any], variables: dict[str, str]) -> Keeper:
        """The process that was started with these options; another one ends, and makes room."""
        wanted = canonical_json([options, variables])
        if wanted != self._kept_for:
            self.cancel()
        with self._lock:
            if self._keeper is None:
                self._keeper = Keeper(options, self._tell, variables)
                self._kept_for = wanted
            return self._keeper

    def _tell(self, event: Event) -> None:
        self._worker.log_event(self._at_work[0], json.dumps(asdict(event)))


def make_cell(text: str) -> str:
    """The one task there is: an order in JSON, answered by how the cell ended, in JSON."""
    order = json.loads(text)
    return json.dumps(asdict(cast(Host, get_worker().plugins[NAME]).make(order)))


async def work(
    cluster: Cluster, *, gpu: bool, memory_mib: float, say: Callable[[str], None]
) -> signal.Signals | None:
    """Make cells for a cluster until its scheduler is gone (None) or a signal asks to end, which is returned.

    Raises ClusterRefused where no scheduler answers.
    """
    host = Host(gpu=gpu)
    offered = {CELL: 1.0, MEMORY: memory_mib} | ({GPU: 1.0} if gpu else {})
    with tempfile.TemporaryDirectory(prefix="meddef-") as folder:
        address = cluster.tells()
        worker = Worker(
            address,
            host=get_ip(
                get_address_host(address)
            ),  # to be reached from where the scheduler is, and no further
            nthreads=1,
            resources=offered,
            memory_limit=0,  # this process holds nothing; what the other one may take is the system's to say
            plugins=(host,),
            name=f"{platform.node()}-{os.getpid()}",
            local_directory=folder,
            death_timeout=SECONDS_TO_CONNECT,
            dashboard_address=HTTP_ALONE,
        )
        ended = _signals()
        try:
            await worker
        except (OSError, ValueError) as error:
            raise ClusterRefused(f"no scheduler answers at {cluster} ({error})") from error
        say(f"a worker of {cluster}, {'with a GPU' if gpu else 'without a GPU'}; Ctrl-C ends it")
        closed = asyncio.create_task(worker.finished())
        await asyncio.wait({closed, ended}, return_when=asyncio.FIRST_COMPLETED)
        if ended.done():
            host.leave()
            await asyncio.sleep(0.1)  # for the word to be sent
        host.cancel()
        await worker.close(timeout=SECONDS_TO_END, executor_wait=False)
        await closed
    return ended.result() if ended.done() else None


async def schedule(
    *, host: str, port: int, file: Path | None, dashboard: str | None, say: Callable[[str], None]
) -> signal.Signals:
    """Run a scheduler until a signal asks it to end, which is returned."""
    with (
        tempfile.TemporaryDirectory(prefix="meddef-") as folder,
        dask.config.set(SCHEDULING | {"temporary-directory": folder}),
    ):
        async with Scheduler(
            host=host,
            port=port,
            scheduler_file=str(file) if file else None,
            dashboard=dashboard is not None,
            dashboard_address=dashboard or HTTP_ALONE,
        ) as scheduler:
            say(f"a scheduler at {scheduler.address}{f', told in {file}' if file else ''}; Ctrl-C ends it")
            try:
                return await _signals()
            finally:
                if file is not None:  # which is this scheduler's: another's stays where this one never began
                    file.unlink(missing_ok=True)


def _signals() -> "asyncio.Future[signal.Signals]":
    """The first signal that asks this process to end, when it comes."""
    loop = asyncio.get_running_loop()
    ended: asyncio.Future[signal.Signals] = loop.create_future()

    def end(number: signal.Signals) -> None:
        if not ended.done():
            ended.set_result(number)

    for number in ENDING:
        if signal.getsignal(number) is not signal.SIG_IGN:
            loop.add_signal_handler(number, end, number)
    return ended
