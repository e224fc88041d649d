"""What the networks of the tables answer, with the first seed: matrices, classes, calibration (4.6, 4.7)."""

from collections.abc import Iterator, Sequence
from typing import Any

import pandas as pd

from meddef_lib.results import calibration, metrics
from meddef_lib.results.collected import Collected, first_models, of_model
from meddef_lib.results.model import Model
from meddef_lib.results.outcomes import BOOTSTRAP_SEED
from meddef_lib.results.part import COUNT, NUMBER, ends, list_of, part, table


def _networks(found: Collected) -> Iterator[tuple[Model, pd.DataFrame]]:
    """Each with its records, where it has some."""
    for model in (model for dataset in found.datasets for model in first_models(found, dataset)):
        records = of_model(found.attacked, model)
        if not records.empty:
            yield model, records


@part(
    "classification",
    text="dataset variant",
    number="accuracy balanced_accuracy",
    matrix=list_of(list_of(COUNT)),
    row_shares=list_of(list_of(NUMBER)),
    classes=table(text="class", number="precision recall f1"),
)
def rows(found: Collected) -> list[dict[str, Any]]:
    """A row a network: counts on clean images (rows are true classes), accuracy and the metrics by class."""
    every = []
    for model, records in _networks(found):
        whole, classes = metrics.most_images(records), found.datasets[model.dataset].classes
        matrix = metrics.confusion_matrix(whole["label"], whole["clean_pred"], len(classes))
        every.append(
            {
                "dataset": model.dataset,
                "variant": model.variant,
                "matrix": matrix.tolist(),
                "row_shares": metrics.row_shares(matrix).tolist(),
                "accuracy": float(metrics.accuracies(matrix)),
                "balanced_accuracy": metrics.balanced_accuracy(matrix),
                "classes": _by_class(matrix, classes),
            }
        )
    return every


def _by_class(matrix: metrics.Matrix, classes: Sequence[str]) -> list[dict[str, Any]]:
    shares = {"precision": metrics.precisions, "recall": metrics.recalls, "f1": metrics.f1_scores}
    columns = [metric(matrix).tolist() for metric in shares.values()]
    return [
        {"class": name, **dict(zip(shares, row, strict=True))}
        for name, *row in zip(classes, *columns, strict=True)
    ]


@part("attacked_classes", text="dataset variant attack class", number="eps precision recall f1")
def attacked_classes(found: Collected) -> list[dict[str, Any]]:
    """A row a network, attack, epsilon and class: shares in [0, 1] of the final images."""
    every: list[dict[str, Any]] = []
    for model, records in _networks(found):
        classes = found.datasets[model.dataset].classes
        for (attack, eps), run in records.groupby(["attack", "eps"], dropna=False, sort=False):
            matrix = metrics.confusion_matrix(run["label"], run["adv_pred"], len(classes))
            names = {"dataset": model.dataset, "variant": model.variant, "attack": attack, "eps": eps}
            every += [names | of_class for of_class in _by_class(matrix, classes)]
    return every


@part(
    "calibration",
    text="dataset variant",
    count="images",
    number="error by_chance ci_low ci_high",
    bins=table(number="low high confidence accuracy", count="images"),
)
def calibrations(found: Collected) -> list[dict[str, Any]]:
    """A row a network: how far confidence and accuracy are apart on clean images (shares), and the bins."""
    every = []
    for model, records in _networks(found) if "clean_confidence" in found.attacked else ():
        whole = metrics.most_images(records)
        confidence = whole["clean_confidence"].to_numpy()
        right = metrics.correct(whole, "clean_pred").to_numpy()
        every.append(
            {
                "dataset": model.dataset,
                "variant": model.variant,
                "images": len(whole),
                "error": calibration.error(confidence, right),
                **ends(calibration.interval(confidence, right, seed=BOOTSTRAP_SEED)),
                "by_chance": calibration.by_chance(confidence, seed=BOOTSTRAP_SEED),
                "bins": calibration.bins(confidence, right),
            }
        )
    return every
