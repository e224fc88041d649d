"""The settings of a profile (`params/profiles/*.yaml`), typed and frozen.

The defaults are the paper's own settings (section 3.8 unless a field says otherwise); a profile file lists
what it changes.
"""

from typing import Annotated, Literal

from pydantic import ConfigDict, Field, model_validator

from meddef_lib.params.dataset import Dataset, SplitRule
from meddef_lib.params.studies import (
    BoostedParams,
    ComparisonParams,
    DefencesParams,
    DiagnosticsParams,
    LeastEpsParams,
    Networks,
    ReadingsParams,
    SaliencyParams,
)
from meddef_lib.params.types import (
    AttackId,
    Count,
    DatasetId,
    EachOnce,
    Epsilon,
    Flag,
    Neutral,
    NotNegative,
    Number,
    Params,
    Positive,
    PruningRate,
    Seed,
    Share,
    TrainingMode,
    VariantId,
    Whole,
)

MODES: dict[str, tuple[TrainingMode, ...]] = {
    "resnet18": ("clean", "paper"),
    "no_afd_mfe_msf": ("paper",),
    "no_afd_mfe": ("paper",),
    "no_afd": ("paper",),
    "full": ("paper",),
}
WIDTHS = (16, 1024)  # the least and the most
GIVEN = "given"  # in the place of a training mode: weights that were not trained here


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


class ModelParams(Params):
    """Readings of the architecture that the paper leaves open (MedDef, 3.3 and 3.7), and its size."""

    # channels of the first stage of the backbone, 64 in a ResNet-18; all others are in proportion
    width: Annotated[int, Field(ge=WIDTHS[0], le=WIDTHS[1]), Neutral(64)] = 64
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
            raise ValueError("expected warmup_share + aggressive_share < 1")
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

    # the first mode of a variant fills the tables
    modes: dict[VariantId, Annotated[tuple[TrainingMode, ...], EachOnce]] = MODES
    epochs: Count = 100
    learning_rate: Positive = 1e-4
    # over all batches, from learning_rate to 0 along half a cosine; 3.8 names no schedule
    learning_rate_decay: Annotated[Literal["none", "cosine"], Neutral("none")] = "none"
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
    validation_steps: Count = 10
    reference_eps: Epsilon = 0.02  # budget of the modes pgd, trades and fast
    reference_steps: Count = 7
    reference_warmup_share: Share = 0.5  # of the epochs, in which that budget grows from 0
    trades_beta: Positive = 6.0
    channels_last: Literal["auto", "on", "off"] = "auto"  # auto: where it is faster on this machine
    autocast: Literal["auto", "none", "bfloat16"] = "auto"  # auto: bfloat16 where the device computes in it
    compile: Annotated[Flag, Neutral(False)] = False
    # to a GPU: from page-locked memory, without waiting for the copy
    pinned_copies: Flag = True
    data_parallel: Annotated[Count, Neutral(1)] = 1  # processes of one machine, one a GPU

    def scaled(self, factor: float) -> "TrainingParams":
        """The same with every budget and step times `factor`."""
        schedule, ends = self.schedule, ("warmup_eps", "aggressive_eps")
        budgets = {name: tuple(factor * eps for eps in getattr(schedule, name)) for name in ends}
        single = {name: factor * getattr(schedule, name) for name in ("stabilization_eps", "step_cap")}
        return self.model_copy(
            update={
                "schedule": schedule.model_copy(update=budgets | single),
                "reference_eps": factor * self.reference_eps,
            }
        )

    def batch_size_of(self, dataset: Dataset) -> int:
        """Images a step of the optimizer takes on this data set."""
        if isinstance(self.batch_size, dict):
            return self.batch_size.get(dataset.id, dataset.batch_size)
        return self.batch_size or dataset.batch_size


ATTACKED_BY = ("fgsm", "pgd", "bim", "jsma", "worst_case")  # the paper's four, and ours


class AttackParams(Params):
    """The attacks of section 3.8 and the worst case, at the budgets of Tables 1 and 2 (pixels in [0, 1]).

    `attacks.<id>` holds the settings of one attack, as the attack declares them: see `Known.profile`.
    """

    model_config = ConfigDict(extra="allow")  # until it is known which attacks there are

    methods: Annotated[tuple[AttackId, ...], EachOnce] = ATTACKED_BY
    eps: Annotated[tuple[Epsilon, ...], EachOnce] = (0.01, 0.05, 0.10)
    steps: Count = 40
    step_size: Epsilon = 0.01


class EvaluationParams(Params):
    """How attacks are computed; the batch size changes the last bits and so belongs to a recipe."""

    batch_size: Count = 32
    fold: Flag = True  # batch normalisation folded into the convolutions
    channels_last: Literal["auto", "on", "off"] = "auto"  # auto: where it is faster on this machine
    # every claimed success is checked again in float32; auto: where the device computes in it
    bfloat16: Literal["auto", "on", "off"] = "off"
    compile: Annotated[Flag, Neutral(False)] = False  # the attacked copy; for GPUs
    # a cell for all epsilons (or rates) of an attack, or one for each: the same records under other keys, and
    # as many more GPUs that can be used at once
    cells: Literal["sweep", "run"] = "sweep"


class PruningParams(Params):
    """One-shot L1 magnitude pruning after training (3.5, 3.8)."""

    rates: Annotated[tuple[PruningRate, ...], EachOnce] = (0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8)
    scope: Literal["global", "layer"] = "global"
    eps: Epsilon = 0.05  # Tables 3 and 4
    methods: Annotated[tuple[AttackId, ...], EachOnce] = ATTACKED_BY


class Profile(Params):
    """One way of running the whole workbook (`params/profiles/*.yaml`)."""

    name: str
    title: str
    image_size: Annotated[Whole, Field(ge=32, le=1024)] = 224
    datasets: Annotated[tuple[DatasetId, ...], EachOnce] = ("roct", "chest_xray")
    variants: Annotated[tuple[VariantId, ...], EachOnce] = tuple(MODES)
    seeds: Annotated[tuple[Seed, ...], EachOnce] = (0,)
    threads: Count = 1  # of every cell on a CPU
    deterministic: Flag = True
    needs_yes_on_cpu: Flag = False
    # what every budget and step, in attacks and in training, is measured in: pixels in [0, 1], or
    # standardised pixels, which makes each smaller by the data set's standard deviation
    eps_units: Literal["pixels", "standardised"] = "pixels"
    data: DataParams = DataParams()
    model: ModelParams = ModelParams()
    training: TrainingParams = TrainingParams()
    attacks: AttackParams = AttackParams()
    evaluation: EvaluationParams = EvaluationParams()
    pruning: PruningParams = PruningParams()
    saliency: SaliencyParams = SaliencyParams()
    diagnostics: DiagnosticsParams = DiagnosticsParams()
    transfer: Networks = Networks()
    least_eps: LeastEpsParams = LeastEpsParams()
    readings: ReadingsParams = ReadingsParams()
    boosted: BoostedParams = BoostedParams()
    defences: DefencesParams = DefencesParams()
    comparison: ComparisonParams = ComparisonParams()

    def eps_scale(self, dataset: Dataset) -> float:
        """What a budget or a step times this is in pixels in [0, 1], on this data set."""
        return dataset.std if self.eps_units == "standardised" else 1.0

    @model_validator(mode="after")
    def _every_variant_has_a_mode(self) -> "Profile":
        missing = [variant for variant in self.variants if variant not in self.training.modes]
        if missing:
            raise ValueError(f"training.modes says nothing of {missing[0]}")
        return self

    @model_validator(mode="after")
    def _every_rate_has_a_row(self) -> "Profile":
        """Rates that are said of an attack or a study stand in Tables 3 and 4 (0: what is not pruned)."""
        said = {f"attacks.{name}": own for name, own in self.attacks if isinstance(own, Params)} | {
            name: own for name, own in self if "rates" in getattr(own, "model_fields_set", ())
        }
        for name, own in said.items():
            lacking = set(getattr(own, "rates", None) or ()) - {0, *self.pruning.rates}
            if lacking:
                raise ValueError(
                    f"{name}.rates has {min(lacking):g}, a rate that no table shows because pruning.rates "
                    "lacks it; add it there, or leave it out here"
                )
        return self

    @model_validator(mode="after")
    def _transfer_needs_two(self) -> "Profile":
        named = self.transfer.variants
        if named is None or len(named) != 1:
            return self
        networks = self.training.modes.get(named[0], ()) if self.transfer.every_training else named
        if len(networks) < 2:
            raise ValueError(
                f"transfer.variants names one network, {named[0]}, and images go from one to another; name "
                "two, or none with []"
            )
        return self
