"""The least budget that flips an image: against the distance that a linear network has in closed form."""

import pytest
import torch
from torch import nn

from meddef_lib.diagnostics import least_eps as module
from meddef_lib.diagnostics.least_eps import APGD, NOBODY, PGD, least_eps

EFFORT = {"steps": 8, "halvings": 7}
RANGE = 0.5 / 0.001


def linear(seed=0, classes=2):
    torch.manual_seed(seed)
    return nn.Sequential(nn.Flatten(), nn.Linear(3 * 4 * 4, classes)).double()


def examples(model, n=24, seed=1):
    """Images away from 0 and 1, where no budget is cut; labels as the network answers."""
    images = 0.5 + 0.05 * torch.rand(n, 3, 4, 4, generator=torch.manual_seed(seed)).double()
    return images, model(images).argmax(dim=1).detach()


def distances(model, images, labels):
    """|difference of the logits| over the L1 norm of the difference of the weights, to the nearest class."""
    weight, logits = model[1].weight.detach(), model(images).detach()
    margins = logits.gather(1, labels[:, None]) - logits
    norms = (weight[labels][:, None] - weight[None]).abs().sum(dim=2)
    return (margins / norms).masked_fill(norms == 0, torch.inf).amin(dim=1)


@pytest.mark.parametrize("halvings", [3, 7])
def test_a_linear_network_is_flipped_at_its_distance(halvings):
    model = linear()
    images, labels = examples(model)
    exact = distances(model, images, labels)
    assert exact.min() > 0.001
    found = least_eps(model, images, labels, **EFFORT | {"halvings": halvings})
    assert (found.eps >= exact * (1 - 1e-9)).all(), "nothing flips an image nearer than its boundary"
    assert (found.eps <= exact * RANGE ** (2.0**-halvings) * (1 + 1e-9)).all()
    assert (found.by == PGD).all()


def test_with_more_classes_the_nearest_boundary_counts():
    model = linear(classes=4)
    images, labels = examples(model)
    exact = distances(model, images, labels)
    found = least_eps(model, images, labels, steps=40, halvings=7)
    assert (found.eps >= exact * (1 - 1e-9)).all()
    assert (found.eps / exact).median() < RANGE ** (2.0**-7)


def test_what_is_found_is_a_mistake_at_that_distance():
    model = linear(classes=3)
    images, labels = examples(model)
    found = least_eps(model, images, labels, **EFFORT)
    assert (model(found.images).argmax(dim=1) != labels).all()
    assert ((found.images - images).abs().amax(dim=(1, 2, 3)) <= found.eps * (1 + 1e-9)).all()


def test_an_image_that_is_misclassified_already_needs_nothing():
    model = linear()
    images, labels = examples(model)
    labels[:3] = 1 - labels[:3]
    found = least_eps(model, images, labels, **EFFORT)
    assert (found.eps[:3] == 0).all()
    assert (found.by[:3] == NOBODY).all()
    assert (found.eps[3:] > 0).all()


def test_what_nothing_flips_has_no_number():
    model = linear()
    with torch.no_grad():
        model[1].weight.zero_()
        model[1].bias.copy_(torch.tensor([1.0, 0.0]))
    images = torch.rand(3, 3, 4, 4).double()
    found = least_eps(model, images, torch.zeros(3, dtype=torch.int64), check_eps=[0.5], **EFFORT)
    assert found.eps.isinf().all()
    assert (found.by == NOBODY).all()
    assert torch.equal(found.images, images)


def test_an_image_alone_comes_to_the_same_as_in_a_batch():
    model = linear(classes=3)
    images, labels = examples(model, n=5)
    ids = torch.tensor([7, 3, 9, 1, 4])
    together = least_eps(model, images, labels, image_ids=ids, seed=2, **EFFORT).eps
    one = slice(3, 4)
    alone = least_eps(model, images[one], labels[one], image_ids=ids[one], seed=2, **EFFORT).eps
    assert torch.allclose(together[one], alone, rtol=1e-9)


def test_apgd_checks_what_pgd_left_standing(monkeypatch):
    model = linear()
    images, labels = examples(model)
    exact = distances(model, images, labels)
    budget = float(f"{exact.median() * 1.1:.3f}")  # of which the nearest float32 may be larger
    model, images = model.float(), images.float()
    missed = exact < budget

    def blind(search, chosen, labels, eps, start):  # as where the gradient of the margin leads nowhere
        return chosen, torch.zeros_like(labels, dtype=torch.bool)

    monkeypatch.setattr(module._Search, "_climb", blind)
    found = least_eps(model, images, labels, check_eps=[budget], check_steps=20, **EFFORT)
    assert (found.eps[missed] <= budget).all()
    assert (found.by[missed] == APGD).all()
    assert found.eps[~missed].isinf().all()


def test_a_mistake_of_the_copy_alone_is_none():
    model, turned = linear(), linear()
    with torch.no_grad():
        turned[1].weight.mul_(-1)
    images, labels = examples(model)
    exact = distances(model, images, labels)
    found = least_eps(model, images, labels, fast=turned, **EFFORT)
    assert (found.eps >= exact * (1 - 1e-9)).all()
    assert (found.eps <= exact * RANGE ** (2.0**-7) * (1 + 1e-9)).all()


def test_impossible_efforts_are_refused():
    model = linear()
    with pytest.raises(ValueError, match="halvings is 0"):
        least_eps(model, *examples(model), steps=1, halvings=0)
