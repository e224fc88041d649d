"""What networks of the tables answer, with the first seed: by class (4.6, 4.7), and in paired tests (4.2)."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import pandas as pd

from meddef_lib.models.variants import FULL
from meddef_lib.paper.addresses import Address
from meddef_lib.results import calibration, metrics, statistics
from meddef_lib.results.collected import Collected, first_models, of_model
from meddef_lib.results.model import Model
from meddef_lib.results.outcomes import BOOTSTRAP_SEED
from meddef_lib.results.part import COUNT, NUMBER, ends, list_of, part, table, with_holm
from meddef_lib.results.parts.diagnostics import marked


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
    bins=table(number="low high confidence accuracy ci_low ci_high", count="images"),
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
                "bins": [
                    one | ends(statistics.wilson(one["accuracy"] * one["images"], one["images"]))
                    for one in calibration.bins(confidence, right)
                ],
            }
        )
    return every


@part(
    "comparisons",
    text="dataset attack variant",
    number="eps full accuracy full_balanced balanced difference ci_low ci_high published_difference p p_holm",
    count="only_full only_variant",
    flag="unreliable",
)
def comparisons(found: Collected) -> list[dict[str, Any]]:
    """A row a data set, attack, epsilon and variant: accuracies in percent, differences in points.

    Clean images have the attack "". `p` is McNemar's exact one, `p_holm` with Holm's correction over the rows
    of the data set. `unreliable` where one of the two failed a check of its robustness.
    """
    every = []
    for dataset in found.datasets:
        every += with_holm(_of_dataset(found, dataset))
    return marked(found, every, FULL.id)


def _of_dataset(found: Collected, dataset: str) -> Iterator[dict[str, Any]]:
    models = first_models(found, dataset)
    of_variant = {model.variant: of_model(found.attacked, model) for model in models}
    full = of_variant.pop(FULL.id, pd.DataFrame())
    if full.empty:
        return
    runs = [("", None), *full[["attack", "eps"]].drop_duplicates().itertuples(index=False, name=None)]
    most = len(metrics.most_images(full))
    for attack, eps in runs:
        at = Address(
            dataset=dataset, quantity="accuracy", attack=attack, eps=None if pd.isna(eps) else float(eps)
        )
        for variant, other in of_variant.items():
            ours, theirs = (_run(records, attack, eps, most) for records in (full, other))
            if not ours.empty and not theirs.empty:
                yield _compared(found, replace(at, variant=variant), ours, theirs)


def _compared(found: Collected, place: Address, ours: pd.DataFrame, theirs: pd.DataFrame) -> dict[str, Any]:
    """One row: records of the full model and of the variant at `place`."""
    column: metrics.Prediction = "adv_pred" if place.attack else "clean_pred"
    base, right = metrics.correct(ours, column), metrics.correct(theirs, column)
    test = statistics.mcnemar(base, right)
    full, share = (metrics.proportion(hits).share or 0.0 for hits in (base, right))
    classes = len(found.datasets[place.dataset].classes)
    full_balanced, balanced = (metrics.balanced_accuracy_of(one, column, classes) for one in (ours, theirs))
    printed = [found.paper.by_address.get(replace(place, variant=name)) for name in (FULL.id, place.variant)]
    apart = [value.value for value in printed if value]  # the paper may have one alone
    return {
        "dataset": place.dataset,
        "attack": place.attack,
        "eps": place.eps,
        "variant": place.variant,
        "full": 100 * full,
        "accuracy": 100 * share,
        "full_balanced": full_balanced,
        "balanced": balanced,
        "difference": 100 * (share - full),
        **ends(test.interval, 100),
        "published_difference": apart[1] - apart[0] if len(apart) == 2 else None,
        "only_full": test.only_first,
        "only_variant": test.only_second,
        "p": test.p_value,
    }


def _run(records: pd.DataFrame, attack: str, eps: float | None, most: int) -> pd.DataFrame:
    """The rows of one attack at one epsilon; for clean images, of any run that saw them all."""
    if not attack:
        runs = [rows for _, rows in records.groupby(["attack", "eps"], dropna=False)]
        return next((rows for rows in runs if len(rows) == most), records.iloc[:0])
    of_attack = records[records["attack"] == attack]
    return of_attack[of_attack["eps"].isna() if pd.isna(eps) else of_attack["eps"] == eps]
