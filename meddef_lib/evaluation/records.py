"""Records: what an attack did to each image of a data set, one row an image.

Every number, interval and paired test of the report is computed from these rows, without a model.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from meddef_lib import precision
from meddef_lib.attacks.registry import ATTACKS
from meddef_lib.data import prepared
from meddef_lib.engine.recipe import Progress, Workspace, silent
from meddef_lib.evaluation import finished
from meddef_lib.evaluation.attacked import Attacked, Computing
from meddef_lib.evaluation.batch import COLUMNS, Method, attack_batch
from meddef_lib.inference_mode import outside_inference_mode
from meddef_lib.models import files
from meddef_lib.models.blocks import pixels
from meddef_lib.pruning import prune

AS_USUAL = Computing()
BATCHES_IN_A_QUEUE = 8  # with early_stop: images that wait to fill the places of those that have fallen


@outside_inference_mode
def records(
    network: Attacked,
    images: Any,
    labels: NDArray[np.int64],
    ids: NDArray[np.int64],
    method: Method,
    *,
    work: Path | None = None,
    progress: Progress = silent,
) -> pd.DataFrame:
    """Attack every image and return the records, one row an image in the given order.

    images: float (n, 3, h, w) in [0, 1], or grey uint8 (n, h, w), which may be memory-mapped: a batch at a
    time is read. labels and ids: (n,). With `work`, a folder for this call alone, finished batches are kept
    there and not computed again.

    Columns: image_id, label, clean_pred, adv_pred, worst_pred, clean_confidence, adv_confidence (softmax of
    the predicted class), clean_scores, adv_scores (softmax, a list in the order of the classes), linf, l2, l0
    (changed values of 3 h w), steps_used, seconds (an equal share of its batch), truncated (JSMA gave up at
    `max_steps`), zero_gradient (the gradient was exactly 0 where the attack began, as where logits saturate
    the softmax, so that it could not take a step: False of attacks without gradients, and in the worst case
    of images that are misclassified already), attack, eps (NaN where there is none), early_stop (images were
    let go at their first mistake).

    worst_pred is clean_pred where the clean image is misclassified already, else adv_pred where that is a
    mistake, else the prediction at the first misclassified iterate if there was one. With `early_stop` the
    attack returns that iterate, so adv_pred is no last-iterate prediction. Whatever an attack raises travels
    on. Raises ValueError for labels or ids that do not fit the images or the network, and for a `work` that
    holds another call's records, and AttackError for an attack that returns anything but images within its
    budget.
    """
    if labels.shape != (len(images),) or ids.shape != (len(images),):
        raise ValueError(
            f"Each image needs one label and one id; for {len(images)} images there are labels "
            f"{labels.shape} and ids {ids.shape}."
        )
    if work is not None:
        computing = asdict(network.computing)
        del computing["device"]  # a run may go on elsewhere: no recipe names a device
        called = {"attack": method.id, "settings": dict(method.settings), "seed": method.seed}
        finished.claim(work, called | computing)
    size = network.computing.batch_size * (BATCHES_IN_A_QUEUE if method.settings.get("early_stop") else 1)
    frames: list[pd.DataFrame] = []
    for start in range(0, len(images), size):
        rows = np.arange(start, min(start + size, len(images)))
        frame = finished.read(work, start, ids[rows]) if work is not None else None
        if frame is None:
            batch = torch.as_tensor(images[rows]).to(network.computing.device)
            batch = pixels(batch) if batch.dtype == torch.uint8 else batch
            batch = batch.contiguous(memory_format=network.computing.memory_format(batch))
            frame = attack_batch(network, start, batch, labels[rows], ids[rows], method)
            if work is not None:
                finished.write(frame, work, start)
        frames.append(frame)
        progress(int(rows[-1]) + 1, len(images))
    return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame(columns=list(COLUMNS))


@outside_inference_mode
def attack(
    model: nn.Module,
    images: Tensor | NDArray[np.uint8],
    labels: Tensor | NDArray[np.int64] | Sequence[int],
    attack: str,
    settings: Mapping[str, Any] | None = None,
    *,
    image_ids: NDArray[np.int64] | Sequence[int] | None = None,
    seed: int = 0,
    computing: Computing = AS_USUAL,
    work: Path | None = None,
    progress: Progress = silent,
) -> pd.DataFrame:
    """The `records` of a model under an attack by its id in `ATTACKS`, called with `settings`.

    `seed` and `image_ids` (by default the places of the images) are for attacks that draw random numbers.
    Raises ValueError for an unknown attack, else as `records`.
    """
    if attack not in ATTACKS:
        raise ValueError(f"there is no attack {attack!r}; there are {', '.join(ATTACKS)}")
    return records(
        Attacked(model.to(computing.device), computing),
        images,
        np.asarray(labels, dtype=np.int64),
        np.arange(len(images)) if image_ids is None else np.asarray(image_ids, dtype=np.int64),
        Method.of_recipe(ATTACKS[attack].called_with(settings or {}), seed=seed),
        work=work,
        progress=progress,
    )


def make(space: Workspace) -> None:
    """Make an "attack/..." cell: `records.parquet`, of the network as it was trained.

    Settings: split; attack (`Attack.recipe`); runs, a list of {eps: number or None, rate: 0}; batch_size,
    fold, channels_last, bfloat16; compile, if so; limit (images, stratified), where not all are attacked;
    seed, where images or starts are drawn; eps_scale, where budgets and steps are not of pixels in [0, 1]
    but, times this, are: the column `eps` has them as they are named. Inputs: model (a trained model), data
    (a prepared data set).
    The records of all runs stand below each other, with the column `rate`.
    """
    if rates := [run["rate"] for run in space.settings["runs"] if run["rate"]]:
        raise ValueError(f"a run is at the pruning rate {rates[0]}; pruned networks are `make_pruned`")
    of_runs(space, lambda trained, rate: trained)


def make_pruned(space: Workspace) -> None:
    """Make a "prune/..." cell: the same, each run on the network pruned at its `rate` (setting `scope`)."""
    scope = space.settings["scope"]
    of_runs(space, lambda trained, rate: prune(trained, rate, scope=scope))


def of_runs(space: Workspace, network: Callable[[nn.Module, float], nn.Module]) -> None:
    """What `make` does, on the network that `network` makes of the trained one at the rate of each run."""
    settings = space.settings
    data = prepared.load(space.inputs["data"])
    seed = settings.get("seed", 0)
    rows = data.subset(settings["split"], limit=settings.get("limit"), seed=seed)
    trained = files.load(space.inputs["model"], space.device)
    space.ran["precision"] = precision.name(settings["bfloat16"], space.device)
    computing = Computing(
        batch_size=settings["batch_size"],
        fold=settings["fold"],
        channels_last=settings["channels_last"],
        bfloat16=precision.in_bfloat16(settings["bfloat16"], space.device),
        compile=settings.get("compile", False),
        device=space.device,
    )
    runs, scale = settings["runs"], settings.get("eps_scale", 1.0)
    ids = data.index["image_id"].to_numpy()[rows]
    frames: list[pd.DataFrame] = []
    networks: dict[float, Attacked] = {}
    for number, run in enumerate(runs):
        if run["rate"] not in networks:  # one at a time: a pruned network is as large as its original
            networks = {run["rate"]: Attacked(network(trained, run["rate"]), computing)}
        # a run may go on where "auto" comes to another precision: it then begins this cell anew
        work = space.work / f"run{number}-{space.ran['precision']}"
        work.mkdir(exist_ok=True)

        def progress(done: int, total: int, text: str = "", number: int = number) -> None:
            space.progress(number * total + done, len(runs) * total, f"run {number + 1} of {len(runs)}")

        found = records(
            networks[run["rate"]],
            _Rows(data.images, rows),
            data.labels[rows],
            ids,
            Method.of_recipe(settings["attack"], run["eps"], seed=seed, scale=scale),
            work=work,
            progress=progress,
        )
        named = {} if run["eps"] is None else {"eps": run["eps"]}
        frames.append(found.assign(rate=float(run["rate"]), **named))
    pd.concat(frames, ignore_index=True).to_parquet(space.folder / "records.parquet", index=False)


class _Rows:
    """Some rows of a memory-mapped array, read when they are asked for."""

    def __init__(self, array: NDArray[np.uint8], rows: NDArray[np.int64]) -> None:
        self._array, self._rows = array, rows

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, places: NDArray[np.int64]) -> NDArray[np.uint8]:
        return self._array[self._rows[places]]
