"""What images made on one network do to another: a row a pair of networks, the white box among them."""

from collections.abc import Iterator, Mapping
from typing import Any

import pandas as pd

from meddef_lib.results import metrics, statistics
from meddef_lib.results.collected import Collected
from meddef_lib.results.part import COUNT, NUMBER, TEXT, Part, each, ends, fields, table, with_holm

SHARE = fields(n=COUNT, **each(NUMBER, "share ci_low ci_high"))
PAIRED = each(NUMBER, "difference difference_low difference_high p p_holm")


def rows(found: Collected) -> list[dict[str, Any]]:
    """A row a network that images were made on and one that they were shown to; shares of 1.

    `accuracy` is over all images; `transferred` the share, of those that both networks answer correctly when
    they are clean, that the target then takes for another class. `difference` is the target's accuracy on
    these images less that on images made on itself, with McNemar's exact p, and Holm's correction of it over
    the rows of the data set; None of the white box.
    """
    every = []
    for dataset in found.datasets:
        folders = {model.id: found.folder(f"transfer/{model.id}") for model in found.models(dataset)}
        answers = {
            id: _split(pd.read_parquet(folder / "transfer.parquet"))
            for id, folder in folders.items()
            if folder
        }
        eps = found.profile.eps_scale(found.datasets[dataset]) * found.profile.pruning.eps
        every += with_holm({"dataset": dataset, "eps": eps, **row} for row in _of_dataset(answers))
    return every


def _split(answers: pd.DataFrame) -> dict[str, pd.DataFrame]:
    return {target: answers[answers["target"] == target] for target in answers["target"].unique()}


def _of_dataset(answers: Mapping[str, Mapping[str, pd.DataFrame]]) -> Iterator[dict[str, Any]]:
    """The rows of a data set, from the answers by source and target."""
    for source, of_source in answers.items():
        for target, shown in of_source.items():
            right = metrics.correct(shown, "adv_pred")
            both = metrics.correct(shown, "clean_pred") & metrics.correct(of_source[source], "clean_pred")
            row = {
                "source": source,
                "target": target,
                "accuracy": _share(right),
                "transferred": _share(~right[both]),
                **dict.fromkeys(PAIRED),
            }
            if target != source and target in answers:
                row |= _against_white_box(right, metrics.correct(answers[target][target], "adv_pred"))
            yield row


def _share(hits: pd.Series) -> dict[str, Any]:
    counted = metrics.proportion(hits)
    return {"n": counted.n, "share": counted.share, **ends(statistics.wilson(*counted))}


def _against_white_box(right: pd.Series, white_box: pd.Series) -> dict[str, float]:
    test = statistics.mcnemar(white_box, right)
    low, high = statistics.paired_difference(test.only_first, test.only_second, len(right))
    return {
        "difference": (test.only_second - test.only_first) / len(right),
        "difference_low": low,
        "difference_high": high,
        "p": test.p_value,
    }


PARTS = {
    "transfer": Part(
        make=rows,
        schema=table(
            **each(TEXT, "dataset source target"),
            eps=NUMBER,
            **each(SHARE, "accuracy transferred"),
            **PAIRED,
        ),
    )
}
