"""Networks that were trained on attacked images. Nothing stands before them: the white box is adaptive."""

from collections.abc import Sequence

from torch import nn

from meddef_lib.defences.registry import Defence
from meddef_lib.defences.views import OBLIVIOUS, WHITE_BOX, Defended

PGD = Defence(id="pgd", title="Adversarial training, PGD", source="Madry et al. 2018", networks=("pgd",))
TRADES = Defence(id="trades", title="TRADES", source="Zhang et al. 2019", networks=("trades",))
FAST = Defence(id="fast", title="Fast adversarial training", source="Wong et al. 2020", networks=("fast",))


def defended(networks: Sequence[nn.Module]) -> Defended:
    """The second network, in the place of the first."""
    plain, trained = networks
    return Defended(trained, {OBLIVIOUS: plain}, {WHITE_BOX: trained})
