"""The fixed matrices against torch's own operators."""

import pytest
import torch
from torch.nn import functional as F

from meddef_lib.models.blocks import average_pool, bilinear

SIZES = [(1, 1), (2, 2), (3, 5), (7, 7), (16, 9)]


@pytest.mark.parametrize("scale", [2, 4, 8])
@pytest.mark.parametrize("size", SIZES, ids=str)
def test_average_pool_is_torchs_in_value_and_gradient(size: tuple[int, int], scale: int) -> None:
    x = torch.randn(3, 4, *size, dtype=torch.float64, requires_grad=True)
    ours, theirs = average_pool(x, (scale, scale)), F.adaptive_avg_pool2d(x, scale)
    _same_with_gradient(x, ours, theirs)


@pytest.mark.parametrize("scale", [2, 4, 8])
@pytest.mark.parametrize("size", SIZES, ids=str)
def test_bilinear_is_torchs_in_value_and_gradient(size: tuple[int, int], scale: int) -> None:
    x = torch.randn(3, 4, scale, scale, dtype=torch.float64, requires_grad=True)
    ours = bilinear(x, size)
    theirs = F.interpolate(x, size, mode="bilinear", align_corners=False)
    _same_with_gradient(x, ours, theirs)


def test_channels_last_batches_give_the_same() -> None:
    x = torch.randn(2, 6, 7, 7)
    laid_out = x.to(memory_format=torch.channels_last)
    torch.testing.assert_close(average_pool(laid_out, (4, 4)), average_pool(x, (4, 4)))


def test_matrices_first_used_in_inference_mode_serve_training_later() -> None:
    size = (12, 14)  # used nowhere else, so that the matrix is made here
    with torch.inference_mode():
        average_pool(torch.randn(1, 1, *size), (2, 2))
    x = torch.randn(1, 1, *size, requires_grad=True)
    average_pool(x, (2, 2)).sum().backward()
    torch.testing.assert_close(x.grad, torch.full_like(x, 4 / (12 * 14)))


def test_half_precision_keeps_its_type() -> None:
    assert average_pool(torch.ones(1, 1, 7, 7, dtype=torch.bfloat16), (2, 2)).dtype is torch.bfloat16


def _same_with_gradient(x: torch.Tensor, ours: torch.Tensor, theirs: torch.Tensor) -> None:
    # in float64: a sum in float32 that nearly cancels differs by more; the matrices themselves are float32
    torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-5)
    weights = torch.randn_like(theirs)
    gradients = [torch.autograd.grad((y * weights).sum(), x)[0] for y in (ours, theirs)]
    torch.testing.assert_close(*gradients, rtol=0, atol=1e-5)
