"""The photographs beside the document: the file of each, by name, and what it shows.

The workbook draws them (`workbook.photographs`): their pixels stay in the cells.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from meddef_lib.results import forgetting
from meddef_lib.results.collected import Collected, of_model
from meddef_lib.results.model import Model
from meddef_lib.results.part import COUNT, WHOLE, by_name, fields, part, table

SAMPLES_A_CLASS = 5
MOST_EXEMPLARS = 6
ANSWERS = {"clean": "explained", "adversarial": "adversarial_pred"}  # by which image, the column with it


@part(
    "pictures",
    fields(
        samples=table(
            text="name dataset split",
            counts=by_name(COUNT),
            images=table(
                count="row label width height",
                image_id=WHOLE,
                text="path sha256 split class_name patient mode",
            ),
        ),
        copies=table(
            text="name dataset",
            files=table(text="kind path split class_name patient", count="group picture"),
        ),
        saliency=table(
            text="name dataset model",
            maps=table(text="class image answer", count="row", number="confidence", map={"type": "array"}),
        ),
        exemplars=table(
            text="name dataset", images=table(text="class", image_id=WHOLE, count="row networks among")
        ),
    ),
)
def pictures(found: Collected) -> dict[str, Any]:
    """By what they show: prepared images (Figure 1), copies that the audit found, maps of saliency, images
    that pruned networks answer otherwise."""
    return {
        "samples": [samples(found, dataset) for dataset in found.data],
        "copies": [picture for dataset in found.audits for picture in copies(found, dataset)],
        "saliency": [picture for dataset in found.datasets for picture in saliency(found, dataset)],
        "exemplars": [picture for dataset in found.data for picture in exemplars(found, dataset)],
    }


def samples(found: Collected, dataset: str) -> dict[str, Any]:
    """The first training images of each class, or test images where there are none to train.

    `row` is the place of an image among the prepared ones, `counts` how many of each class are shown.
    """
    index = found.data[dataset].index
    split = "train" if (index["split"] == "train").any() else "test"
    first = index[index["split"] == split]
    rows = {
        name: first[first["class_name"] == name].head(SAMPLES_A_CLASS)
        for name in found.datasets[dataset].classes
    }
    return {
        "name": f"samples-{dataset}",
        "dataset": dataset,
        "split": split,
        "counts": {name: len(of_class) for name, of_class in rows.items() if len(of_class)},
        "images": [
            row for of_class in rows.values() for row in of_class.reset_index(names="row").to_dict("records")
        ],
    }


def copies(found: Collected, dataset: str) -> list[dict[str, Any]]:
    """Groups of files that the audit kept to be looked at; no picture where there are none."""
    table = found.audits[dataset].tables["duplicates"]
    files = table[table["picture"] >= 0].to_dict("records")
    return [{"name": f"copies-{dataset}", "dataset": dataset, "files": files}] if files else []


def saliency(found: Collected, dataset: str) -> list[dict[str, Any]]:
    """A picture a model: of each class the first image, clean and attacked, with its map and its answer."""
    folders = {model: found.folder(f"saliency/{model.id}") for model in found.book.saliency_models(dataset)}
    classes = found.datasets[dataset].classes
    return [
        {
            "name": f"saliency-{model.id.replace('/', '-')}",
            "dataset": dataset,
            "model": model.id,
            "maps": coarse_maps(folder, classes, _records(found, model)),
        }
        for model, folder in folders.items()
        if folder
    ]


def _records(found: Collected, model: Model) -> pd.DataFrame:
    """Those of attacks on the same network: one of larger images has none."""
    return pd.DataFrame() if model.image_size else of_model(found.attacked, model)


def coarse_maps(folder: Path, classes: Sequence[str], records: pd.DataFrame) -> list[dict[str, Any]]:
    """The maps (k, k) of one model; `row` is the place of the image among those of its cell.

    The confidence is that of the clean answer, by the model's `records` of attacks; None without them.
    """
    found = np.load(folder / "maps.npz")
    answers = pd.read_parquet(folder / "saliency.parquet")
    told = dict(zip(records["image_id"], records["clean_confidence"], strict=True)) if len(records) else {}
    names = [str(name) for name in found["class_name"]]
    first = [names.index(name) for name in dict.fromkeys(names)]
    return [
        {
            "class": names[row],
            "row": row,
            "image": kind,
            "answer": classes[answers[column].iloc[row]],
            "confidence": told.get(answers["image_id"].iloc[row]) if kind == "clean" else None,
            "map": found[f"{kind}_coarse"][row].tolist(),
        }
        for row in first
        for kind, column in ANSWERS.items()
    ]


def exemplars(found: Collected, dataset: str) -> list[dict[str, Any]]:
    """The images that most networks answer otherwise once they are pruned, each at its own safe rate.

    Where no rate is safe, at the lowest. Networks that had learned nothing have no say; of images that as
    many `networks` (of `among`) change their mind on, the first.
    """
    networks = [one for one in forgetting.answers(found, dataset) if not one.unlearned]
    index = found.data[dataset].index.reset_index(names="row").set_index("image_id")
    votes = pd.Series(0, index=index.index)
    for one in networks:
        rate = forgetting.safe_rate(one).rate or min(one.rates)
        votes[votes.index.isin(one.image_ids[one.changed(rate)])] += 1
    most = index.assign(networks=votes, among=len(networks)).sort_values(
        "networks", ascending=False, kind="stable"
    )
    shown = most[most["networks"] > 0].head(MOST_EXEMPLARS).rename(columns={"class_name": "class"})
    images = shown.reset_index()[["row", "image_id", "class", "networks", "among"]].to_dict("records")
    return [{"name": f"exemplars-{dataset}", "dataset": dataset, "images": images}] if images else []
