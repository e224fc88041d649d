"""Every setting of the workbook, typed and frozen.

The defaults are the paper's own settings (section 3.8 unless a field says otherwise); a profile file lists
what it changes. `8/255`, `1e-3` and `0.05` are all numbers.
"""

import difflib
import math
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from typing import Annotated, Any, Literal, NamedTuple, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    Strict,
    ValidationInfo,
    create_model,
    model_validator,
)
from pydantic_core import PydanticCustomError

VARIANT_IDS = ("resnet18", "no_afd_mfe_msf", "no_afd_mfe", "no_afd", "full")
PROFILE_IDS = ("smoke", "sample", "paper", "mini")

TrainingMode = Literal["paper", "clean", "pgd", "trades", "fast"]
GIVEN = "given"  # in the place of a training mode: weights that were not trained here
SplitRule = Literal["published", "pooled", "patient_disjoint"]


def _number(value: object) -> object:
    """Read `8/255`, `1e-3` or `0.05` as a number; pydantic would take True for 1 and refuse a fraction."""
    if isinstance(value, bool):
        raise PydanticCustomError("number", "expected a number")
    if isinstance(value, str):
        try:
            value = float(Fraction(value.strip()))
        except (ValueError, ZeroDivisionError, OverflowError):
            raise PydanticCustomError("number", "expected a number such as 0.05, 1e-3 or 8/255") from None
    return value


def _whole(value: object) -> object:
    """Refuse True, text and 2.5 where a count is meant; a float without a fraction is a whole number."""
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    if isinstance(value, float) and value.is_integer():
        return int(value)
    raise PydanticCustomError("whole", "expected a whole number")


def _finite(value: float) -> float:
    if not math.isfinite(value):
        raise PydanticCustomError("finite", "expected a finite number")
    return value


def _each_once(values: tuple[Any, ...]) -> tuple[Any, ...]:
    if not values or len(set(values)) != len(values):
        raise PydanticCustomError("each_once", "expected at least one value, and each only once")
    return values


def _exists(what: Literal["variants", "attacks", "datasets"]) -> AfterValidator:
    """A check of names against what exists, where parameters are validated in the context of a `Known`."""

    def check(value: str, info: ValidationInfo) -> str:
        if info.context and value not in (known := getattr(info.context, what)):
            raise PydanticCustomError("unknown", "expected {known}", {"known": one_of(value, known)})
        return value

    return AfterValidator(check)


def one_of(value: str, known: Collection[str]) -> str:
    """What a name may be, in words: "one of 'a' or 'b' (did you mean 'a'?)"."""
    close = difflib.get_close_matches(value, known, n=1)
    *others, last = (repr(name) for name in known)
    names = f"{', '.join(others)} or {last}" if others else last
    return f"one of {names}" + (f" (did you mean {close[0]!r}?)" if close else "")


VariantId = Annotated[str, _exists("variants")]
AttackId = Annotated[str, _exists("attacks")]
DatasetId = Annotated[str, _exists("datasets")]
Number = Annotated[float, BeforeValidator(_number), AfterValidator(_finite)]
Positive = Annotated[Number, Field(gt=0)]
NotNegative = Annotated[Number, Field(ge=0)]
Share = Annotated[Number, Field(ge=0, le=1)]
Epsilon = Annotated[Number, Field(gt=0, le=1)]
PruningRate = Annotated[Number, Field(ge=0, lt=1)]
Whole = Annotated[int, BeforeValidator(_whole)]
Count = Annotated[Whole, Field(ge=1)]
Seed = Annotated[Whole, Field(ge=0)]
Flag = Annotated[bool, Strict()]
EachOnce = AfterValidator(_each_once)  # of a list that must say something, and nothing twice


@dataclass(frozen=True)
class Neutral:
    """Of a field: at this value everything is as if the field did not exist, and a recipe leaves it out."""

    value: Any


class Params(BaseModel):
    """Base of every parameter object: frozen, and no key beyond the declared ones."""

    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True)

    def settings(self, *without: str) -> dict[str, Any]:
        """What a result depends on, as plain JSON values for a recipe.

        All but the fields in `without` and those at their neutral value. (What a reader is shown is the
        whole: `model_dump`.)
        """
        found = self.model_dump(mode="json", exclude=set(without))
        for name, field in type(self).model_fields.items():
            value = getattr(self, name)
            neutral = (mark.value for mark in field.metadata if isinstance(mark, Neutral))
            if value in neutral:
                found.pop(name, None)
            elif name in found and isinstance(value, Params):
                found[name] = value.settings()
        return found

    @classmethod
    def restored(cls, settings: Mapping[str, Any]) -> Self:
        """The parameters that `settings` wrote. Raises pydantic's ValidationError."""
        whole = dict(settings)
        for name, field in cls.model_fields.items():
            neutral = [mark.value for mark in field.metadata if isinstance(mark, Neutral)]
            if neutral:
                whole.setdefault(name, neutral[0])
            kind = field.annotation
            if name in whole and isinstance(kind, type) and issubclass(kind, Params):
                whole[name] = kind.restored(whole[name])
        return cls.model_validate(whole)


# --- data -----------------------------------------------------------------------------------------


class PhantomParams(Params):
    """How many phantoms each split of each data set gets, and how large their files are."""

    train: Annotated[Whole, Field(ge=4)] = 400  # one of each class at the least
    val: Annotated[Whole, Field(ge=4)] = 80
    test: Annotated[Whole, Field(ge=4)] = 160
    native_scale: Annotated[Number, Field(ge=0.1, le=1)] = 0.5
    quality: Annotated[Whole, Field(ge=50, le=100)] = 90


class LimitParams(Params):
    """The most images a split may contribute (stratified by class, seeded); None takes all of them."""

    train: Annotated[Count | None, Neutral(None)] = None
    val: Annotated[Count | None, Neutral(None)] = None
    test: Annotated[Count | None, Neutral(None)] = None


class DataParams(Params):
    """Where the images come from and which of them are used."""

    source: Literal["folders", "medmnist", "phantoms"] = "folders"
    split: SplitRule | None = None  # None: the data set's own, as the paper used it
    split_seed: Seed = 0
    duplicates: Literal["none", "exact", "near"] = "none"  # which duplicates are removed before splitting
    limits: LimitParams = LimitParams()
    max_pixels: Count = 50_000_000  # a header that claims more is refused before it is decoded
    phantoms: PhantomParams = PhantomParams()


class OnlyWith(NamedTuple):
    """Marks a setting that changes nothing unless `field` beside it has `value`."""

    field: str
    value: Any


class PreprocessingParams(Params):
    """Section 3.1.2, step by step; the order and the settings that the paper leaves open are the ledger's.

    Per data set, in `params/datasets/*.yaml`. Steps run in the order of the fields.
    """

    denoise: Annotated[Literal["none", "median", "non_local_means"], Neutral("none")] = "none"
    median_size: Annotated[Literal[3, 5, 7, 9], OnlyWith("denoise", "median")] = 3
    non_local_means_strength: Annotated[Positive, OnlyWith("denoise", "non_local_means")] = 5.0
    clahe: Annotated[Flag, Neutral(False)] = False
    clahe_clip: Annotated[Positive, OnlyWith("clahe", True)] = 2.0
    clahe_tiles: Annotated[Count, OnlyWith("clahe", True)] = 8
    brightness: Annotated[Number, Field(ge=-1, le=1), Neutral(0.0)] = 0.0  # added to pixels in [0, 1]
    min_max: Annotated[Flag, Neutral(False)] = (
        False  # stretch each image to the full range before it is stored
    )
    resize: Literal["pad", "squash"] = "pad"
    interpolation: Literal["area", "linear", "cubic"] = "area"
    padding: Annotated[Share, OnlyWith("resize", "pad")] = 0.0  # grey level of the padding, in [0, 1]

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


# --- the network and its training -----------------------------------------------------------------


class ModelParams(Params):
    """Readings of the architecture that the paper leaves open (MedDef, 3.3 and 3.7)."""

    afd_order: Literal["bn_relu", "relu_bn"] = "bn_relu"  # Figure 2 | eq. 3
    attention_on: Literal["x", "fused"] = "x"  # eq. 6 | the authors' public code
    attention_over: Literal["positions", "channels"] = "positions"  # 3.3.1 | 3.7
    dropout: Annotated[Number, Field(ge=0, lt=1)] = 0.3  # 3.8; section 3.7 gives 0.2
    # None, "imagenet", or a file of ResNet-18 weights
    pretrained: Annotated[str | None, Neutral(None)] = None


class AugmentationParams(Params):
    """Random changes of a training batch (3.2.1 names augmentation and lists none)."""

    horizontal_flip: Share = 0.5  # probability
    rotation_degrees: Annotated[Number, Field(ge=0, le=180)] = 10.0  # uniform in plus or minus
    translation: Annotated[Number, Field(ge=0, lt=1)] = 0.05  # share of the side, uniform in plus or minus
    brightness: Share = 0.1  # uniform in plus or minus, added
    contrast: Annotated[Number, Field(ge=0, lt=1)] = 0.1  # uniform factor about 1


class ScheduleParams(Params):
    """The three phases of section 3.8; for fewer than 100 epochs they keep their shares of the whole."""

    warmup_share: Share = 0.08
    aggressive_share: Share = 0.15
    warmup_eps: tuple[Epsilon, Epsilon] = (0.01, 0.02)
    aggressive_eps: tuple[Epsilon, Epsilon] = (0.02, 0.04)
    stabilization_eps: Epsilon = 0.03
    warmup_weight: Share = 0.2
    final_weight: Share = 0.5
    step_divisor: Positive = 6.0
    step_cap: Positive = 0.003

    @model_validator(mode="after")
    def _phases_fit(self) -> "ScheduleParams":
        if self.warmup_share + self.aggressive_share >= 1:
            raise PydanticCustomError("phases", "expected warmup_share + aggressive_share < 1")
        return self


class SafetyParams(Params):
    """The "automatic safety adjustment" (3.8): what triggers it and what it does are our reading."""

    enabled: Flag = True
    drop: Share = 0.05  # fall of clean validation accuracy below its best that counts as degraded
    patience: Count = 2  # epochs in a row
    eps_factor: Annotated[Number, Field(gt=0, le=1)] = 0.8  # then eps and weight are multiplied by this
    least_factor: Annotated[Number, Field(gt=0, le=1)] = 0.4


class TrainingParams(Params):
    """Adversarial training (3.2, 3.8) and the reference ways of training beside it."""

    modes: dict[VariantId, Annotated[tuple[TrainingMode, ...], EachOnce]] = {
        "resnet18": ("clean", "paper"),
        "no_afd_mfe_msf": ("paper",),
        "no_afd_mfe": ("paper",),
        "no_afd": ("paper",),
        "full": ("paper",),
    }  # the first mode of a variant fills the tables
    epochs: Count = 100
    learning_rate: Positive = 1e-4
    weight_decay: NotNegative = 1e-4
    # of every data set or of some; else the data set's own (32 chest, 64 ROCT)
    batch_size: Count | dict[DatasetId, Count] | None = None
    accumulation: Annotated[Count, Neutral(1)] = 1  # a batch is computed in this many parts
    attacked_share: Share = 0.35  # 3.2.1
    validation_attacked_share: Share = 0.70  # 3.2.1
    attacked_images: Literal["join", "replace"] = "join"
    loss: Literal["mix", "add"] = "mix"  # (1 - w) clean + w adversarial | clean + w adversarial
    crafted_in: Literal["eval", "train"] = "eval"
    # 3.8; all in turn: 3.2.2
    attack_methods: Annotated[tuple[Literal["pgd", "fgsm", "bim"], ...], EachOnce] = ("pgd",)
    pgd_steps: Count = 40
    schedule: ScheduleParams = ScheduleParams()
    safety: SafetyParams = SafetyParams()
    augmentation: AugmentationParams = AugmentationParams()
    validation_eps: Epsilon | None = None  # None: the budget that the mode ends with
    validation_steps: Count = 10
    reference_eps: Epsilon = 0.02  # budget of the modes pgd, trades and fast
    reference_steps: Count = 7
    reference_step_size: Epsilon | None = None  # None: 2.5 eps / steps; fast takes 1.25 eps
    reference_warmup_share: Share = 0.5  # of the epochs, in which that budget grows from 0
    trades_beta: Positive = 6.0
    channels_last: Literal["auto", "on", "off"] = (
        "auto"  # auto: on a GPU; on a CPU from 128 px or in bfloat16
    )
    autocast: Literal["auto", "none", "bfloat16"] = "auto"  # auto: bfloat16 where the device computes in it
    compile: Annotated[Flag, Neutral(False)] = False
    # to a GPU: from page-locked memory, without waiting for the copy
    pinned_copies: Flag = True
    data_parallel: Annotated[Count, Neutral(1)] = 1  # processes of one machine, one a GPU

    def batch_size_of(self, dataset: "Dataset") -> int:
        """Images a step of the optimizer takes on this data set."""
        if isinstance(self.batch_size, dict):
            return self.batch_size.get(dataset.id, dataset.batch_size)
        return self.batch_size or dataset.batch_size


# --- attacks and what is measured -----------------------------------------------------------------


class AttackParams(Params):
    """The four attacks of section 3.8 at the budgets of Tables 1 and 2 (pixels in [0, 1]).

    `attacks.<id>` holds the settings of one attack, as the attack declares them: see `Known.profile`.
    """

    model_config = ConfigDict(extra="allow")  # until it is known which attacks there are

    methods: Annotated[tuple[AttackId, ...], EachOnce] = ("fgsm", "pgd", "bim", "jsma")
    eps: Annotated[tuple[Epsilon, ...], EachOnce] = (0.01, 0.05, 0.10)
    steps: Count = 40
    step_size: Epsilon = 0.01


class _NoOtherAttack(AttackParams):
    model_config = ConfigDict(extra="forbid")


class EvaluationParams(Params):
    """How attacks are computed; the batch size changes the last bits and so belongs to a recipe."""

    batch_size: Count = 32
    fold: Flag = True  # batch normalisation folded into the convolutions
    channels_last: Literal["auto", "on", "off"] = "auto"  # auto: where it is faster on this machine
    # every claimed success is checked again in float32; auto: where the device computes in it
    bfloat16: Literal["auto", "on", "off"] = "off"


class PruningParams(Params):
    """One-shot L1 magnitude pruning after training (3.5, 3.8)."""

    rates: Annotated[tuple[PruningRate, ...], EachOnce] = (0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8)
    scope: Literal["global", "layer"] = "global"
    eps: Epsilon = 0.05  # Tables 3 and 4
    methods: Annotated[tuple[AttackId, ...], EachOnce] = ("fgsm", "pgd", "bim", "jsma")


class SaliencyParams(Params):
    """Grad-CAM on the map that feeds the head (4.8); numbers need a map of at least 7x7."""

    images_per_class: Count = 4
    eps: Epsilon = 0.05
    deletion_steps: Count = 20
    least_map: Count = 7
    image_size: Annotated[Whole, Field(ge=32, le=1024)] | None = None  # a model of its own at this size
    train_limit: Count | None = None  # images for that model
    epochs: Count | None = None


class Profile(Params):
    """One way of running the whole workbook (`params/profiles/*.yaml`)."""

    name: str
    title: str
    image_size: Annotated[Whole, Field(ge=32, le=1024)] = 224
    datasets: Annotated[tuple[DatasetId, ...], EachOnce] = ("roct", "chest_xray")
    variants: Annotated[tuple[VariantId, ...], EachOnce] = VARIANT_IDS
    seeds: Annotated[tuple[Seed, ...], EachOnce] = (0,)
    threads: Count = 1  # of every cell on a CPU
    deterministic: Flag = True
    needs_yes_on_cpu: Flag = False
    data: DataParams = DataParams()
    model: ModelParams = ModelParams()
    training: TrainingParams = TrainingParams()
    attacks: AttackParams = AttackParams()
    evaluation: EvaluationParams = EvaluationParams()
    pruning: PruningParams = PruningParams()
    saliency: SaliencyParams = SaliencyParams()

    @model_validator(mode="after")
    def _every_variant_has_a_mode(self) -> "Profile":
        missing = [variant for variant in self.variants if variant not in self.training.modes]
        if missing:
            raise PydanticCustomError("modes", "training.modes says nothing of {v}", {"v": missing[0]})
        return self


@dataclass(frozen=True)
class Known:
    """What exists for a profile to name: the ids, and of each attack the type of its own settings."""

    variants: Collection[str]
    attacks: Mapping[str, type[Params]]
    datasets: Collection[str]

    @cached_property
    def profile(self) -> type[Profile]:
        """`Profile`, in which each attack has its own settings by its id; validate in the context of this."""
        own: dict[str, Any] = {name: (kind, kind()) for name, kind in self.attacks.items()}
        attacks = create_model("AttackParams", __base__=_NoOtherAttack, **own)
        return create_model("Profile", __base__=Profile, attacks=(attacks, attacks()))


# --- data sets ------------------------------------------------------------------------------------


def _patients(rule: str) -> str:
    try:
        named = "patient" in re.compile(rule).groupindex
    except re.error:
        named = False
    if not named and rule not in ("none", "kermany"):
        raise PydanticCustomError(
            "patients", "expected none, kermany, or a regular expression with a group (?P<patient>...)"
        )
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


class MedMnistForm(Params):
    """A data set as MedMNIST publishes it: cropped, resized, in one `.npz` file a size."""

    prefix: str  # of the files' names
    labels: Annotated[tuple[str, ...], EachOnce]  # its classes in the order of MedMNIST's 0, 1, ...
    downloads: dict[Literal["28", "64", "128", "224"], Download] = {}


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
    val_fraction: Annotated[Number, Field(gt=0, lt=0.5)] = 0.1  # of train, where there is no val folder
    preprocessing: PreprocessingParams = PreprocessingParams()
    # what a file's name says of the patient: none (each file is one), kermany (the archives' patterns), or a
    # regular expression for the whole name without its suffix, such as (?P<patient>p\d+)_.*
    patients: Annotated[str, AfterValidator(_patients)] = "none"
    phantoms: Literal["oct", "chest"] | None = None  # the made-up images that can stand in for it
    releases: dict[str, Release] = {}
    doi: str | None = None
    licence: str | None = None
    archives: tuple[str, ...] = ()  # what to download by hand, in words
    medmnist: MedMnistForm | None = None

    @model_validator(mode="after")
    def _labels_are_classes(self) -> "Dataset":
        if self.medmnist is not None and set(self.medmnist.labels) != set(self.classes):
            raise PydanticCustomError(
                "labels",
                "medmnist.labels names {labels}, and classes {classes}: expected the same names",
                {"labels": ", ".join(self.medmnist.labels), "classes": ", ".join(self.classes)},
            )
        return self
