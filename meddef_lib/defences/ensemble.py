"""Several networks that differ in their seed alone, by the mean of their probabilities."""

from collections.abc import Sequence
from math import log

import torch
from torch import Tensor, nn

from meddef_lib.attacks.registry import Setting
from meddef_lib.defences.registry import Defence
from meddef_lib.defences.views import OBLIVIOUS, WHITE_BOX, Defended

DEFENCE = Defence(
    id="ensemble",
    title="Ensemble of seeds",
    source="Strauss et al. 2017",
    own={"members": Setting(3, least=2)},
    members="members",
)


def defended(networks: Sequence[nn.Module], *, members: int) -> Defended:
    """All of them together; the first is the undefended network, a member that an attacker may have."""
    together = Ensemble(networks[:members])
    return Defended(together, {OBLIVIOUS: networks[0]}, {WHITE_BOX: together})


class Ensemble(nn.Module):
    """Images (n, 3, h, w) to the logarithm of the members' mean probabilities (n, classes), as logits."""

    def __init__(self, members: Sequence[nn.Module]) -> None:
        super().__init__()
        self.members = nn.ModuleList(members)

    def forward(self, images: Tensor) -> Tensor:
        answers = torch.stack([member(images).log_softmax(dim=1) for member in self.members])
        return answers.logsumexp(dim=0) - log(len(self.members))
