"""Section 4.8: Grad-CAM on clean and attacked images, and how much the maps move."""

from collections.abc import Iterable
from pathlib import Path

import pandas as pd
from markupsafe import Markup

from meddef_lib.report.blocks import Figure, Made, Prose, Table, frame_table
from meddef_lib.report.inline import photograph
from meddef_lib.report.view import View
from meddef_lib.results import gallery
from meddef_lib.workbook.cells import Trained

COLUMNS = {
    "rank_correlation": "rank correlation clean/attacked",
    "foreground_share": "share of the image inside",
    "mass_inside_clean": "mass inside, clean",
    "mass_inside_adversarial": "mass inside, attacked",
    "deletion": "deletion",
    "insertion": "insertion",
}


def panels(view: View, dataset: str) -> Figure | Prose:
    """The same images for every model: clean and attacked, each with its map."""
    models = [model for model in view.book.saliency_models(dataset) if _folder(view, model)]
    if not models:
        return view.missing(f"the saliency maps of {view.book.datasets[dataset].title}")
    folders = {view.model_title(model): _folder(view, model) for model in models}
    shown = {name: folder for name, folder in folders.items() if folder}
    drawing = gallery.saliency(shown)
    name = view.book.datasets[dataset].title
    alt = (
        f"Photographs from {name}, a row a model: the clean image with its Grad-CAM map, then the attacked "
        f"image with its map, for one image of each class. Models: {', '.join(folders)}."
    )
    return Figure(
        f"saliency-{dataset}",
        f"Grad-CAM on clean and PGD-attacked images, {name} (4.8): evidence for the class predicted on the "
        "clean image. Warm colours: the map's high values; none: no position speaks for that class.",
        alt,
        photograph(drawing, alt, smoke=view.smoke),
        gallery.saliency_values(shown),
        made=_made(view, dataset, models),
        smoke=view.smoke,
    )


def _made(view: View, dataset: str, models: Iterable[Trained]) -> Made:
    return view.made(f"07_grad_cam.{dataset}", (view.book.saliency(model) for model in models))


def _folder(view: View, model: Trained) -> Path | None:
    return view.found.folder(view.book.saliency(model))


def numbers(view: View, dataset: str) -> Table | Prose:
    """Means over images by model; a dash where the map has fewer than 7x7 values."""
    frame = view.found.saliency
    if frame.empty or dataset not in set(frame["dataset"]):
        return view.missing(f"the saliency numbers of {view.book.datasets[dataset].title}")
    rows = []
    models = view.book.saliency_models(dataset)
    for model in models:
        mine = frame[
            (frame["dataset"] == dataset)
            & (frame["variant"] == model.variant)
            & (frame["mode"] == model.mode)
            & (frame["image_size"] == (model.image_size or 0))
        ]
        if not mine.empty:
            side = int(mine["map_size"].iloc[0])
            means = {title: mine[name].mean() for name, title in COLUMNS.items() if name in mine}
            rows.append(
                {
                    "model": view.model_title(model),
                    "images": len(mine),
                    "map": f"{side}\u00a0×\u00a0{side}",
                    **means,
                }
            )
    least = view.book.profile.saliency.least_map
    return frame_table(
        pd.DataFrame(rows),
        id=f"saliency-numbers-{dataset}",
        caption=f"How much Grad-CAM moves under attack, {view.book.datasets[dataset].title} (means)",
        decimals=3,
        note=Markup(
            "Rank correlation: Spearman's, of the clean and the attacked map. Mass inside: share of the map "
            "on the body or the retina. Deletion (lower is better) and insertion (higher is better): Petsiuk "
            "et al., 2018. A dash: the map has fewer than {least} × {least} values, too few for such numbers."
        ).format(least=least),
        made=_made(view, dataset, models),
        smoke=view.smoke,
    )
