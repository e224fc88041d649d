"""The published setting: what a measured number must share before it is compared with the printed one."""

from typing import Any

from meddef_lib.paper.addresses import Quantity
from meddef_lib.paper.datasets import DatasetFacts
from meddef_lib.params.types import Flag, Params


class SettingFact(Params):
    """One published setting, by the key of this project's parameters."""

    key: str  # of the run's parameters, dotted
    name: str
    section: str
    value: Any = None
    of_dataset: str = ""  # instead of `value`: the dotted key of what the paper prints of each data set
    also: tuple[Any, ...] = ()
    at_most: Flag = False  # any value up to `value` is the published one
    quantities: tuple[Quantity, ...] = (  # the numbers it bears on
        "accuracy",
        "attack_success_rate",
        "error_rate",
        "calibration_error",
        "confusion",
        "precision",
        "recall",
        "f1",
    )
    variants: tuple[str, ...] = ()
    attacks: tuple[str, ...] = ()  # "": clean
    modes: tuple[str, ...] = ()  # training modes
    datasets: tuple[str, ...] = ()
    pruned_only: Flag = False

    def of(self, printed: DatasetFacts) -> "SettingFact | None":
        """The fact of one data set, with its value; None where the paper says nothing of it."""
        if self.datasets and printed.id not in self.datasets:
            return None
        if not self.of_dataset:
            return self
        value: Any = printed
        for name in self.of_dataset.split("."):
            value = None if value is None else getattr(value, name)
        return None if value is None else self.model_copy(update={"value": value})
