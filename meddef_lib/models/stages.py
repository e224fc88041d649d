"""The stages of a ResNet-18, of any basic block and width, which every network begins with."""

from collections import OrderedDict

from torch import nn
from torchvision.models.resnet import BasicBlock

STAGES, BLOCKS = 4, 2


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
        shortcut = None
        if into != out:
            convolution = nn.Conv2d(into, out, 1, stride=2, bias=False)
            shortcut = nn.Sequential(convolution, nn.BatchNorm2d(out))
        first = block(into, out, stride=1 if into == out else 2, downsample=shortcut)
        layers[f"layer{stage + 1}"] = nn.Sequential(first, *(block(out, out) for _ in range(BLOCKS - 1)))
    return nn.Sequential(OrderedDict(layers))
