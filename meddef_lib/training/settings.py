"""Which settings a way of training uses: what a recipe holds of `TrainingParams`, nothing of another way."""

from collections.abc import Iterator
from typing import Any

from meddef_lib.params import TrainingParams

OF_EVERY_MODE = (
    *("epochs", "learning_rate", "learning_rate_decay", "weight_decay", "batch_size", "accumulation"),
    "augmentation",
    # these change the last bits, so they are no matter of speed alone
    *("channels_last", "autocast", "compile", "data_parallel"),
)


def of_mode(training: TrainingParams, mode: str) -> dict[str, Any]:
    """The settings that a training in this mode reads, as JSON values; no other can change its result.

    `TrainingParams.restored` reads them back, with defaults in the place of what is left out.
    """
    found = training.settings(*TrainingParams.model_fields.keys() - set(_used(training, mode)))
    if "safety" in found and not training.safety.enabled:
        found["safety"] = {"enabled": False}
    return found


def speed(training: TrainingParams) -> dict[str, Any]:
    """The settings that change how fast a training is and none of its bytes, as JSON values."""
    return training.model_dump(mode="json", include={"pinned_copies"})


def _used(training: TrainingParams, mode: str) -> Iterator[str]:
    yield from OF_EVERY_MODE
    if mode == "clean":
        return
    yield "validation_attacked_share"
    if training.validation_attacked_share:
        yield "validation_steps"
    if mode == "paper":
        yield from ("schedule", "safety", "attacked_share")
        if training.attacked_share:
            yield from ("attack_methods", "attacked_images", "loss", "crafted_in")
            if set(training.attack_methods) != {"fgsm"}:
                yield "pgd_steps"
        return
    yield from ("reference_eps", "reference_warmup_share", "crafted_in")
    if mode != "fast":
        yield "reference_steps"
    if mode == "trades":
        yield "trades_beta"
