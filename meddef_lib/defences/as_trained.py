"""Networks before which nothing stands: the white box is adaptive.

That is the plain one, which every defence is compared with, and those that were trained on attacked images.
"""

from collections.abc import Sequence

from torch import nn

from meddef_lib.defences.registry import Defence
from meddef_lib.defences.views import OBLIVIOUS, WHITE_BOX, Defended

NONE = Defence(id="none", title="None (plain ResNet18)", source="")
PGD = Defence(id="pgd", title="Adversarial training, PGD", source="Madry et al. 2018", networks=("pgd",))
TRADES = Defence(id="trades", title="TRADES", source="Zhang et al. 2019", networks=("trades",))
FAST = Defence(id="fast", title="Fast adversarial training", source="Wong et al. 2020", networks=("fast",))


def defended(networks: Sequence[nn.Module]) -> Defended:
    """The last network; the first, where that is another one, is the plain network."""
    plain, *trained = networks
    answers = trained[0] if trained else plain
    return Defended(answers, {OBLIVIOUS: plain} if trained else {}, {WHITE_BOX: answers})
