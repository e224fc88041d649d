"""The cell of a trained model: its maker, and what each process does that takes part.

Run as a module it is one of several processes that train a network together, started by `distributed.launch`
with a job as JSON; it tells of its progress and of its failure as lines of JSON on its standard output.
"""

import json
import sys
import traceback
from pathlib import Path
from typing import Any

import torch

from meddef_lib import precision
from meddef_lib.data import prepared
from meddef_lib.engine.recipe import Workspace
from meddef_lib.models.files import save
from meddef_lib.models.network import Network, built
from meddef_lib.params import ModelParams, TrainingParams
from meddef_lib.training import distributed
from meddef_lib.training.batches import ImageSet
from meddef_lib.training.distributed import Group
from meddef_lib.training.loop import Fitted, fit
from meddef_lib.training.underway import Plan


def make(space: Workspace) -> None:
    """Make a "train/..." cell: `model.safetensors`, `model.json`, `history.parquet`, `training.json`.

    Settings: variant, mode, seed, num_classes, image_size, mean, std, training (`settings.of_mode`, with the
    batch size as a number), model (parameters), and train_limit where not all images are trained on. Input
    `data`: a prepared data set, of which the test images are not touched. `training.data_parallel` above 1
    trains in so many processes.
    """
    params = TrainingParams.restored(space.settings["training"])
    space.ran["precision"] = precision.name(params.autocast, space.device)
    if params.data_parallel == 1:
        train_cell(space, Group())
    else:
        distributed.launch(space, params.data_parallel)


def train_cell(space: Workspace, group: Group) -> None:
    """What `make` does, in one of the processes of `group`; the first of them writes the files."""
    plan = plan_of(space, group)
    sets = image_sets(space)
    model = first_network(space)
    fitted = fit(model, *sets, plan, work=space.work, device=space.device, progress=space.progress)
    if group.leads:
        write(space, model, fitted, plan, sets)


def plan_of(space: Workspace, group: Group) -> Plan:
    """How the network is trained, in one of the processes of `group`. Raises ValueError."""
    settings = space.settings
    params = TrainingParams.restored(settings["training"])
    if not isinstance(params.batch_size, int):
        raise ValueError(f"settings.training.batch_size is {params.batch_size!r}; a training needs a number")
    return Plan(
        mode=settings["mode"],
        params=params,
        num_classes=settings["num_classes"],
        batch_size=params.batch_size,
        seed=settings["seed"],
        pinned=space.speed.get("pinned_copies", True),
        group=group,
    )


def image_sets(space: Workspace) -> tuple[ImageSet, ImageSet]:
    data = prepared.load(space.inputs["data"])

    def of_split(split: str, limit: int | None) -> ImageSet:
        rows = data.subset(split, limit=limit, seed=space.settings["seed"])
        return ImageSet(data.images, rows, data.labels[rows])

    return of_split("train", space.settings.get("train_limit")), of_split("val", None)


def first_network(space: Workspace) -> Network:
    """The network with the weights that its training begins with."""
    settings = space.settings
    return built(
        settings,
        settings["num_classes"],
        mean=settings["mean"],
        std=settings["std"],
        options=ModelParams.restored(settings["model"]),
        seed=settings["seed"],
    )


def write(
    space: Workspace,
    model: Network,
    fitted: Fitted,
    plan: Plan,
    sets: tuple[ImageSet, ImageSet],
    **further: Any,
) -> None:
    """The files of the cell; `further` settings stand in `training.json` beside those of the plan."""
    train, validate = sets
    save(model.cpu(), space.folder, {"image_size": space.settings["image_size"]})
    fitted.history.to_parquet(space.folder / "history.parquet", index=False)
    summary = {
        **plan.settings(),
        **further,
        "best_epoch": fitted.best.epoch,
        "train_images": len(train),
        "validation_images": len(validate),
        "seconds": fitted.history["seconds"].sum(),  # of all epochs, whichever process computed them
    }
    text = json.dumps(summary, indent=1, allow_nan=False)
    (space.folder / "training.json").write_text(text + "\n", encoding="utf-8")


def main(job: dict[str, Any]) -> int:
    """Train; the exit code is 0, or 1 after a failure, which is told before."""
    distributed.end_with_parent()
    torch.set_num_threads(job["threads"])
    torch.use_deterministic_algorithms(job["deterministic"])
    device = torch.device(job["device"])
    if device.type == "cuda":
        device = torch.device("cuda", job["rank"])
        torch.cuda.set_device(device)
    space = Workspace(
        settings=job["settings"],
        speed=job["speed"],
        inputs={name: Path(path) for name, path in job["inputs"].items()},
        folder=Path(job["folder"]),
        work=Path(job["work"]),
        device=str(device),
        progress=lambda done, total, text="": _tell(done=done, total=total, text=text),
    )
    try:
        with distributed.joined(job["rank"], job["size"], Path(job["meeting"]), device) as group:
            train_cell(space, group)
    except Exception as error:  # the parent turns it into its own failure and ends the others
        traceback.print_exc()
        _tell(failed=f"{type(error).__name__}: {error}")
        return 1
    return 0


def _tell(**event: Any) -> None:
    print(json.dumps(event), flush=True)


if __name__ == "__main__":
    sys.exit(main(json.loads(sys.argv[1])))
