"""The photographs beside the document: the file of each, by name, and what it shows.

The workbook draws them (`workbook.photographs`): their pixels stay in the cells.
"""

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from meddef_lib.results.collected import Collected
from meddef_lib.results.part import COUNT, NUMBER, WHOLE, by_name, fields, list_of, part, table
from meddef_lib.results.parts import forgetting

SAMPLES_A_CLASS = 5
MOST_EXEMPLARS = 6
IMAGE: dict[str, Any] = {"text": "class answer", "number": "confidence", "map": list_of(list_of(NUMBER))}
OF_A_CHANGE = "confidence linf changed"


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
        stepwise=table(
            text="name dataset",
            steps=table(text="class path step", count="row width height", number="mean std"),
        ),
        gallery=table(
            text="name dataset model",
            images=table(**IMAGE),
            states=table(
                text="attack", number="eps", count="factor", images=table(**IMAGE | {"number": OF_A_CHANGE})
            ),
        ),
        exemplars=table(
            text="name dataset", images=table(text="class", image_id=WHOLE, count="row networks among")
        ),
    ),
)
def pictures(found: Collected) -> dict[str, Any]:
    """By what they show: prepared images (Figure 1), copies that the audit found, files on their way through
    preprocessing, images under attack with their maps, images that pruned networks answer otherwise."""
    kinds = (samples, copies, stepwise, gallery, exemplars)
    return {
        make.__name__: [
            {"name": f"{make.__name__}-{dataset}", "dataset": dataset, **shown}
            for dataset in found.datasets
            for shown in make(found, dataset)
        ]
        for make in kinds
    }


def samples(found: Collected, dataset: str) -> list[dict[str, Any]]:
    """The first training images of each class, or test images where there are none to train.

    `row` is the place of an image among the prepared ones, `counts` how many of each class are shown.
    """
    if dataset not in found.data:
        return []
    index = found.data[dataset].index
    split = "train" if (index["split"] == "train").any() else "test"
    first = index[index["split"] == split]
    rows = {
        name: first[first["class_name"] == name].head(SAMPLES_A_CLASS)
        for name in found.datasets[dataset].classes
    }
    counts = {name: len(of_class) for name, of_class in rows.items() if len(of_class)}
    images = [
        row for of_class in rows.values() for row in of_class.reset_index(names="row").to_dict("records")
    ]
    return [{"split": split, "counts": counts, "images": images}]


def copies(found: Collected, dataset: str) -> list[dict[str, Any]]:
    """Groups of files that the audit kept to be looked at; no picture where there are none."""
    if dataset not in found.audits:
        return []
    table = found.audits[dataset].tables["duplicates"]
    files = table[table["picture"] >= 0].to_dict("records")
    return [{"files": files}] if files else []


def stepwise(found: Collected, dataset: str) -> list[dict[str, Any]]:
    """A file of each class after each step; `row` is the place of a picture in its cell."""
    folder = found.folder(f"stepwise/{dataset}")
    if folder is None:
        return []
    steps = pd.read_parquet(folder / "stepwise.parquet").reset_index(names="row")
    return [{"steps": steps.rename(columns={"class_name": "class"}).to_dict("records")}]


def gallery(found: Collected, dataset: str) -> list[dict[str, Any]]:
    """A picture a model: of each class an image, clean and in each state, which is an attack at a budget."""
    folders = {model: found.folder(f"gallery/{model.id}") for model in found.book.saliency_models(dataset)}
    classes = found.datasets[dataset].classes
    return [
        {"name": f"gallery-{model.id.replace('/', '-')}", "model": model.id, **under_attack(folder, classes)}
        for model, folder in folders.items()
        if folder
    ]


def under_attack(folder: Path, classes: Sequence[str]) -> dict[str, Any]:
    """The clean images, and the states: what an attack did to each, and the `factor` that shows its change.

    Maps (k, k) are in shares of their largest value.
    """
    stored = np.load(folder / "gallery.npz")
    rows = pd.read_parquet(folder / "gallery.parquet")
    starts = range(0, len(rows) + 1, len(stored["clean"]))
    clean, *runs = [rows.iloc[first:end] for first, end in pairwise(starts)]
    return {
        "images": _shown(clean, stored["clean_map"], classes),
        "states": [
            {
                "attack": run["attack"].iloc[0],
                "eps": run["eps"].iloc[0],
                "factor": factor(added),
                "images": _shown(run, maps, classes, *OF_A_CHANGE.split()[1:]),
            }
            for run, maps, added in zip(runs, stored["maps"], stored["added"], strict=True)
        ],
    }


def factor(added: NDArray[np.floating[Any]]) -> int:
    """How many times larger a change is to be shown: about so that its largest value fills the range."""
    return max(1, round(0.5 / max(float(np.abs(added).max()), 1e-3)))


def _shown(
    rows: pd.DataFrame, maps: NDArray[np.float32], classes: Sequence[str], *numbers: str
) -> list[dict[str, Any]]:
    return [
        {
            "class": row["class_name"],
            "answer": classes[row["predicted"]],
            "confidence": row["confidence"],
            **{name: row[name] for name in numbers},
            "map": np.round(values / max(float(values.max()), 1e-12), 2).tolist(),
        }
        for row, values in zip(rows.to_dict("records"), maps, strict=True)
    ]


def exemplars(found: Collected, dataset: str) -> list[dict[str, Any]]:
    """The images that most networks answer otherwise once they are pruned, each at its own safe rate.

    Where no rate is safe, at the lowest. Networks that had learned nothing have no say; of images that as
    many `networks` (of `among`) change their mind on, the first.
    """
    if dataset not in found.data:
        return []
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
    return [{"images": images}] if images else []
