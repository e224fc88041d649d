"""How much of a profile is asked how far its networks' decisions lie from the images, and what transfers."""

from typing import Annotated

from pydantic import model_validator
from pydantic_core import PydanticCustomError

from meddef_lib.params.types import Count, EachOnce, Epsilon, Flag, NoneTwice, Params, PruningRate, VariantId


class Networks(Params):
    """Which networks, with the first seed, and on how many images."""

    variants: Annotated[tuple[VariantId, ...] | None, NoneTwice] = None  # None: all of the profile; []: none
    every_training: Flag = True  # of a variant; else that of the tables alone
    images: Count = 200


class TransferParams(Networks):
    """Which networks are shown each other's images."""


class LeastEpsParams(Networks):
    """Of which networks the least budget that flips each image is looked for, and how hard."""

    rates: Annotated[tuple[PruningRate, ...], EachOnce] = (0, 0.3, 0.7, 0.8)  # at which each is pruned
    steps: Count = 40  # of PGD within a budget
    halvings: Count = 7  # of the range between a budget that flips an image and one that does not
    smallest: Epsilon = 0.001  # budgets that are looked at, in pixels: a quarter of a grey level
    largest: Epsilon = 0.5  # at which every image can become the grey one
    check_steps: Count = 100  # of APGD, on what PGD left standing at the budgets of the tables

    @model_validator(mode="after")
    def _there_is_a_range(self) -> "LeastEpsParams":
        if self.largest <= self.smallest:
            raise PydanticCustomError("range", "expected largest > smallest")
        return self
