"""What images made on one network do to another: a row a pair of networks, the white box among them."""

from collections.abc import Iterator, Mapping
from typing import Any

import pandas as pd

from meddef_lib.results import metrics
from meddef_lib.results.collected import Collected, by, tables_of
from meddef_lib.results.part import PAIRED, fields, paired, part, share_of, with_holm

SHARE = fields(count="n", number="share ci_low ci_high")


@part("transfer", text="dataset source target", number=f"eps {PAIRED}", accuracy=SHARE, transferred=SHARE)
def rows(found: Collected) -> list[dict[str, Any]]:
    """A row a network that images were made on and one that they were shown to; shares of 1.

    `accuracy` is over all images; `transferred` the share, of those that both networks answer correctly when
    they are clean, that the target then takes for another class. `difference` is the target's accuracy on
    these images less that on images made on itself, with McNemar's exact p, and Holm's correction of it over
    the rows of the data set; None of the white box.
    """
    every = []
    for dataset in found.datasets:
        answers = {
            model.id: by("target", frame)
            for model, frame in tables_of(found, "transfer", dataset, "transfer.parquet").items()
        }
        eps = found.profile.eps_scale(found.datasets[dataset]) * found.profile.pruning.eps
        every += with_holm({"dataset": dataset, "eps": eps, **row} for row in _of_dataset(answers))
    return every


def _of_dataset(answers: Mapping[str, Mapping[str, pd.DataFrame]]) -> Iterator[dict[str, Any]]:
    """The rows of a data set, from the answers by source and target."""
    for source, of_source in answers.items():
        for target, shown in of_source.items():
            right = metrics.correct(shown, "adv_pred")
            both = metrics.correct(shown, "clean_pred") & metrics.correct(of_source[source], "clean_pred")
            row = {
                "source": source,
                "target": target,
                "accuracy": share_of(right, "share", 1),
                "transferred": share_of(~right[both], "share", 1),
                **dict.fromkeys(PAIRED.split()),
            }
            if target != source and target in answers:
                white_box = metrics.correct(answers[target][target], "adv_pred")
                row |= paired(right, white_box, 1)
            yield row
