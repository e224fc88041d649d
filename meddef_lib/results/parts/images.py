"""How many prepared images each split of a data set has, and which version of the data it is."""

from typing import Any

from meddef_lib.results.collected import Collected
from meddef_lib.results.part import COUNT, TEXT, Part, fields


def images(found: Collected) -> dict[str, Any]:
    """By data set; those that are not prepared are left out."""
    return {
        name: {
            "splits": {split: sum(classes.values()) for split, classes in prepared.summary["counts"].items()},
            "version": prepared.summary["data_version"],
        }
        for name, prepared in found.data.items()
    }


_SPLITS = {"type": "object", "additionalProperties": COUNT}
PART = Part(
    make=images,
    schema={"type": "object", "additionalProperties": fields(splits=_SPLITS, version=TEXT)},
)
