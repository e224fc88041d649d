"""The adversarial schedule of the profile, epoch by epoch (MedDef, 3.8)."""

from dataclasses import asdict
from typing import Any

from meddef_lib.params import GIVEN
from meddef_lib.results.collected import Collected
from meddef_lib.results.part import COUNT, NUMBER, TEXT, Part, table
from meddef_lib.training import schedule


def phases(found: Collected) -> list[dict[str, Any]]:
    """A row an epoch, counted from 1; none where weights were given and nothing is trained."""
    profile = found.profile
    if all(mode == GIVEN for variant in profile.variants for mode in found.modes(variant)):
        return []
    rows = []
    for epoch in range(profile.training.epochs):
        phase = asdict(schedule.at(epoch, profile.training))
        rows.append({"epoch": epoch + 1, "phase": phase.pop("name"), **phase})
    return rows


PART = Part(
    make=phases,
    schema=table(epoch=COUNT, phase=TEXT, eps=NUMBER, adversarial_weight=NUMBER, step_size=NUMBER),
)
