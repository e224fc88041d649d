"""What a profile measures beside the paper's own tables: of which networks, on how many images, how hard."""

from collections.abc import Mapping
from typing import Annotated

from pydantic import ConfigDict, Field, model_validator

from meddef_lib.params.types import (
    AttackId,
    Count,
    DefenceId,
    EachOnce,
    Epsilon,
    Flag,
    Neutral,
    NoneTwice,
    Params,
    PruningRate,
    TrainingMode,
    VariantId,
    Whole,
)


class Chosen(Params):
    """Which variants of the profile, with the first seed."""

    variants: Annotated[tuple[VariantId, ...] | None, NoneTwice] = None  # None: all of the profile; []: none


class DiagnosticsParams(Chosen):
    """Which networks are examined (every training of a variant, with the first seed), on how much."""

    rates: Annotated[tuple[PruningRate, ...], EachOnce] = (0, 0.3, 0.8)  # at which each is pruned
    images: Count = 200
    steps: Count = 40  # of PGD where steps are not what is compared
    most_steps: Count = 200
    restarts: Count = 5
    queries: Count = 1000  # of Square

    @model_validator(mode="after")
    def _more_are_more(self) -> "DiagnosticsParams":
        if self.most_steps <= self.steps:
            raise ValueError("expected most_steps > steps")
        return self


class ReadingsParams(Chosen):
    """Which networks readings are tried on (every training of a variant, with the first seed), how much."""

    # of Tables 3 and 4; [] leaves them out
    rates: Annotated[tuple[PruningRate, ...], NoneTwice] = (0.3, 0.7, 0.8)
    images: Count = 200
    slow_images: Count = 50  # of procedures that take hundreds of gradients an image: both of JSMA
    steps: Count = 40  # where a procedure does not say (3.8)
    most_steps: Count | None = None  # that a procedure is cut to; None: as many as it says


class Networks(Chosen):
    """Which networks, with the first seed, and on how many images: of `transfer`, shown each other's."""

    every_training: Flag = True  # of a variant; else that of the tables alone
    images: Count = 200


class LeastEpsParams(Networks):
    """Of which networks the least budget that flips each image is looked for, and how hard."""

    rates: Annotated[tuple[PruningRate, ...], EachOnce] = (0, 0.3, 0.7, 0.8)  # at which each is pruned
    steps: Count = 40  # of PGD within a budget
    # of the range between a budget that flips an image and one that does not; float32 tells no more apart
    halvings: Annotated[Whole, Field(ge=1, le=30)] = 7
    smallest: Epsilon = 0.001  # budgets that are looked at, in pixels: a quarter of a grey level
    largest: Epsilon = 0.5  # at which every image can become the grey one
    check_steps: Count = 100  # of APGD, on what PGD left standing at the budgets of the tables

    @model_validator(mode="after")
    def _there_is_a_range(self) -> "LeastEpsParams":
        if self.largest <= self.smallest:
            raise ValueError("expected largest > smallest")
        return self


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


class SaliencyParams(Params):
    """Grad-CAM on the map that feeds the head (4.8); numbers need a map of at least 7x7."""

    images_per_class: Count = 4
    eps: Epsilon = 0.05
    deletion_steps: Count = 20
    least_map: Count = 7
    image_size: Annotated[Whole, Field(ge=32, le=1024)] | None = None  # a model of its own at this size
    train_limit: Count | None = None  # images for that model
    epochs: Count | None = None


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
