"""A copy of a trained network for nothing but its input's gradient: the same function, in fewer operations.

Batch normalisation with running averages is an affine map a channel; after a convolution it disappears into
the weights. Which layers follow which is read from a pass itself, not from the code, so that any control flow
will do. On a CPU the first convolution also goes back to its input in well under half the time (`Strided`),
and convolutions of one pixel take the fast path with few images, too (`take_the_fast_path`).
"""

import copy
from math import ceil
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional as F
from torch.nn.utils.fusion import fuse_conv_bn_eval

from meddef_lib.attacks.calling import frozen
from meddef_lib.inference_mode import outside_inference_mode

Edge = torch.autograd.graph.Node
MOST_CHANNELS = 4  # of what goes in: more fill the vectors by themselves


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
    - strided: on a CPU, unless in bfloat16, go back through the first convolution as `Strided` does, and
      through those of one pixel on the fast path.
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
        take_the_fast_path(network)
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


class Strided(nn.Module):
    """The same function as `convolution`, for a network whose weights are frozen: they get no gradient.

    Going back through a convolution of stride s falls into s x s phases: the gradient at the pixels (s i
    + r, s j + q) for i, j = 0, 1, ... depends on every s-th weight of the kernel alone, from (r, q) on.
    Together the phases are one convolution of stride 1 with s x s times as many output channels, put in
    their places afterwards (`pixel_shuffle`). A processor computes 8 or 16 channels at a time: the 3 of
    an image leave most of that unused, the 12 of its phases do not.
    """

    def __init__(self, convolution: nn.Conv2d) -> None:
        super().__init__()
        self.convolution = convolution
        self.register_buffer("phases", _phases(convolution.weight.detach(), convolution.stride[0]))

    def forward(self, images: Tensor) -> Tensor:
        layer = self.convolution
        size = layer.stride[0], cast(tuple[int, int], layer.padding)
        return _StridedConvolution.apply(images, layer.weight, layer.bias, self.phases, *size)


def pays(layer: nn.Module) -> bool:
    """Whether `layer` is a convolution that `Strided` can stand in for, with few enough channels to gain."""
    return (
        isinstance(layer, nn.Conv2d)
        and layer.in_channels <= MOST_CHANNELS
        and layer.stride[0] == layer.stride[1] > 1
        and layer.dilation == (1, 1)
        and layer.groups == 1
        and layer.padding_mode == "zeros"
        and not isinstance(layer.padding, str)
    )


def take_the_fast_path(network: nn.Module) -> None:
    """Let convolutions of one pixel be computed by oneDNN in batches of under 16 images, too.

    On one thread PyTorch (`use_mkldnn` of its ConvParams) gives these to a loop over the images, which reads
    all weights once an image: on the small maps at a network's end up to three times slower. It does not so
    with dilated ones, and between the pixels of a kernel that has one there is nothing to dilate.
    """
    if not torch.backends.mkldnn.is_available():
        return
    for layer in network.modules():
        if isinstance(layer, nn.Conv2d) and layer.kernel_size == (1, 1):
            layer.dilation = (2, 2)


def _phases(weight: Tensor, stride: int) -> Tensor:
    """The weights of the one convolution: (out, in, h, w) -> (in * stride^2, out, h / stride, w / stride).

    Both quotients are rounded up; in each phase the weights run backwards, as gradients do.
    """
    height, width = (ceil(length / stride) for length in weight.shape[2:])
    padded = F.pad(weight, (0, width * stride - weight.shape[3], 0, height * stride - weight.shape[2]))
    by_phase = padded.unflatten(3, (width, stride)).unflatten(2, (height, stride))
    return by_phase.permute(1, 3, 5, 0, 2, 4).flatten(0, 2).flip(2, 3).contiguous()


class _StridedConvolution(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        images: Tensor,
        weight: Tensor,
        bias: Tensor | None,
        phases: Tensor,
        stride: int,
        padding: tuple[int, int],
    ) -> Tensor:
        ctx.save_for_backward(phases)
        ctx.stride, ctx.padding, ctx.size = stride, padding, images.shape[2:]
        return F.conv2d(images, weight, bias, stride, padding)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        (phases,) = ctx.saved_tensors
        by_phase = F.conv2d(gradient, phases, padding=(phases.shape[2] - 1, phases.shape[3] - 1))
        padded = F.pixel_shuffle(by_phase, ctx.stride)
        # the image lies within its padding; rows that no weight ever saw are missing, and their gradient is 0
        (top, left), (height, width) = ctx.padding, ctx.size
        bottom, right = top + height - padded.shape[2], left + width - padded.shape[3]
        return F.pad(padded, (-left, right, -top, bottom)), None, None, None, None, None
