"""The building blocks of MedDef, one class a block (MedDef, sections 3.3 and 3.7).

Shapes: x (n, c, h, w), with c = 512 channels and a map of 7 x 7 positions for images of 224 x 224. Where the
paper is open, the reading is the one that reproduces its parameter counts.
"""

from collections import OrderedDict
from collections.abc import Callable, Sequence
from functools import partial
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

AfdOrder = Literal["bn_relu", "relu_bn"]
AttentionOn = Literal["x", "fused"]
AttentionOver = Literal["positions", "channels"]
Size = tuple[int, int]

# by operator, sizes, device and type; not functools.lru_cache, about which torch.compile warns
_MATRICES: dict[tuple[str, Size, Size, torch.device, torch.dtype], Tensor] = {}


def pixels(batch: Tensor) -> Tensor:
    """Stored grey levels as a batch of images in [0, 1], on the device they are on.

    Shapes: uint8 (n, h, w) or (n, 1, h, w); returns float32 (n, 3, h, w), three equal channels in memory of
    their own, so that a perturbation may differ between them. Raises TypeError and ValueError.
    """
    if batch.dtype != torch.uint8:
        raise TypeError(f"the batch holds {batch.dtype}; expected the stored uint8 grey levels 0 to 255")
    if batch.ndim == 3:
        batch = batch.unsqueeze(1)
    if batch.ndim != 4 or batch.shape[1] != 1:
        raise ValueError(f"the batch has shape {tuple(batch.shape)}; expected (n, h, w) or (n, 1, h, w)")
    return batch.to(torch.float32).div_(255).repeat(1, 3, 1, 1)


class Normalise(nn.Module):
    """(x - mean) / std, the first layer of every network, so that an attack's budget is in pixels of [0, 1].

    Two constants of the data, neither parameters nor buffers: `model.json` keeps them, not the state dict.
    Shapes: x (n, 3, h, w) in [0, 1]. Stored grey levels, uint8 (n, 1, h, w), are made such images first, on
    the device they are on; other uint8 batches raise ValueError.
    """

    def __init__(self, mean: float, std: float) -> None:
        super().__init__()
        self.mean = float(mean)
        self.std = float(std)

    def forward(self, x: Tensor) -> Tensor:
        if x.dtype == torch.uint8:
            x = pixels(x)
        return (x - self.mean) / self.std


class AFD(nn.Module):
    """Adversarial feature detection: x + C(x * m), with a mask m in (0, 1) a value (MedDef, eq. 3).

    m = sigmoid(Conv2(ReLU(BN(Conv1(x))))) as Figure 2 draws it (`order` "bn_relu"), or with BN after ReLU as
    the equation prints it ("relu_bn"). Conv1 is 1 x 1, Conv2 3 x 3 depthwise, C 3 x 3.
    """

    def __init__(self, channels: int, order: AfdOrder = "bn_relu") -> None:
        super().__init__()
        activation: list[tuple[str, nn.Module]] = [("norm", nn.BatchNorm2d(channels)), ("relu", nn.ReLU())]
        self.mask = nn.Sequential(
            OrderedDict(
                [
                    ("conv1", nn.Conv2d(channels, channels, 1)),
                    *(activation if order == "bn_relu" else reversed(activation)),
                    ("conv2", nn.Conv2d(channels, channels, 3, padding=1, groups=channels)),
                    ("sigmoid", nn.Sigmoid()),
                ]
            )
        )
        self.clean = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.clean(x * self.mask(x))


class MFE(nn.Module):
    """Medical feature extraction: G([x, E(x), T(x)]) (MedDef, eq. 4).

    Edges E = tanh(3 x 3 depthwise), texture T = ReLU(BN(5 x 5 depthwise)), G = ReLU(BN(1 x 1)), 3c to c.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.edges = nn.Conv2d(channels, channels, 3, padding=1, groups=channels)
        self.texture = _conv_bn_relu(channels, channels, 5, groups=channels)
        self.merge = _conv_bn_relu(3 * channels, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.merge(torch.cat([x, torch.tanh(self.edges(x)), self.texture(x)], dim=1))


def average_pool(x: Tensor, size: Size) -> Tensor:
    """Adaptive average pooling, (n, c, h, w) to (n, c, *size); `size` may exceed (h, w)."""
    return _resample(x, size, "average_pool", F.adaptive_avg_pool2d)


def bilinear(x: Tensor, size: Size) -> Tensor:
    """Bilinear interpolation (`align_corners=False`, no antialiasing), (n, c, h, w) to (n, c, *size)."""
    return _resample(x, size, "bilinear", partial(F.interpolate, mode="bilinear", align_corners=False))


def _resample(x: Tensor, size: Size, name: str, operator: Callable[[Tensor, Size], Tensor]) -> Tensor:
    """A product with a fixed matrix, which holds what torch's operator makes of the unit maps.

    The CUDA gradients of torch's own operators differ from run to run; those of a matrix product do not, and
    on maps of a few positions it is also faster on a CPU.
    """
    height, width = x.shape[-2:]
    key = (name, (height, width), size, x.device, x.dtype)
    if key not in _MATRICES:
        with torch.inference_mode(False):  # what inference mode makes, training refuses
            units = torch.eye(height * width).unflatten(1, (1, height, width))
            _MATRICES[key] = operator(units, size).flatten(1).to(x.device, x.dtype)
    return (x.flatten(2) @ _MATRICES[key]).unflatten(2, size)


class MSF(nn.Module):
    """Multi-scale features: F([x, S2(x), S4(x), S8(x)]) (MedDef, eq. 5).

    S_k: average pooling to k x k, 1 x 1 convolution, BN, ReLU, bilinear back to h x w. F: 1 x 1 (4c to 2c),
    BN, ReLU, 1 x 1 (2c to c). A map smaller than k x k is enlarged by its "pooling": images of 64 x 64 have
    maps of 2 x 2.
    """

    scales = (2, 4, 8)

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.levels = nn.ModuleList(_conv_bn_relu(channels, channels, 1) for _ in self.scales)
        self.merge = nn.Sequential(
            *_conv_bn_relu(4 * channels, 2 * channels, 1), nn.Conv2d(2 * channels, channels, 1)
        )

    def forward(self, x: Tensor) -> Tensor:
        levels = [self._at_scale(x, *pair) for pair in zip(self.levels, self.scales, strict=True)]
        return self.merge(torch.cat([x, *levels], dim=1))

    def _at_scale(self, x: Tensor, level: nn.Module, scale: int) -> Tensor:
        convolution, norm, activation = level.children()
        height, width = x.shape[-2:]
        # a 1 x 1 convolution and averages over positions commute: convolve where there are fewer positions
        if height * width < scale * scale:
            pooled = average_pool(convolution(x), (scale, scale))
        else:
            pooled = convolution(average_pool(x, (scale, scale)))
        return bilinear(activation(norm(pooled)), (height, width))


class Fusion(nn.Module):
    """Phi, which joins what the branches found (MedDef, eq. 6 and the text before it).

    Of k > 1 branches: 1 x 1 (kc to 2c), BN, ReLU, 1 x 1 (2c to c), BN, ReLU. Of one: 1 x 1, BN, ReLU. Without
    any, on x itself: 3 x 3, BN, ReLU, twice.
    """

    def __init__(self, channels: int, branches: int) -> None:
        super().__init__()
        steps = [(branches * channels, 2 * channels, 1), (2 * channels, channels, 1)]
        if branches < 2:
            steps = [(channels, channels, 1)] if branches else [(channels, channels, 3)] * 2
        self.layers = nn.Sequential(*(layer for step in steps for layer in _conv_bn_relu(*step)))

    def forward(self, branches: Sequence[Tensor]) -> Tensor:
        """Shapes: k of (n, c, h, w), or x alone where there is no branch; returns (n, c, h, w)."""
        return self.layers(torch.cat(list(branches), dim=1))


class ChannelAttention(nn.Module):
    """Omega, a weight in (0, 1) a channel, from the map's averages (MedDef, eq. 6); returns (n, c, 1, 1).

    Global average pooling, 1 x 1 (c to c/4), ReLU, 1 x 1 (c/4 to c), sigmoid.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.gate = nn.Sequential(
            nn.Conv2d(channels, channels // 4, 1),
            nn.ReLU(),
            nn.Conv2d(channels // 4, channels, 1),
            nn.Sigmoid(),
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.gate(x.mean(dim=(2, 3), keepdim=True))


class DefenseModule(nn.Module):
    """D = x + Phi(branches of x) * Omega (MedDef, eq. 6); returns (n, c, h, w), the map that feeds the head.

    `branches` names those of `afd`, `mfe`, `msf` that the variant keeps. Omega looks at x, as the equation
    says (`attention_on` "x"), or at the fused features, as in the authors' public code ("fused").
    """

    def __init__(
        self,
        channels: int,
        branches: Sequence[str],
        *,
        afd_order: AfdOrder = "bn_relu",
        attention_on: AttentionOn = "x",
    ) -> None:
        super().__init__()
        if "afd" in branches:
            self.afd = AFD(channels, afd_order)
        if "mfe" in branches:
            self.mfe = MFE(channels)
        if "msf" in branches:
            self.msf = MSF(channels)
        self.branches = tuple(branches)
        self.fusion = Fusion(channels, len(branches))
        self.attention = ChannelAttention(channels)
        self.attention_on = attention_on

    def forward(self, x: Tensor) -> Tensor:
        found = [getattr(self, name)(x) for name in self.branches]
        fused = self.fusion(found or [x])
        return x + fused * self.attention(x if self.attention_on == "x" else fused)


class SelfAttention(nn.Module):
    """Scaled dot-product self-attention with one head (MedDef, eq. 1 and 2).

    Shapes: (n, c, h, w); returns (n, h * w, c). Tokens are the h * w positions (section 3.3.1), or the c
    channels, each described by its values at all positions (section 3.7). Query, key, value, output: c to c.
    """

    def __init__(self, channels: int, over: AttentionOver = "positions") -> None:
        super().__init__()
        self.query = nn.Linear(channels, channels)
        self.key = nn.Linear(channels, channels)
        self.value = nn.Linear(channels, channels)
        self.output = nn.Linear(channels, channels)
        self.over = over

    def forward(self, x: Tensor) -> Tensor:
        positions = x.flatten(2).transpose(1, 2)
        tokens = [layer(positions) for layer in (self.query, self.key, self.value)]
        # three dimensions, not four: the fused kernels take four and their CUDA gradients vary between runs
        if self.over == "positions":
            attended = F.scaled_dot_product_attention(*tokens)
        else:
            attended = F.scaled_dot_product_attention(*(token.mT for token in tokens)).mT
        return self.output(attended)


class Head(nn.Module):
    """From the map D and the attended positions to logits (MedDef, section 3.7).

    The averages of both over positions, joined (2c), linear 2c to c, ReLU, dropout, linear c to classes.
    Shapes: (n, c, h, w) and (n, h * w, c); returns (n, classes).
    """

    def __init__(self, channels: int, num_classes: int, dropout: float) -> None:
        super().__init__()
        self.join = nn.Linear(2 * channels, channels)
        self.dropout = nn.Dropout(dropout)
        self.classify = nn.Linear(channels, num_classes)

    def forward(self, defended: Tensor, attended: Tensor) -> Tensor:
        joined = torch.cat([defended.mean(dim=(2, 3)), attended.mean(dim=1)], dim=1)
        return self.classify(self.dropout(F.relu(self.join(joined))))


def _conv_bn_relu(inputs: int, outputs: int, kernel: int, *, groups: int = 1) -> nn.Sequential:
    """A convolution that keeps the map's size (with a bias, as the parameter counts want), BN, ReLU."""
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2, groups=groups),
        nn.BatchNorm2d(outputs),
        nn.ReLU(),
    )
