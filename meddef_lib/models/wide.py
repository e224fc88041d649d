"""ResNet-18 with more channels: as large as MedDef without any part of it, so that size alone can be told."""

from torch import nn
from torchvision.models.resnet import BasicBlock

from meddef_lib.models.network import ResNet18
from meddef_lib.models.stages import STAGES, stages
from meddef_lib.models.variants import Variant
from meddef_lib.params.profile import ModelParams

VARIANT = Variant(
    id="resnet18_wide",
    title="Wide ResNet18",
    network="WideResNet18",
    ignores=("afd_order", "attention_on", "attention_over", "dropout"),
)
WIDTH = 89  # channels of the first stage: 21.60 million parameters beside the 21.84 of `full`; 90 has 22.09


class WideResNet18(ResNet18):
    """The ResNet-18 of base width `WIDTH`; the layer that feeds the head has 8 * `WIDTH` channels."""

    def __init__(self, num_classes: int, *, mean: float, std: float, options: ModelParams) -> None:
        super().__init__(num_classes, mean=mean, std=std, options=options)
        self.backbone = stages(BasicBlock, WIDTH)
        self.head = nn.Linear(WIDTH * 2 ** (STAGES - 1), num_classes)
