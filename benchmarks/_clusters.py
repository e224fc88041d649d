"""A cluster on this machine, for tests and benchmarks: a scheduler and workers, each a process of its own."""

import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil

from meddef_lib import paths
from meddef_lib.engine.cluster import Cluster, offers
from meddef_lib.engine.processes import kill_family

SECONDS_TO_BEGIN = 120.0
SCHEDULER = """
import sys
from meddef_lib.app import cluster
from meddef_lib.engine import cluster_worker
cluster_worker.SCHEDULING["distributed.scheduler.worker-ttl"] = "3s"
sys.exit(cluster.scheduler(port="0", scheduler_file=sys.argv[1]))
"""
WORKER = """
import sys
from meddef_lib.app import cluster
sys.exit(cluster.worker(scheduler_file=sys.argv[1], device="cpu", memory="4000"))
"""


class LocalCluster:
    """A scheduler and workers in `folder`; what was killed is replaced when it is next asked for."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.file = folder / "scheduler.json"
        self.cluster = Cluster(file=self.file)
        self.scheduler: subprocess.Popen[bytes] | None = None
        self.workers: list[subprocess.Popen[bytes]] = []

    def ensure(self, workers: int) -> Cluster:
        """Wait until a scheduler and so many workers are there."""
        if self.scheduler is None or self.scheduler.poll() is not None:
            self.file.unlink(missing_ok=True)
            for worker in self.workers:
                kill_family(worker.pid)
                worker.wait()
            self.scheduler = self._start(SCHEDULER, "scheduler")
            _wait_for(self.file.exists)
        for worker in self.workers:
            if worker.poll() is None:  # one that was stopped learns that it was given up
                send(worker.pid, signal.SIGCONT)
        with self.cluster.connect() as client:
            _wait_for(lambda: self._manned(workers, client))
        return self.cluster

    def _manned(self, workers: int, client: Any) -> bool:
        """Whether there are so many workers; more are started, or some ended, where not."""
        self.workers = [worker for worker in self.workers if worker.poll() is None]
        while len(self.workers) > workers:
            self.workers[-1].terminate()
            self.workers.pop().wait()
        while len(self.workers) < workers:
            self.workers.append(self._start(WORKER, "worker"))
        return len(offers(client)) == workers

    def close(self) -> None:
        """End all of them, however they are."""
        for process in (*self.workers, *filter(None, (self.scheduler,))):
            kill_family(process.pid)
            process.wait()

    def worker_at(self, address: str) -> subprocess.Popen[bytes]:
        """The process of the worker that Dask calls so."""
        port = int(address.rpartition(":")[2])
        for worker in self.workers:
            if any(each.laddr.port == port for each in psutil.Process(worker.pid).net_connections()):
                return worker
        raise LookupError(address)

    def said(self) -> str:
        """What all of them printed."""
        return "".join(file.read_text() for file in sorted(self.folder.glob("*.out")))

    def _start(self, program: str, name: str) -> subprocess.Popen[bytes]:
        (self.folder / "temporary").mkdir(exist_ok=True)
        with (self.folder / f"{name}.out").open("ab") as out:
            return subprocess.Popen(
                [sys.executable, "-c", program, str(self.file)],
                cwd=paths.ROOT,
                env=paths.environment() | {"TMPDIR": str(self.folder / "temporary")},
                stdout=out,
                stderr=out,
                start_new_session=True,
            )


@contextmanager
def local_cluster(folder: Path) -> Iterator[LocalCluster]:
    """A `LocalCluster` that ends with the block."""
    folder.mkdir(parents=True, exist_ok=True)
    found = LocalCluster(folder)
    try:
        yield found
    finally:
        found.close()


def send(pid: int, number: signal.Signals) -> None:
    """Send a signal to a process and what it started."""
    for each in (*psutil.Process(pid).children(recursive=True), psutil.Process(pid)):
        each.send_signal(number)


def _wait_for(happened: Callable[[], bool]) -> None:
    deadline = time.monotonic() + SECONDS_TO_BEGIN
    while not happened():
        if time.monotonic() > deadline:
            raise TimeoutError(f"nothing happened for {SECONDS_TO_BEGIN:.0f} s")
        time.sleep(0.05)
