"""A cluster on this machine for tests and benchmarks: a scheduler and workers, each a process of its own."""

import os
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import psutil

from meddef_lib import paths
from meddef_lib.engine.cluster import Cluster, offers
from meddef_lib.engine.processes import kill_family
from tests.processes import wait_for

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
        self.scheduler: subprocess.Popen | None = None
        self.workers: list[subprocess.Popen] = []

    def ensure(self, workers: int) -> Cluster:
        """Wait until a scheduler and so many workers are there."""
        if self.scheduler is None or self.scheduler.poll() is not None:
            self.file.unlink(missing_ok=True)
            for worker in self.workers:
                kill_family(worker.pid)
                worker.wait()
            self.scheduler = self._start(SCHEDULER, "scheduler")
            wait_for(self.file.exists)
        self.workers = [worker for worker in self.workers if worker.poll() is None]
        while len(self.workers) > workers:
            self.workers[-1].terminate()
            self.workers.pop().wait()
        while len(self.workers) < workers:
            self.workers.append(self._start(WORKER, "worker"))
        with self.cluster.connect() as client:
            wait_for(lambda: len(offers(client)) == workers)
        return self.cluster

    def close(self) -> None:
        for process in (*self.workers, *filter(None, (self.scheduler,))):
            kill_family(process.pid)
            process.wait()

    def worker_at(self, address: str) -> subprocess.Popen:
        """The process of the worker that Dask calls so."""
        port = int(address.rpartition(":")[2])
        for worker in self.workers:
            if any(each.laddr.port == port for each in psutil.Process(worker.pid).net_connections()):
                return worker
        raise LookupError(address)

    def said(self) -> str:
        return "".join(file.read_text() for file in sorted(self.folder.glob("*.out")))

    def _start(self, program: str, name: str) -> subprocess.Popen:
        (self.folder / "temporary").mkdir(exist_ok=True)
        with (self.folder / f"{name}.out").open("ab") as out:
            return subprocess.Popen(
                [sys.executable, "-c", program, str(self.file)],
                cwd=paths.ROOT,
                env=os.environ | {"TMPDIR": str(self.folder / "temporary")},
                stdout=out,
                stderr=out,
                start_new_session=True,
            )


@contextmanager
def local_cluster(folder: Path):
    """A `LocalCluster` that ends with the block."""
    folder.mkdir(parents=True, exist_ok=True)
    found = LocalCluster(folder)
    try:
        yield found
    finally:
        found.close()
