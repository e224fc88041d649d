"""Which defences of the plain ResNet-18 are attacked, and how hard."""

from typing import Annotated

from pydantic import ConfigDict, Field

from meddef_lib.params.types import AttackId, Count, DefenceId, EachOnce, Epsilon, NoneTwice, Params, Whole


class DefencesParams(Params):
    """The defences that the paper's introduction names, each under PGD with the steps of `attacks`.

    `defences.<id>` holds the settings of one defence, as the defence declares them: see `Known.profile`.
    """

    model_config = ConfigDict(extra="allow")  # until it is known which defences there are

    methods: Annotated[tuple[DefenceId, ...] | None, NoneTwice] = None  # None: all there are; [] none
    eps: Annotated[tuple[Epsilon, ...], EachOnce] = (0.01, 0.05)
    images: Count = 200
    # on the adaptive view, with their settings of `attacks`
    further: Annotated[tuple[AttackId, ...], NoneTwice] = ("worst_case",)
    checked_images: Annotated[Whole, Field(ge=0)] = 50  # for the checks of robustness; 0 leaves them out
