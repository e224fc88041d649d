import torch
from torch import nn
from torch.nn import functional

from meddef_lib.training.crafting import ascend, frozen_in_training, uniform_start


def state_of(model):
    return {name: value.clone() for name, value in model.state_dict().items()}


def test_on_a_linear_model_the_steps_are_those_of_the_gradient_s_sign():
    weight = torch.tensor([[1.0, -2.0, 0.5]])
    images = torch.full((1, 3), 0.5)

    found = ascend(
        lambda x: x @ weight.T, images, images, lambda z: z.sum(), eps=0.1, step_size=0.04, steps=2
    )

    assert torch.allclose(found, torch.tensor([[0.58, 0.42, 0.58]]))


def test_it_stays_in_the_ball_and_in_the_range():
    images = torch.rand(4, 3, 8, 8)
    start = uniform_start(images, 0.3, generator=torch.Generator().manual_seed(0))

    found = ascend(lambda x: x, images, start, lambda z: z.sum(), eps=0.3, step_size=0.2, steps=3)

    assert (found - images).abs().max() <= 0.3 + 1e-6
    assert found.min() >= 0
    assert found.max() <= 1
    assert (start - images).abs().max() <= 0.3 + 1e-6
    assert not found.requires_grad


def test_no_steps_give_the_clipped_start():
    images = torch.zeros(2, 3, 4, 4)

    found = ascend(lambda x: x, images, images - 1, lambda z: z.sum(), eps=0.1, step_size=0.1, steps=0)

    assert (found == 0).all()


def test_inputs_are_not_written_to():
    images, start = torch.rand(2, 3, 4, 4), torch.rand(2, 3, 4, 4)
    before = images.clone(), start.clone()

    ascend(lambda x: x, images, start, lambda z: z.sum(), eps=0.5, step_size=0.1, steps=2)

    assert torch.equal(images, before[0])
    assert torch.equal(start, before[1])


def test_crafting_in_training_mode_leaves_no_trace(tiny):
    model = tiny.train()
    model.head.bias.requires_grad_(False)
    before = state_of(model)
    images, labels = torch.rand(8, 3, 16, 16), torch.arange(8) % 2

    with frozen_in_training(model):
        assert not any(parameter.requires_grad for parameter in model.parameters())
        ascend(
            model,
            images,
            images,
            lambda z: functional.cross_entropy(z, labels),
            eps=0.1,
            step_size=0.05,
            steps=2,
        )

    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert all(parameter.grad is None for parameter in model.parameters())
    assert [name for name, p in model.named_parameters() if not p.requires_grad] == ["head.bias"]


def test_in_training_mode_batch_statistics_are_used():
    norm = nn.BatchNorm2d(3).train()
    images = torch.rand(8, 3, 4, 4) + 5

    with frozen_in_training(norm), torch.no_grad():
        found = norm(images)

    assert found.mean().abs() < 1e-5
    assert (norm.running_mean == 0).all()
    assert norm.track_running_stats


def test_without_a_budget_the_images_come_back_and_the_network_is_not_asked():
    images = torch.rand(2, 3, 4, 4)

    found = ascend(None, images, images + 0.1, None, eps=0.0, step_size=0.0, steps=3)

    assert torch.equal(found, images)
