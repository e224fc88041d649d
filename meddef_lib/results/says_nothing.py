"""Networks whose numbers say nothing, in words: collapsed ones, and those that have not learned the task."""

from collections.abc import Sequence

import pandas as pd

from meddef_lib.results import metrics, statistics


def collapsed(rows: pd.DataFrame, prediction: metrics.Prediction, classes: Sequence[str]) -> str:
    """That nearly every image is given one class; "" where that is not so."""
    answer = metrics.one_answer(rows, prediction)
    if answer is None:
        return ""
    share = (rows[prediction] == answer).mean()
    images = "clean" if prediction == "clean_pred" else "attacked"
    return f"Collapsed: {classes[answer]} for {share:.0%} of the {images} images; the number means nothing."


def unlearned(records: pd.DataFrame, classes: Sequence[str]) -> str:
    """That a network has not learned the task; "" where it has.

    It has if its balanced accuracy on clean images is above chance, one in the classes that have images, by
    its interval. `records` are those of one network, unpruned.
    """
    whole = metrics.most_images(records)
    matrix = metrics.confusion_matrix(whole["label"], whole["clean_pred"], len(classes))
    balanced, interval = metrics.balanced_accuracy(matrix), statistics.of_balanced_accuracy(matrix)
    chance = 1 / whole["label"].nunique()
    if balanced is None or interval is None or interval.low > chance:
        return ""
    return (
        f"Not learned: balanced accuracy {100 * balanced:.1f} % on clean images, of which the interval "
        f"reaches down to chance ({100 * chance:.1f} %)."
    )
