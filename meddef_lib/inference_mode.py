"""Models and images that `torch.inference_mode` made, or that are given within it: no gradient passes them.

torch never lets such a tensor be differentiated or written to outside of that mode; a copy is like any other.
"""

import copy
from collections.abc import Callable
from functools import wraps
from itertools import chain
from typing import Any, ParamSpec, TypeVar

import torch
from torch import Tensor, nn

P = ParamSpec("P")
R = TypeVar("R")
Given = TypeVar("Given")


def outside_inference_mode(function: Callable[P, R]) -> Callable[P, R]:
    """`function`, computed outside of inference mode wherever it is called, on `ordinary` arguments."""

    @wraps(function)
    def run(*arguments: P.args, **options: P.kwargs) -> R:
        given: Any = [ordinary(value) for value in arguments]
        named: Any = {name: ordinary(value) for name, value in options.items()}
        with torch.inference_mode(False):
            return function(*given, **named)

    return run


def ordinary(value: Given) -> Given:
    """The value itself; a tensor or a network that inference mode made, as a copy that can be differentiated.

    What is given stays as it is.
    """
    tensors: list[Tensor] = []
    if isinstance(value, Tensor):
        tensors = [value]
    elif isinstance(value, nn.Module):
        tensors = list(chain(value.parameters(), value.buffers()))
    if not any(tensor.is_inference() for tensor in tensors):
        return value
    with torch.inference_mode(False):
        return copy.deepcopy(value)
