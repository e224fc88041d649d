"""A network behind a defence, and what attacks look at in its place.

A transformation of the input that rounds has no useful gradient: an attack that asks for it stands still, and
one that never heard of the defence attacks another network. Backward pass differentiable approximation (BPDA;
Athalye, Carlini & Wagner 2018, section 4) keeps the transformation on the way forward, and takes on the way
back the gradient of something like it: of the identity (straight-through), or of a smooth approximation.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn
from torch.autograd import Function

Transformation = Callable[[Tensor], Tensor]  # images (n, 3, h, w) in [0, 1] to such images

OBLIVIOUS = "the undefended network"
WHITE_BOX = "the network itself"
STRAIGHT_THROUGH = "BPDA, straight-through"


@dataclass(frozen=True)
class Defended:
    """What answers, (n, 3, h, w) in [0, 1] to logits (n, classes), and what images are made on to fool it.

    - network: answers to users; its gradient is that of what it computes.
    - weak: by what it is called, what an attack looks at that does not take the defence into account.
    - adaptive: the same of attacks that do, the strongest first. Each answers as `network` does.
    """

    network: nn.Module
    weak: Mapping[str, nn.Module]
    adaptive: Mapping[str, nn.Module]


class Transformed(nn.Module):
    """`network` behind `transformation`, in a backward pass behind `instead` (BPDA).

    Both are of images (n, 3, h, w) in [0, 1]. Forward the result is that of `transformation` to the last bit.
    """

    def __init__(self, network: nn.Module, transformation: Transformation, instead: Transformation) -> None:
        super().__init__()
        self.network, self.transformation, self.instead = network, transformation, instead

    def forward(self, images: Tensor) -> Tensor:
        return self.network(_Instead.apply(self.transformation(images.detach()), self.instead(images)))


class _Instead(Function):
    """The first tensor on the way forward, the second on the way back."""

    @staticmethod
    def forward(ctx: Any, exact: Tensor, instead: Tensor) -> Tensor:
        return exact.view_as(exact)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[None, Tensor]:
        return None, gradients[0]


def rounding(
    network: nn.Module, transformation: Transformation, smooth: Mapping[str, Transformation] | None = None
) -> Defended:
    """`network` behind a transformation that rounds, whose true gradient is 0 nearly everywhere.

    `smooth` are approximations of it, by name, whose gradient BPDA takes beside straight-through.
    """
    taken: dict[str, Transformation] = {STRAIGHT_THROUGH: lambda images: images, **(smooth or {})}
    return Defended(
        Transformed(network, transformation, lambda images: 0 * images),
        {OBLIVIOUS: network},
        {name: Transformed(network, transformation, instead) for name, instead in taken.items()},
    )
