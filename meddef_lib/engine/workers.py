"""Where cells are computed: worker processes on this machine, side by side, one thread each on a CPU.

An engine has four methods, so that a cluster can stand in its place: `submit`, `as_completed`, `cancel` and
`close`.
Only recipes travel to a worker and only events come back; results lie in the store, which both can see.
"""

import queue
import threading
from collections.abc import Iterator, Mapping
from typing import Any, Protocol

from meddef_lib.engine.devices import available_cores, gpus_of
from meddef_lib.engine.keeper import Event, Keeper
from meddef_lib.engine.recipe import Recipe
from meddef_lib.engine.store import Store


class Engine(Protocol):
    """What the scheduler asks of whoever computes cells."""

    @property
    def slots(self) -> int:
        """How many cells are computed at once."""
        ...

    def submit(self, recipe: Recipe, rank: float = 0.0) -> None:
        """Have a cell computed whose inputs are all there; a higher `rank` goes first where some wait."""
        ...

    def as_completed(self) -> Iterator[Event]:
        """Events of submitted cells, as they come, until each is done or failed."""
        ...

    def cancel(self) -> None:
        """Give up what is running; results that are whole stay."""
        ...

    def close(self) -> None:
        """End every worker."""
        ...


class LocalEngine:
    """Worker processes on this machine, each with these `options` (see `engine.worker`).

    Fewer workers than GPUs divide them: training one network on several takes a worker that sees several.
    """

    def __init__(self, store: Store, options: Mapping[str, Any], workers: int) -> None:
        processes = max(1, available_cores() // workers)
        options = {**options, "store": str(store.root), "processes": processes}
        self._store = store
        self._events: queue.SimpleQueue[Event] = queue.SimpleQueue()
        self._waiting: queue.SimpleQueue[Recipe | None] = queue.SimpleQueue()
        self._open: set[str] = set()
        self._keepers = [
            Keeper(options, self._events.put, _of_slot(slot, workers, options["device"]))
            for slot in range(workers)
        ]
        self._threads = [
            threading.Thread(target=self._feed, args=(keeper,), daemon=True) for keeper in self._keepers
        ]
        for thread in self._threads:
            thread.start()

    @property
    def slots(self) -> int:
        return len(self._keepers)

    def submit(self, recipe: Recipe, rank: float = 0.0) -> None:
        self._open.add(recipe.id)
        self._waiting.put(recipe)

    def as_completed(self) -> Iterator[Event]:
        while self._open:
            event = self._events.get()
            if event.kind in ("done", "failed"):
                self._open.discard(event.id)
            yield event

    def cancel(self) -> None:
        for keeper in self._keepers:
            keeper.cancel()

    def close(self) -> None:
        for _ in self._keepers:
            self._waiting.put(None)
        for thread in self._threads:
            thread.join()
        self._store.sweep()  # what killed workers left

    def _feed(self, keeper: Keeper) -> None:
        """Have one worker make cells until there are none left."""
        while (recipe := self._waiting.get()) is not None:
            self._events.put(keeper.make(recipe.order()))
        keeper.close()


def _of_slot(slot: int, workers: int, device: str) -> dict[str, str]:
    """What makes a worker see its share of the GPUs."""
    return {"CUDA_VISIBLE_DEVICES": ",".join(gpus_of(slot, workers))} if device == "cuda" else {}
