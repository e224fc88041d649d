"""Auto-PGD: its schedule as published, the optimum where it is known, and what it finds that PGD does not."""

import pytest
import torch
from torch import nn

from meddef_lib.attacks.apgd import apgd_ce, apgd_dlr, apgd_targeted, checkpoints
from meddef_lib.attacks.calling import Trace, misclassified
from meddef_lib.attacks.gradient import pgd

EPS = 0.02  # for affine models: some images can fall, others cannot
EVERY = pytest.mark.parametrize("attack", [apgd_ce, apgd_dlr, apgd_targeted])


def test_checkpoints_are_those_of_the_paper():
    assert checkpoints(100) == [22, 41, 57, 70, 80, 87, 93, 99]
    assert checkpoints(10) == [3, 5, 6, 7, 8, 9]
    assert checkpoints(1) == []


def affine(classes, seed=0):
    generator = torch.Generator().manual_seed(seed)
    layer = nn.Linear(27, classes, dtype=torch.float64)
    with torch.no_grad():
        layer.weight.normal_(generator=generator)
        layer.bias.normal_(generator=generator)
    # away from 0 and 1, so that nothing is clipped
    images = 0.3 + 0.4 * torch.rand(40, 3, 3, 3, dtype=torch.float64, generator=generator)
    return nn.Sequential(nn.Flatten(), layer), images


@EVERY
@pytest.mark.parametrize("classes", [2, 3, 4])
def test_affine_models_fall_exactly_where_they_can(attack, classes):
    """In the ball the margin to class j can move by eps |w_j - w_label|_1, and no further."""
    model, images = affine(classes)
    logits, weight = model(images).detach(), model[1].weight.detach()
    labels = logits.argmax(dim=1)
    reach = EPS * (weight[None] - weight[labels][:, None]).abs().sum(dim=2)
    margins = logits - logits.gather(1, labels[:, None])
    can_fall = (margins + reach > 0).scatter(1, labels[:, None], False).any(dim=1)
    found = attack(model, images, labels, eps=EPS)
    fallen = misclassified(model(found), labels)
    assert 0 < can_fall.sum() < 40
    if attack is apgd_targeted or classes == 2:
        assert torch.equal(fallen, can_fall)
    else:  # an untargeted loss may climb towards the wrong class of several
        assert (fallen <= can_fall).all()
        assert fallen.sum() >= 0.9 * can_fall.sum()


class Needle(nn.Module):
    """Misclassifies where the one pixel is within 0.002 of 0.63; the logits rise towards it."""

    def forward(self, images):
        distance = (images.flatten(1)[:, 0] - 0.63).abs()
        return torch.stack([distance, torch.full_like(distance, 0.002)], dim=1)


@EVERY
def test_steps_become_smaller_where_they_overshoot(attack):
    image, label = torch.full((1, 1, 1, 1), 0.5, dtype=torch.float64), torch.tensor([0])
    fixed = pgd(Needle(), image, label, eps=0.25, step_size=0.1, steps=100, early_stop=True, start=image)
    assert not misclassified(Needle()(fixed), label).any()
    assert misclassified(Needle()(attack(Needle(), image, label, eps=0.25)), label).all()


def trained(scale=1.0, classes=4):
    """A small network that knows which quarter of the image is bright; sure of itself if `scale` is large."""
    torch.manual_seed(0)
    images = 0.4 + 0.2 * torch.rand(64, 1, 8, 8)
    labels = torch.arange(64) % classes
    for image, label in zip(images, labels.tolist(), strict=True):
        row, column = divmod(label, 2)
        image[0, 4 * row : 4 * row + 4, 4 * column : 4 * column + 4] += 0.1
    model = nn.Sequential(nn.Flatten(), nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, classes))
    optimizer = torch.optim.Adam(model.parameters(), lr=0.02)
    for _ in range(80):
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(images), labels).backward()
        optimizer.step()
    with torch.no_grad():
        model[3].weight *= scale
        model[3].bias *= scale
    return model, images, labels


def test_the_ratio_sees_through_large_logits():
    """Of large logits the cross-entropy's gradient is 0 in float32, DLR's is not (Croce & Hein 2020)."""
    model, images, labels = trained(scale=1e4)
    assert not misclassified(model(images), labels).any()
    standing = {
        attack: int((~misclassified(model(attack(model, images, labels, eps=0.06)), labels)).sum())
        for attack in (apgd_ce, apgd_dlr, apgd_targeted)
    }
    unscaled, *_ = trained()
    plain = int((~misclassified(unscaled(apgd_dlr(unscaled, images, labels, eps=0.06)), labels)).sum())
    assert standing[apgd_ce] > 32
    assert standing[apgd_dlr] == plain < 8
    assert standing[apgd_targeted] <= plain


def test_no_weaker_than_pgd_of_as_many_steps():
    model, images, labels = trained()
    eps = 0.03
    found = [
        pgd(model, images, labels, eps=eps, step_size=eps / 4, steps=100, early_stop=True),
        apgd_ce(model, images, labels, eps=eps),
        apgd_targeted(model, images, labels, eps=eps),
    ]
    by_pgd, by_apgd, by_targets = (int(misclassified(model(images), labels).sum()) for images in found)
    assert 0 < by_pgd <= by_apgd <= by_targets < 64


@EVERY
def test_steps_are_counted_and_end_with_the_first_mistake(attack):
    model, images = affine(4)
    labels = model(images).argmax(dim=1)
    trace = Trace()
    found = attack(model, images, labels, eps=0.03, steps=20, restarts=2, trace=trace)
    fallen = misclassified(model(found), labels)
    runs = 2 * (3 if attack is apgd_targeted else 1)
    assert (trace.steps_used[~fallen] == 20 * runs).all()
    assert (trace.steps_used[fallen] < 20 * runs).all()
    assert torch.equal(trace.worst, found)


def test_more_than_nine_other_classes_are_not_all_aimed_at():
    model, images = affine(13)
    labels = model(images).argmax(dim=1)
    trace = Trace()
    apgd_targeted(model, images, labels, eps=0.0, steps=1, trace=trace)
    assert trace.steps_used.unique().tolist() == [9]
