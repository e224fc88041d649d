"""What a run will cost: seconds and disk of every missing cell, from a short calibration of this machine.

The calibration times the three things that a workbook spends its hours on (forward passes, input gradients
and training steps) on the smallest and the largest network of the tables and on those for comparison that are
built of something else, and is remembered for the machine, the device and the image size. What a cell comes
to by those, its kind knows.
"""

import json
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256

from meddef_lib import paths
from meddef_lib.attacks.registry import ATTACKS
from meddef_lib.data.splits import PAPER_SHARES, listed
from meddef_lib.durations import duration
from meddef_lib.engine import scheduler, sealed
from meddef_lib.engine.devices import default_workers
from meddef_lib.engine.receipts import environment
from meddef_lib.engine.recipe import Recipe, canonical_json
from meddef_lib.engine.store import Store
from meddef_lib.errors import FAILED, UserError
from meddef_lib.models.variants import FULL, RESNET18, VARIANTS
from meddef_lib.paper import published
from meddef_lib.params import Dataset, Profile
from meddef_lib.workbook.book import Workbook
from meddef_lib.workbook.kinds import Costs, Rates, kind_of, kinds


class CalibrationFailed(UserError):
    """The machine could not be measured; the message holds what the measuring process said."""

    exit_code = FAILED


@dataclass(frozen=True)
class Estimate:
    """Seconds of each missing cell on one worker, and what they come to."""

    seconds: dict[str, float] = field(default_factory=dict)
    total_seconds: float = 0.0  # by the clock, on all workers
    disk_mib: float = 0.0
    workers: int = 1
    images: dict[str, dict[str, int]] = field(default_factory=dict)  # data set -> split -> images
    steps: str = ""  # epochs and steps that it goes by, in words
    there: int = 0


def estimate(book: Workbook, recipes: Sequence[Recipe], device: str, workers: int | None = None) -> Estimate:
    """Estimate what is missing of `recipes`; measures this machine (under a minute) when it is new.

    Raises CalibrationFailed where it cannot be measured.
    """
    missing = scheduler.missing(recipes, book.store)
    workers = workers or default_workers(device, book.profile.threads)
    there = len({recipe.id for recipe in recipes} - missing.keys())
    if not missing:
        return Estimate(workers=workers, there=there)
    every_kind = kinds()
    images = {dataset: _images(book, dataset) for dataset in book.datasets}
    measured = any(every_kind[kind_of(name)].needs_rates for name in missing)
    costs = Costs(book.profile.image_size, _rates(book, device) if measured else {}, images)
    seconds = {name: every_kind[kind_of(name)].seconds(recipe, costs) for name, recipe in missing.items()}
    longest = max(scheduler.chains(missing, seconds).values())
    pixels = sum(sum(splits.values()) for splits in images.values()) * book.profile.image_size**2
    return Estimate(
        seconds=seconds,
        total_seconds=max(longest, sum(seconds.values()) / workers),
        disk_mib=sum(every_kind[kind_of(name)].mib for name in missing) + pixels / 2**20,
        workers=workers,
        images=images,
        steps=_steps(book.profile),
        there=there,
    )


def text(found: Estimate) -> str:
    """The estimate as lines for a terminal."""
    of_kind: dict[str, list[float]] = {}
    for name, seconds in found.seconds.items():
        of_kind.setdefault(kind_of(name), []).append(seconds)
    lines = [
        f"{dataset}: " + ", ".join(f"{number} {split}" for split, number in splits.items()) + " images"
        for dataset, splits in found.images.items()
    ]
    lines += [found.steps] if found.steps else []
    lines += [f"{kind:12} {len(all_):4} cells  {duration(sum(all_)):>8}" for kind, all_ in of_kind.items()]
    lines.append(f"{found.there} cells are there already")
    lines.append(
        f"in all about {duration(found.total_seconds)} on {found.workers} worker(s), "
        f"and {found.disk_mib:,.0f} MiB in the store"
    )
    return "\n".join(lines)


def remember(store: Store, found: Estimate, missing: Mapping[str, Recipe]) -> None:
    """Keep the estimates of `missing` cells (by id), so that the report can hold them against what they took.

    A cell that was made in the meantime keeps what was foreseen of it; several runs may write at once, each
    its own file.
    """
    folder = store.root / "calibration" / "estimates"
    seconds = {missing[name].key: round(value, 3) for name, value in found.seconds.items()}
    if not seconds:
        return
    folder.mkdir(parents=True, exist_ok=True)
    text = canonical_json(seconds)
    file = folder / f"{sha256(text.encode()).hexdigest()[:16]}.json"
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
        known = _listed(profile, found) or _printed(found)
        counts = {split: known.get(split, 0) for split in ("train", "val", "test")}
    limits = profile.data.limits
    return {split: min(number, getattr(limits, split) or number) for split, number in counts.items()}


def _printed(dataset: Dataset) -> dict[str, int]:
    """Images of the paper's split; of a data set that it does not print, those of the first known release."""
    facts = published.read().datasets.get(dataset.id)
    return dict(facts.split) if facts else next((known.settings() for known in dataset.releases.values()), {})


def _listed(profile: Profile, dataset: Dataset) -> dict[str, int]:
    """Images of the reader's own files, split as the profile says; empty without a data root."""
    from meddef_lib.workbook.cells.prepared import listing

    found = listing(profile, dataset) if paths.data_root() is not None else None
    return {} if found is None else listed(found.images)


def _timed(profile: Profile) -> list[str]:
    """The smallest and the largest network of the tables, and those that are built of something else."""
    known = {RESNET18.network, FULL.network}
    named = dict.fromkeys((*profile.variants, *profile.comparison.networks))
    others = [name for name in named if VARIANTS[name].network not in known]
    return [RESNET18.id, FULL.id, *others]


def _rates(book: Workbook, device: str) -> dict[str, Rates]:
    """The rates of this machine, measured once and remembered in the store. Raises CalibrationFailed."""
    profile = book.profile
    options = {
        "variants": _timed(profile),
        "device": device,
        "threads": profile.threads,
        "image_size": profile.image_size,
        "model": profile.model.settings("pretrained"),
        "autocast": profile.training.autocast,
        "bfloat16": profile.evaluation.bfloat16,
    }
    machine = {key: environment()[key] for key in ("processor", "packages")}
    name = sha256(canonical_json({**machine, **options}).encode()).hexdigest()[:16]
    file = book.store.root / "calibration" / f"{name}.json"
    measured = sealed.read(file)
    if measured is None:
        print(f"measuring this machine once ({device}, {book.profile.image_size} px) ...", flush=True)
        command = [sys.executable, "-m", "meddef_lib.app.calibration", json.dumps(options)]
        with tempfile.TemporaryDirectory(prefix="meddef-") as temporary:  # torch leaves a folder there
            own = paths.environment() | {"TMPDIR": temporary}
            done = subprocess.run(
                command, cwd=paths.ROOT, env=own, capture_output=True, text=True, check=False
            )
        if done.returncode:
            last = (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
            raise CalibrationFailed(
                f"this machine could not be measured ({device}, {book.profile.image_size} px); "
                f"`invoke doctor` may tell why. The measurement ended with: {last}"
            )
        file.parent.mkdir(parents=True, exist_ok=True)
        measured = json.loads(done.stdout)
        sealed.write(file, measured)
    return {variant: Rates(**rates) for variant, rates in measured.items()}
