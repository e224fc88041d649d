"""Section 4.8: Grad-CAM on clean and attacked images, and how much the maps move."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pandas as pd
from markupsafe import Markup

from meddef_lib.models.variants import FULL
from meddef_lib.report import inline
from meddef_lib.report.elements import Figure, Prose, Table, columns, text_of
from meddef_lib.report.section import Section, from_cells, of_each_dataset
from meddef_lib.report.view import View, need, text

from_maps = from_cells("07_grad_cam", "saliency")
OF_THE_IMAGE = "foreground_share"  # which says nothing of a map
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


def galleries(view: View, dataset: str) -> Sequence[Mapping[str, Any]]:
    """The images under attack that there are pictures of, the full model's last."""
    every = [one for one in view.document["pictures"]["gallery"] if one["dataset"] == dataset]
    main = {model["id"] for model in view.models(dataset, variant=FULL.id, main=True)}
    return sorted(every, key=lambda one: one["model"] in main)


def needed_galleries(view: View, dataset: str) -> Sequence[Mapping[str, Any]]:
    return need(galleries(view, dataset), f"the images of {view.dataset(dataset)} under attack")


def first_state(view: View, picture: Mapping[str, Any]) -> Mapping[str, Any]:
    """PGD at the epsilon of Tables 3 and 4, or else the first state there is."""
    wanted = ("pgd", view.parameters["pruning"]["eps"])
    states = picture["states"]
    return next((one for one in states if (one["attack"], one["eps"]) == wanted), states[0])


@from_cells("07_grad_cam", "gallery")
def panels(view: View, dataset: str) -> Figure:
    """Of each class an image, what was added, the attacked one, the maps: a network and attack at a time."""
    shown = needed_galleries(view, dataset)
    first = first_state(view, shown[-1])
    values = [
        {"model": view.model_title(one["model"]), "attack": state["attack"], "eps": state["eps"]}
        | {"class": image["class"], "answer": image["answer"], "confidence": image["confidence"]}
        | {"linf": image.get("linf", 0), "changed": image.get("changed", 0)}
        | {"row": row, "column": column, "map": value}
        for one in shown
        for state in ({"attack": "clean", "eps": None, "images": one["images"]}, *one["states"])
        for image in state["images"]
        for row, line in enumerate(image["map"])
        for column, value in enumerate(line)
    ]
    alt = (
        f"Photographs from {view.dataset(dataset)}, a row a class: the clean image, what the attack adds, "
        "the attacked image, and the Grad-CAM maps of both, with the network's answer and confidence."
    )
    return Figure(
        f"saliency-{dataset}",
        f"What attacks add, and where Grad-CAM looks before and after, {view.dataset(dataset)} (4.8): "
        "evidence for the class predicted on the clean image, a square for each value of the map; where a "
        "map is without colour, no position speaks for that class.",
        alt,
        inline.viewer(view, shown, first, alt),
        pd.DataFrame(values),
    )


def changed_read(view: View, dataset: str) -> Prose:
    shown = galleries(view, dataset)
    pairs = [
        (clean["answer"], image["answer"])
        for one in shown
        for state in one["states"]
        for clean, image in zip(one["images"], state["images"], strict=True)
    ]
    if not pairs:
        return Prose(Markup())
    moved = {
        view.model_title(row["id"]): row["rank_correlation"]["mean"]
        for row in view.entries("saliency", dataset=dataset)
        if row["rank_correlation"]["mean"] is not None
    }
    maps = "their maps are too small for a rank correlation"
    if moved:
        ends = " to ".join(dict.fromkeys(f"{end(moved.values()):.2f}" for end in (min, max)))
        of = next(iter(moved)) if len(moved) == 1 else f"{len(moved)} networks"
        maps = f"the maps of {of} keep a rank correlation of {ends} over all images"
    return text(
        "<p>The attacks change {changed} of the {all} answers that can be shown here; {maps}.{nothing}</p>",
        changed=sum(before != after for before, after in pairs),
        all=len(pairs),
        maps=maps,
        nothing="".join(f" {said}." for said in _says_nothing(view, dataset)),
    )


def _says_nothing(view: View, dataset: str) -> Iterator[str]:
    """Of which networks a map means little: no better than a random one, or of what was not learned."""
    maps = view.entries("saliency", dataset=dataset)
    random = [view.model_title(row["id"]) for row in maps if _as_random(row)]
    if random:
        yield f"By deletion and insertion no better than random maps (intervals overlap): {', '.join(random)}"
    pruned = view.entries("forgetting", dataset=dataset)
    unlearned = {(row["variant"], row["mode"]) for row in pruned if row["unlearned"]}
    named = [
        view.model_title(row["id"])
        for row in maps
        if (row["variant"], row["mode"]) in unlearned and not row["image_size"]
    ]
    if named:
        yield f"Not learned the task, so that a map explains nothing: {', '.join(named)}"


def _as_random(row: Mapping[str, Any]) -> bool:
    """Whether neither deletion nor insertion tells a network's maps from random ones, by their intervals."""
    found = [row[name] for name in ("deletion", "deletion_random", "insertion", "insertion_random")]
    if any(one["ci_low"] is None for one in found):
        return False
    deletion, at_random, insertion, random = found
    return bool(deletion["ci_high"] >= at_random["ci_low"] and insertion["ci_low"] <= random["ci_high"])


@from_maps
def numbers(view: View, dataset: str) -> Table | Prose:
    """Means over images by model; a dash where the map has too few values."""
    models = view.needed("saliency", dataset, "the saliency numbers of")
    if all(model[name]["mean"] is None for model in models for name in QUANTITIES if name != OF_THE_IMAGE):
        said = (
            "How much Grad-CAM moves under attack on {name} is not measured: every map is too small or flat."
        )
        return text(said, kind="note", name=view.dataset(dataset))
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
    said = text_of(found["mean"], 2)
    if found["ci_low"] is None:
        return said
    return f"{said} [{text_of(found['ci_low'], 2)}, {text_of(found['ci_high'], 2)}]"


SECTION = Section(
    number="4.8",
    title="Interpretability through saliency mapping",
    order=48,
    draw=of_each_dataset(panels, changed_read, numbers),
)
