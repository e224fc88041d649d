"""attack/<model>/<attack>: records of one attack on the unpruned model, at every epsilon (Tables 1, 2).

prune/<model>/<attack>: at every pruning rate above 0 (Tables 3, 4). The kind `compared` is both, and `train`,
of networks that those of the tables are compared with: a notebook of the tables does not wait for them.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from meddef_lib.attacks.registry import ATTACKS
from meddef_lib.engine.recipe import Recipe
from meddef_lib.results.model import Model
from meddef_lib.workbook.book import Workbook
from meddef_lib.workbook.cells import train
from meddef_lib.workbook.kinds import MIB_OF_A_CELL, MIB_OF_A_RECORD, SECONDS_OF_A_START, Costs, Kind

MAKER, PRUNED = "meddef_lib.evaluation.records:make", "meddef_lib.evaluation.records:make_pruned"
SECONDS_OF_A_RUN = 0.5


def recipe(book: Workbook, model: Model, attack: str) -> Recipe:
    """Records of one attack at every epsilon it has."""
    runs = [{"eps": value, "rate": 0.0} for value in ATTACKS[attack].eps(book.profile.attacks)]
    return records(book, f"attack/{model.id}/{attack}", model, attack, runs)


def pruned(book: Workbook, model: Model, attack: str) -> Recipe:
    """Records of one attack at every pruning rate, at the epsilon of Tables 3 and 4."""
    pruning = book.profile.pruning
    eps = pruning.eps if ATTACKS[attack].has_eps else None
    runs = [{"eps": eps, "rate": rate} for rate in rates(book, attack)]
    name = f"prune/{model.id}/{attack}"
    return records(book, name, model, attack, runs, maker=PRUNED, scope=pruning.scope)


def rates(book: Workbook, attack: str) -> list[float]:
    """The rates at which an attack meets pruned models; rate 0 is left to the records of `attack`."""
    entry, attacks, pruning = ATTACKS[attack], book.profile.attacks, book.profile.pruning
    own = entry.rates(attacks)
    recorded = attack in attacks.methods and (not entry.has_eps or pruning.eps in entry.eps(attacks))
    return [rate for rate in (pruning.rates if own is None else own) if rate > 0 or not recorded]


def records(
    book: Workbook,
    name: str,
    model: Model,
    attack: str,
    runs: list[dict[str, Any]],
    *,
    maker: str = MAKER,
    **further: Any,
) -> Recipe:
    """The recipe of `runs` of one attack on one model, each at an epsilon and a pruning rate."""
    entry, attacks = ATTACKS[attack], book.profile.attacks
    settings = {
        "split": "test",
        "attack": entry.recipe(attacks),
        "runs": runs,
        **book.profile.evaluation.settings("cells"),
        **further,
    }
    if (scale := book.profile.eps_scale(book.datasets[model.dataset])) != 1:
        settings["eps_scale"] = scale
    if (limit := entry.images(attacks)) is not None:
        settings["limit"] = limit
    if entry.seeded or limit is not None:
        settings["seed"] = model.seed
    inputs = train.tried(book, model)
    return Recipe(name, maker, settings, inputs, roots=(entry.root,))


def records_of(book: Workbook, dataset: str) -> Iterator[tuple[Model, Recipe]]:
    """Every attack of the profile on every model."""
    return _each(book, recipe, book.models(dataset), book.profile.attacks.methods)


def pruned_records_of(book: Workbook, dataset: str) -> Iterator[tuple[Model, Recipe]]:
    """Every attack that meets pruned models on each model of the tables."""
    return _each(book, pruned, book.main_models(dataset), book.profile.pruning.methods)


def compared_records_of(book: Workbook, dataset: str) -> Iterator[tuple[Model, Recipe]]:
    """The records of each such network, unpruned and, where the profile says so, pruned."""
    wanted = book.profile.comparison
    for model in book.compared_models(dataset):
        yield from _each(book, recipe, [model], wanted.methods)
        if model.variant in wanted.pruned:
            yield from _each(book, pruned, [model], wanted.pruned_methods)


def _each(
    book: Workbook, sweep_of: Callable[..., Recipe], models: Iterable[Model], attacks: Iterable[str]
) -> Iterator[tuple[Model, Recipe]]:
    """A sweep of each attack on each model, where it has runs: one cell, or as the profile says one a run."""
    for model in models:
        for attack in attacks:
            sweep = sweep_of(book, model, attack)
            runs = sweep.settings["runs"]
            if len(runs) == 1 or (runs and book.profile.evaluation.cells == "sweep"):
                yield model, sweep
                continue
            swept = "rate" if sweep_of is pruned else "eps"
            for run in runs:
                settings = {**sweep.settings, "runs": [run]}
                yield model, replace(sweep, id=f"{sweep.id}/{swept}={run[swept]:g}", settings=settings)


def compared(book: Workbook, dataset: str) -> Iterator[Recipe]:
    """Every such network and its records."""
    for model in book.compared_models(dataset):
        yield train.recipe(book, model)
    yield from (records for _, records in compared_records_of(book, dataset))


def seconds(recipe: Recipe, costs: Costs) -> float:
    """Two forward passes an image and run, and the gradients that the attack takes."""
    model = recipe.inputs["model"].settings
    rate, attack = costs.rates_of(model), recipe.settings["attack"]
    gradients = ATTACKS[attack["id"]].gradients(attack["settings"], model["image_size"], model["num_classes"])
    tested = costs.images_of(recipe, "test", recipe.settings.get("limit"))
    of_run = SECONDS_OF_A_RUN + tested * (2 * rate.forward + gradients * rate.gradient)
    return SECONDS_OF_A_START + len(recipe.settings["runs"]) * of_run


def mib(recipe: Recipe, costs: Costs) -> float:
    tested = costs.images_of(recipe, "test", recipe.settings.get("limit"))
    return MIB_OF_A_CELL + MIB_OF_A_RECORD * tested * len(recipe.settings["runs"])


RECORDS: Mapping[str, Any] = {"seconds": seconds, "needs_rates": True, "mib": mib}
KINDS = (
    Kind("attack", place=4, cells=lambda *of: (each for _, each in records_of(*of)), **RECORDS),
    Kind("prune", place=5, cells=lambda *of: (each for _, each in pruned_records_of(*of)), **RECORDS),
    Kind("compared", place=9, cells=compared),
)
