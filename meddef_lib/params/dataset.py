"""The settings of a data set (`params/datasets/*.yaml`)."""

import re
from typing import Annotated, Any, Literal, NamedTuple

from pydantic import AfterValidator, Field, model_validator

from meddef_lib.params.types import Count, EachOnce, Flag, Neutral, Number, Params, Positive, Share, Whole

SplitRule = Literal["published", "pooled", "patient_disjoint", "all"]


class OnlyWith(NamedTuple):
    """Marks a setting that changes nothing unless `field` beside it has `value`."""

    field: str
    value: Any


class PreprocessingParams(Params):
    """Section 3.1.2, step by step; the order and the settings that the paper leaves open are the ledger's.

    Per data set, in `params/datasets/*.yaml`. Steps run in the order of the fields; the last, which pads with
    black and resizes, has no setting of its own.
    """

    denoise: Annotated[Literal["none", "median"], Neutral("none")] = "none"
    median_size: Annotated[Literal[3, 5, 7, 9], OnlyWith("denoise", "median")] = 3
    clahe: Annotated[Flag, Neutral(False)] = False
    clahe_clip: Annotated[Positive, OnlyWith("clahe", True)] = 2.0
    clahe_tiles: Annotated[Count, Field(le=64), OnlyWith("clahe", True)] = 8  # each way
    brightness: Annotated[Number, Field(ge=-1, le=1), Neutral(0.0)] = 0.0  # added to pixels in [0, 1]
    min_max: Annotated[Flag, Neutral(False)] = (
        False  # stretch each image to the full range before it is stored
    )

    def used(self) -> dict[str, Any]:
        """The settings without those of steps that are off, for a recipe."""
        return {
            name: value
            for name, value in self.settings().items()
            if all(
                getattr(self, mark.field) == mark.value
                for mark in type(self).model_fields[name].metadata
                if isinstance(mark, OnlyWith)
            )
        }


def _patients(rule: str) -> str:
    try:
        named = "patient" in re.compile(rule).groupindex
    except re.error:
        named = False
    if not named and rule not in ("none", "kermany"):
        raise ValueError("expected none, kermany, or a regular expression with a group (?P<patient>...)")
    return rule


class Release(Params):
    """How many images a published release has in each of its folders; tells the releases apart."""

    train: Annotated[Whole, Field(ge=0)]
    val: Annotated[Whole, Field(ge=0)]
    test: Annotated[Whole, Field(ge=0)]


class Download(Params):
    """A file that `invoke fetch` can get by itself."""

    url: Annotated[str, Field(pattern="^https?://")]
    md5: Annotated[str, Field(pattern="^[0-9a-f]{32}$")]
    licence: str
    bytes: Count | None = None  # as published


class MedMnistForm(Params):
    """A data set as MedMNIST publishes it: cropped, resized, in one `.npz` file a size."""

    prefix: str  # of the files' names
    labels: Annotated[tuple[str, ...], EachOnce]  # its classes in the order of MedMNIST's 0, 1, ...
    downloads: dict[Literal["28", "64", "128", "224"], Download] = Field(default_factory=dict)


class Dataset(Params):
    """One data set: all that is known of it stands in `params/datasets/<id>.yaml`.

    The first seven settings describe a folder of someone's own images; the others are what published archives
    have beside it.
    """

    id: Annotated[str, Field(pattern="^[a-z][a-z0-9_]*$")]  # the name of its file
    title: str
    classes: Annotated[tuple[str, ...], Field(min_length=2), EachOnce]  # in the paper's order
    folders: Annotated[tuple[str, ...], EachOnce]  # names that its folder goes by
    split: SplitRule
    batch_size: Count
    mean: Share  # of the training pixels, in [0, 1]: the first layer of every network
    std: Annotated[Share, Field(gt=0)]
    preprocessing: PreprocessingParams = PreprocessingParams()
    # what a file's name says of the patient: none (each file is one), kermany (the archives' patterns), or a
    # regular expression for the whole name without its suffix, such as (?P<patient>p\d+)_.*
    patients: Annotated[str, AfterValidator(_patients)] = "none"
    phantoms: Literal["oct", "chest"] | None = None  # the made-up images that can stand in for it
    releases: dict[str, Release] = Field(default_factory=dict)
    doi: str | None = None
    licence: str | None = None
    archives: tuple[str, ...] = ()  # what to download by hand, in words
    medmnist: MedMnistForm | None = None

    @model_validator(mode="after")
    def _labels_are_classes(self) -> "Dataset":
        if self.medmnist is not None and set(self.medmnist.labels) != set(self.classes):
            raise ValueError(
                f"medmnist.labels names {', '.join(self.medmnist.labels)}, and classes "
                f"{', '.join(self.classes)}: expected the same names"
            )
        return self
