from dataclasses import dataclass

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional

from meddef_lib.attacks.calling import Trace
from meddef_lib.attacks.jsma import jsma


class Linear(nn.Module):
    """Logits are weights (classes, features) times the image's values, plus a bias."""

    def __init__(self, weights, bias=0.0):
        super().__init__()
        self.weights = nn.Parameter(torch.as_tensor(weights, dtype=torch.float64))
        self.bias = bias

    def forward(self, images):
        return images.flatten(1) @ self.weights.T + self.bias


def network(classes=4, seed=0):
    """A small network with everything that behaves differently in training mode."""
    torch.manual_seed(seed)
    return nn.Sequential(
        nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.Tanh(), nn.Dropout(), nn.Flatten(), nn.LazyLinear(classes)
    )


def built(model, images):
    model.eval()
    model(images)
    return model


def batch(n=4, side=6, seed=1, dtype=torch.float32):
    return torch.rand(n, 3, side, side, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def attacked_labels(model, images):
    """The model's own predictions, so that every image starts as correctly classified."""
    with torch.no_grad():
        return model(images).argmax(dim=1)


def counted(adversarial, images):
    return (adversarial != images).flatten(1).sum(1)


@dataclass
class Outcome:
    """What JSMA made of images, with what follows from it."""

    adversarial: torch.Tensor
    steps_used: torch.Tensor
    truncated: torch.Tensor
    predicted: torch.Tensor
    changed: torch.Tensor  # features


def run(model, images, labels, **settings):
    trace = Trace()
    adversarial = jsma(model, images, labels, **settings, trace=trace)
    assert torch.equal(trace.worst, adversarial)
    with torch.no_grad():
        predicted = model(adversarial).argmax(1)
    return Outcome(adversarial, trace.steps_used, trace.truncated, predicted, counted(adversarial, images))


def runners_up(model, images, labels):
    """The largest logit but the label's."""
    with torch.no_grad():
        return model(images).scatter(1, labels[:, None], -np.inf).argmax(1)


def test_steps_by_hand():
    # Class 1 wants features 1 and 3: (5 + 2) * -(-3 - 2) = 35 beats (5 + 4) * -(-3 + 2) = 9 and (4 + 2) * 0.
    model = Linear([[0.0, -3.0, 2.0, -2.0], [1.0, 5.0, 4.0, 2.0]], torch.tensor([4.0, 0.0]))
    images = torch.tensor([[[[0.0, 0.1], [0.0, 0.1]]]], dtype=torch.float64)
    # F_0 - F_1 = 4 - 8 x_1 - 4 x_3 + ... is 2.8; each step of 0.1 takes 1.2 off, so the third reaches class 1
    outcome = run(model, images, torch.tensor([0]), theta=0.1, gamma=0.5)
    expected = torch.tensor([[[[0.0, 0.4], [0.0, 0.4]]]], dtype=torch.float64)
    assert torch.allclose(outcome.adversarial, expected, rtol=0, atol=1e-12)
    assert outcome.predicted.tolist() == [1]
    assert outcome.steps_used.tolist() == [3]
    assert outcome.changed.tolist() == [2]  # changed three times each, counted once
    assert outcome.truncated.tolist() == [False]


def test_a_step_changes_the_best_pair_of_the_jacobian():
    images = batch(3)
    model = built(network(), images)
    labels = attacked_labels(model, images)
    outcome = run(model, images, labels, theta=0.1, gamma=0.5, max_steps=1)
    for image, adversarial, target in zip(
        images, outcome.adversarial, runners_up(model, images, labels), strict=True
    ):
        jacobian = torch.autograd.functional.jacobian(lambda x: model(x)[0], image[None]).flatten(1).double()
        x = jacobian[target].numpy()
        y = -(jacobian.sum(0) - jacobian[target]).numpy()
        x_sum, y_sum = x[:, None] + x, y[:, None] + y
        free = image.flatten().numpy() < 1
        allowed = (x_sum > 0) & (y_sum > 0) & free & free[:, None]
        np.fill_diagonal(allowed, False)
        best = np.where(allowed, x_sum * y_sum, -np.inf)
        changed = np.flatnonzero((adversarial != image).flatten().numpy())
        assert len(changed) == 2
        # equal but for the order in which float32 added up the gradients
        assert best[tuple(changed)] == pytest.approx(best.max(), rel=1e-5)


def test_an_image_stays_where_its_target_is_predicted_or_there_is_no_gradient():
    model = Linear(np.zeros((4, 12)), torch.tensor([0.3, 0.9, 0.5, 0.7]))
    images = batch(4, side=2, dtype=torch.float64)
    # all but the second are predicted as the runner-up, class 1, from the start
    outcome = run(model, images, torch.tensor([0, 1, 2, 3]), theta=0.1, gamma=0.5)
    assert outcome.steps_used.tolist() == [0, 0, 0, 0]
    assert torch.equal(outcome.adversarial, images)
    assert not outcome.truncated.any()  # without a gradient there is no pair, however many steps


@given(
    gamma=st.floats(0, 0.6),
    theta=st.sampled_from([0.1, 0.5, 1.0]),
    pairs_per_step=st.integers(1, 5),
    target=st.sampled_from(["runner_up", "every"]),
    max_steps=st.integers(1, 12),
    seed=st.integers(0, 50),
)
@settings(max_examples=40, deadline=None)
def test_budget_range_and_inputs(gamma, theta, pairs_per_step, target, max_steps, seed):
    images = (batch(3, side=5, seed=seed) * 1.4 - 0.2).clamp(0, 1)  # some features are at a bound
    model = built(network(3, seed), images)
    labels = attacked_labels(model, images)
    before = images.clone(), labels.clone()
    arguments = {
        "theta": theta,
        "gamma": gamma,
        "pairs_per_step": pairs_per_step,
        "target": target,
        "max_steps": max_steps,
    }
    outcome = run(model, images, labels, **arguments)
    change = outcome.adversarial - images
    assert (outcome.changed <= gamma * images[0].numel()).all()
    assert outcome.adversarial.min() >= 0
    assert outcome.adversarial.max() <= 1
    assert (change >= 0).all()
    assert torch.equal(images, before[0])
    assert torch.equal(labels, before[1])
    again = jsma(model, images, labels, **arguments)
    assert torch.equal(again, outcome.adversarial)


def test_a_feature_at_its_bound_is_left_out():
    model = Linear([[-3.0, -2.0, -1.0], [3.0, 2.0, 1.0]], torch.tensor([50.0, 0.0]))
    images = torch.tensor([[[[0.0, 1.0, 0.5]]]], dtype=torch.float64)
    outcome = run(model, images, torch.tensor([0]), theta=0.25, gamma=1.0)
    # features 0 and 2 rise until 2 is full after two steps; no pair is left then
    assert outcome.adversarial.flatten().tolist() == [0.5, 1.0, 1.0]
    assert outcome.steps_used.tolist() == [2]


def test_an_image_at_the_end_of_its_budget_may_change_the_same_features_again():
    model = Linear([[-9.0, -8.0, -1.0, -1.0], [9.0, 8.0, 1.0, 1.0]], torch.tensor([500.0, 0.0]))
    images = torch.zeros(1, 1, 2, 2, dtype=torch.float64)
    outcome = run(model, images, torch.tensor([0]), theta=0.25, gamma=0.5)
    assert outcome.adversarial.flatten().tolist() == [1, 1, 0, 0]
    assert outcome.steps_used.tolist() == [4]
    assert outcome.changed.tolist() == [2]
    nothing = run(model, images, torch.tensor([0]), theta=0.25, gamma=0.49)
    assert torch.equal(nothing.adversarial, images)  # one feature is less than a pair


def test_what_max_steps_cut_short_says_so():
    images = batch(4)
    model = built(network(), images)
    labels = attacked_labels(model, images)
    short = run(model, images, labels, theta=0.1, gamma=0.5, max_steps=1)
    full = run(model, images, labels, theta=0.1, gamma=0.5)
    assert short.truncated.tolist() == [steps > 1 for steps in full.steps_used.tolist()]
    assert short.truncated.any()
    assert short.steps_used.max() == 1
    assert not full.truncated.any()


def test_more_pairs_a_step_take_fewer_steps():
    images = batch(4)
    model = built(network(), images)
    labels = attacked_labels(model, images)
    one = run(model, images, labels, theta=0.1, gamma=0.5)
    many = run(model, images, labels, theta=0.1, gamma=0.5, pairs_per_step=4)
    target = runners_up(model, images, labels)
    assert torch.equal(one.predicted, target)
    assert torch.equal(many.predicted, target)
    assert (many.steps_used <= one.steps_used).all()
    assert many.steps_used.sum() < one.steps_used.sum()


def test_every_target_falls_where_the_runner_up_does_and_changes_no_more():
    images = batch(6)
    model = built(network(5), images)
    labels = attacked_labels(model, images)
    one = run(model, images, labels, theta=0.1, gamma=0.05)
    every = run(model, images, labels, theta=0.1, gamma=0.05, target="every")
    reached = one.predicted == runners_up(model, images, labels)
    assert (every.predicted != labels)[reached].all()
    assert (every.changed <= one.changed)[reached].all()
    assert (every.steps_used > one.steps_used).all()


def test_without_a_reached_target_another_mistake_is_kept_before_none():
    # Towards class 1 nothing helps. Towards class 2 features 0 and 1 do, but class 3 overtakes it on the way.
    weights = [[0.0, 0.0, 0.0], [0.0, 0.0, 0.0], [1.0, 1.0, 0.0], [-0.2, -0.2, 0.0]]
    flip = Linear(weights, torch.tensor([1.0, 0.9, -9.0, 0.0]))
    images = torch.full((1, 1, 1, 3), 0.5, dtype=torch.float64)
    kept = run(flip, images, torch.tensor([0]), theta=0.1, gamma=1.0, target="every")
    assert torch.equal(kept.adversarial, images)  # towards the runner-up, as no attempt is misclassified

    class Overtaken(Linear):
        def forward(self, images):
            logits = super().forward(images)
            bump = functional.pad((images[:, 0, 0, :1] > 0.8) * 5.0, (3, 0))
            return logits + bump

    overtaken = Overtaken(weights, torch.tensor([1.0, 0.9, -9.0, 0.0]))
    kept = run(overtaken, images, torch.tensor([0]), theta=0.1, gamma=1.0, target="every")
    assert kept.predicted.tolist() == [3]  # on the way to class 2


@pytest.mark.parametrize("target", ["runner_up", "every"])
@pytest.mark.parametrize("batch_size", [1, 2, 5, 100])
def test_the_batch_does_not_matter(target, batch_size):
    generator = torch.Generator().manual_seed(0)
    model = Linear(torch.randn(3, 27, generator=generator, dtype=torch.float64))
    images = batch(7, side=3, dtype=torch.float64)
    labels = attacked_labels(model, images)
    arguments = {"theta": 0.1, "gamma": 0.4, "target": target}
    whole = run(model, images, labels, **arguments)
    parts = run(model, images, labels, batch_size=batch_size, **arguments)
    for name in ("adversarial", "steps_used", "truncated"):
        assert torch.equal(getattr(whole, name), getattr(parts, name)), name


def test_memory_format_does_not_matter():
    images = batch(3)
    model = built(network(), images)
    labels = attacked_labels(model, images)
    plain = run(model, images, labels, theta=0.1, gamma=0.2, max_steps=5)
    last = run(model, images.to(memory_format=torch.channels_last), labels, theta=0.1, gamma=0.2, max_steps=5)
    assert last.adversarial.is_contiguous(memory_format=torch.channels_last)
    assert torch.equal(plain.adversarial, last.adversarial)


def test_the_network_is_used_in_eval_mode_and_left_as_it_was():
    images = batch(3)
    model = built(network(), images)
    labels = attacked_labels(model, images)
    expected = jsma(model, images, labels, max_steps=3)
    model.train()
    model[1].eval()
    model[0].weight.requires_grad_(False)
    state = {name: value.clone() for name, value in model.state_dict().items()}
    assert torch.equal(jsma(model, images, labels, max_steps=3), expected)
    assert [layer.training for layer in model] == [True, False, True, True, True, True]
    assert [parameter.requires_grad for parameter in model.parameters()] == [False] + [True] * 5
    assert all(torch.equal(value, state[name]) for name, value in model.state_dict().items())
    assert all(parameter.grad is None for parameter in model.parameters())


def test_no_images_is_no_work():
    model = Linear(np.ones((2, 12)))
    outcome = run(
        model,
        torch.rand(0, 3, 2, 2, dtype=torch.float64),
        torch.empty(0, dtype=torch.int64),
        theta=0.1,
        gamma=0.1,
    )
    assert outcome.adversarial.shape == (0, 3, 2, 2)
    assert outcome.steps_used.shape == outcome.truncated.shape == (0,)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"theta": 0}, "theta is 0"),
        ({"theta": 1.5}, "theta is 1.5"),
        ({"theta": -0.1}, "theta is -0.1"),
        ({"theta": float("nan")}, "theta is nan"),
        ({"theta": 1e-20}, "theta is 1e-20; a pixel of type torch.float64"),
        ({"gamma": -0.1}, "gamma is -0.1"),
        ({"gamma": 14}, "gamma is 14"),
        ({"target": "any"}, "target is 'any'; expected one of runner_up, every"),
        ({"max_steps": 0}, "max_steps is 0"),
        ({"pairs_per_step": 0}, "pairs_per_step is 0"),
        ({"batch_size": 0}, "batch_size is 0"),
    ],
)
def test_settings_outside_their_range_are_refused(arguments, message):
    images = batch(2, side=2, dtype=torch.float64)
    with pytest.raises(ValueError, match=message):
        jsma(Linear(np.ones((2, 12))), images, torch.tensor([0, 1]), **arguments)


def test_labels_and_logits_must_fit():
    images = batch(2, side=2, dtype=torch.float64)
    with pytest.raises(ValueError, match="Labels reach from 0 to 2; the model has 2 classes"):
        jsma(Linear(np.ones((2, 12))), images, torch.tensor([0, 2]))
    with pytest.raises(ValueError, match="a single logit"):
        jsma(Linear(np.ones((1, 12))), images, torch.tensor([0, 0]))


def test_a_gradient_that_is_not_finite_is_an_error_and_not_robustness():
    images = batch(2, side=2, dtype=torch.float64)
    model = Linear(np.full((2, 12), np.nan), torch.tensor([1.0, 0.0]))
    model.train()
    with pytest.raises(ValueError, match="gradient a holds nan"):
        jsma(model, images, torch.tensor([0, 0]))
    assert model.training
