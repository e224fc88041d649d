import pytest
import torch

from meddef_lib import models
from meddef_lib.training.learner import twin_of


@pytest.mark.parametrize("variant", models.VARIANTS)
@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last])
def test_the_twin_follows_a_network_that_is_trained(variant, memory_format):
    model = models.build(variant, 3, mean=0.4, std=0.2).train().to(memory_format=memory_format)
    twin = twin_of(model, torch.zeros(1, 3, 32, 32))
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2, fused=True)
    images = torch.rand(4, 3, 32, 32, generator=torch.Generator().manual_seed(0))

    model(images).square().mean().backward()
    optimizer.step()
    twin.follow()

    found = twin.network(images)
    with torch.no_grad():
        expected = model.eval()(images)
    assert twin.folded
    assert not found.requires_grad
    assert torch.allclose(found, expected, rtol=1e-3, atol=1e-4 * expected.abs().max().item())


def test_the_network_is_left_alone(tiny):
    before = {name: value.clone() for name, value in tiny.state_dict().items()}

    twin = twin_of(tiny.train(), torch.zeros(1, 3, 16, 16))

    assert len(twin.folded) == 2
    assert tiny.training
    assert all(parameter.requires_grad for parameter in tiny.parameters())
    assert all(torch.equal(value, before[name]) for name, value in tiny.state_dict().items())


def test_layers_without_batch_normalisation_share_their_memory(tiny):
    twin = twin_of(tiny, torch.zeros(1, 3, 16, 16))

    with torch.no_grad():
        tiny.head.bias.fill_(7)

    assert (twin.network.head.bias == 7).all()
