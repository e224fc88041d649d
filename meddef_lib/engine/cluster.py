"""Where a Dask cluster is and what its workers offer; knows Dask by name alone until it is asked for."""

import asyncio
import importlib.util
import json
import logging
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from meddef_lib.errors import FAILED, UserError

CELL, GPU, MEMORY = "CELL", "GPU", "MEMORY_MIB"  # what a worker offers; only ours have CELL
Needs = Mapping[str, float]
SECONDS_TO_CONNECT = 30.0
SECONDS_FOR_A_WORKER = 600.0  # that a run waits for one, when it begins or when all have gone


class ClusterRefused(UserError):
    """There is no such cluster, or it offers no worker that could make a cell; the message says which."""


class ClusterLost(UserError):
    """The scheduler went away during a run; the message says what of it is kept."""

    exit_code = FAILED


@dataclass(frozen=True)
class Cluster:
    """Where a cluster's scheduler is: an address such as tcp://host:8786, or the file that it writes."""

    address: str = ""
    file: Path | None = None

    def __str__(self) -> str:
        return self.address or str(self.file)

    def connect(self) -> Any:
        """A client of Dask. Raises ClusterRefused where nobody answers."""
        distributed = library()
        address = self.tells()
        try:
            asyncio.run(_require_answer(distributed, address))
            return distributed.Client(address, timeout=SECONDS_TO_CONNECT, set_as_default=False)
        except (OSError, ValueError, TypeError) as error:  # TypeError: TLS without a key
            raise ClusterRefused(
                f"no scheduler answers at {self} ({str(error) or type(error).__name__}); start one with "
                "`invoke scheduler`, or look at its address and, for tls://, its certificates"
            ) from error

    def tells(self) -> str:
        """The scheduler's address; of a file, which may just be being written, when it is there.

        Raises ClusterRefused.
        """
        deadline = time.monotonic() + SECONDS_TO_CONNECT
        while self.file is not None:
            with suppress(FileNotFoundError, ValueError):
                return str(json.loads(self.file.read_text(encoding="utf-8"))["address"])
            if time.monotonic() > deadline:
                raise ClusterRefused(
                    f"there is no scheduler file {self.file}; `invoke scheduler --scheduler-file` writes it"
                )
            time.sleep(0.2)
        return self.address

    def has_gpus(self) -> bool:
        """Whether a worker offers a GPU, when the first are there. Raises ClusterRefused."""
        deadline = time.monotonic() + SECONDS_FOR_A_WORKER
        with self.connect() as client:
            while not (found := offers(client)):
                if time.monotonic() > deadline:
                    raise ClusterRefused(f"no worker came to {self}; start some (`invoke worker`)")
                time.sleep(1)
            return any(GPU in offered for offered in found.values())


async def _require_answer(distributed: ModuleType, address: str) -> None:
    """Raise what kept a scheduler from answering, before there is a client.

    A client that could not connect is closed by the garbage collector, and where that happens while another
    one begins, both wait for each other.
    """
    said = distributed.Security().get_connection_args("client")
    comm = await distributed.comm.connect(address, timeout=SECONDS_TO_CONNECT, **said)
    await comm.close()


def library() -> ModuleType:
    """Dask's `distributed`, which takes a second to import. Raises ClusterRefused where there is none."""
    if importlib.util.find_spec("distributed") is None:
        raise ClusterRefused(
            "a cluster takes Dask (distributed), which is not installed here; this gets it: "
            "pip install -c constraints.txt -e '.[cluster]'"
        )
    import distributed

    for name in list(logging.root.manager.loggerDict):
        if name.partition(".")[0] == "distributed":  # what matters of it, we say ourselves
            logging.getLogger(name).setLevel(logging.CRITICAL)
    return distributed


def offers(client: Any) -> dict[str, Needs]:
    """What each worker that can make cells offers, by its address."""
    workers = client.scheduler_info(n_workers=-1)["workers"]
    return {
        address: worker["resources"]
        for address, worker in workers.items()
        if CELL in worker["resources"] and worker["status"] == "running"
    }


def meets(offered: Needs, needs: Needs) -> bool:
    return all(offered.get(name, 0) >= number for name, number in needs.items())


def in_words(needs: Needs) -> str:
    others = sorted((name, number) for name, number in needs.items() if name != CELL)
    return ", ".join(f"{name} {number:,.0f}" for name, number in others) or "a CPU"


def see(folder: Path) -> bool:
    """Whether a folder is there; when its parent is read, a file system over a network asks its server."""
    with suppress(OSError):
        list(folder.parent.iterdir())
    return folder.is_dir()
