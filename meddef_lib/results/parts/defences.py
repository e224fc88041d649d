"""Networks behind a defence of their own kind of cell: clean and robust accuracy."""

from typing import Any

from meddef_lib.results import metrics, statistics
from meddef_lib.results.collected import Collected
from meddef_lib.results.part import COUNT, INTERVAL, NUMBER, TEXT, Part, each, ends, table


def rows(found: Collected) -> list[dict[str, Any]]:
    """A row a defence, network, attack and epsilon: accuracies in percent, of the attack's final image.

    The interval is Wilson's, of the accuracy under attack.
    """
    if found.defended.empty:
        return []
    names = ["dataset", "defence", "variant", "mode", "seed", "attack", "eps"]
    every = []
    for values, records in found.defended.groupby(names, dropna=False, sort=False):
        robust = metrics.proportion(metrics.correct(records, "adv_pred"))
        classes = len(found.datasets[str(values[0])].classes)
        every.append(
            {
                **dict(zip(names, values, strict=True)),
                "clean_accuracy": 100 * (metrics.clean_accuracy(records) or 0.0),
                "accuracy": 100 * (robust.share or 0.0),
                "balanced_accuracy": metrics.percent(
                    metrics.balanced_accuracy_of(records, "adv_pred", classes)
                ),
                **ends(statistics.wilson(robust.hits, robust.n), 100),
                "n": robust.n,
                "zero_gradients": int(records["zero_gradient"].sum()),
            }
        )
    return every


PARTS = {
    "defences": Part(
        make=rows,
        schema=table(
            **each(TEXT, "dataset defence variant mode attack"),
            **each(COUNT, "seed n zero_gradients"),
            **each(NUMBER, "eps clean_accuracy accuracy balanced_accuracy"),
            **INTERVAL,
        ),
    )
}
