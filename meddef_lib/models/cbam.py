"""ResNet-18 with a convolutional block attention module in every block (Woo et al. 2018, section 3)."""

from typing import Any

import torch
from torch import Tensor, nn
from torchvision.models.resnet import BasicBlock

from meddef_lib.models.network import ResNet18
from meddef_lib.models.variants import Variant

VARIANT = Variant(
    id="resnet18_cbam",
    title="ResNet18 with CBAM",
    network="CbamResNet18",
    ignores=("afd_order", "attention_on", "attention_over", "dropout"),
    of_resnet18=False,
)
REDUCTION = 16  # r, of the hidden layer in their eq. 2
KERNEL = 7  # of the convolution in their eq. 3


class CbamChannelAttention(nn.Module):
    """sigmoid(M(mean(x)) + M(max(x))) over the positions, one hidden layer M for both (their eq. 2).

    Shapes: x (n, c, h, w), returns (n, c, 1, 1) in (0, 1).
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        hidden = channels // REDUCTION
        self.shared = nn.Sequential(nn.Linear(channels, hidden), nn.ReLU(), nn.Linear(hidden, channels))

    def forward(self, x: Tensor) -> Tensor:
        # amax: its gradient is deterministic on CUDA, that of pooling is not
        gate = self.shared(x.mean(dim=(2, 3))) + self.shared(x.amax(dim=(2, 3)))
        return torch.sigmoid(gate)[:, :, None, None]


class CbamSpatialAttention(nn.Module):
    """sigmoid(BN(conv([mean(x), max(x)]))) over the channels (their eq. 3).

    The equation prints no normalisation; their published code, which their results were made with, has it.
    Shapes: x (n, c, h, w), returns (n, 1, h, w) in (0, 1).
    """

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(2, 1, KERNEL, padding=KERNEL // 2, bias=False)
        self.norm = nn.BatchNorm2d(1)

    def forward(self, x: Tensor) -> Tensor:
        pooled = torch.cat([x.mean(dim=1, keepdim=True), x.amax(dim=1, keepdim=True)], dim=1)
        return torch.sigmoid(self.norm(self.conv(pooled)))


class Cbam(nn.Module):
    """The channels weighed first, then the positions of the result (their eq. 1); shapes as they come."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.channels = CbamChannelAttention(channels)
        self.positions = CbamSpatialAttention()

    def forward(self, x: Tensor) -> Tensor:
        x = x * self.channels(x)
        return x * self.positions(x)


class AttendedBlock(BasicBlock):
    """A basic block whose branch passes through a `Cbam` before it joins the shortcut (their Figure 3)."""

    def __init__(self, into: int, out: int, **options: Any) -> None:
        super().__init__(into, out, **options)
        self.attention = Cbam(out)

    def forward(self, x: Tensor) -> Tensor:
        branch = self.bn2(self.conv2(self.relu(self.bn1(self.conv1(x)))))
        shortcut = x if self.downsample is None else self.downsample(x)
        return self.relu(self.attention(branch) + shortcut)


class CbamResNet18(ResNet18):
    """The ResNet-18 of blocks that end in a `Cbam`."""

    block = AttendedBlock
