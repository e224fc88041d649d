"""The adversarial schedule of the profile, epoch by epoch (MedDef, 3.8)."""

from collections import Counter
from dataclasses import asdict
from typing import Any

from meddef_lib.params import GIVEN
from meddef_lib.results.collected import Collected
from meddef_lib.results.part import COUNT, NUMBER, TEXT, Part, each, table
from meddef_lib.training import schedule


def phases(found: Collected) -> list[dict[str, Any]]:
    """A row an epoch, counted from 1, with the epochs of its whole phase.

    None where weights were given and nothing is trained.
    """
    profile = found.profile
    if all(mode == GIVEN for variant in profile.variants for mode in found.modes(variant)):
        return []
    epochs = [schedule.at(epoch, profile.training) for epoch in range(profile.training.epochs)]
    lengths = Counter(phase.name for phase in epochs)
    rows = []
    for epoch, phase in enumerate(epochs, start=1):
        values = asdict(phase)
        name = values.pop("name")
        rows.append({"epoch": epoch, "phase": name, "phase_epochs": lengths[name], **values})
    return rows


PART = Part(
    make=phases,
    schema=table(
        **each(COUNT, "epoch phase_epochs"), phase=TEXT, **each(NUMBER, "eps adversarial_weight step_size")
    ),
)
