"""The worst case beside AutoAttack itself: `python -m benchmarks.autoattack`, and with `--quick` in minutes.

The same networks, images and budget for both, on the clock of the wall: first this project's `worst_case` as
records have it, then AutoAttack (Croce & Hein 2020) of `pyautoattack` (benchmarks/requirements.txt). Trained
networks come from the store of a profile (MEDDEF_STORE, MEDDEF_DATA); `--quick` trains two for a moment on
made-up images and asks less of both.

AutoAttack's `standard` needs four classes: with fewer it is `apgd-ce, square`; with four its nine targets are
three. A row (`--json` prints them as a list) is a network at a budget:

- `worst_case`, `autoattack`: accuracy in percent; `only_worst_case`, `only_autoattack`: images that fell to
  the one and not to the other;
- `weaker_by`: images that stand in the worst case less those that stand under AutoAttack. The benchmark
  fails where that is more than two of a hundred.
"""

import importlib.util
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from benchmarks import attacks
from benchmarks._rows import parser, say, shown
from meddef_lib import evaluation, models
from meddef_lib.data import prepared as prepared_data
from meddef_lib.engine.devices import resolve_device
from meddef_lib.engine.store import Store
from meddef_lib.params.types import number
from meddef_lib.results import metrics
from meddef_lib.workbook.book import workbook
from meddef_lib.workbook.cells import prepared, train

MOST_WEAKER = 0.02  # of the images
PEER = "pyautoattack"


@dataclass(frozen=True)
class Effort:
    """How much both are asked for; AutoAttack's own where not quick."""

    images: int = 100
    steps: int = 40  # of PGD, which is ours alone
    restarts: int = 5
    apgd_steps: int = 100  # and of FAB, which is AutoAttack's alone
    queries: int = 5000

    def settings(self, eps: float) -> dict[str, Any]:
        """Of the worst case."""
        given = {name: value for name, value in asdict(self).items() if name != "images"}
        return {"eps": eps, "step_size": min(0.01, eps), **given}


QUICK = Effort(images=16, steps=5, restarts=1, apgd_steps=10, queries=100)


@dataclass(frozen=True)
class Subject:
    """A network with images (n, 3, h, w) in [0, 1] and labels, at a budget."""

    name: str
    model: nn.Module
    images: Tensor
    labels: Tensor
    classes: int
    eps: float


@dataclass(frozen=True, kw_only=True)
class Row:
    """What both make of one network."""

    model: str
    eps: float
    images: int
    attacks: str  # of AutoAttack
    clean: float
    worst_case: float
    autoattack: float
    only_worst_case: int
    only_autoattack: int
    weaker_by: int
    worst_case_seconds: float
    autoattack_seconds: float


def main(arguments: Sequence[str] | None = None) -> int:
    said = parser(__doc__, quick="made-up images, less of both: does it work here?")
    said.add_argument("--profile", default="sample", help="whose networks (default: sample)")
    said.add_argument("--set", action="append", default=[], help="a parameter of the profile, as of a run")
    said.add_argument("--models", nargs="+", default=[""], help="what their ids begin with: roct/full")
    said.add_argument("--eps", type=number, nargs="+", default=[0.01], help="budgets (default: 0.01)")
    said.add_argument("--images", type=int, help="test images of each (default: 100)")
    said.add_argument("--queries", type=int, help="of Square, for both (default: 5000)")
    options = said.parse_args(arguments)
    if importlib.util.find_spec(PEER) is None:
        say(f"{PEER} is not installed (see benchmarks/requirements.txt)")
        return 2
    asked = {name: getattr(options, name) for name in ("images", "queries") if getattr(options, name)}
    effort = replace(QUICK if options.quick else Effort(), **asked)
    torch.manual_seed(0)
    if options.quick:
        torch.set_num_threads(1)
        subjects = made_up(effort)
    else:
        subjects = stored(options.profile, options.set, options.models, options.eps, effort)
    rows = []
    for subject in subjects:
        rows.append(compare(subject, effort))
        say(rows[-1])
    print(shown(rows, as_json=options.json))
    if not rows:
        say("the store has none of these networks with its images")
        return 2
    return int(any(row.weaker_by > MOST_WEAKER * row.images for row in rows))


def compare(subject: Subject, effort: Effort) -> Row:
    """Both on one network."""
    computing = evaluation.Computing(batch_size=effort.images, device=subject.images.device.type)
    started = time.monotonic()
    records = evaluation.attack(
        subject.model,
        subject.images,
        subject.labels.cpu(),
        "worst_case",
        effort.settings(subject.eps),
        computing=computing,
    )
    between = time.monotonic()
    names, adversarial = auto_attack(subject, effort)
    ended = time.monotonic()
    clean, ours = (metrics.correct(records, name).to_numpy() for name in ("clean_pred", "adv_pred"))
    # AutoAttack, too, is done with an image that is misclassified before
    theirs = clean & (attacks.predictions(subject.model, adversarial) == subject.labels).cpu().numpy()
    return Row(
        model=subject.name,
        eps=subject.eps,
        images=len(records),
        attacks=", ".join(names),
        clean=100 * float(clean.mean()),
        worst_case=100 * float(ours.mean()),
        autoattack=100 * float(theirs.mean()),
        only_worst_case=int((theirs & ~ours).sum()),
        only_autoattack=int((ours & ~theirs).sum()),
        weaker_by=int(ours.sum() - theirs.sum()),
        worst_case_seconds=round(between - started, 1),
        autoattack_seconds=round(ended - between, 1),
    )


def auto_attack(subject: Subject, effort: Effort) -> tuple[Sequence[str], Tensor]:
    """AutoAttack's attacks, by its names, and what it makes of the images."""
    from pyautoattack import AutoAttack  # type: ignore[import-not-found]

    device = subject.images.device.type
    whole = subject.classes >= 4
    said: dict[str, Any] = {} if whole else {"version": "custom", "attacks": ["apgd-ce", "square"]}
    attack = AutoAttack(subject.model, norm="Linf", eps=subject.eps, seed=0, device=device, **said)
    attack.apgd.n_restarts = 1  # as in `standard`
    for iterated in (attack.apgd, attack.apgd_targeted, attack.fab):
        iterated.n_iter = effort.apgd_steps
    attack.square.n_queries = effort.queries
    for targeted in (attack.apgd_targeted, attack.fab):
        targeted.n_target_classes = min(9, subject.classes - 1)
    found, _ = attack.run_standard_evaluation(subject.images, subject.labels, batch_size=effort.images)
    return attack.attacks_to_run, found


# --- networks --------------------------------------------------------------------------------------------


def stored(
    profile: str, overrides: Sequence[str], wanted: Sequence[str], budgets: Sequence[float], effort: Effort
) -> Iterator[Subject]:
    """Those of a profile that are in its store and whose ids begin with what is wanted."""
    book = workbook(profile, overrides=overrides, store=Store())
    device = resolve_device("auto")
    for dataset in book.datasets:
        data = prepared.recipe(book, dataset)
        for model in book.models(dataset) if book.store.has(data) else ():
            trained = train.recipe(book, model)
            if not model.id.startswith(tuple(wanted)) or not book.store.has(trained):
                continue
            found = prepared_data.load(book.store.folder(data))
            rows = found.subset("test", limit=effort.images)
            images = models.pixels(torch.from_numpy(found.images[rows])).to(device)
            network = models.load(book.store.folder(trained), device).eval().requires_grad_(False)
            for eps in budgets:
                labels = torch.from_numpy(found.labels[rows]).to(device)
                yield Subject(model.id, network, images, labels, len(book.datasets[dataset].classes), eps)


class Two(nn.Module):
    """The first two classes of a network."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, images: Tensor) -> Tensor:
        return self.network(images)[:, :2]


def made_up(effort: Effort) -> Iterator[Subject]:
    """A network of four classes and one of two, each right on its images, where some outlast PGD."""
    network = attacks.trained_network(attacks.QUICK.training_batches).requires_grad_(False)
    images = attacks.made_up_images(effort.images, 64)[0]
    for classes, model in ((4, network), (2, Two(network).eval())):
        labels = attacks.predictions(model, images)
        eps = attacks.eps_that_a_third_survive(model, images, labels, effort.steps, effort.images)
        yield Subject(f"made up, {classes} classes", model, images, labels, classes, eps)


if __name__ == "__main__":
    sys.exit(main())
