"""FGSM, BIM and PGD: a linear case by hand, the two definitions of success, and what is left as it was."""

import pytest
import torch
from torch import nn

from meddef_lib.attacks.apgd import apgd_ce
from meddef_lib.attacks.calling import Trace
from meddef_lib.attacks.gradient import bim, fgsm, pgd


class Linear(nn.Module):
    """Logits (n, 2) of images: their weighted sum, and its negative."""

    def __init__(self, weights):
        super().__init__()
        self.weights = nn.Parameter(weights)
        self.norm = nn.BatchNorm2d(1)  # a mode to be restored

    def forward(self, images):
        score = (images * self.weights).flatten(1).sum(dim=1)
        return torch.stack([score, -score], dim=1)


@pytest.fixture
def linear():
    return Linear(torch.tensor([[[1.0, -2.0], [0.5, 0.0]]], dtype=torch.float64))


def images(*values):
    return torch.tensor(values, dtype=torch.float64).view(-1, 1, 2, 2)


def test_fgsm_by_hand(linear):
    # label 0 wants a large score: the attack goes against the sign of each weight, and where it is 0 nowhere
    found = fgsm(linear, images([0.5, 0.5, 0.05, 0.3]), torch.tensor([0]), eps=0.1)
    assert torch.allclose(found, images([0.4, 0.6, 0.0, 0.3])), "0.05 is clipped at 0"


def test_bim_by_hand(linear):
    found = bim(linear, images([0.5, 0.5, 0.5, 0.3]), torch.tensor([1]), eps=0.1, step_size=0.04, steps=2)
    assert torch.allclose(found, images([0.58, 0.42, 0.58, 0.3]))
    more = bim(linear, images([0.5, 0.5, 0.5, 0.3]), torch.tensor([1]), eps=0.1, step_size=0.04, steps=9)
    assert torch.allclose(more, images([0.6, 0.4, 0.6, 0.3])), "projected onto the ball"


def test_pgd_from_a_given_start_is_bim(linear):
    batch, labels = torch.rand(5, 1, 2, 2, dtype=torch.float64), torch.tensor([0, 1, 0, 1, 0])
    settings = {"eps": 0.1, "step_size": 0.03, "steps": 4}
    assert torch.equal(
        pgd(linear, batch, labels, start=batch, **settings), bim(linear, batch, labels, **settings)
    )


def test_the_random_start_belongs_to_the_image_and_not_to_its_place(linear):
    batch, labels = torch.rand(6, 1, 2, 2, dtype=torch.float64), torch.zeros(6, dtype=torch.int64)
    ids = torch.tensor([11, 12, 13, 14, 15, 16])
    settings = {"eps": 0.1, "step_size": 0.001, "steps": 1, "seed": 3}
    whole = pgd(linear, batch, labels, image_ids=ids, **settings)
    alone = torch.cat(
        [pgd(linear, batch[i : i + 1], labels[:1], image_ids=ids[i : i + 1], **settings) for i in range(6)]
    )
    assert torch.equal(whole, alone)
    assert not torch.equal(whole, pgd(linear, batch, labels, image_ids=ids, **settings | {"seed": 4}))


@pytest.mark.parametrize("batch_size", [1, 2, 3, 7])
def test_worst_case_does_not_depend_on_the_queue(linear, batch_size):
    torch.manual_seed(0)
    batch, labels = torch.rand(7, 1, 2, 2, dtype=torch.float64), torch.tensor([0, 1, 0, 1, 0, 1, 0])
    settings = {"eps": 0.2, "step_size": 0.03, "steps": 5, "seed": 1, "early_stop": True, "restarts": 2}
    expected, told = Trace(), Trace()
    everyone = pgd(linear, batch, labels, trace=expected, **settings)
    queued = pgd(linear, batch, labels, batch_size=batch_size, trace=told, **settings)
    assert torch.equal(everyone, queued)
    assert torch.equal(expected.steps_used, told.steps_used)


class Ridge(nn.Module):
    """Class 1 only in a thin band of one pixel's values: steps along the gradient's sign jump over it."""

    def forward(self, images):
        score = 0.01 - (images.flatten(1)[:, 0] - 0.5).abs()
        return torch.stack([-score, score], dim=1)


@pytest.mark.parametrize("early_stop", [False, True])
def test_an_image_keeps_the_restart_that_succeeded(early_stop):
    # a step of 0.1 towards the band from anywhere in 0.4 to 0.6: few starts end in it, and later ones may not
    batch = torch.full((40, 1, 1, 1), 0.5, dtype=torch.float64)
    labels, ids = torch.zeros(40, dtype=torch.int64), torch.arange(40)
    settings = {"eps": 0.2, "step_size": 0.1, "steps": 1, "image_ids": ids, "early_stop": early_stop}

    def fallen(restarts):
        found = pgd(Ridge(), batch, labels, restarts=restarts, **settings)
        return Ridge()(found).argmax(dim=1) == 1

    few, many = fallen(1), fallen(8)
    assert 0 < few.sum() < many.sum()
    assert (many >= few).all()


def test_of_restarts_that_all_fail_the_highest_loss_is_kept(linear):
    batch, labels = images([0.9, 0.1, 0.9, 0.5]), torch.tensor([0])
    settings = {"eps": 0.05, "step_size": 0.001, "steps": 1, "seed": 2}
    ends = [pgd(linear, batch, labels, restarts=count, **settings) for count in (1, 2, 3, 4)]
    scores = [linear(end)[0, 0].item() for end in ends]
    assert scores == sorted(scores, reverse=True)
    assert scores[-1] < scores[0]


def test_worst_case_returns_the_first_mistake(linear):
    trace = Trace()
    image = images([0.5, 0.2, 0.2, 0.0])  # score 0.2; a step of 0.01 takes 0.035 off
    found = bim(
        linear, image, torch.tensor([0]), eps=0.2, step_size=0.01, steps=40, early_stop=True, trace=trace
    )
    assert linear(found).argmax(dim=1).item() == 1
    assert trace.steps_used.item() == 6
    assert (found - image).abs().max().item() == pytest.approx(0.06)


def test_last_iterate_knows_the_worst_one(linear):
    trace = Trace()
    batch, labels = torch.rand(4, 1, 2, 2, dtype=torch.float64), torch.tensor([0, 1, 0, 1])
    bim(linear, batch, labels, eps=0.3, step_size=0.05, steps=6, trace=trace)
    wrong = linear(trace.worst).argmax(dim=1) != labels
    last = linear(bim(linear, batch, labels, eps=0.3, step_size=0.05, steps=6)).argmax(dim=1) != labels
    assert (wrong >= last).all()


@pytest.mark.parametrize("early_stop", [False, True])
def test_inputs_mode_and_parameters_are_left_alone(linear, early_stop):
    linear.train()
    linear.norm.eval()
    batch, labels = torch.rand(3, 1, 2, 2, dtype=torch.float64), torch.tensor([0, 1, 0])
    before = batch.clone()
    pgd(linear, batch, labels, eps=0.1, step_size=0.05, steps=2, early_stop=early_stop)
    assert torch.equal(batch, before)
    assert linear.training
    assert not linear.norm.training
    assert linear.weights.requires_grad
    assert linear.weights.grad is None


def test_an_error_in_the_model_restores_it_and_travels(linear):
    linear.train()
    linear.forward = lambda images: 1 / 0
    with pytest.raises(ZeroDivisionError):
        fgsm(linear, torch.rand(1, 1, 2, 2, dtype=torch.float64), torch.tensor([0]), eps=0.1)
    assert linear.training
    assert linear.weights.requires_grad


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"eps": -0.1}, "eps is -0.1"),
        ({"steps": 0}, "steps is 0"),
        ({"restarts": 0}, "restarts is 0"),
        ({"step_size": -0.1}, "step_size is -0.1"),
        ({"batch_size": 0, "early_stop": True}, "batch_size is 0"),
        ({"start": torch.zeros(1, 1, 2, 2), "restarts": 2}, "with restarts 2"),
        ({"start": torch.zeros(1, 2, 2)}, "expected one start in the images' shape"),
        ({"image_ids": torch.tensor([1, 2])}, "one int64 id for each of 1 images"),
    ],
)
def test_what_cannot_be_is_refused(linear, change, words):
    settings = {"eps": 0.1, "step_size": 0.05, "steps": 2} | change
    with pytest.raises(ValueError, match=words):
        pgd(linear, torch.rand(1, 1, 2, 2, dtype=torch.float64), torch.tensor([0]), **settings)


@pytest.mark.parametrize(
    ("batch", "words"),
    [
        (torch.full((1, 1, 2, 2), 3.0), "pixels in"),
        (torch.full((1, 1, 2, 2), float("nan")), "pixels in"),
        (torch.zeros(1, 2, 2), "images"),
        (torch.zeros(1, 1, 2, 2, dtype=torch.uint8), "floating-point"),
        (torch.zeros(1, 1, 2, 2, dtype=torch.float16), "float32 or float64 images; these are torch.float16"),
        (torch.zeros(1, 1, 2, 2, dtype=torch.bfloat16), "rounds a small budget away"),
    ],
)
def test_images_that_are_none_are_refused(linear, batch, words):
    with pytest.raises(ValueError, match=words):
        fgsm(linear, batch, torch.tensor([0]), eps=0.1)


class Root(nn.Module):
    """Finite logits, and at every image a root at 0, whose gradient is infinite, times 0."""

    def forward(self, images):
        total = images.flatten(1).sum(dim=1)
        return torch.stack([total, (0 * total).sqrt()], dim=1)


@pytest.mark.parametrize("options", [{}, {"early_stop": True}, {"restarts": 2}])
def test_nan_in_a_gradient_is_refused(options):
    batch, labels = torch.full((2, 1, 2, 2), 0.5), torch.tensor([0, 0])
    with pytest.raises(ValueError, match="gradient holds NaN"):
        pgd(Root(), batch, labels, eps=0.1, step_size=0.01, steps=3, **options)
    with pytest.raises(ValueError, match="gradient holds NaN"):
        apgd_ce(Root(), batch, labels, eps=0.1, steps=3)
