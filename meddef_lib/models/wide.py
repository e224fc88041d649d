"""ResNet-18 with more channels: as large as MedDef without any part of it, so that size alone can be told."""

from collections import OrderedDict

from torch import nn
from torchvision.models.resnet import BasicBlock

from meddef_lib.models.network import ResNet18
from meddef_lib.models.variants import Variant
from meddef_lib.params.profile import ModelParams

VARIANT = Variant(
    id="resnet18_wide",
    title="Wide ResNet18",
    network="WideResNet18",
    ignores=("afd_order", "attention_on", "attention_over", "dropout"),
)
WIDTH = 89  # channels of the first stage: 21.60 million parameters beside the 21.84 of `full`; 90 has 22.09
STAGES, BLOCKS = 4, 2


class WideResNet18(ResNet18):
    """The ResNet-18 of base width `WIDTH`; the layer that feeds the head has 8 * `WIDTH` channels."""

    def __init__(self, num_classes: int, *, mean: float, std: float, options: ModelParams) -> None:
        super().__init__(num_classes, mean=mean, std=std, options=options)
        self.backbone = stages(BasicBlock, WIDTH)
        self.head = nn.Linear(WIDTH * 2 ** (STAGES - 1), num_classes)


def stages(block: type[BasicBlock], width: int) -> nn.Sequential:
    """A ResNet-18 up to `layer4` of any block and width, under torchvision's names of the layers.

    torchvision's own `ResNet` knows no width of basic blocks other than 64. Shapes: (n, 3, h, w) to
    (n, 8 * width, h/32, w/32). Source: He et al. (2016), Table 1, 18 layers.
    """
    layers: dict[str, nn.Module] = {
        "conv1": nn.Conv2d(3, width, 7, stride=2, padding=3, bias=False),
        "bn1": nn.BatchNorm2d(width),
        "relu": nn.ReLU(inplace=True),
        "maxpool": nn.MaxPool2d(3, stride=2, padding=1),
    }
    for stage in range(STAGES):
        into, out = width * 2 ** max(0, stage - 1), width * 2**stage
        first = block(into, out, stride=1 if into == out else 2, downsample=_shortcut(into, out))
        layers[f"layer{stage + 1}"] = nn.Sequential(first, *(block(out, out) for _ in range(BLOCKS - 1)))
    return nn.Sequential(OrderedDict(layers))


def _shortcut(into: int, out: int) -> nn.Module | None:
    if into == out:
        return None
    return nn.Sequential(nn.Conv2d(into, out, 1, stride=2, bias=False), nn.BatchNorm2d(out))
