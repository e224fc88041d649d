"""A copy of a trained network for nothing but its input's gradient: the same function, in fewer operations.

Batch normalisation with running averages is an affine map a channel; after a convolution it disappears into
the weights. Which layers follow which is read from a pass itself, not from the code, so that any control flow
will do.
"""

import copy
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from meddef_lib.attacks.calling import frozen
from meddef_lib.attacks.strided import Strided, pays
from meddef_lib.inference_mode import outside_inference_mode

Edge = torch.autograd.graph.Node


class Fast(nn.Module):
    """The copy: images (n, c, h, w) in [0, 1] to logits (n, classes) in the precision of the images."""

    def __init__(self, network: nn.Module, *, autocast: bool) -> None:
        super().__init__()
        self.network, self.autocast = network, autocast

    def forward(self, images: Tensor) -> Tensor:
        if not self.autocast:
            return self.network(images)
        # pixels and the normalisation stay in float32: bfloat16 would round a pixel to steps of 1/256
        with torch.autocast(images.device.type, dtype=torch.bfloat16):
            return self.network(images).to(images.dtype)


@outside_inference_mode
def fast_copy(
    model: nn.Module,
    example: Tensor,
    *,
    fold: bool = True,
    strided: bool = True,
    channels_last: bool = True,
    bfloat16: bool = False,
) -> Fast:
    """An independent copy of `model` for attacks: eval mode, frozen; `model` itself is left as it is.

    - fold: put every batch normalisation that alone follows a convolution into that convolution.
    - strided: on a CPU, unless in bfloat16, go back through the first convolution as `attacks.strided` does.
    - channels_last: store weights so that convolutions need no reordering; give it images in that format too.
    - bfloat16: compute convolutions and products of matrices in bfloat16; what such a copy claims needs
      checking on `model`.

    `example` holds images (n, c, h, w) to find the layers with; on them, the folded copy must give the logits
    of `model`. Raises RuntimeError where it does not.
    """
    network = copy.deepcopy(model).eval().requires_grad_(False)
    if fold:
        for convolution, norm in foldable(network, example).items():
            layers = (network.get_submodule(name) for name in (convolution, norm))
            folded = fuse_conv_bn_eval(cast(nn.Conv2d, next(layers)), cast(nn.BatchNorm2d, next(layers)))
            network.set_submodule(convolution, folded)
            network.set_submodule(norm, nn.Identity())
        _compare(model, network, example)
    if strided and example.device.type == "cpu" and not bfloat16:
        for name, layer in list(network.named_modules()):
            if name and pays(layer):
                network.set_submodule(name, Strided(cast(nn.Conv2d, layer)))
    if channels_last:
        network = network.to(memory_format=torch.channels_last)
    if bfloat16:
        for layer in network.modules():
            if isinstance(layer, nn.Conv2d | nn.Linear):
                layer.to(torch.bfloat16)  # once, and not at every pass
    return Fast(network, autocast=bfloat16).eval()


@outside_inference_mode
def foldable(model: nn.Module, example: Tensor) -> dict[str, str]:
    """Names of convolutions and of the batch normalisations that they alone feed, read from a pass."""
    made: dict[Edge, str] = {}  # a convolution's node in the graph -> the layer's name
    follows: dict[str, Edge] = {}
    calls: dict[str, int] = {}
    names = {module: name for name, module in model.named_modules()}

    def note(layer: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        name = names[layer]
        calls[name] = calls.get(name, 0) + 1
        if isinstance(layer, nn.Conv2d) and output.grad_fn is not None:
            made[output.grad_fn] = name
        elif isinstance(layer, nn.BatchNorm2d) and layer.running_mean is not None and inputs[0].grad_fn:
            follows[name] = inputs[0].grad_fn

    layers = [layer for layer in names if isinstance(layer, nn.Conv2d | nn.BatchNorm2d)]
    handles = [layer.register_forward_hook(note) for layer in layers]
    try:
        with frozen(model):
            logits = model(example.clone().requires_grad_(True))
    finally:
        for handle in handles:
            handle.remove()
    uses = _uses(logits)
    return {
        made[node]: norm
        for norm, node in follows.items()
        if node in made and uses.get(node) == calls[norm] == calls[made[node]] == 1
    }


def _uses(output: Tensor) -> dict[Edge, int]:
    """How often each node of the graph behind `output` is used."""
    uses: dict[Edge, int] = {}
    waiting = [output.grad_fn]
    while waiting:
        node = waiting.pop()
        if node is None:
            continue
        for above, _ in node.next_functions:
            if above is not None:
                if above not in uses:
                    waiting.append(above)
                uses[above] = uses.get(above, 0) + 1
    return uses


def _compare(model: nn.Module, network: nn.Module, example: Tensor) -> None:
    with frozen(model), torch.no_grad():
        expected, found = model(example), network(example)
    apart = (found - expected).abs().max()
    # far more than rounding, far less than a layer folded wrongly; "not <=" also refuses NaN
    if not apart <= 1e-3 * (1 + expected.abs().max()):
        raise RuntimeError(
            f"Folding batch normalisation changed the logits by {apart.item():g}; the largest is "
            f"{expected.abs().max().item():g}. Attack the network itself (evaluation.fold: false)."
        )
