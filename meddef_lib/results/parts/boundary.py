"""Where the boundary lies: the least budget that flips each image, and what images do to other networks."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pandas as pd

from meddef_lib.models.variants import RESNET18
from meddef_lib.results import metrics, statistics
from meddef_lib.results.collected import Collected, by, names_of, tables_of
from meddef_lib.results.model import Model
from meddef_lib.results.part import OF_A_MODEL, PAIRED, ends, fields, paired, part, share_of, table, with_holm
from meddef_lib.results.parts.diagnostics import marked
from meddef_lib.results.statistics import Interval

QUARTILES = (0.25, 0.5, 0.75)
BUDGETS = 19  # of a curve, beside those of the tables
Searched = Mapping[float, pd.DataFrame]  # a network's records by pruning rate


@part(
    "least_eps",
    **OF_A_MODEL,
    count="rate_percent images right by_apgd",
    flag="collapsed unreliable",
    number="largest",
    quartiles=table(number="share least_eps ci_low ci_high"),
    not_flipped=fields(count="n", number="share ci_low ci_high"),
    curve=table(number="eps accuracy ci_low ci_high"),
)
def rows(found: Collected) -> list[dict[str, Any]]:
    """A row a network and pruning rate; budgets in pixels in [0, 1], shares of 1.

    `quartiles` and `not_flipped` are over the images that the network answers correctly when they are clean;
    None where a quartile, or the end of its interval, lies beyond the largest budget. `curve` is accuracy
    over all images: each is answered correctly up to its own least budget. `unreliable` where the network
    failed a check of its robustness.
    """
    return marked(
        found,
        (
            _row(found, model, rate, records)
            for dataset in found.datasets
            for model, searched in _searched(found, dataset).items()
            for rate, records in searched.items()
        ),
    )


def _searched(found: Collected, dataset: str) -> dict[Model, Searched]:
    frames = tables_of(found, "least_eps", dataset, "least_eps.parquet")
    return {model: by("rate", frame) for model, frame in frames.items()}


def _row(found: Collected, model: Model, rate: float, records: pd.DataFrame) -> dict[str, Any]:
    profile = found.profile
    wanted, scale = profile.least_eps, profile.eps_scale(found.datasets[model.dataset])
    least = records.set_index("image_id")["least_eps"]
    right = least[least > 0]
    drawn = np.geomspace(wanted.smallest, wanted.largest, BUDGETS)
    budgets = sorted({*drawn.tolist(), *(scale * eps for eps in profile.attacks.eps)})
    standing = {eps: metrics.proportion(least > eps) for eps in budgets}
    return {
        **names_of(model),
        "rate_percent": round(100 * rate),
        "images": len(least),
        "right": len(right),
        "collapsed": _collapsed(records),
        "largest": wanted.largest,
        "by_apgd": int((records["by"] == "apgd_ce").sum()),
        "quartiles": [{"share": share, **_quantile(right, share)} for share in QUARTILES],
        "not_flipped": share_of(np.isinf(right), "share", 1),
        "curve": [
            {"eps": eps, "accuracy": hits.share, **ends(statistics.wilson(*hits))}
            for eps, hits in standing.items()
        ],
    }


def _collapsed(records: pd.DataFrame) -> bool:
    return metrics.one_answer(records) is not None


def _quantile(values: pd.Series, share: float, least: float = 0.0) -> dict[str, float | None]:
    """The columns of a quantile, which the document has as None where they are infinite, or of no value."""
    if values.empty:
        return {"least_eps": None, **ends(None)}
    value, (low, high) = statistics.quantile(values.to_numpy(), share)
    return {"least_eps": value, **ends(Interval(max(low, least), high))}


@part(
    "least_eps_compared",
    text="dataset comparison id against",
    count="rate_percent against_rate_percent n farther nearer",
    flag="collapsed",
    number="median_difference ci_low ci_high p p_holm",
    reading={"enum": ["farther", "nearer", "undecided", "collapsed", "smoke"]},
)
def compared(found: Collected) -> list[dict[str, Any]]:
    """A row a pair of networks on the same images, those that both answer correctly when they are clean.

    `comparison` is "pruned", of a network and what it was before, or "variant", of one and the baseline at
    the same rate: that of the tables, and that of its own training. `farther` counts the images whose least
    budget is larger for the first, `nearer` those where it is smaller; `p` is the exact one of the sign test,
    which asks for no size and so takes what no budget flips as it is, `p_holm` with Holm's correction over
    the comparisons of one kind on a data set. `reading` says which way the boundary lies, "undecided" where
    that is noise, "collapsed" where one of the two gives (nearly) every image one answer, "smoke" of
    phantoms.
    """
    every = []
    for dataset in found.datasets:
        searched = _searched(found, dataset)
        for comparison, pairs in (
            ("pruned", _by_pruning(searched)),
            ("variant", _by_variant(found, searched)),
        ):
            tested = with_holm(
                {"dataset": dataset, "comparison": comparison, **_compared(searched, *pair)} for pair in pairs
            )
            phantom = found.profile.data.source == "phantoms"
            every += [row | {"reading": "smoke" if phantom else _reading(row)} for row in tested]
    return every


def _reading(row: Mapping[str, Any]) -> str:
    if row["collapsed"]:
        return "collapsed"
    if row["p_holm"] > statistics.ALPHA:
        return "undecided"
    return "farther" if row["farther"] > row["nearer"] else "nearer"


Place = tuple[Model, float]  # a network at a pruning rate


def _by_pruning(searched: Mapping[Model, Searched]) -> Iterator[tuple[Place, Place]]:
    for model, of_model in searched.items():
        for rate in of_model:
            if rate > 0 and 0.0 in of_model:
                yield (model, rate), (model, 0.0)


def _by_variant(found: Collected, searched: Mapping[Model, Searched]) -> Iterator[tuple[Place, Place]]:
    baselines = {model.mode: model for model in searched if model.variant == RESNET18.id}
    for model, of_model in searched.items():
        if model.variant != RESNET18.id:
            for mode in dict.fromkeys((found.book.modes(RESNET18.id)[0], model.mode)):
                other = baselines.get(mode)
                for rate in of_model:
                    if other and rate in searched[other]:
                        yield (model, rate), (other, rate)


def _compared(searched: Mapping[Model, Searched], one: Place, other: Place) -> dict[str, Any]:
    (model, rate), (against, other_rate) = one, other
    ours, theirs = searched[model][rate], searched[against][other_rate]
    first, second = (records.set_index("image_id")["least_eps"] for records in (ours, theirs))
    second = second.reindex(first.index)
    both = (first > 0) & (second > 0)
    first, second = first[both], second[both]
    test = statistics.mcnemar(first > second, first < second)  # ties count for neither: the sign test
    # an image that neither is flipped on says nothing of a difference
    difference = (first - second).where(first != second, 0.0)
    median = _quantile(difference, 0.5, least=-np.inf)
    return {
        "id": model.id,
        "against": against.id,
        "rate_percent": round(100 * rate),
        "against_rate_percent": round(100 * other_rate),
        "collapsed": _collapsed(ours) or _collapsed(theirs),
        "n": len(first),
        "farther": test.only_first,
        "nearer": test.only_second,
        "median_difference": median.pop("least_eps"),
        **median,
        "p": test.p_value,
    }


SHARE = fields(count="n", number="share ci_low ci_high")


@part("transfer", text="dataset source target", number=f"eps {PAIRED}", accuracy=SHARE, transferred=SHARE)
def transferred(found: Collected) -> list[dict[str, Any]]:
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
        every += with_holm({"dataset": dataset, "eps": eps, **row} for row in _shown_to_others(answers))
    return every


def _shown_to_others(answers: Mapping[str, Mapping[str, pd.DataFrame]]) -> Iterator[dict[str, Any]]:
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
