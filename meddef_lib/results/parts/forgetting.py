"""What pruning makes each network forget: its safe rate, its recalls, the images it answers otherwise."""

from typing import Any

from meddef_lib.results import forgetting, statistics
from meddef_lib.results.collected import Collected
from meddef_lib.results.forgetting import Answers
from meddef_lib.results.part import ends, fields, part, table


def rows(found: Collected) -> list[dict[str, Any]]:
    """A row a variant and way of training that was pruned; rates and shares in percent, but for recalls."""
    return [_row(found, one) for dataset in found.datasets for one in forgetting.answers(found, dataset)]


def _row(found: Collected, one: Answers) -> dict[str, Any]:
    classes = found.datasets[one.dataset].classes
    safe = forgetting.safe_rate(one)
    recalls = forgetting.recalls(one, classes)
    return {
        "dataset": one.dataset,
        "variant": one.variant,
        "mode": one.mode,
        "seeds": len(one.by_rate[0]),
        "n": len(one.labels),
        "safe_rate": 100 * safe.rate,
        **ends(forgetting.interval(one), 100),
        "first_loss": None if safe.first_loss is None else 100 * safe.first_loss,
        "largest_rate": 100 * max(one.rates),
        "unlearned": one.unlearned,
        "rates": [_at(one, rate, safe) for rate in (0.0, *one.rates)],
        "recalls": recalls,
        "correlation": _correlation(found, one, safe, recalls),
    }


def _at(one: Answers, rate: float, safe: forgetting.SafeRate) -> dict[str, Any]:
    before, after, changed = one.right(0), one.right(rate), one.changed(rate)
    return {
        "rate_percent": round(100 * rate),
        "accuracy": 100 * float(after.mean()),
        "lost": float((before & ~after).sum(axis=1).mean()),
        "gained": float((~before & after).sum(axis=1).mean()),
        "p_holm": safe.p_values.get(rate),
        "exemplars": int(changed.sum()),
        "exemplars_share": 100 * float(changed.mean()),
        **ends(statistics.wilson(int(changed.sum()), len(changed)), 100),
    }


def _correlation(
    found: Collected, one: Answers, safe: forgetting.SafeRate, recalls: list[dict[str, Any]]
) -> dict[str, Any]:
    """At the first rate with a loss, or the largest that was tried."""
    classes, rate = found.datasets[one.dataset].classes, safe.first_loss or max(one.rates)
    by_place = {(row["rate_percent"], row["class"]): row["recall"] for row in recalls}
    counts = found.data[one.dataset].summary["counts"].get("train", {}) if one.dataset in found.data else {}
    before, after = ([by_place[round(100 * at), name] for name in classes] for at in (0, rate))
    images = [counts.get(name, 0) for name in classes]
    return {"rate_percent": round(100 * rate), **forgetting.correlation(images, before, after)}


@part(
    "forgetting",
    text="dataset variant mode unlearned",
    count="seeds n",
    number="safe_rate ci_low ci_high first_loss largest_rate",
    rates=table(
        count="rate_percent exemplars",
        number="accuracy lost gained p_holm exemplars_share ci_low ci_high",
    ),
    recalls=table(count="rate_percent n", text="class", number="recall ci_low ci_high"),
    correlation=fields(
        count="rate_percent classes least_classes", number="value ci_low ci_high", text="reason"
    ),
)
def forgotten(found: Collected) -> Any:
    """The `rows`, which a run keeps."""
    return found.forgotten
