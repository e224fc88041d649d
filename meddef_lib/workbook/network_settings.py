"""What a recipe says of the network that it trains, reads or attacks."""

from typing import Any

from meddef_lib import paths
from meddef_lib.engine.files import file_hash
from meddef_lib.models.variants import VARIANTS
from meddef_lib.params import ModelParams, ParamsError
from meddef_lib.results.model import Model
from meddef_lib.workbook.book import Workbook


def settings(book: Workbook, model: Model) -> dict[str, Any]:
    """The network itself: its variant, its size, its first layer, and the readings that its blocks know."""
    dataset, variant = book.datasets[model.dataset], VARIANTS[model.variant]
    return {
        **variant.recipe(),
        "num_classes": len(dataset.classes),
        "image_size": model.image_size or book.profile.image_size,
        "mean": dataset.mean,
        "std": dataset.std,
        "model": book.profile.model.settings(*variant.ignores),
    }


def first_weights(model: ModelParams) -> dict[str, str]:
    """The content of a file of first weights: its path alone would not tell that it has changed.

    Raises ParamsError where there is no such file.
    """
    if model.pretrained in (None, "imagenet"):
        return {}
    file = paths.ROOT / model.pretrained
    if not file.is_file():
        raise ParamsError(
            f"model.pretrained is {model.pretrained!r}, but there is no file {file}; expected null, "
            "imagenet, or a file of ResNet-18 weights"
        )
    return {"pretrained_sha256": file_hash(file)}
