"""Section 4.8: Grad-CAM on clean and attacked images, and how much the maps move."""

from collections.abc import Mapping

import pandas as pd
from markupsafe import Markup

from meddef_lib.report.elements import Figure, Table, columns, text_of
from meddef_lib.report.inline import photograph, photographed
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
    """The same images for every model: clean and attacked, each with its map."""
    shown = need(photographed(view, "saliency", dataset), f"the saliency maps of {view.dataset(dataset)}")
    models = {maps["model"]: view.model_title(maps["model"]) for maps in shown["maps"]}
    alt = (
        f"Photographs from {view.dataset(dataset)}, a row a model: the clean image with its Grad-CAM map, "
        "then the attacked image with its map, for one image of each class. "
        f"Models: {', '.join(models.values())}."
    )
    values = [
        {"model": models[maps["model"]], "class": maps["class"], "image": maps["image"]}
        | {"row": row, "column": column, "map": value}
        for maps in shown["maps"]
        for row, line in enumerate(maps["map"])
        for column, value in enumerate(line)
    ]
    return Figure(
        f"saliency-{dataset}",
        f"Grad-CAM on clean and PGD-attacked images, {view.dataset(dataset)} (4.8): evidence for the class "
        "predicted on the clean image. Warm colours: the map's high values; none: no position speaks for "
        "that class.",
        alt,
        photograph(view, shown, alt),
        pd.DataFrame(values),
    )


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
