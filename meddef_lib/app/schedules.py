"""How a run would go on so many workers: the engine's schedule, played through with estimated seconds."""

import heapq
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from meddef_lib.engine import scheduler
from meddef_lib.engine.recipe import Recipe

GPUS_OF_A_TRAINING = 8
# of eight times as fast: ResNet-50 in mixed precision on 8 A100, by the source of params/devices.yaml
GAIN = 0.84


@dataclass(frozen=True)
class Schedule:
    """A run on `workers` alike: `seconds` by the clock, the share of the workers' time that was worked.

    `chain` are the cells, first to last, each of which waited for the one before, up to that which ended
    last; `chain_seconds` is what they take, and what no number of workers makes shorter.
    """

    workers: int
    seconds: float
    efficiency: float
    chain: tuple[str, ...]
    chain_seconds: float


def run(
    lacking: Mapping[str, Recipe],
    seconds: Mapping[str, float],
    workers: int,
    *,
    widths: Mapping[str, int] = MappingProxyType({}),
) -> Schedule:
    """Play the schedule of `scheduler.compute` through: `lacking` by id, the `seconds` of each.

    `widths` are how many of the workers a cell takes, where that is more than one.
    """
    rank = scheduler.chains(lacking, seconds)
    inputs = {
        name: [inner.id for inner in recipe.inputs.values() if inner.id in lacking]
        for name, recipe in lacking.items()
    }
    waits = {name: len(set(needed)) for name, needed in inputs.items()}
    after: dict[str, list[str]] = {name: [] for name in lacking}
    for name, needed in inputs.items():
        for inner in set(needed):
            after[inner].append(name)
    place = {name: number for number, name in enumerate(lacking)}
    ready = [(-rank[name], place[name], name) for name in lacking if not waits[name]]
    heapq.heapify(ready)
    running: list[tuple[float, int, str]] = []
    free = workers
    ended: dict[str, float] = {}
    now = 0.0
    while ready or running:
        while ready and (wide := min(workers, widths.get(ready[0][2], 1))) <= free:
            _, number, name = heapq.heappop(ready)
            heapq.heappush(running, (now + seconds[name], number, name))
            free -= wide
        now, _, done = heapq.heappop(running)
        ended[done] = now
        free += min(workers, widths.get(done, 1))
        for name in after[done]:
            waits[name] -= 1
            if not waits[name]:
                heapq.heappush(ready, (-rank[name], place[name], name))
    chain = [max(ended, key=lambda name: ended[name])] if ended else []
    while chain and inputs[chain[0]]:
        chain.insert(0, max(inputs[chain[0]], key=lambda name: ended[name]))
    worked = sum(seconds[name] * min(workers, widths.get(name, 1)) for name in lacking)
    return Schedule(
        workers=workers,
        seconds=now,
        efficiency=worked / (workers * now) if now else 1.0,
        chain=tuple(chain),
        chain_seconds=sum(seconds[name] for name in chain),
    )


def on_several(
    seconds: Mapping[str, float], kinds: Mapping[str, str]
) -> tuple[dict[str, float], dict[str, int]]:
    """Seconds and widths, were every training one on several GPUs."""
    trainings = {name for name, kind in kinds.items() if kind in ("train", "distilled")}
    faster = {
        name: each / (GAIN * GPUS_OF_A_TRAINING) if name in trainings else each
        for name, each in seconds.items()
    }
    return faster, dict.fromkeys(trainings, GPUS_OF_A_TRAINING)
