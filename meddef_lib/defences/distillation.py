"""Defensive distillation (Papernot et al. 2016): a network that learnt softened answers at a temperature T.

In use it answers at T = 1 what it learnt at T: its logits are T times as large as they were for the loss,
the softmax saturates, and float32 rounds the gradient of the cross-entropy to 0. Divided by T, the logits
give the same answers and the gradient is back (Carlini & Wagner 2016).
"""

from collections.abc import Sequence

from torch import nn

from meddef_lib.attacks.registry import Setting
from meddef_lib.defences.registry import Defence
from meddef_lib.defences.views import WHITE_BOX, Defended
from meddef_lib.models.network import Tempered

DEFENCE = Defence(
    id="distillation",
    title="Defensive distillation",
    source="Papernot et al. 2016",
    own={"temperature": Setting(20.0, least=1)},
    networks=("distilled",),
    examined=2,
)


def defended(networks: Sequence[nn.Module], *, temperature: float) -> Defended:
    """The distilled network, the second: attacked at its own logits, and at these over the temperature."""
    student = networks[1]
    return Defended(student, {WHITE_BOX: student}, {"logits / T": Tempered(student, temperature)})
