"""No defence: what every defence is compared with, on the same images."""

from collections.abc import Sequence

from torch import nn

from meddef_lib.defences.registry import Defence
from meddef_lib.defences.views import WHITE_BOX, Defended

DEFENCE = Defence(id="none", title="None (plain ResNet-18)", source="")


def defended(networks: Sequence[nn.Module]) -> Defended:
    """The network itself."""
    return Defended(networks[0], {}, {WHITE_BOX: networks[0]})
