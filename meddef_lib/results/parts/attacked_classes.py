"""Precision, recall and F1 of each class under attack, with the first seed (MedDef, 4.7, has clean ones)."""

from typing import Any

from meddef_lib.results import metrics
from meddef_lib.results.collected import Collected, first_models, of_model
from meddef_lib.results.part import NUMBER, TEXT, Part, each, table
from meddef_lib.results.parts import classification


def rows(found: Collected) -> list[dict[str, Any]]:
    """A row a network of the tables, attack, epsilon and class: shares in [0, 1] of the final images."""
    every: list[dict[str, Any]] = []
    if found.attacked.empty:
        return every
    for dataset, facts in found.datasets.items():
        for model in first_models(found, dataset):
            mine = of_model(found.attacked, model)
            for (attack, eps), run in mine.groupby(["attack", "eps"], dropna=False, sort=False):
                matrix = metrics.confusion_matrix(run["label"], run["adv_pred"], len(facts.classes))
                names = {"dataset": dataset, "variant": model.variant, "attack": attack, "eps": eps}
                every += [names | of_class for of_class in classification.by_class(matrix, facts.classes)]
    return every


PART = Part(
    make=rows,
    schema=table(**each(TEXT, "dataset variant attack class"), **each(NUMBER, "eps precision recall f1")),
)
