"""Confusion matrices on clean test images and the metrics of each class, with the first seed (4.6, 4.7)."""

from collections.abc import Sequence
from typing import Any

import pandas as pd

from meddef_lib.results import metrics
from meddef_lib.results.collected import Collected, first_models, of_model
from meddef_lib.results.part import COUNT, NUMBER, TEXT, Part, each, list_of, table


def rows(found: Collected) -> list[dict[str, Any]]:
    """A row a network of the tables: counts (rows are true classes), accuracy and the metrics by class."""
    every = [
        (facts, model, of_model(found.attacked, model))
        for dataset, facts in found.datasets.items()
        for model in first_models(found, dataset)
    ]
    return [
        {"dataset": model.dataset, "variant": model.variant, **_of_network(records, facts.classes)}
        for facts, model, records in every
        if not records.empty
    ]


def _of_network(records: pd.DataFrame, classes: Sequence[str]) -> dict[str, Any]:
    whole = metrics.most_images(records)
    matrix = metrics.confusion_matrix(whole["label"], whole["clean_pred"], len(classes))
    return {
        "matrix": matrix.tolist(),
        "row_shares": metrics.row_shares(matrix),
        "accuracy": metrics.accuracy(matrix),
        "balanced_accuracy": metrics.balanced_accuracy(matrix),
        "classes": by_class(matrix, classes),
    }


def by_class(matrix: metrics.Matrix, classes: Sequence[str]) -> list[dict[str, Any]]:
    """The metrics of each class, a row a class."""
    columns = zip(classes, metrics.precision(matrix), metrics.recall(matrix), metrics.f1(matrix), strict=True)
    return [dict(zip(("class", "precision", "recall", "f1"), column, strict=True)) for column in columns]


PART = Part(
    make=rows,
    schema=table(
        **each(TEXT, "dataset variant"),
        matrix=list_of(list_of(COUNT)),
        row_shares=list_of(list_of(NUMBER)),
        **each(NUMBER, "accuracy balanced_accuracy"),
        classes=table(**each(TEXT, "class"), **each(NUMBER, "precision recall f1")),
    ),
)
