"""What decides how a network is trained."""

from dataclasses import dataclass, field
from typing import Any

from meddef_lib.params import TrainingMode, TrainingParams
from meddef_lib.training import settings
from meddef_lib.training.distributed import Group


@dataclass(frozen=True)
class Plan:
    """How a network is trained; together with the images and the first weights it decides the result."""

    mode: TrainingMode
    params: TrainingParams
    num_classes: int
    batch_size: int
    seed: int
    pinned: bool = True  # memory that is copied to a GPU from: a matter of speed alone
    group: Group = field(default_factory=Group)

    @property
    def parts(self) -> int:
        """Into how many parts each batch is divided, over all processes."""
        return self.params.accumulation * self.group.size

    def settings(self) -> dict[str, Any]:
        """What decides the result, as JSON values."""
        names = ("mode", "num_classes", "batch_size", "seed")
        training = settings.of_mode(self.params, self.mode)
        return {name: getattr(self, name) for name in names} | {"training": training}
