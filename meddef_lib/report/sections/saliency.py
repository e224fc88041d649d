"""Section 4.8: Grad-CAM on clean and attacked images, and how much the maps move."""

from collections.abc import Mapping
from typing import Any

import pandas as pd
from markupsafe import Markup

from meddef_lib.report.dotplot import one_picture
from meddef_lib.report.elements import Figure, Table, columns, text_of
from meddef_lib.report.inline import photograph
from meddef_lib.report.section import Section, from_cells, of_each_dataset
from meddef_lib.report.view import View, need

from_maps = from_cells("07_grad_cam", "saliency")
QUANTITIES = {
    "rank_correlation": "rank correlation clean/attacked",
    "foreground_share": "share of the image inside",
    "mass_inside_clean": "mass inside, clean",
    "mass_inside_adversarial": "mass inside, attacked",
    "deletion": "deletion",
    "insertion": "insertion",
    "deletion_random": "deletion, random maps",
    "insertion_random": "insertion, random maps",
}


@from_maps
def panels(view: View, dataset: str) -> Figure:
    """Of each class an image, clean and attacked, what was added and the maps: one model at a time."""
    every = [one for one in view.document["pictures"]["saliency"] if one["dataset"] == dataset]
    shown = need(every, f"the saliency maps of {view.dataset(dataset)}")
    titles = {one["model"]: view.model_title(one["model"]) for one in shown}
    changed = "; ".join(f"{titles[one['model']]} {_changed(one)}" for one in shown)
    alt = (
        f"Photographs from {view.dataset(dataset)}, a row a class: the clean image, what the attack adds, "
        f"the attacked image, and the Grad-CAM maps of both. Answers that the attack changed: {changed}."
    )
    pictures = {
        titles[one["model"]]: photograph(view, one, f"{titles[one['model']]}: {_said(one)}") for one in shown
    }
    values = [
        {"model": titles[one["model"]], "class": maps["class"], "image": maps["image"]}
        | {"answer": maps["answer"], "confidence": maps["confidence"]}
        | {"row": row, "column": column, "map": value}
        for one in shown
        for maps in one["maps"]
        for row, line in enumerate(maps["map"])
        for column, value in enumerate(line)
    ]
    return Figure(
        f"saliency-{dataset}",
        f"What PGD adds, and where Grad-CAM looks before and after, {view.dataset(dataset)} (4.8): evidence "
        "for the class predicted on the clean image. Warm colours: the map's high values; none: no position "
        "speaks for that class. Confidence is that of the clean answer.",
        alt,
        one_picture(pictures, alt, states=True),
        pd.DataFrame(values),
    )


def _answers(picture: Mapping[str, Any]) -> dict[str, dict[str, str]]:
    """The answers of a model by class: to the clean and to the attacked image."""
    found: dict[str, dict[str, str]] = {}
    for maps in picture["maps"]:
        found.setdefault(maps["class"], {})[maps["image"]] = maps["answer"]
    return found


def _changed(picture: Mapping[str, Any]) -> str:
    answers = _answers(picture).values()
    return f"{sum(one['clean'] != one['adversarial'] for one in answers)} of {len(answers)}"


def _said(picture: Mapping[str, Any]) -> str:
    answers = _answers(picture).items()
    return "; ".join(f"{name}: {one['clean']}, attacked {one['adversarial']}" for name, one in answers)


@from_maps
def numbers(view: View, dataset: str) -> Table:
    """Means over images by model; a dash where the map has too few values."""
    missing = f"the saliency numbers of {view.dataset(dataset)}"
    models = need(view.entries("saliency", dataset=dataset), missing)
    titles = ("Images", "Map", *QUANTITIES.values())
    side = "{0}\u00a0×\u00a0{0}"
    rows = [
        [
            view.model_title(model["id"]),
            text_of(model["images"]),
            side.format(model["map_size"]),
            *(_mean(model[name]) for name in QUANTITIES),
        ]
        for model in models
    ]
    copied = [
        {"model": view.model_title(model["id"]), "quantity": title, **model[name]}
        for model in models
        for name, title in QUANTITIES.items()
    ]
    return Table(
        f"saliency-numbers-{dataset}",
        f"How much Grad-CAM moves under attack, {view.dataset(dataset)}: means over images, 95 % intervals",
        columns("Model", *titles, right=titles),
        rows,
        pd.DataFrame(copied),
        Markup(
            "Rank correlation: Spearman's, of the clean and the attacked map. Mass inside: share of the map "
            "on the body or the retina. Deletion (lower is better) and insertion (higher is better): Petsiuk "
            "et al., 2018; both also of random maps, which a map must beat to mean anything. A dash: the map "
            "has fewer than {least} × {least} values, too few for such numbers, or is flat on every image."
        ).format(least=view.parameters["saliency"]["least_map"]),
        decimals=3,
    )


def _mean(found: Mapping[str, float | None]) -> str:
    """A mean with its interval, where it has one."""
    said = text_of(found["mean"], 3)
    if found["ci_low"] is None:
        return said
    return f"{said} ({text_of(found['ci_low'], 3)} to {text_of(found['ci_high'], 3)})"


SECTION = Section(
    number="4.8",
    title="Interpretability through saliency mapping",
    order=48,
    draw=of_each_dataset(panels, numbers),
)
