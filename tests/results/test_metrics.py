"""Metrics by hand on four rows, and against scikit-learn on random ones."""

import numpy as np
import pandas as pd
import pytest
import sklearn.metrics as sk

from meddef_lib.results import metrics
from meddef_lib.results.results_json import plain

# by hand: images 1 to 4; before the attack 1, 2, 3 are right; the attack flips 1 and turns 4 right
RECORDS = pd.DataFrame(
    {
        "image_id": [1, 2, 3, 4],
        "label": [0, 0, 1, 1],
        "clean_pred": [0, 0, 1, 0],
        "adv_pred": [1, 0, 1, 1],
        "worst_pred": [1, 1, 1, 0],
        "clean_confidence": [0.9, 0.8, 0.7, 0.6],
        "adv_confidence": [0.6, 0.7, 0.8, 0.9],
    }
)
MATRIX = [[2, 0], [1, 1]]  # of clean_pred


def share(hits):
    return metrics.proportion(hits).share


def said(found: np.ndarray) -> object:
    """Numbers as the document has them: None for what does not exist."""
    return plain(found.tolist())


def test_confusion_matrix_has_true_classes_in_rows() -> None:
    assert metrics.confusion_matrix(RECORDS["label"], RECORDS["clean_pred"], 2).tolist() == MATRIX


def test_metrics_of_four_images_by_hand() -> None:
    assert said(metrics.accuracies(MATRIX)) == 0.75
    assert metrics.balanced_accuracy(MATRIX) == 0.75
    assert said(metrics.recalls(MATRIX)) == [1.0, 0.5]
    assert said(metrics.precisions(MATRIX)) == [pytest.approx(2 / 3), 1.0]
    assert said(metrics.f1_scores(MATRIX)) == [pytest.approx(0.8), pytest.approx(2 / 3)]
    assert said(metrics.row_shares(MATRIX)) == [[1.0, 0.0], [0.5, 0.5]]


def test_attack_metrics_of_four_images_by_hand() -> None:
    assert share(metrics.correct(RECORDS, "clean_pred")) == 0.75
    assert share(metrics.correct(RECORDS, "adv_pred")) == 0.75
    assert share(metrics.correct(RECORDS, "worst_pred")) == 0.25
    assert share(metrics.flipped(RECORDS)) == pytest.approx(1 / 3)
    assert share(metrics.flipped(RECORDS, "worst_pred")) == pytest.approx(2 / 3)
    assert metrics.relative_drop_in_accuracy(RECORDS) == 0.0  # one lost, one won: the readings differ
    assert metrics.relative_drop_in_accuracy(RECORDS, "worst_pred") == pytest.approx(2 / 3)
    assert metrics.flipped(RECORDS).to_dict() == {1: True, 2: False, 3: False}
    assert metrics.proportion(metrics.correct(RECORDS, "clean_pred")) == (3, 4)


def test_what_does_not_exist_is_none() -> None:
    nothing = RECORDS.iloc[:0]
    assert share(metrics.correct(nothing, "clean_pred")) is None
    assert share(metrics.correct(nothing, "adv_pred")) is None
    assert share(metrics.flipped(nothing)) is None
    assert metrics.relative_drop_in_accuracy(nothing) is None
    assert said(metrics.accuracies([[0, 0], [0, 0]])) is None
    assert metrics.balanced_accuracy([[0, 0], [0, 0]]) is None
    wrong = RECORDS.assign(clean_pred=1 - RECORDS["label"])  # nothing left to flip
    assert share(metrics.flipped(wrong)) is None
    assert metrics.relative_drop_in_accuracy(wrong) is None


def test_one_class_only() -> None:
    only_first = [[3, 0], [0, 0]]
    assert said(metrics.recalls(only_first)) == [1.0, None]
    assert said(metrics.precisions(only_first)) == [1.0, None]
    assert said(metrics.f1_scores(only_first)) == [1.0, None]
    assert metrics.balanced_accuracy(only_first) == 1.0
    assert said(metrics.row_shares(only_first)) == [[1.0, 0.0], [None, None]]
    always_second = [[0, 2], [0, 6]]  # a majority class passes for 75 %, not for balanced accuracy
    assert said(metrics.accuracies(always_second)) == 0.75
    assert metrics.balanced_accuracy(always_second) == 0.5
    assert said(metrics.precisions(always_second)) == [None, 0.75]
    assert said(metrics.f1_scores(always_second))[0] == 0.0


def test_labels_out_of_range_and_unequal_lists_are_refused() -> None:
    with pytest.raises(ValueError, match="predictions hold 0 to 2; expected 0 to 1"):
        metrics.confusion_matrix([0, 1], [0, 2], 2)
    with pytest.raises(ValueError, match="equally long"):
        metrics.confusion_matrix([0, 1], [0], 2)


@pytest.mark.parametrize("classes", [2, 4])
def test_agrees_with_scikit_learn(classes: int) -> None:
    rng = np.random.default_rng(classes)
    for n in (8, 50, 968):
        labels = np.concatenate([np.arange(classes), rng.integers(0, classes, n - classes)])
        predictions = np.where(rng.random(n) < 0.7, labels, rng.integers(0, classes, n))
        matrix = metrics.confusion_matrix(labels, predictions, classes)
        assert (matrix == sk.confusion_matrix(labels, predictions, labels=range(classes))).all()
        assert said(metrics.accuracies(matrix)) == pytest.approx(sk.accuracy_score(labels, predictions))
        assert metrics.balanced_accuracy(matrix) == pytest.approx(
            sk.balanced_accuracy_score(labels, predictions)
        )
        theirs = sk.precision_recall_fscore_support(
            labels, predictions, labels=range(classes), zero_division=np.nan
        )
        np.testing.assert_allclose(metrics.precisions(matrix), theirs[0])
        np.testing.assert_allclose(metrics.recalls(matrix), theirs[1])
        np.testing.assert_allclose(metrics.f1_scores(matrix), theirs[2])


def test_a_stack_of_matrices_is_each_matrix() -> None:
    stack = np.random.default_rng(0).integers(0, 5, (6, 4, 4))
    stack[0] = 0
    one = metrics.balanced_accuracy
    expected = [np.nan if one(matrix) is None else one(matrix) for matrix in stack]
    np.testing.assert_allclose(metrics.balanced_accuracies(stack), expected)
    np.testing.assert_allclose(metrics.accuracies(stack), [metrics.accuracies(matrix) for matrix in stack])
    np.testing.assert_allclose(metrics.f1_scores(stack)[3], metrics.f1_scores(stack[3]))
