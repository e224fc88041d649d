"""Someone's own weights as a model of the workbook: `invoke evaluate`."""

import os
from collections.abc import Mapping
from hashlib import file_digest
from pathlib import Path
from typing import Any

from meddef_lib.engine.recipe import Workspace
from meddef_lib.errors import UserError
from meddef_lib.models.contents import require_file
from meddef_lib.models.files import save
from meddef_lib.models.foreign import read_weights
from meddef_lib.models.network import Network
from meddef_lib.params.profile import ModelParams

VARIABLE = "MEDDEF_WEIGHTS"  # where the file is travels beside the recipe, which holds only its hash


class GivenWeightsError(UserError):
    """The weights are not where they were, or not what they were; the message says which."""


def digest(file: Path) -> str:
    """The sha256 of a weights file. Raises ModelFileError where there is none."""
    require_file(file)
    with file.open("rb") as stream:
        return file_digest(stream, "sha256").hexdigest()


def make(space: Workspace) -> None:
    """Make a "given/..." cell: the weights read strictly into the network that they are said to be.

    Settings: variant, num_classes, image_size, mean, std, model (ModelParams), weights (sha256). Raises
    ModelFileError where they do not fit the variant.
    """
    save(read(space.settings), space.folder, {"image_size": space.settings["image_size"]})


def read(settings: Mapping[str, Any]) -> Network:
    """The network of the given file; `settings` as of `make`. Raises GivenWeightsError, ModelFileError."""
    file = Path(os.environ.get(VARIABLE, ""))
    if digest(file) != settings["weights"]:
        raise GivenWeightsError(f"{file} is no longer the file that was given (its content has changed)")
    return read_weights(
        file,
        settings["variant"],
        settings["num_classes"],
        mean=settings["mean"],
        std=settings["std"],
        options=ModelParams.restored(settings["model"]),
    )
