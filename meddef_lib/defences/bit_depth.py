"""Fewer grey levels (feature squeezing; Xu et al. 2018, section 3.1): small changes are rounded away."""

from collections.abc import Sequence

from torch import Tensor, nn

from meddef_lib.attacks.registry import Setting
from meddef_lib.defences.registry import Defence
from meddef_lib.defences.views import Defended, rounding

DEFENCE = Defence(
    id="bit_depth",
    title="Bit-depth reduction",
    source="Xu et al. 2018",
    own={"bits": Setting(5, least=1, most=8)},
    examined=2,
)


def defended(networks: Sequence[nn.Module], *, bits: int) -> Defended:
    """The network behind `reduced`."""
    return rounding(networks[0], lambda images: reduced(images, bits))


def reduced(images: Tensor, bits: int) -> Tensor:
    """Images in [0, 1] at the nearest of 2**bits levels."""
    most = 2**bits - 1
    return (images * most).round() / most
