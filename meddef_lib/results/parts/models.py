"""The networks of a run: which there are to be, and which of them fill the tables."""

from typing import Any

from meddef_lib.results.collected import Collected, names_of
from meddef_lib.results.model import Model
from meddef_lib.results.part import OF_A_MODEL, TEXT, YES_OR_NO, Part, table
from meddef_lib.results.parts.names import names


def rows(found: Collected) -> list[dict[str, Any]]:
    """A row a network, data set by data set; those of larger images, which are for saliency alone, last."""
    return [
        names_of(model)
        | {
            "title": title(found, model),
            "main": not model.image_size and model.mode == found.modes(model.variant)[0],
        }
        for dataset in found.datasets
        for model in (*found.models(dataset), *found.larger_models(dataset))
    ]


def title(found: Collected, model: Model) -> str:
    """The name of its variant, how it was trained and, where there are several, its seed and image size."""
    called = names(found)
    seed = f", seed {model.seed}" if len(found.profile.seeds) > 1 else ""
    size = f", {model.image_size} px" if model.image_size else ""
    return f"{called['variants'][model.variant]} ({called['trainings'][model.mode]}{seed}{size})"


PART = Part(make=rows, schema=table(**OF_A_MODEL, title=TEXT, main=YES_OR_NO))
