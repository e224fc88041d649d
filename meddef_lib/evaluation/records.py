"""Records: what an attack did to each image of a data set, one row an image.

Every number, interval and paired test of the report is computed from these rows, without a model. Predictions
and norms are always those of the original network in float32, whatever copy of it the attack ran on: what a
bfloat16 attack claims has been checked again by the time it stands in a row.
"""

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from math import isnan
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from meddef_lib import models, precision
from meddef_lib.attacks.folding import Fast, channels_last_pays, fast_copy
from meddef_lib.attacks.frozen import frozen
from meddef_lib.attacks.registry import ATTACKS, Attack
from meddef_lib.attacks.trace import Trace
from meddef_lib.data import prepared
from meddef_lib.engine.recipe import Progress, Workspace, silent
from meddef_lib.pruning import prune

Picture = dict[str, NDArray[Any]]  # a kept image: its id, its label, and what it was before and after

ROUNDING = 1e-6  # of x + eps in float32: what a change may exceed its budget by
COLUMNS = (
    "image_id",
    "label",
    "clean_pred",
    "adv_pred",
    "worst_pred",
    "clean_confidence",
    "adv_confidence",
    "linf",
    "l2",
    "l0",
    "steps_used",
    "truncated",
    "clean_scores",
    "adv_scores",
    "seconds",
    "attack",
    "eps",
    "early_stop",
)
BATCHES_IN_A_QUEUE = 8  # with early_stop: images that wait to fill the places of those that have fallen


class AttackError(RuntimeError):
    """An attack that returned something other than images within its budget."""


@dataclass(frozen=True)
class Computing:
    """How an attack is computed. `batch_size` changes the last bits of a result; the rest only speed."""

    batch_size: int = 32
    fold: bool = (
        True  # fewer operations in the copy that is attacked, see attacks.folding and attacks.strided
    )
    channels_last: Literal["auto", "on", "off"] = "auto"  # auto: where it pays on this machine
    bfloat16: bool = False
    device: str = "cpu"

    def memory_format(self, images: Tensor) -> torch.memory_format:
        """How images (n, 3, h, w) lie in memory while they are attacked."""
        wanted = self.channels_last
        if wanted == "auto":
            wanted = "on" if channels_last_pays(images, bfloat16=self.bfloat16) else "off"
        return torch.channels_last if wanted == "on" else torch.contiguous_format


def attack(
    model: nn.Module,
    images: Tensor | NDArray[np.uint8],
    labels: Tensor | NDArray[np.int64] | Sequence[int],
    attack: str,
    settings: Mapping[str, Any] | None = None,
    *,
    image_ids: NDArray[np.int64] | Sequence[int] | None = None,
    seed: int = 0,
    computing: Computing = Computing(),
    work: Path | None = None,
    keep: Path | None = None,
    keep_images: int = 0,
    progress: Progress = silent,
) -> pd.DataFrame:
    """Attack every image and return the records, one row an image in the given order.

    images: float (n, 3, h, w) in [0, 1], or grey uint8 (n, h, w), which may be memory-mapped: a batch at a
    time is read. labels: (n,). attack: an id of `ATTACKS`, called with `settings`, and with `seed` and
    `image_ids` where it draws random numbers. With `work`, a folder for this call alone, finished batches are
    kept there and not computed again. With `keep`, the clean and adversarial images of the first
    `keep_images` of each class are written to that .npz file (float32 and uint8).

    Columns: image_id, label, clean_pred, adv_pred, worst_pred, clean_confidence, adv_confidence (softmax of
    the predicted class), clean_scores, adv_scores (softmax, a list in the order of the classes), linf, l2, l0
    (changed values of 3 h w), steps_used, seconds (an equal share of its batch), truncated (JSMA gave up at
    `max_steps`), attack, eps (NaN where there is none), early_stop.

    worst_pred is clean_pred where the clean image is misclassified already, else adv_pred where that is a
    mistake, else the prediction at the first misclassified iterate if there was one. With `early_stop` the
    attack returns that iterate, so adv_pred is no last-iterate prediction. Whatever an attack raises travels
    on. Raises ValueError for an unknown attack, for labels or ids that do not fit the images or the network,
    and for a `work` that holds another call's records, and AttackError for an attack that returns anything
    but images within its budget.
    """
    network = Attacked(model.to(computing.device), computing)
    return _records(
        network,
        images,
        np.asarray(labels, dtype=np.int64),
        np.arange(len(images)) if image_ids is None else np.asarray(image_ids, dtype=np.int64),
        attack,
        dict(settings or {}),
        seed=seed,
        work=work,
        keep=keep,
        keep_images=keep_images,
        progress=progress,
    )


class Attacked:
    """A network under attack: the original, its fast copy, and what it says of clean images.

    Both are made when they are first needed and serve every attack on the same images.
    """

    def __init__(self, model: nn.Module, computing: Computing) -> None:
        self.model = model
        self.computing = computing
        self._fast: Fast | None = None
        self._clean: dict[tuple[int, int], Tensor] = {}

    def fast(self, batch: Tensor) -> Fast:
        """The copy that attacks run on; `batch` shows it the kind of images."""
        if self._fast is None:
            computing = self.computing
            self._fast = fast_copy(
                self.model,
                batch[:2],
                fold=computing.fold,
                strided=computing.fold,
                channels_last=computing.memory_format(batch) == torch.channels_last,
                bfloat16=computing.bfloat16,
            )
        return self._fast

    def scores(self, images: Tensor, network: nn.Module | None = None) -> Tensor:
        """Softmax (n, classes) of the original network in float32, or of its fast copy."""
        if network is None:
            network, images = self.model, images.contiguous()  # whatever the memory format of the attack
        with frozen(network), torch.no_grad():
            parts = [network(part) for part in images.split(self.computing.batch_size)]
        return torch.cat(parts).float().softmax(dim=1)

    def clean_scores(self, start: int, batch: Tensor) -> Tensor:
        """The scores of the clean batch that begins at image `start`, computed once."""
        key = start, len(batch)  # a queue of several batches begins where a batch does
        if key not in self._clean:
            self._clean[key] = self.scores(batch)
        return self._clean[key]


def _records(
    network: Attacked,
    images: Any,
    labels: NDArray[np.int64],
    ids: NDArray[np.int64],
    attack: str,
    settings: dict[str, Any],
    *,
    seed: int,
    work: Path | None,
    keep: Path | None,
    keep_images: int,
    progress: Progress,
) -> pd.DataFrame:
    if attack not in ATTACKS:
        raise ValueError(f"there is no attack {attack!r}; there are {', '.join(ATTACKS)}")
    if labels.shape != (len(images),) or ids.shape != (len(images),):
        raise ValueError(
            f"Each image needs one label and one id; for {len(images)} images there are labels "
            f"{labels.shape} and ids {ids.shape}."
        )
    if work is not None:
        _claim(work, attack, settings, seed, network.computing, keep_images if keep is not None else 0)
    kept = _first_of_each_class(labels, keep_images) if keep is not None else np.array([], dtype=np.int64)
    assault = _Assault(ATTACKS[attack], settings, seed)
    size = network.computing.batch_size * (BATCHES_IN_A_QUEUE if settings.get("early_stop") else 1)
    frames: list[pd.DataFrame] = []
    pictures: list[Picture] = []
    for start in range(0, len(images), size):
        rows = np.arange(start, min(start + size, len(images)))
        finished = work / f"{start:08d}.parquet" if work is not None else None
        chunk = work / f"{start:08d}.npz" if work is not None else None
        wanted = kept[(kept >= rows[0]) & (kept <= rows[-1])]
        if finished is not None and chunk is not None and finished.is_file():
            frames.append(_read(finished, ids[rows]))
            pictures += _saved(chunk) if len(wanted) else []
        else:
            batch = _pixels(images, rows, network.computing)
            frame, adversarial = _attack_batch(network, start, batch, labels[rows], ids[rows], assault)
            taken = [_picture(batch, adversarial, labels, ids, row, row - start) for row in wanted.tolist()]
            if finished is not None and chunk is not None:
                if taken:
                    _save(chunk, taken)
                _write(frame, finished)  # last: its presence means that the batch is whole
            frames.append(frame)
            pictures += taken
        progress(int(rows[-1]) + 1, len(images))
    if keep is not None:
        _save(keep, pictures)
    return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame(columns=list(COLUMNS))


def make(space: Workspace) -> None:
    """Make an "attack/..." or "prune/..." cell: `records.parquet`, and kept images in `adversarial.npz`.

    Settings: split; attack (id, settings); runs, a list of {eps: number or None, rate: share pruned}; scope
    of pruning; batch_size, fold, channels_last, bfloat16; limit (images, stratified, or None); seed;
    keep_images (a class, of the first run). Inputs: model (a trained model), data (a prepared data set). The
    records of all runs stand below each other, with the column `rate`. A pruned model is made in memory.
    """
    settings = space.settings
    data = prepared.load(space.inputs["data"])
    rows = data.subset(settings["split"], limit=settings["limit"], seed=settings["seed"])
    trained = models.load(space.inputs["model"], space.device)
    space.ran["precision"] = precision.name(settings["bfloat16"], space.device)
    computing = Computing(
        batch_size=settings["batch_size"],
        fold=settings["fold"],
        channels_last=settings["channels_last"],
        bfloat16=precision.in_bfloat16(settings["bfloat16"], space.device),
        device=space.device,
    )
    runs = settings["runs"]
    ids = data.index["image_id"].to_numpy()[rows]
    frames: list[pd.DataFrame] = []
    networks: dict[float, Attacked] = {}
    for number, run in enumerate(runs):
        if run["rate"] not in networks:  # one at a time: a pruned network is as large as its original
            model = prune(trained, run["rate"], scope=settings["scope"]) if run["rate"] else trained
            networks = {run["rate"]: Attacked(model, computing)}
        budget = {} if run["eps"] is None else {"eps": run["eps"]}
        # a run may go on where "auto" comes to another precision: it then begins this cell anew
        work = space.work / f"run{number}-{space.ran['precision']}"
        work.mkdir(exist_ok=True)

        def progress(done: int, total: int, text: str = "", number: int = number) -> None:
            space.progress(number * total + done, len(runs) * total, f"run {number + 1} of {len(runs)}")

        records = _records(
            networks[run["rate"]],
            _Rows(data.images, rows),
            data.labels[rows],
            ids,
            settings["attack"]["id"],
            {**settings["attack"]["settings"], **budget},
            seed=settings["seed"],
            work=work,
            keep=space.folder / "adversarial.npz" if settings["keep_images"] and not number else None,
            keep_images=settings["keep_images"],
            progress=progress,
        )
        frames.append(records.assign(rate=float(run["rate"])))
    pd.concat(frames, ignore_index=True).to_parquet(space.folder / "records.parquet", index=False)


class _Rows:
    """Some rows of a memory-mapped array, read when they are asked for."""

    def __init__(self, array: NDArray[np.uint8], rows: NDArray[np.int64]) -> None:
        self._array, self._rows = array, rows

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, places: NDArray[np.int64]) -> NDArray[np.uint8]:
        return self._array[self._rows[places]]


def _pixels(images: Any, rows: NDArray[np.int64], computing: Computing) -> Tensor:
    chosen = torch.as_tensor(images[rows]).to(computing.device)
    batch = models.pixels(chosen) if chosen.dtype == torch.uint8 else chosen
    return batch.contiguous(memory_format=computing.memory_format(batch))


@dataclass(frozen=True)
class _Assault:
    """One attack with its settings and its seed."""

    attack: Attack
    settings: Mapping[str, Any]
    seed: int

    @property
    def worst_case(self) -> bool:
        """Whether it returns the first misclassified image that it meets."""
        return self.attack.worst_case == "always" or bool(self.settings.get("early_stop", False))

    @property
    def stops_at_success(self) -> bool:
        """Whether an image's attack ends where the attacked network falls for it."""
        return self.worst_case or self.attack.stops_at_success

    @property
    def eps(self) -> float:
        """The budget; NaN where the attack has none."""
        return float(self.settings.get("eps", float("nan")))

    def on(
        self, model: nn.Module, images: Tensor, labels: Tensor, ids: Tensor, batch_size: int
    ) -> "_Outcome":
        """Attack images (n, 3, h, w); labels and ids (n,)."""
        given = dict(self.settings)
        if self.attack.seeded:
            given |= {"seed": self.seed, "image_ids": ids}
        if given.get("early_stop"):
            given["batch_size"] = batch_size
        trace = Trace()
        outcome = _Outcome.untouched(images)
        outcome.adversarial = self.attack(model, images, labels, **given, trace=trace)
        outcome.worst = outcome.adversarial if trace.worst is None else trace.worst
        if trace.steps_used is not None:
            outcome.steps_used = trace.steps_used
        if trace.truncated is not None:
            outcome.truncated = trace.truncated
        return outcome


@dataclass
class _Outcome:
    """What became of n images."""

    adversarial: Tensor  # (n, 3, h, w)
    worst: Tensor  # (n, 3, h, w), the first misclassified iterate, else the last
    steps_used: Tensor  # int64 (n,)
    truncated: Tensor  # bool (n,)

    @classmethod
    def untouched(cls, images: Tensor) -> "_Outcome":
        nothing = torch.zeros(len(images), dtype=torch.int64, device=images.device)
        return cls(images, images, nothing, nothing.bool())

    def put(self, places: Tensor, part: "_Outcome") -> None:
        """Take over what became of the images at `places` (bool)."""
        for field in fields(self):
            whole = getattr(self, field.name).clone()
            whole[places] = getattr(part, field.name)
            setattr(self, field.name, whole)


def _attack_batch(
    network: Attacked,
    start: int,
    images: Tensor,
    labels: NDArray[np.int64],
    image_ids: NDArray[np.int64],
    assault: _Assault,
) -> tuple[pd.DataFrame, Tensor]:
    started = time.perf_counter()
    targets, ids = (torch.from_numpy(values).to(images.device) for values in (labels, image_ids))
    clean = network.clean_scores(start, images)
    if not 0 <= labels.min() <= labels.max() < clean.shape[1]:
        raise ValueError(
            f"Labels reach from {labels.min()} to {labels.max()}; the network has the classes 0 to "
            f"{clean.shape[1] - 1}."
        )
    clean_pred = clean.argmax(dim=1)
    outcome = _Outcome.untouched(images)
    fast = network.fast(images)
    # in the worst case an image that is misclassified already has fallen, at step 0
    todo = clean_pred == targets if assault.worst_case else torch.ones_like(targets, dtype=torch.bool)
    after = clean.clone()

    def go(model: nn.Module, places: Tensor) -> None:
        if places.any():
            chosen = images[places], targets[places], ids[places]
            part = assault.on(model, *chosen, network.computing.batch_size)
            outcome.put(places, part)
            after[places] = network.scores(part.adversarial)

    go(fast, todo)
    if assault.stops_at_success:
        # a mistake that only the fast copy makes is none, but has ended the attack: again, on the original
        places = (todo & (after.argmax(dim=1) == targets)).nonzero()[:, 0]
        if len(places):
            claimed = network.scores(outcome.adversarial[places], fast).argmax(dim=1) != targets[places]
            go(network.model, torch.zeros_like(todo).index_fill_(0, places[claimed], True))
    adversarial, worst = outcome.adversarial, outcome.worst
    _verify(images, adversarial, after, image_ids, assault)
    adv_pred = after.argmax(dim=1)
    worst_pred = torch.where(clean_pred == targets, adv_pred, clean_pred)
    # an earlier iterate matters only where neither the image nor the last iterate is a mistake already; one
    # that only the fast copy took for a mistake is none
    open_ = ((worst_pred == targets) & (worst != adversarial).flatten(1).any(dim=1)).nonzero()[:, 0]
    if len(open_):
        worst_pred[open_] = network.scores(worst[open_]).argmax(dim=1)
    change = (adversarial - images).flatten(1)
    columns = {
        "label": targets,
        "clean_pred": clean_pred,
        "adv_pred": adv_pred,
        "worst_pred": worst_pred,
        "clean_confidence": clean.amax(dim=1),
        "adv_confidence": after.amax(dim=1),
        "linf": change.abs().amax(dim=1),
        "l2": change.norm(dim=1),
        "l0": (change != 0).sum(dim=1),
        "steps_used": outcome.steps_used,
        "truncated": outcome.truncated,
    }
    columns_on_cpu = {name: value.cpu().numpy() for name, value in columns.items()}
    frame = pd.DataFrame({"image_id": image_ids, **columns_on_cpu})
    frame["clean_scores"], frame["adv_scores"] = clean.tolist(), after.tolist()
    frame["seconds"] = (time.perf_counter() - started) / len(frame)
    frame["attack"], frame["eps"], frame["early_stop"] = assault.attack.id, assault.eps, assault.worst_case
    return frame, adversarial


def _verify(
    images: Tensor, adversarial: Tensor, after: Tensor, image_ids: NDArray[np.int64], assault: _Assault
) -> None:
    """Raise AttackError for adversarial images that are none: a failed attack is no robust model."""
    change = (adversarial - images).flatten(1).abs().amax(dim=1)
    low, high = adversarial.flatten(1).aminmax(dim=1)
    budget = 1.0 if isnan(assault.eps) else assault.eps
    # written so that NaN fails as well
    sound = (change <= budget + ROUNDING) & (low >= 0) & (high <= 1) & after.isfinite().all(dim=1)
    if not sound.all():
        place = int((~sound).nonzero()[0, 0])
        raise AttackError(
            f"The attack {assault.attack.id} failed on image {image_ids[place]}: its largest change is "
            f"{change[place].item():g} (allowed {budget:g}), its pixels reach from {low[place].item():g} to "
            f"{high[place].item():g}, and the network's scores are {after[place].tolist()}. Look at the "
            "network's logits and gradients on this image."
        )


def _first_of_each_class(labels: NDArray[np.int64], count: int) -> NDArray[np.int64]:
    chosen = [np.flatnonzero(labels == label)[:count] for label in np.unique(labels)]
    return np.sort(np.concatenate(chosen)) if chosen else np.array([], dtype=np.int64)


# --- kept pictures and finished batches -----------------------------------------------------------


def _picture(
    batch: Tensor,
    adversarial: Tensor,
    labels: NDArray[np.int64],
    ids: NDArray[np.int64],
    row: int,
    place: int,
) -> Picture:
    after = adversarial[place].cpu().numpy()
    return {
        "image_id": np.asarray(ids[row]),
        "label": np.asarray(labels[row]),
        "clean": batch[place].cpu().numpy(),
        "adversarial": after,
        "adversarial_uint8": np.round(255 * after).astype(np.uint8),
    }


def _save(file: Path, pictures: Sequence[Picture]) -> None:
    names = pictures[0] if pictures else ()
    part = file.with_suffix(".part.npz")
    arrays: dict[str, Any] = {name: np.stack([picture[name] for picture in pictures]) for name in names}
    np.savez_compressed(part, **arrays)
    part.replace(file)


def _saved(file: Path) -> Iterator[Picture]:
    with np.load(file) as found:
        arrays = {name: found[name] for name in found.files}
    return ({name: array[row] for name, array in arrays.items()} for row in range(len(arrays["label"])))


def _claim(
    work: Path,
    attack: str,
    settings: Mapping[str, Any],
    seed: int,
    computing: Computing,
    kept: int,
) -> None:
    """Write into `work` whose batches it holds. Raises ValueError if they are another call's."""
    said = {"attack": attack, "settings": dict(settings), "seed": seed, "kept": kept, **asdict(computing)}
    del said["device"]  # a run may go on elsewhere: no recipe names a device
    text = json.dumps(said, sort_keys=True, indent=1, default=str)
    file = work / "call.json"
    if file.is_file() and file.read_text(encoding="utf-8") != text:
        raise ValueError(
            f"{work} holds records of another attack, of other settings or another way of computing (see "
            f"{file.name}); give each call a work folder of its own, or delete this one to begin anew."
        )
    part = file.with_suffix(".part")
    part.write_text(text, encoding="utf-8")
    part.replace(file)


def _read(file: Path, image_ids: NDArray[np.int64]) -> pd.DataFrame:
    """A finished batch, which must be about these images."""
    frame = pd.read_parquet(file)
    if not np.array_equal(frame["image_id"], image_ids):
        raise ValueError(
            f"{file} holds records of other images than this call asks for; give each call a work folder of "
            "its own, or delete this one to begin anew."
        )
    return frame


def _write(frame: pd.DataFrame, file: Path) -> None:
    part = file.with_suffix(".part")
    frame.to_parquet(part, index=False)
    part.replace(file)
