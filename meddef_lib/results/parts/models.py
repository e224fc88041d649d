"""The networks of a run: which there are to be, and which of them fill the tables."""

from typing import Any

from meddef_lib.results.collected import Collected
from meddef_lib.results.part import COUNT, TEXT, WHOLE, YES_OR_NO, Part, table


def rows(found: Collected) -> list[dict[str, Any]]:
    """A row a network, data set by data set; those of larger images, which are for saliency alone, last."""
    return [
        {
            "id": model.id,
            "dataset": model.dataset,
            "variant": model.variant,
            "mode": model.mode,
            "seed": model.seed,
            "image_size": model.image_size,
            "main": not model.image_size and model.mode == found.modes(model.variant)[0],
        }
        for dataset in found.datasets
        for model in (*found.models(dataset), *found.larger_models(dataset))
    ]


PART = Part(
    make=rows,
    schema=table(
        id=TEXT, dataset=TEXT, variant=TEXT, mode=TEXT, seed=COUNT, image_size=WHOLE, main=YES_OR_NO
    ),
)
