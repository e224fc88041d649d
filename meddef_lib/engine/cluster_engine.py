"""Cells computed by the workers of a Dask cluster, which see the same store under the same path.

Dask carries orders and answers (text in JSON) and tells which workers live. Which cell goes where and when is
decided here: a worker has one cell at a time, the cell with the longest chain behind it goes first, and to a
worker that offers what it needs. A cell whose worker is gone is given to another one, a bounded number of
times. What was made lies in the store, so that nothing is lost with a worker, the scheduler or this process.
"""

import json
import queue
import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from meddef_lib.engine import leases
from meddef_lib.engine.cluster import (
    SECONDS_FOR_A_WORKER,
    SECONDS_TO_CONNECT,
    Cluster,
    ClusterLost,
    ClusterRefused,
    Needs,
    in_words,
    meets,
    offers,
    see,
)
from meddef_lib.engine.recipe import Recipe
from meddef_lib.engine.store import Store
from meddef_lib.engine.workers import Event

MOST_LOST_WORKERS = 3  # that a cell may take along
DEATHS = ("KilledWorker", "TimeoutError", "CancelledError", "FutureCancelledError")  # Dask's words for one
SECONDS_BETWEEN_LOOKS = 1.0
SECONDS_TO_BE_SEEN = 60.0  # a shared file system may show a new name late


@dataclass(frozen=True)
class _Assignment:
    recipe: Recipe
    number: int
    address: str
    future: Any


class ClusterEngine:
    """Has cells made by the workers of a cluster.

    `options` go to the worker process that makes a cell, `variables` into its environment. `needs` says of
    every cell, by id, what a worker must offer. Raises ClusterRefused where nobody answers.
    """

    slots = 2**31  # all that is ready may come: which waits is decided here

    def __init__(
        self,
        cluster: Cluster,
        *,
        store: Store,
        options: Mapping[str, Any],
        variables: Mapping[str, str],
        needs: Mapping[str, Needs],
    ) -> None:
        self._cluster = cluster
        self._store = store
        self._needs = needs
        self._run = uuid.uuid4().hex[:8]
        store.share()
        self._order = {
            "store": leases.told(store.root)["id"],
            "options": {**options, "store": str(store.root)},
            "variables": variables,
            "topic": f"meddef-{self._run}",
        }
        self._news: queue.SimpleQueue[Event | _Assignment] = queue.SimpleQueue()
        self._waiting: dict[str, tuple[float, Recipe]] = {}
        self._running: dict[str, _Assignment] = {}
        self._given: dict[str, int] = {}  # how often a cell was given to a worker
        self._lost: dict[str, list[str]] = {}  # workers that went away while they made a cell
        self._last: dict[str, set[str]] = {}  # the inputs of the last cell of each worker
        self._offers: dict[str, Needs] = {}  # of each worker, by its address
        self._leaving: set[str] = set()  # workers that were asked to end
        self._by_others: set[str] = set()  # workers that have cells of other runs
        self._seen_one = False
        self._next_look = 0.0
        self._waits_since: float | None = None
        self._client = cluster.connect()
        self._client.subscribe_topic(
            self._order["topic"], lambda told: self._news.put(Event(**json.loads(told[1])))
        )

    def submit(self, recipe: Recipe, rank: float = 0.0) -> None:
        self._waiting[recipe.id] = rank, recipe

    def as_completed(self) -> Iterator[Event]:
        while self._waiting or self._running:
            if time.monotonic() >= self._next_look:
                yield from self._look()
            self._hand_out()
            try:
                news = self._news.get(timeout=max(0.01, self._next_look - time.monotonic()))
            except queue.Empty:
                continue
            if isinstance(news, _Assignment):
                if self._running.get(news.recipe.id) is news:
                    yield from self._ended(news)
            elif news.kind == "leaving":  # it was asked to end, which is no fault of the cell's
                if news.id in self._running:
                    self._leaving.add(self._running[news.id].address)
                    yield from self._again(self._running[news.id], "was asked to end", counts=False)
            elif news.id in self._running:
                yield news

    def cancel(self) -> None:
        with suppress(Exception):  # a scheduler that is gone has let go of them
            self._client.cancel([attempt.future for attempt in self._running.values()], force=True)

    def close(self) -> None:
        with suppress(Exception):
            self._client.close(timeout=SECONDS_TO_CONNECT)
        self._store.sweep()

    def _look(self) -> Iterator[Event]:
        """See which workers are there. Raises ClusterLost, ClusterRefused."""
        self._next_look = time.monotonic() + SECONDS_BETWEEN_LOOKS
        if self._client.status != "running":
            raise self._gone()
        try:
            found = offers(self._client)
            processing = self._client.processing()
        except Exception as error:
            raise self._gone() from error
        self._offers = {address: found[address] for address in found.keys() - self._leaving}
        self._by_others = {
            address for address, keys in processing.items() if any(self._run not in key for key in keys)
        }
        for attempt in list(self._running.values()):
            if attempt.address not in self._offers:
                yield from self._again(attempt, "is gone")
        if self._offers and not self._seen_one:
            self._seen_one = True
            self._require_what_is_needed()
        if self._running or self._by_others or not self._waiting:
            self._waits_since = None
        elif self._waits_since is None:
            self._waits_since = time.monotonic()
            if not self._can_be_made():
                yield Event("", "said", text=f"waiting for a worker at {self._cluster}")
        elif time.monotonic() - self._waits_since > SECONDS_FOR_A_WORKER and not self._can_be_made():
            raise ClusterRefused(
                f"for {SECONDS_FOR_A_WORKER:.0f} s there was no worker at {self._cluster} that could make "
                f"{next(iter(self._waiting))}; what is finished is kept. Start workers (`invoke worker`), "
                "and the same command again"
            )

    def _can_be_made(self) -> bool:
        return any(
            meets(offered, self._needs[name]) for name in self._waiting for offered in self._offers.values()
        )

    def _require_what_is_needed(self) -> None:
        """Raise ClusterRefused for a cell that no worker can make: Dask would wait for ever."""
        for name, needs in self._needs.items():
            if not any(meets(offered, needs) for offered in self._offers.values()):
                raise ClusterRefused(
                    f"{name} needs a worker with {in_words(needs)}, and none of the {len(self._offers)} at "
                    f"{self._cluster} has that ({'; '.join(map(in_words, self._offers.values()))}); start "
                    "one that has, or ask for another --device"
                )

    def _hand_out(self) -> None:
        busy = {attempt.address for attempt in self._running.values()} | self._by_others
        free = {address: offered for address, offered in self._offers.items() if address not in busy}
        for rank, recipe in sorted(self._waiting.values(), key=lambda waits: -waits[0]):
            needs = self._needs[recipe.id]
            fitting = [address for address, offered in free.items() if meets(offered, needs)]
            # what another run makes comes from there; meanwhile there may be something else to do
            if not fitting or self._store.locks.is_held(recipe.key):
                continue
            inputs = {inner.key for inner in recipe.inputs.values()}
            # spare what others may need (a GPU); then rather where its files have just been read
            address = min(
                fitting,
                key=lambda one: (
                    len(free[one].keys() - needs.keys()),
                    -len(inputs & self._last.get(one, set())),
                ),
            )
            del free[address], self._waiting[recipe.id]
            self._last[address] = inputs
            self._give(recipe, rank, address)
            if not free:
                break

    def _give(self, recipe: Recipe, rank: float, address: str) -> None:
        from meddef_lib.engine.cluster_worker import make_cell

        number = self._given[recipe.id] = self._given.get(recipe.id, 0) + 1
        # a key of its own for every attempt: Dask holds what it was told of a key for as long as anybody asks
        key = f"{recipe.id.partition('/')[0]}-{recipe.key[:16]}-{self._run}.{number}"
        root = self._store.root
        folders = [str(self._store.folder(inner).relative_to(root)) for inner in recipe.inputs.values()]
        order = {**recipe.order(), "inputs": folders, "task": key}
        future = self._client.submit(
            make_cell,
            json.dumps(self._order | order),
            key=key,
            pure=False,
            retries=0,
            workers=[address],  # and no other: whether and where it is tried again, is decided here
            resources=dict(self._needs[recipe.id]),
            priority=int(rank),
        )
        attempt = self._running[recipe.id] = _Assignment(recipe, number, address, future)
        future.add_done_callback(lambda _: self._news.put(attempt))

    def _ended(self, attempt: _Assignment) -> Iterator[Event]:
        """How a cell ended, by what its future holds."""
        if attempt.future.status not in ("finished", "error"):  # cancelled, and not by us
            raise self._gone()
        try:
            event = Event(**json.loads(attempt.future.result(timeout=SECONDS_TO_CONNECT)))
        except Exception as error:  # the worker died meanwhile, or with it
            name = type(error).__name__
            if name in DEATHS:
                yield from self._again(attempt, "is gone")
                return
            event = Event(attempt.recipe.id, "failed", text=f"{attempt.address}: {name}: {error}")
        del self._running[attempt.recipe.id]
        folder = self._store.folder(attempt.recipe)
        if event.kind == "done" and not _appears(folder):
            text = (
                f"the worker at {attempt.address} made {folder}, which does not appear here: the "
                "store must lie on a file system that all machines see under one path"
            )
            event = replace(event, kind="failed", text=text)
        yield event

    def _again(self, attempt: _Assignment, why: str, *, counts: bool = True) -> Iterator[Event]:
        """Have a cell made by another worker, unless it took too many along."""
        recipe = attempt.recipe
        del self._running[recipe.id]
        self._offers.pop(attempt.address, None)
        with suppress(Exception):
            attempt.future.cancel()
        if _appears(self._store.folder(recipe), seconds=0):  # it was just finished
            yield Event(recipe.id, "done")
            return
        text = f"the worker at {attempt.address} {why}, and {recipe.id} is given to another"
        lost = self._lost.setdefault(recipe.id, [])
        if counts:
            lost.append(attempt.address)
        if len(lost) >= MOST_LOST_WORKERS:
            log = self._store.root / "logs" / f"{recipe.id}.log"
            text = (
                f"{len(lost)} workers went away while they made it ({', '.join(lost)}), most likely because "
                "memory ran out on their machines; its log may tell more"
            )
            yield Event(recipe.id, "failed", text=text, details={"log": str(log)})
            return
        self.submit(recipe, rank=float(2**31))
        yield Event(recipe.id, "said", text=text)

    def _gone(self) -> ClusterLost:
        making = ", ".join(sorted(self._running)) or "nothing"
        return ClusterLost(
            f"the scheduler at {self._cluster} is gone, or the network to it. What is finished is kept, and "
            f"what was being made ({making}) goes on from its last checkpoint"
        )


def _appears(folder: Path, *, seconds: float = SECONDS_TO_BE_SEEN) -> bool:
    """Whether a folder that another machine made is seen here, at the latest after some seconds."""
    deadline = time.monotonic() + seconds
    while not see(folder):
        if time.monotonic() >= deadline:
            return False
        time.sleep(0.5)
    return True
