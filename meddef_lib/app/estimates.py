"""What a run will cost: seconds and disk of every missing cell, by the rates of this machine or of another.

What a cell comes to by those, its kind knows; when the last one ends, the engine's schedule tells, played
through with the estimated seconds.
"""

import heapq
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from graphlib import TopologicalSorter
from hashlib import sha256

from meddef_lib import paths
from meddef_lib.app import rates
from meddef_lib.attacks.registry import ATTACKS
from meddef_lib.data.splits import PAPER_SHARES, listed
from meddef_lib.durations import duration
from meddef_lib.engine import scheduler, sealed
from meddef_lib.engine.devices import default_workers
from meddef_lib.engine.recipe import Recipe, canonical_json
from meddef_lib.engine.store import Store
from meddef_lib.errors import DataError
from meddef_lib.paper import published
from meddef_lib.paper.audit.finding import counted
from meddef_lib.params import Dataset, Profile
from meddef_lib.params.devices import Device
from meddef_lib.workbook.book import Workbook
from meddef_lib.workbook.cells import prepared
from meddef_lib.workbook.kinds import Costs, kind_of, kinds

UNSEEN = "unseen"  # in the place of the hash of a manifest


@dataclass(frozen=True)
class Estimate:
    """Seconds of each missing cell on one worker, and what they come to."""

    seconds: dict[str, float] = field(default_factory=dict)
    total_seconds: float = 0.0  # by the clock, on all workers
    network_seconds: float = 0.0  # of them all, of cells that compute networks: a GPU's
    disk_mib: float = 0.0
    workers: int = 1
    images: dict[str, dict[str, int]] = field(default_factory=dict)  # data set -> split -> images
    steps: str = ""  # epochs and steps that it goes by, in words
    there: int = 0


def in_sight(book: Workbook) -> tuple[Workbook, dict[str, str]]:
    """The workbook to plan with, and why images are not here, by data set: then published counts stand in."""
    unseen: dict[str, str] = {}
    for dataset in book.datasets:
        try:
            prepared.recipe(book, dataset)
        except DataError as error:
            if book.profile.data.source == "phantoms":
                raise
            unseen[dataset] = str(error).partition("\n")[0]
    sizes = {book.profile.image_size, book.profile.saliency.image_size or book.profile.image_size}
    names = [book.of_images(dataset, size) for dataset in unseen for size in sizes]
    return (replace(book, manifests=dict.fromkeys(names, UNSEEN)) if unseen else book), unseen


def estimate(
    book: Workbook,
    recipes: Sequence[Recipe],
    device: str,
    workers: int | None = None,
    on: Device | None = None,
) -> Estimate:
    """Estimate what is missing of `recipes`; measures this machine (under a minute) when it is new.

    Or goes by the rates that are known of a device `on` which it would run. Raises CalibrationFailed where
    this machine cannot be measured.
    """
    missing = scheduler.missing(recipes, book.store)
    workers = workers or (1 if on else default_workers(device, book.profile.threads))
    there = len({recipe.id for recipe in recipes} - missing.keys())
    if not missing:
        return Estimate(workers=workers, there=there)
    kind = {name: kinds()[kind_of(name)] for name in missing}
    images = {dataset: _images(book, dataset) for dataset in book.datasets}
    known = {}
    if any(each.needs_rates for each in kind.values()):
        known = rates.of_device(on, book.profile) if on else rates.of_this_machine(book, device)
    costs = Costs(book.profile.image_size, known, images)
    seconds = {name: kind[name].seconds(recipe, costs) for name, recipe in missing.items()}
    return Estimate(
        seconds=seconds,
        total_seconds=schedule(missing, seconds, workers).seconds,
        network_seconds=sum(seconds[name] for name in missing if kind[name].needs_rates),
        disk_mib=sum(kind[name].mib(recipe, costs) for name, recipe in missing.items()),
        workers=workers,
        images=images,
        steps=_steps(book.profile),
        there=there,
    )


def text(found: Estimate) -> str:
    of_kind: dict[str, list[float]] = {}
    for name, seconds in found.seconds.items():
        of_kind.setdefault(kind_of(name), []).append(seconds)
    lines = [
        f"{dataset}: " + ", ".join(f"{number} {split}" for split, number in splits.items()) + " images"
        for dataset, splits in found.images.items()
    ]
    lines += [found.steps] if found.steps else []
    lines += [
        f"{kind:12} {counted(len(all_), 'step'):>10}  {duration(sum(all_)):>8}"
        for kind, all_ in of_kind.items()
    ]
    lines.append(f"there already: {counted(found.there, 'step')}")
    lines.append(
        f"in all about {duration(found.total_seconds)} on {found.workers} worker(s), "
        f"and {found.disk_mib:,.0f} MiB in the store"
    )
    return "\n".join(lines)


def remember(store: Store, found: Estimate, missing: Mapping[str, Recipe]) -> None:
    """Keep the estimates of `missing` cells, so that the report can hold them against what they took."""
    folder = store.root / "calibration" / "estimates"
    seconds = {missing[name].key: round(value, 3) for name, value in found.seconds.items()}
    if not seconds:
        return
    folder.mkdir(parents=True, exist_ok=True)
    text = canonical_json(seconds)
    file = folder / f"{sha256(text.encode()).hexdigest()[:16]}.json"  # several runs may write at once
    sealed.write(file, seconds)


def remembered(store: Store) -> dict[str, float]:
    """Every estimate that `remember` kept, the newest of each cell: its key -> seconds."""
    files = (store.root / "calibration" / "estimates").glob("*.json")
    found: dict[str, float] = {}
    for file in sorted(files, key=lambda file: file.stat().st_mtime_ns):
        found |= sealed.read(file) or {}  # a damaged one is only a memory
    return found


def _steps(profile: Profile) -> str:
    training, attacks = profile.training, profile.attacks
    counts = {
        "epochs": training.epochs,
        "PGD steps in training": training.pgd_steps,
        "attack steps": attacks.steps,
        "epsilons": len(attacks.eps),
        "seeds": len(profile.seeds),
    }
    approximated = {ATTACKS[name].title: ATTACKS[name].approximated(attacks) for name in attacks.methods}
    said = [f"{title} with {how}" for title, how in approximated.items() if how]
    return ", ".join([*(f"{name} {count}" for name, count in counts.items()), *said])


def _images(book: Workbook, dataset: str) -> dict[str, int]:
    """How many images each split will have, before anything was prepared."""
    profile, found = book.profile, book.datasets[dataset]
    if profile.data.source == "phantoms":
        counts = {split: getattr(profile.data.phantoms, split) for split in ("train", "val", "test")}
        if (profile.data.split or found.split) != "published":  # drawn anew from all of them
            counts = {split: round(share * sum(counts.values())) for split, share in PAPER_SHARES.items()}
    else:
        unseen = book.of_images(dataset, profile.image_size) in book.manifests
        here = None if unseen or paths.data_root() is None else prepared.listing(profile, found)
        known = listed(here.images) if here is not None else _printed(found)
        counts = {split: known.get(split, 0) for split in ("train", "val", "test")}
    limits = profile.data.limits
    return {split: min(number, getattr(limits, split) or number) for split, number in counts.items()}


def _printed(dataset: Dataset) -> dict[str, int]:
    """Images of the paper's split; of a data set that it does not print, those of the first known release."""
    facts = published.read().datasets.get(dataset.id)
    return dict(facts.split) if facts else next((known.settings() for known in dataset.releases.values()), {})


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


def schedule(lacking: Mapping[str, Recipe], seconds: Mapping[str, float], workers: int) -> Schedule:
    """Play the schedule of `scheduler.compute` through: `lacking` by id, the `seconds` of each."""
    rank = scheduler.chains(lacking, seconds)
    inputs = {
        name: [inner.id for inner in recipe.inputs.values() if inner.id in lacking]
        for name, recipe in lacking.items()
    }
    place = {name: number for number, name in enumerate(lacking)}
    graph = TopologicalSorter(inputs)
    graph.prepare()
    ready: list[tuple[float, int, str]] = []
    running: list[tuple[float, int, str]] = []
    ended: dict[str, float] = {}
    now = 0.0
    while graph.is_active():
        for name in graph.get_ready():
            heapq.heappush(ready, (-rank[name], place[name], name))
        while ready and len(running) < workers:
            _, number, name = heapq.heappop(ready)
            heapq.heappush(running, (now + seconds[name], number, name))
        now, _, done = heapq.heappop(running)
        ended[done] = now
        graph.done(done)
    chain = [max(ended, key=lambda name: ended[name])] if ended else []
    while chain and inputs[chain[0]]:
        chain.insert(0, max(inputs[chain[0]], key=lambda name: ended[name]))
    worked = sum(seconds[name] for name in lacking)
    return Schedule(
        workers=workers,
        seconds=now,
        efficiency=worked / (workers * now) if now else 1.0,
        chain=tuple(chain),
        chain_seconds=sum(seconds[name] for name in chain),
    )
