"""Photographs under attack as tiles of one sheet a network, with the maps of Grad-CAM drawn over them.

A tile is a window into the sheet, so that each sheet is embedded once and a choice moves windows alone
(`templates/script.js`); what is first shown needs no script.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from markupsafe import Markup

from meddef_lib.report.elements import macros
from meddef_lib.report.view import View

COLUMNS = ("clean", "added", "attacked", "Grad-CAM, clean", "Grad-CAM, attacked")
LEVELS = 9  # of a map, each a digit


def viewer(view: View, pictures: Sequence[Mapping[str, Any]], first: Mapping[str, Any], alt: str) -> Markup:
    """Every picture of a gallery, one network, attack and epsilon at a time; at first `first` of the last.

    `pictures` are entries of `pictures.gallery` with the same images.
    """
    told = [
        {
            "sheet": f"sheet-{one['name']}",
            "images": [_told(image) for image in one["images"]],
            "states": [
                {"attack": state["attack"], "eps": state["eps"], "factor": state["factor"]}
                | {"images": [_told(image) for image in state["images"]]}
                for state in one["states"]
            ],
        }
        for one in pictures
    ]
    states = pictures[-1]["states"]
    networks = {f"{place}": view.model_title(one["model"]) for place, one in enumerate(pictures)}
    attacks = {state["attack"]: view.attack(state["attack"]) for state in states}
    budgets = [f"{state['eps']:g}" for state in states if state["eps"] is not None]
    choices = {
        "Network": (networks, f"{len(pictures) - 1}"),
        "Attack": (attacks, first["attack"]),
        "Epsilon": (dict(zip(budgets, budgets, strict=True)), f"{first['eps']:g}" if first["eps"] else ""),
    }
    script = json.dumps(told, separators=(",", ":"), ensure_ascii=False).replace("<", "\\u003c")
    return _macros().viewer(view, pictures, first, choices, Markup(script), alt)


def strip(view: View, picture: Mapping[str, Any], states: Sequence[Mapping[str, Any]], alt: str) -> Markup:
    """The first image of a picture that the page has in its viewer, under these states of it."""
    return _macros().strip(view, picture, states, alt)


def _macros() -> Any:
    return macros("viewer.html.j2", answer=_answer, budget=_budget, columns=COLUMNS, levels=LEVELS)


def _answer(image: Mapping[str, Any]) -> str:
    """What the network says of an image, and how sure it is."""
    return f"{image['answer']}, {100 * image['confidence']:.0f} %"


def _budget(state: Mapping[str, Any]) -> str:
    return "" if state["eps"] is None else f", ε {state['eps']:g}"


def _told(image: Mapping[str, Any]) -> list[str]:
    """An answer, and a map as digits."""
    return [_answer(image), "".join(f"{round(LEVELS * value)}" for line in image["map"] for value in line)]
