"""How much of a profile is examined for masked gradients and by other readings, and at what effort."""

from typing import Annotated

from pydantic import model_validator
from pydantic_core import PydanticCustomError

from meddef_lib.params.types import Count, EachOnce, NoneTwice, Params, PruningRate, VariantId


class DiagnosticsParams(Params):
    """Which networks are examined (every training of a variant, with the first seed), on how much."""

    variants: Annotated[tuple[VariantId, ...] | None, NoneTwice] = None  # None: all of the profile; []: none
    rates: Annotated[tuple[PruningRate, ...], EachOnce] = (0, 0.3, 0.8)  # at which each is pruned
    images: Count = 200
    steps: Count = 40  # of PGD where steps are not what is compared
    most_steps: Count = 200
    restarts: Count = 5
    queries: Count = 1000  # of Square

    @model_validator(mode="after")
    def _more_are_more(self) -> "DiagnosticsParams":
        if self.most_steps <= self.steps:
            raise PydanticCustomError("most_steps", "expected most_steps > steps")
        return self


class ReadingsParams(Params):
    """Which networks readings are tried on (every training of a variant, with the first seed), how much."""

    variants: Annotated[tuple[VariantId, ...] | None, NoneTwice] = None  # None: all of the profile; []: none
    # of Tables 3 and 4; [] leaves them out
    rates: Annotated[tuple[PruningRate, ...], NoneTwice] = (0.3, 0.7, 0.8)
    images: Count = 200
    slow_images: Count = 50  # of procedures that take hundreds of gradients an image: both of JSMA
    steps: Count = 40  # where a procedure does not say (3.8)
    most_steps: Count | None = None  # that a procedure is cut to; None: as many as it says
