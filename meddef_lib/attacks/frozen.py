"""A network as an attack needs it: in eval mode, with nothing but its input to differentiate."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn


@contextmanager
def frozen(model: nn.Module) -> Iterator[None]:
    """Put `model` into eval mode with frozen parameters, gradients enabled; restore all of it at the end.

    Every module gets its own mode back and every parameter its own `requires_grad`, also after an error.
    With frozen parameters a convolution keeps no input for a gradient of its weights.
    """
    modes = [(module, module.training) for module in model.modules()]
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    try:
        model.eval()
        for parameter in trained:
            parameter.requires_grad_(False)
        with torch.inference_mode(False), torch.enable_grad():
            yield
    finally:
        for parameter in trained:
            parameter.requires_grad_(True)
        for module, training in modes:
            module.training = training
