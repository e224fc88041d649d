"""Architecture or training? Networks of several sizes, each trained in several ways, on the same images."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations, product
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from meddef_lib.models.variants import VARIANTS
from meddef_lib.paper.addresses import eps_text
from meddef_lib.paper.audit.finding import counted
from meddef_lib.results import metrics, statistics
from meddef_lib.results.collected import NAMES, Collected, records_of
from meddef_lib.results.outcomes import WORST_CASE
from meddef_lib.results.part import ends, fields, part, share_of, table, with_holm
from meddef_lib.results.parts.names import TRAININGS

ARCHITECTURE, TRAINING, INTERACTION = "architecture", "training", "interaction"
TITLES = {name: variant.title for name, variant in VARIANTS.items()}
Cell = tuple[str, str, int]  # variant, training, seed


@part(
    "factorial",
    fields(
        text="sentence",
        cells=table(
            text="dataset variant mode says_nothing",
            count="seed n",
            number="eps clean_accuracy clean_low clean_high accuracy ci_low ci_high balanced_accuracy",
        ),
        missing=table(text="dataset variant mode", count="seed"),
        levels=table(text="dataset factor level", count="n", number="eps accuracy"),
        effects=table(
            text="dataset term variant other_variant mode other_mode",
            count="n",
            number="eps difference ci_low ci_high p p_holm",
        ),
        sentences=table(text="dataset text", number="eps"),
    ),
)
def factorial(found: Collected) -> dict[str, Any]:
    """What each network keeps, the two main effects, their interaction, and what that comes to in words.

    Accuracies are in percent, differences in points; a row is of the worst case at `eps`, or of clean images
    where that is None. Effects are of the trainings in which every network is there and has learned.
    """
    made: dict[str, list[dict[str, Any]]] = {
        name: [] for name in ("cells", "missing", "levels", "effects", "sentences")
    }
    for dataset in found.datasets:
        runs = _runs(found, dataset)
        cells = [_cell(found, dataset, *place, run) for place, run in runs.items()]
        there = {cell for cell, _ in runs}
        absent = [place for place in _wanted(found) if place not in there]
        made["cells"] += cells
        made["missing"] += [dict(zip(NAMES, (dataset, *place), strict=True)) for place in absent]
        void = {(row["variant"], row["mode"]) for row in cells if row["says_nothing"]}
        void |= {(variant, mode) for variant, mode, _ in absent}
        design = found.profile.comparison.factorial
        modes = [mode for mode in design.modes if not any((name, mode) in void for name in design.variants)]
        budgets = sorted({eps for _, eps in runs}) if modes else []
        for eps in (None, *budgets) if budgets else ():
            hits = [
                _hits(runs, seed, design.variants, modes, eps or budgets[0], eps)
                for seed in found.profile.seeds
            ]
            place = {"dataset": dataset, "eps": eps, "n": len(hits[0])}
            levels = [place | row for row in _levels(hits, design.variants, modes)]
            effects = [place | row for row in _effects(hits, design.variants, modes)]
            made["levels"] += levels
            made["effects"] += effects
            text = _sentence(found, place, levels, effects, modes)
            made["sentences"].append({"dataset": dataset, "eps": eps, "text": text})
    return made | {"sentence": _together(found, made)}


def _wanted(found: Collected) -> list[Cell]:
    design = found.profile.comparison.factorial
    return list(product(design.variants, design.modes, found.profile.seeds))


def _runs(found: Collected, dataset: str) -> dict[tuple[Cell, float], pd.DataFrame]:
    """The records of the worst case on a data set, by network and epsilon, in the order of the profile."""
    records = records_of(found, "attacked", "compared")
    if records.empty:
        return {}
    whole = (records["attack"] == WORST_CASE) & (records["rate"] == 0) & (records["dataset"] == dataset)
    names = ["variant", "mode", "seed", "eps"]
    by_run: dict[Any, pd.DataFrame] = dict(iter(records[whole].groupby(names)))
    budgets = sorted({place[-1] for place in by_run})
    return {
        (cell, eps): by_run[*cell, eps]
        for cell in _wanted(found)
        for eps in budgets
        if (*cell, eps) in by_run
    }


def _cell(found: Collected, dataset: str, cell: Cell, eps: float, run: pd.DataFrame) -> dict[str, Any]:
    clean = share_of(metrics.correct(run, "clean_pred"), "clean_accuracy")
    classes = found.datasets[dataset].classes
    return {
        **dict(zip(NAMES, (dataset, *cell), strict=True)),
        "eps": eps,
        "clean_accuracy": clean["clean_accuracy"],
        "clean_low": clean["ci_low"],
        "clean_high": clean["ci_high"],
        **share_of(metrics.correct(run, "adv_pred"), "accuracy"),
        "balanced_accuracy": metrics.balanced_accuracy_of(run, "adv_pred", len(classes)),
        "says_nothing": metrics.collapsed(run, "clean_pred", classes) or metrics.unlearned(run, classes),
    }


def _hits(
    runs: Mapping[tuple[Cell, float], pd.DataFrame],
    seed: int,
    variants: Sequence[str],
    modes: Sequence[str],
    of: float,
    eps: float | None,
) -> NDArray[np.float64]:
    """Whether each image that all networks of a seed have seen is right, (images, variants, modes)."""
    column: metrics.Prediction = "clean_pred" if eps is None else "adv_pred"
    right = [metrics.correct(runs[(name, mode, seed), of], column) for name, mode in product(variants, modes)]
    on_all = pd.concat(right, axis="columns", join="inner").to_numpy(dtype=float)
    return on_all.reshape(-1, len(variants), len(modes))


def _levels(
    hits: Sequence[NDArray[np.float64]], variants: Sequence[str], modes: Sequence[str]
) -> Iterator[dict[str, Any]]:
    """The mean accuracy of each architecture over the trainings, of each training over the architectures."""
    means = 100 * np.mean([seed.mean(axis=0) for seed in hits], axis=0)
    for factor, names, axis in ((ARCHITECTURE, variants, 1), (TRAINING, modes, 0)):
        for name, mean in zip(names, means.mean(axis=axis), strict=True):
            yield {"factor": factor, "level": name, "accuracy": float(mean)}


def _effects(
    hits: Sequence[NDArray[np.float64]], variants: Sequence[str], modes: Sequence[str]
) -> list[dict[str, Any]]:
    """Each architecture and training less each before it, and the interactions with the first of both.

    A main effect is averaged over the other factor; an interaction is how much more a training does to an
    architecture than to the first one. `p_holm` has Holm's correction over the rows of a term.
    """
    of_variants, of_modes = _less(variants), _less(modes)
    terms = {
        ARCHITECTURE: product(of_variants, [_mean(modes)]),
        TRAINING: product([_mean(variants)], of_modes),
        INTERACTION: product(of_variants[: len(variants) - 1], of_modes[: len(modes) - 1]),
    }
    rows = []
    for term, pairs in terms.items():
        rows += with_holm(
            {"term": term, "variant": one, "other_variant": other, "mode": mode, "other_mode": other_mode}
            | {"difference": 100 * found.difference, **ends(found.interval, 100), "p": found.p}
            for (one, other, of_variant), (mode, other_mode, of_mode) in pairs
            for found in [statistics.contrast(hits, np.outer(of_variant, of_mode))]
        )
    return rows


Weights = tuple[str, str, NDArray[np.float64]]  # of the levels of a factor: one less the other, or their mean


def _less(names: Sequence[str]) -> list[Weights]:
    """Each level less each before it, those less the first of all first."""
    one = np.eye(len(names))
    return [(names[a], names[b], one[a] - one[b]) for b, a in combinations(range(len(names)), 2)]


def _mean(names: Sequence[str]) -> Weights:
    return "", "", np.full(len(names), 1 / len(names))


# --- in words -------------------------------------------------------------------------------------


def _sentence(
    found: Collected,
    place: Mapping[str, Any],
    levels: Sequence[Mapping[str, Any]],
    effects: Sequence[Mapping[str, Any]],
    modes: Sequence[str],
) -> str:
    """How far each factor moves accuracy, and which of that the images, or the seeds, tell from nothing."""
    budget = place["eps"]
    outcome = "clean accuracy" if budget is None else f"accuracy in the worst case at {eps_text(budget)}"
    images = counted(place["n"], "image") + (
        f", {len(found.profile.seeds)} seeds" if len(found.profile.seeds) > 1 else ""
    )
    moved: list[str] = []
    told: list[str] = []
    not_told: list[str] = []
    for factor, names in ((ARCHITECTURE, TITLES), (TRAINING, TRAININGS)):
        ranked = sorted((row for row in levels if row["factor"] == factor), key=lambda row: row["accuracy"])
        if len(ranked) > 1:
            low, high = (
                f"{row['accuracy']:.1f} % with {names[row['level']]}" for row in (ranked[0], ranked[-1])
            )
            moved.append(f"by {factor} from {low} to {high}")
            (told if _any_told(effects, factor) else not_told).append(f"the {factor}s")
    verdict = [" and ".join(told)] if told else []
    verdict += [f"not {' nor '.join(not_told)}"] if not_told else []
    interactions = [_any_told([row], INTERACTION) for row in effects if row["term"] == INTERACTION]
    of_pairs = counted(len(interactions), "pair")
    pairs = f"; an interaction in {sum(interactions)} of {of_pairs}" if interactions else ""
    sample = "seeds" if len(found.profile.seeds) > 1 else "these images"
    return (
        f"{found.datasets[place['dataset']].title}, {outcome} ({images}; mean over "
        f"{', '.join(TRAININGS[mode] for mode in modes)}): {', '.join(moved)}. "
        f"{'; '.join(_difference(row) for row in effects if row['term'] == ARCHITECTURE)}. "
        f"Told apart by {sample}: {', '.join(verdict)}{pairs}."
    )


def _any_told(effects: Sequence[Mapping[str, Any]], term: str) -> bool:
    return any(row["term"] == term and row["p_holm"] < statistics.ALPHA for row in effects)


def _difference(row: Mapping[str, Any]) -> str:
    number, low, high = (
        f"{row[name]:+z.1f}".replace("-", "−") for name in ("difference", "ci_low", "ci_high")
    )
    return f"{TITLES[row['variant']]} less {TITLES[row['other_variant']]}: {number} points [{low}, {high}]"


def _together(found: Collected, made: Mapping[str, Sequence[Mapping[str, Any]]]) -> str:
    """What the run says at the smallest epsilon of each data set, a line each, and what it rests on."""
    if found.profile.data.source == "phantoms":
        return "Measured on made-up images, which say nothing about architectures and trainings."
    said = []
    measured = {row["dataset"] for row in made["cells"]}
    for dataset in found.datasets:
        attacked = [
            row["text"] for row in made["sentences"] if row["dataset"] == dataset and row["eps"] is not None
        ]
        nothing = "there is no training in which every network was measured and has learned"
        if dataset not in measured:
            nothing = "not there yet"
        said += attacked[:1] or [f"{found.datasets[dataset].title}: {nothing}."]
    if made["sentences"] and len(found.profile.seeds) == 1:
        said.append("Each network was trained once: another seed may move these numbers, too.")
    left_out: dict[str, dict[str, None]] = {}  # trainings by network, each once
    for row in (*made["missing"], *(row for row in made["cells"] if row["says_nothing"])):
        if row["dataset"] in measured:
            network = f"{TITLES[row['variant']]} on {found.datasets[row['dataset']].title}"
            left_out.setdefault(network, {})[TRAININGS[row["mode"]]] = None
    if left_out:
        listed = "; ".join(f"{network}: {', '.join(trainings)}" for network, trainings in left_out.items())
        said.append(f"Trainings are left out in which a network is missing or has not learned. {listed}.")
    return "\n".join(said)
