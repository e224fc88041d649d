"""ResNet-18 with more channels: as large as MedDef without any part of it, so that size alone can be told."""

from meddef_lib.models.network import ResNet18
from meddef_lib.models.variants import Variant

VARIANT = Variant(
    id="resnet18_wide",
    title="Wide ResNet18",
    network="WideResNet18",
    ignores=("afd_order", "attention_on", "attention_over", "dropout"),
    of_resnet18=False,
)
# of a ResNet-18's channels: 89 in the first stage make 21.60 million parameters, beside the 21.84 of `full`;
# 90 make 22.09
RATIO = 89 / 64


class WideResNet18(ResNet18):
    """The ResNet-18 of `RATIO` times the channels."""

    @property
    def width(self) -> int:
        """The channels of the first stage, which no factor of the usual ones needs to be."""
        return round(RATIO * self.options.width)
