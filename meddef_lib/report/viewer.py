"""Photographs under attack as tiles of one sheet a network, with the maps of Grad-CAM drawn over them.

A tile is a window into the sheet, so that each sheet is embedded once and a choice moves windows alone
(`templates/script.js`); what is first shown needs no script.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from markupsafe import Markup

from meddef_lib.report.view import View

COLUMNS = ("clean", "added", "attacked", "Grad-CAM, clean", "Grad-CAM, attacked")
LEVELS = 9  # of a map, each a digit


def viewer(view: View, pictures: Sequence[Mapping[str, Any]], first: Mapping[str, Any], alt: str) -> Markup:
    """Every picture of a gallery, one network, attack and epsilon at a time; at first `first` of the last.

    `pictures` are entries of `pictures.gallery` with the same images.
    """
    dataset = pictures[0]["dataset"]
    start = pictures[-1]
    told = [
        {
            "sheet": sheet_id(one),
            "images": [_told(image) for image in one["images"]],
            "states": [
                {"attack": state["attack"], "eps": state["eps"], "factor": state["factor"]}
                | {"images": [_told(image) for image in state["images"]]}
                for state in one["states"]
            ],
        }
        for one in pictures
    ]
    attacks = {state["attack"]: view.attack(state["attack"]) for state in start["states"]}
    budgets = {f"{state['eps']:g}": None for state in start["states"] if state["eps"] is not None}
    choices = Markup().join(
        (
            _choice(
                dataset,
                "Network",
                {f"{place}": view.model_title(one["model"]) for place, one in enumerate(pictures)},
                f"{len(pictures) - 1}",
            ),
            _choice(dataset, "Attack", attacks, first["attack"]),
            _choice(
                dataset, "Epsilon", {eps: eps for eps in budgets}, f"{first['eps']:g}" if first["eps"] else ""
            ),
        )
    )
    rows = Markup().join(_row(start, first, place) for place in range(len(start["images"])))
    heads = Markup().join(Markup('<th scope="col">{}</th>').format(title) for title in COLUMNS)
    return Markup(
        '<div class="viewer" role="group" aria-label="{}">{}{}<p class="soft" aria-live="polite">{}</p>'
        '<table><thead><tr><th scope="col">Class</th>{}</tr></thead><tbody>{}</tbody></table>'
        '<script type="application/json">{}</script></div>'
    ).format(
        alt,
        Markup().join(sheet(view, one) for one in pictures),
        choices,
        said(view.model_title(start["model"]), view.attack(first["attack"]), first),
        heads,
        rows,
        Markup(json.dumps(told, separators=(",", ":"), ensure_ascii=False).replace("<", "\\u003c")),
    )


def said(network: str, attack: str, state: Mapping[str, Any]) -> str:
    """What is shown: the network, the attack with its budget, and how many times larger its change is."""
    budget = "" if state["eps"] is None else f", ε {state['eps']:g}"
    return f"{network}, {attack}{budget}; what it adds is shown × {state['factor']}"


def sheet_id(picture: Mapping[str, Any]) -> str:
    """The id of a picture's sheet on the page."""
    return f"sheet-{picture['name']}"


def sheet(view: View, picture: Mapping[str, Any]) -> Markup:
    """The tiles of a picture, in tiles: n wide; without its file, nothing."""
    source = view.source(picture["name"])
    if source is None:
        return Markup("")
    size = (len(picture["images"]), 1 + 2 * len(picture["states"]))
    return Markup(
        '<svg hidden width="0" height="0"><image id="{}" width="{}" height="{}" preserveAspectRatio="none" '
        'href="{}"/></svg>'
    ).format(sheet_id(picture), *size, source)


def tile(
    picture: Mapping[str, Any], column: int, row: int, alt: str, heat: Sequence[Sequence[float]] = ()
) -> Markup:
    """A window into a sheet, with a map over it."""
    return Markup(
        '<svg class="tile" role="img" aria-label="{}" viewBox="0 0 1 1"><use href="#{}" '
        'x="{}" y="{}"/><g>{}</g></svg>'
    ).format(alt, sheet_id(picture), -column, -row, _heat(heat))


def _row(picture: Mapping[str, Any], state: Mapping[str, Any], place: int) -> Markup:
    clean, attacked = picture["images"][place], state["images"][place]
    number = picture["states"].index(state)
    name = clean["class"]
    cells = (
        (tile(picture, place, 0, f"{name}, clean"), answer(clean)),
        (tile(picture, place, 1 + 2 * number, f"{name}, what is added"), ""),
        (tile(picture, place, 2 + 2 * number, f"{name}, attacked"), answer(attacked)),
        (tile(picture, place, 0, f"{name}, map of the clean image", clean["map"]), ""),
        (tile(picture, place, 2 + 2 * number, f"{name}, map of the attacked image", attacked["map"]), ""),
    )
    shown = Markup().join(Markup("<td>{}<span>{}</span></td>").format(*cell) for cell in cells)
    return Markup('<tr><th scope="row">{}</th>{}</tr>').format(name, shown)


def answer(image: Mapping[str, Any]) -> str:
    """What the network says of an image, and how sure it is."""
    return f"{image['answer']}, {100 * image['confidence']:.0f} %"


def _told(image: Mapping[str, Any]) -> list[str]:
    """An answer, and a map as digits."""
    return [answer(image), "".join(f"{round(LEVELS * value)}" for line in image["map"] for value in line)]


def _heat(values: Sequence[Sequence[float]]) -> Markup:
    """A map (k, k) of shares as squares, the warmer the larger; `heat` of the script draws the same."""
    side = len(values)
    return Markup().join(
        Markup('<rect x="{:g}" y="{:g}" width="{:g}" height="{:g}" opacity="{:g}"/>').format(
            column / side, row / side, 1 / side, 1 / side, round(LEVELS * value) / LEVELS * 0.6
        )
        for row, line in enumerate(values)
        for column, value in enumerate(line)
        if round(LEVELS * value)
    )


def _choice(dataset: str, title: str, options: Mapping[str, str], chosen: str) -> Markup:
    if len(options) < 2:
        return Markup()
    labels = Markup().join(
        Markup('<label><input type="radio" name="{}" value="{}"{}> {}</label>').format(
            f"{title} of {dataset}", value, Markup(" checked") if value == chosen else "", words
        )
        for value, words in options.items()
    )
    return Markup('<fieldset class="choice" data-choice="{}"><legend>{}</legend>{}</fieldset>').format(
        title.lower(), title, labels
    )
