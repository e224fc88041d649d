"""What records say: accuracies, per-class metrics and attack success rates.

Records are DataFrames of one row an image (columns `image_id`, `label`, `clean_pred`, `adv_pred`, ...).
A number that does not exist, such as the precision of a class that was never predicted, is None.

Those of confusion matrices work on any stack of matrices, shape (..., C, C), with NaN for what does not
exist.
"""

from collections.abc import Sequence
from typing import Literal, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from meddef_lib.results import statistics

Matrix = NDArray[np.int64]
Floats = NDArray[np.float64]
Prediction = Literal["clean_pred", "adv_pred", "worst_pred"]
COLLAPSED = 0.95  # share of the images that are given one class


class Proportion(NamedTuple):
    """`hits` of `n` images; what an interval is computed from."""

    hits: int
    n: int

    @property
    def share(self) -> float | None:
        """hits / n in [0, 1]; None if there are no images."""
        return self.hits / self.n if self.n else None

    @property
    def percent(self) -> float | None:
        return percent(self.share)


def percent(share: float | None) -> float | None:
    """A share in percent; None where there is none."""
    return None if share is None else 100 * share


# --- confusion matrices ---------------------------------------------------------------------------


def confusion_matrix(labels: ArrayLike, predictions: ArrayLike, num_classes: int) -> Matrix:
    """Counts, shape (C, C): rows are true classes, columns predicted ones (MedDef, 4.6).

    Raises ValueError if the two differ in length or hold a class outside 0 .. C - 1.
    """
    true, predicted = np.asarray(labels, dtype=np.int64), np.asarray(predictions, dtype=np.int64)
    if true.shape != predicted.shape or true.ndim != 1:
        raise ValueError(f"labels {true.shape} and predictions {predicted.shape} must be equally long lists")
    for name, values in (("labels", true), ("predictions", predicted)):
        if values.size and not 0 <= values.min() <= values.max() < num_classes:
            raise ValueError(f"{name} hold {values.min()} to {values.max()}; expected 0 to {num_classes - 1}")
    counts = np.bincount(true * num_classes + predicted, minlength=num_classes**2)
    return counts.reshape(num_classes, num_classes)


def accuracies(matrices: ArrayLike) -> Floats:
    """Share of images on the diagonal, of each matrix: (..., C, C) -> (...)."""
    return _divide(np.trace(matrices, axis1=-2, axis2=-1), np.sum(matrices, axis=(-2, -1)))


def recalls(matrices: ArrayLike) -> Floats:
    """Share of each true class that is found: (..., C, C) -> (..., C)."""
    return _divide(np.diagonal(matrices, axis1=-2, axis2=-1), np.sum(matrices, axis=-1))


def precisions(matrices: ArrayLike) -> Floats:
    """Share of the predictions of each class that are right: (..., C, C) -> (..., C)."""
    return _divide(np.diagonal(matrices, axis1=-2, axis2=-1), np.sum(matrices, axis=-2))


def f1_scores(matrices: ArrayLike) -> Floats:
    """2 TP / (2 TP + FP + FN) of each class: (..., C, C) -> (..., C)."""
    hits = 2 * np.diagonal(matrices, axis1=-2, axis2=-1)
    return _divide(hits, np.sum(matrices, axis=-1) + np.sum(matrices, axis=-2))


def balanced_accuracies(matrices: ArrayLike) -> Floats:
    """Mean recall over the classes that have images: (..., C, C) -> (...)."""
    found = recalls(matrices)
    present = ~np.isnan(found)
    return _divide(np.where(present, found, 0).sum(axis=-1), present.sum(axis=-1))


def balanced_accuracy(matrix: ArrayLike) -> float | None:
    """Mean recall over the classes that have images: 1 / C for a model that always gives one answer."""
    found = float(balanced_accuracies(matrix))
    return None if np.isnan(found) else found


def row_shares(matrices: ArrayLike) -> Floats:
    """Each row as shares of its true class: (..., C, C) -> (..., C, C)."""
    return _divide(matrices, np.sum(matrices, axis=-1, keepdims=True))


# --- attacks --------------------------------------------------------------------------------------


def most_images(records: pd.DataFrame) -> pd.DataFrame:
    """The rows of the attack and epsilon that saw most images, as an attack may have seen a part of them.

    `records` are those of one network; the first of several.
    """
    return max((run for _, run in records.groupby(["attack", "eps"], dropna=False)), key=len)


def balanced_accuracy_of(records: pd.DataFrame, prediction: Prediction, num_classes: int) -> float | None:
    """Mean recall in percent, over the classes that have images, of the records of one run of an attack."""
    return percent(balanced_accuracy(confusion_matrix(records["label"], records[prediction], num_classes)))


def correct(records: pd.DataFrame, prediction: Prediction) -> pd.Series:
    """Whether each image is classified correctly, by image id."""
    index = pd.Index(records["image_id"], name="image_id")
    return pd.Series(_right(records, prediction), index=index, name="correct")


def flipped(records: pd.DataFrame, prediction: Prediction = "adv_pred") -> pd.Series:
    """Whether the attack turns each correctly classified image into a mistake, by image id.

    Images that were misclassified before the attack are left out.
    """
    return ~correct(records, prediction)[_right(records, "clean_pred")]


def proportion(hits: pd.Series) -> Proportion:
    return Proportion(int(hits.sum()), len(hits))


def relative_drop_in_accuracy(records: pd.DataFrame, prediction: Prediction = "adv_pred") -> float | None:
    """(clean accuracy - robust accuracy) / clean accuracy, the other reading of "attack success rate".

    An image that the attack turns right counts against the attack here, so this can be negative.
    """
    clean, robust = (proportion(correct(records, column)).share for column in ("clean_pred", prediction))
    return (clean - robust) / clean if clean and robust is not None else None


def one_answer(records: pd.DataFrame, prediction: Prediction = "clean_pred") -> int | None:
    """The class that at least `COLLAPSED` of the images are given, as by a network pruned too far.

    None where no class is, or where as many images are of one class, so that a good network gives it, too.
    """
    answers, labels = (np.bincount(records[column].to_numpy(np.int64)) for column in (prediction, "label"))
    most = COLLAPSED * len(records)
    if records.empty or labels.max() >= most or answers.max() < most:
        return None
    return int(answers.argmax())


def _right(records: pd.DataFrame, prediction: Prediction) -> NDArray[np.bool_]:
    return records[prediction].to_numpy() == records["label"].to_numpy()


def _divide(hits: ArrayLike, of: ArrayLike) -> Floats:
    hits, of = np.broadcast_arrays(np.asarray(hits, dtype=np.float64), np.asarray(of, dtype=np.float64))
    return np.divide(hits, of, out=np.full(of.shape, np.nan), where=of != 0)


def collapsed(rows: pd.DataFrame, prediction: Prediction, classes: Sequence[str]) -> str:
    """That nearly every image is given one class; "" where that is not so."""
    answer = one_answer(rows, prediction)
    if answer is None:
        return ""
    share = (rows[prediction] == answer).mean()
    images = "clean" if prediction == "clean_pred" else "attacked"
    said = f"Collapsed: {classes[answer]} for {100 * share:.0f} % of the {images} images"
    return f"{said}; the number means nothing."


def unlearned(records: pd.DataFrame, classes: Sequence[str]) -> str:
    """That a network has not learned the task; "" where it has.

    It has if its balanced accuracy on clean images is above chance, one in the classes that have images, by
    its interval. `records` are those of one network, unpruned.
    """
    whole = most_images(records)
    matrix = confusion_matrix(whole["label"], whole["clean_pred"], len(classes))
    balanced, interval = balanced_accuracy(matrix), statistics.of_balanced_accuracy(matrix)
    chance = 1 / whole["label"].nunique()
    if balanced is None or interval is None or interval.low > chance:
        return ""
    return (
        f"Not learned: balanced accuracy {100 * balanced:.1f} % on clean images, of which the interval "
        f"reaches down to chance ({100 * chance:.1f} %)."
    )
