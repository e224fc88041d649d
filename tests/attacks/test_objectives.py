"""What attacks climb, by hand."""

import pytest
import torch

from meddef_lib.attacks import objectives

LOGITS = torch.tensor([[4.0, 1.0, 2.0, -1.0], [0.0, 5.0, 1.0, 3.0]])
LABELS = torch.tensor([0, 2])


def test_cross_entropy():
    expected = -LOGITS.log_softmax(dim=1)[[0, 1], LABELS]
    assert torch.allclose(objectives.cross_entropy(LOGITS, LABELS), expected)


def test_margin_is_positive_where_the_image_is_misclassified():
    assert objectives.margin(LOGITS, LABELS).tolist() == [2 - 4, 5 - 1]


def test_dlr():
    expected = [(2 - 4) / (4 - 1), (5 - 1) / (5 - 1)]
    assert objectives.dlr(LOGITS, LABELS).tolist() == pytest.approx(expected)


def test_targeted_dlr():
    targets = torch.tensor([1, 3])
    first, second = (1 - 4) / (4 - (1 - 1) / 2), (3 - 1) / (5 - (1 + 0) / 2)
    assert objectives.targeted_dlr(LOGITS, LABELS, targets).tolist() == pytest.approx([first, second])


def test_no_scale_of_the_logits_changes_the_ratios():
    targets = torch.tensor([1, 3])
    for ratio in (objectives.dlr(LOGITS, LABELS), objectives.targeted_dlr(LOGITS, LABELS, targets)):
        assert torch.isfinite(ratio).all()
    assert torch.allclose(objectives.dlr(1000 * LOGITS, LABELS), objectives.dlr(LOGITS, LABELS))
    assert torch.allclose(
        objectives.targeted_dlr(1000 * LOGITS, LABELS, targets),
        objectives.targeted_dlr(LOGITS, LABELS, targets),
    )


@pytest.mark.parametrize("classes", [2, 3, 4, 5])
def test_few_classes_and_equal_logits_give_numbers(classes):
    logits = torch.stack([torch.zeros(classes), torch.arange(classes).float()])
    labels, targets = torch.zeros(2, dtype=torch.int64), torch.ones(2, dtype=torch.int64)
    assert torch.isfinite(objectives.dlr(logits, labels)).all()
    assert torch.isfinite(objectives.targeted_dlr(logits, labels, targets)).all()


def test_two_classes_climb_the_margin():
    logits, labels = LOGITS[:, :2], torch.tensor([0, 1])
    assert torch.equal(objectives.dlr(logits, labels), objectives.margin(logits, labels))
    assert torch.equal(objectives.targeted_dlr(logits, labels, 1 - labels), objectives.margin(logits, labels))
