"""The five networks of Table 1, built by name: a ResNet-18, and MedDef with more and more of its DAAM.

The reading of the architecture reproduces the paper's ten parameter counts to the last printed digit.
Beside them: the stages of the ResNet-18, and a network whose logits are divided by a temperature.
"""

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

import torch
import torchvision
from torch import Tensor, nn
from torchvision.models.resnet import BasicBlock

from meddef_lib.declared import load
from meddef_lib.models.blocks import DefenseModule, Head, Normalise, SelfAttention
from meddef_lib.models.contents import ModelFileError
from meddef_lib.models.state import fill, read_state
from meddef_lib.models.variants import VARIANTS
from meddef_lib.params.profile import ModelParams

STAGES, BLOCKS = 4, 2  # of a ResNet-18


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


class Network(nn.Module):
    """What every network begins with: the normalisation and the ResNet-18 up to `layer4`.

    Shapes: images (n, 3, h, w) in [0, 1], or stored grey levels uint8 (n, 1, h, w); h and w at least 32;
    returns logits (n, classes). `recipe` says what the network is, as its variant does.
    """

    recipe: Mapping[str, Any]
    block: type[BasicBlock] = BasicBlock

    def __init__(self, num_classes: int, *, mean: float, std: float, options: ModelParams) -> None:
        super().__init__()
        self.num_classes = num_classes
        self.options = options
        self.normalise = Normalise(mean, std)
        self.backbone = stages(self.block, self.width)

    @property
    def width(self) -> int:
        """The channels of the first stage; the last has 8 times as many."""
        return self.options.width

    @property
    def channels(self) -> int:
        """The channels of the map that feeds the head."""
        return self.width * 2 ** (STAGES - 1)

    @property
    def target_layer(self) -> nn.Module:
        """The layer whose output, (n, channels, h/32, w/32), feeds the head."""
        raise NotImplementedError

    @property
    def variant(self) -> str:
        return self.recipe["variant"]


class ResNet18(Network):
    """The paper's baseline: normalisation, torchvision's ResNet-18."""

    def __init__(self, num_classes: int, *, mean: float, std: float, options: ModelParams) -> None:
        super().__init__(num_classes, mean=mean, std=std, options=options)
        self.head = nn.Linear(self.channels, num_classes)

    @property
    def target_layer(self) -> nn.Module:
        return self.backbone.get_submodule("layer4")

    def forward(self, images: Tensor) -> Tensor:
        return self.head(self.backbone(self.normalise(images)).mean(dim=(2, 3)))


class MedDef(Network):
    """MedDef, or what its ablation leaves of it (MedDef, Figure 2 and section 3.7).

    Normalisation, the ResNet-18 up to `layer4`, the defense module, self-attention, the head.
    """

    def __init__(
        self, num_classes: int, *, mean: float, std: float, options: ModelParams, branches: Sequence[str]
    ) -> None:
        super().__init__(num_classes, mean=mean, std=std, options=options)
        self.defense = DefenseModule(
            self.channels, branches, afd_order=options.afd_order, attention_on=options.attention_on
        )
        self.attention = SelfAttention(self.channels, options.attention_over)
        self.head = Head(self.channels, num_classes, options.dropout)

    @property
    def target_layer(self) -> nn.Module:
        return self.defense

    def forward(self, images: Tensor) -> Tensor:
        defended = self.defense(self.backbone(self.normalise(images)))
        return self.head(defended, self.attention(defended))


class Tempered(nn.Module):
    """Images (n, 3, h, w) to the logits (n, classes) of `network` divided by a temperature: a softer softmax,
    the same answers (Hinton et al. 2015).
    """

    def __init__(self, network: nn.Module, temperature: float) -> None:
        super().__init__()
        self.network, self.temperature = network, temperature

    def forward(self, images: Tensor) -> Tensor:
        return self.network(images) / self.temperature


def build(
    variant: str,
    num_classes: int,
    *,
    mean: float = 0.0,
    std: float = 1.0,
    options: ModelParams | None = None,
    seed: int = 0,
) -> Network:
    """A new network of one of the variants, as `built` makes it. Raises ValueError, ModelFileError."""
    return built(
        recipe_of(variant), num_classes, mean=mean, std=std, options=options or ModelParams(), seed=seed
    )


def recipe_of(variant: str) -> dict[str, Any]:
    """What `built` makes a variant from. Raises ValueError where there is none of this id."""
    if variant not in VARIANTS:
        raise ValueError(f"there is no variant {variant!r}; known are {', '.join(VARIANTS)}")
    return VARIANTS[variant].recipe()


def built(
    recipe: Mapping[str, Any], num_classes: int, *, mean: float, std: float, options: ModelParams, seed: int
) -> Network:
    """A new network of what `Variant.recipe` says, in training mode, in float32 on the CPU.

    `mean` and `std` are of the training pixels in [0, 1]. The weights depend on `seed` alone: the global
    random state is neither read nor changed, and a layer that two variants share starts the same in both.
    With `options.pretrained` the backbone starts from ImageNet weights instead. Raises ValueError and, where
    those cannot be had, ModelFileError.
    """
    if num_classes < 2:
        raise ValueError(f"num_classes is {num_classes}; expected at least 2")
    if not std > 0:
        raise ValueError(f"std is {std}; expected the standard deviation of the training pixels, above 0")
    model = skeleton(recipe, num_classes, mean=mean, std=std, options=options).to_empty(device="cpu")
    _initialise(model, seed)
    if options.pretrained:
        fill(model.backbone, _imagenet_weights(options.pretrained), options.pretrained)
    return model


def skeleton(
    recipe: Mapping[str, Any], num_classes: int, *, mean: float = 0.0, std: float = 1.0, options: ModelParams
) -> Network:
    """The network without memory for its values (on the meta device)."""
    network = load(recipe["network"])
    branches = {"branches": tuple(recipe["branches"])} if "branches" in recipe else {}
    with torch.device("meta"):  # else every layer would first be filled from the global random state
        model = network(num_classes, mean=mean, std=std, options=options, **branches)
    model.recipe = {key: recipe[key] for key in ("variant", "network", "branches") if key in recipe}
    return model


def _initialise(model: Network, seed: int) -> None:
    """Normal weights of variance 2 (convolutions) or 1 (linear) over the fan, biases 0, BN as identity.

    Each layer draws from a generator of its own, seeded by `seed` and the layer's name: that is what makes
    shared layers start equal in all variants. Source: He et al. (2015).
    """
    for name, layer in model.named_modules():
        if isinstance(layer, nn.BatchNorm2d):
            layer.reset_parameters()
        if not isinstance(layer, nn.Conv2d | nn.Linear):
            continue
        digest = sha256(f"{seed}/{name}".encode()).digest()
        generator = torch.Generator().manual_seed(int.from_bytes(digest[:8], "big") >> 1)
        nn.init.kaiming_normal_(
            layer.weight,
            mode="fan_out" if name.startswith("backbone.") else "fan_in",  # fan_out: torchvision's ResNet
            nonlinearity="relu" if isinstance(layer, nn.Conv2d) else "linear",
            generator=generator,
        )
        if layer.bias is not None:
            nn.init.zeros_(layer.bias)


def _imagenet_weights(source: str) -> dict[str, Tensor]:
    """The backbone of torchvision's ImageNet weights: its own download ("imagenet"), or a local file."""
    if source == "imagenet":
        weights = torchvision.models.ResNet18_Weights.IMAGENET1K_V1
        try:
            state = weights.get_state_dict(progress=False, check_hash=True)
        except OSError as error:  # URLError is one
            raise ModelFileError(
                f"the ImageNet weights could not be downloaded from {weights.url} ({error}); "
                "set model.pretrained to a file of ResNet-18 weights"
            ) from error
    else:
        state = read_state(Path(source))
    return {name: value for name, value in state.items() if not name.startswith("fc.")}
