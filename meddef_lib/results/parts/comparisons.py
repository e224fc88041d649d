"""Each variant against the full model on the same images, with the first seed: paired tests (4.2)."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pandas as pd

from meddef_lib.models.variants import FULL
from meddef_lib.paper.addresses import Address
from meddef_lib.paper.published import Paper
from meddef_lib.results import metrics, statistics
from meddef_lib.results.collected import Collected, first_models, of_model
from meddef_lib.results.part import ends, part, with_holm
from meddef_lib.results.parts.diagnostics import marked


@part(
    "comparisons",
    text="dataset attack variant",
    number="eps full accuracy full_balanced balanced difference ci_low ci_high published_difference p p_holm",
    count="only_full only_variant",
    flag="unreliable",
)
def rows(found: Collected) -> list[dict[str, Any]]:
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
        for variant, other in of_variant.items():
            ours, theirs = (_run(records, attack, eps, most) for records in (full, other))
            if not ours.empty and not theirs.empty:
                place = Address(
                    dataset=dataset,
                    quantity="accuracy",
                    variant=variant,
                    attack=attack,
                    eps=None if pd.isna(eps) else float(eps),
                )
                yield _compared(found, place, ours, theirs)


def _compared(found: Collected, place: Address, ours: pd.DataFrame, theirs: pd.DataFrame) -> dict[str, Any]:
    """One row: records of the full model and of the variant at `place`."""
    column: metrics.Prediction = "adv_pred" if place.attack else "clean_pred"
    base, right = metrics.correct(ours, column), metrics.correct(theirs, column)
    test = statistics.mcnemar(base, right)
    full, share = (metrics.proportion(hits).share or 0.0 for hits in (base, right))
    classes = len(found.datasets[place.dataset].classes)
    full_balanced, balanced = (metrics.balanced_accuracy_of(one, column, classes) for one in (ours, theirs))
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
        "published_difference": _printed_difference(found.paper, place),
        "only_full": test.only_first,
        "only_variant": test.only_second,
        "p": test.p_value,
    }


def _printed_difference(paper: Paper, place: Address) -> float | None:
    """The same difference between two printed numbers; None where the paper has not both."""
    theirs, full = (paper.by_address.get(where) for where in (place, replace(place, variant=FULL.id)))
    return theirs.value - full.value if theirs and full else None


def _run(records: pd.DataFrame, attack: str, eps: float | None, most: int) -> pd.DataFrame:
    """The rows of one attack at one epsilon; for clean images, of any run that saw them all."""
    if not attack:
        runs = [rows for _, rows in records.groupby(["attack", "eps"], dropna=False)]
        return next((rows for rows in runs if len(rows) == most), records.iloc[:0])
    of_attack = records[records["attack"] == attack]
    return of_attack[of_attack["eps"].isna() if pd.isna(eps) else of_attack["eps"] == eps]
