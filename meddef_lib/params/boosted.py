"""Deep features, principal components and boosted trees: how much of them a profile fits and attacks."""

from typing import Annotated

from pydantic import Field

from meddef_lib.params.types import Count, Flag, Neutral, Params, Whole


class BoostedParams(Params):
    """The pipeline in the way of Vasan and Hammoudeh (2024), once a data set, with the first seed."""

    enabled: Flag = True
    weights: str | None = None  # a file of torchvision's ResNet-152; None: our ResNet-18, trained clean
    components: Count = 50  # principal components, at most
    trees: Count = 200  # rounds of boosting
    depth: Count = 4
    crafting_steps: Annotated[Whole, Field(ge=0)] = 10  # of PGD on training images; 0: trees see clean ones
    training_images: Annotated[Count | None, Neutral(None)] = None  # at most; None: all
    images: Count | None = None  # test images, at most; None: all
    queries: Count = 1000  # of Square
