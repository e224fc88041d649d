"""Confusion matrices on clean test images and the metrics of each class, with the first seed (4.6, 4.7)."""

from typing import Any

from meddef_lib.results import metrics
from meddef_lib.results.collected import Collected
from meddef_lib.results.part import COUNT, NUMBER, TEXT, Part, table


def rows(found: Collected) -> list[dict[str, Any]]:
    """A row a network of the tables: counts (rows are true classes), accuracy and the metrics by class."""
    every: list[dict[str, Any]] = []
    records, seed = found.attacked, found.profile.seeds[0]
    if records.empty:
        return every
    for dataset, facts in found.datasets.items():
        for model in (model for model in found.main_models(dataset) if model.seed == seed):
            mine = records[
                (records["dataset"] == dataset)
                & (records["variant"] == model.variant)
                & (records["mode"] == model.mode)
                & (records["seed"] == seed)
            ]
            if not mine.empty:
                runs = [rows for _, rows in mine.groupby(["attack", "eps"], dropna=False)]
                whole = max(runs, key=len)  # an attack may have seen a part of the images
                matrix = metrics.confusion_matrix(whole["label"], whole["clean_pred"], len(facts.classes))
                every.append(
                    {
                        "dataset": dataset,
                        "variant": model.variant,
                        "matrix": matrix.tolist(),
                        "row_shares": metrics.row_shares(matrix),
                        "accuracy": metrics.accuracy(matrix),
                        "balanced_accuracy": metrics.balanced_accuracy(matrix),
                        "classes": by_class(matrix, facts.classes),
                    }
                )
    return every


def by_class(matrix: metrics.Matrix, classes: tuple[str, ...]) -> list[dict[str, Any]]:
    """The metrics of each class, a row a class."""
    columns = zip(classes, metrics.precision(matrix), metrics.recall(matrix), metrics.f1(matrix), strict=True)
    return [dict(zip(("class", "precision", "recall", "f1"), column, strict=True)) for column in columns]


PART = Part(
    make=rows,
    schema=table(
        dataset=TEXT,
        variant=TEXT,
        matrix={"type": "array", "items": {"type": "array", "items": COUNT}},
        row_shares={"type": "array", "items": {"type": "array", "items": NUMBER}},
        accuracy=NUMBER,
        balanced_accuracy=NUMBER,
        classes=table(**{"class": TEXT, "precision": NUMBER, "recall": NUMBER, "f1": NUMBER}),
    ),
)
