"""Which networks are trained to compare those of the tables with, and what is measured on them."""

from collections.abc import Mapping
from typing import Annotated

from meddef_lib.params.types import AttackId, EachOnce, NoneTwice, Params, TrainingMode, VariantId

Trainings = Mapping[VariantId, Annotated[tuple[TrainingMode, ...], EachOnce]]

EQUALLY_TRAINED: Trainings = {
    "resnet18": ("pgd", "trades", "fast"),
    "resnet18_wide": ("clean", "paper", "pgd", "trades"),
    "full": ("clean", "pgd", "trades"),
    "resnet18_cbam": ("clean", "paper"),
}


class FactorialParams(Params):
    """Every one of these networks by every one of these trainings; the others are held against the first."""

    variants: Annotated[tuple[VariantId, ...], EachOnce] = ("resnet18", "resnet18_wide", "full")
    modes: Annotated[tuple[TrainingMode, ...], EachOnce] = ("clean", "paper", "pgd", "trades")


class ComparisonParams(Params):
    """Networks that are no rows of Tables 1 to 4, with every seed; what these train is not trained twice.

    They meet the test images, epsilons and steps that the networks of the tables meet under `attacks`.
    """

    networks: Trainings = EQUALLY_TRAINED  # {} compares with none
    methods: Annotated[tuple[AttackId, ...], NoneTwice] = ("pgd", "worst_case")  # attacks of the unpruned
    # those that are pruned too, at the rates of `pruning`
    pruned: Annotated[tuple[VariantId, ...], NoneTwice] = ("resnet18_cbam",)
    pruned_methods: Annotated[tuple[AttackId, ...], NoneTwice] = ("pgd",)
    factorial: FactorialParams = FactorialParams()  # of what is there; `networks` says what is trained for it
