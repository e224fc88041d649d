"""Square attack: its schedule as published, where its changes lie, what it finds without a gradient."""

import pytest
import torch
from torch import nn

from meddef_lib.attacks.calling import Trace, misclassified
from meddef_lib.attacks.gradient import pgd
from meddef_lib.attacks.square import side_length, square


@pytest.mark.parametrize(
    ("query", "side"),
    [(0, 29), (10, 29), (11, 20), (51, 14), (201, 10), (501, 7), (1001, 5), (2001, 4), (6001, 2), (9999, 1)],
)
def test_the_sides_are_those_of_the_paper_for_cifar_images(query, side):
    # p = 0.8, halved after 10, 50, 200, ... of 10,000 queries; a square covers the share p of 32 x 32 pixels
    assert side_length(torch.Size([32, 32]), query / 10_000) == side


def test_a_side_fits_into_a_narrow_image_and_has_a_pixel():
    assert side_length(torch.Size([4, 100]), 0.0) == 4
    assert side_length(torch.Size([2, 2]), 0.99) == 1


class Counted(nn.Module):
    """Looks at the mean brightness in steps, so that its gradient is 0; counts the images that it sees."""

    def __init__(self, threshold):
        super().__init__()
        self.threshold, self.seen = threshold, 0

    def forward(self, images):
        self.seen += len(images)
        steps = (images * 64).round() / 64 + 0 * images
        score = steps.flatten(1).mean(dim=1) - self.threshold
        return torch.stack([score, -score], dim=1)


def test_it_falls_without_a_gradient():
    images, labels = torch.full((6, 3, 12, 12), 0.5), torch.zeros(6, dtype=torch.int64)
    model = Counted(threshold=0.46)
    blind = pgd(model, images, labels, eps=0.1, step_size=0.01, steps=40, start=images)
    assert not misclassified(model(blind), labels).any()
    found = square(model, images, labels, eps=0.1, queries=300)
    assert misclassified(model(found), labels).all()


def test_every_value_is_moved_by_the_whole_budget_or_to_the_edge_of_the_pixels():
    images = torch.rand(3, 3, 9, 9, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    found = square(Counted(threshold=-9), images, torch.zeros(3, dtype=torch.int64), eps=0.125, queries=40)
    change = (found - images).abs()
    at_an_edge = (found == 0) | (found == 1)
    assert torch.allclose(change[~at_an_edge], torch.tensor(0.125, dtype=torch.float64))
    assert at_an_edge.any()


def test_queries_are_counted_and_end_with_the_first_mistake():
    images, labels = torch.full((4, 1, 8, 8), 0.5), torch.zeros(4, dtype=torch.int64)
    images[1:3] = 0.45
    model, trace = Counted(threshold=0.43), Trace()
    found = square(model, images, labels, eps=0.1, queries=60, trace=trace)
    assert model.seen == trace.steps_used.sum()
    fallen = misclassified(model(found), labels)
    assert fallen[1:3].all()
    assert (trace.steps_used[~fallen] == 60).all()
    assert (trace.steps_used <= 60).all()


def test_a_query_is_taken_only_if_it_helps():
    images, labels = torch.full((4, 1, 8, 8), 0.5), torch.zeros(4, dtype=torch.int64)
    model = Counted(threshold=0.2)
    heights = [
        model(square(model, images, labels, eps=0.1, queries=steps))[:, 0] for steps in (1, 20, 100, 400)
    ]
    # the schedule differs between numbers of steps, so the comparison is with the start only
    for later in heights[1:]:
        assert (later < heights[0]).all()
    assert (heights[-1] > 0).all()
