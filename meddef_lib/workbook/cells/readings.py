"""readings/<model>: what a network answers to images made by other readings of the evaluation protocol."""

from typing import Any

from meddef_lib.attacks.registry import ATTACKS
from meddef_lib.engine.recipe import Recipe
from meddef_lib.params.protocol import Quantity, read
from meddef_lib.results.model import Model
from meddef_lib.workbook.book import Workbook
from meddef_lib.workbook.cells import train
from meddef_lib.workbook.cells.diagnose import surrogate
from meddef_lib.workbook.kinds import SECONDS_OF_A_START, Costs, Kind

JSMA = ATTACKS["jsma"]
MOST_STEPS = 50  # of a run on all images; what takes more sees the few


def recipe(book: Workbook, model: Model) -> Recipe:
    """The records of one network under every procedure that a reading needs."""
    profile, dataset = book.profile, book.datasets[model.dataset]
    wanted = profile.readings
    other = surrogate(book, model)
    settings = {
        **train.on_test_images(book, model),
        "images": wanted.images,
        "slow_images": wanted.slow_images,
        "runs": [run for run in runs(book) if run["made_on"] != "another" or other],
        "mean": dataset.mean,
        "std": dataset.std,
        "eps_scale": profile.eps_scale(dataset),
        "jsma": JSMA.settings(profile.attacks),
    }
    inputs = train.tried(book, model)
    if other is not None:
        inputs["another"] = train.recipe(book, other)
    return Recipe(f"readings/{model.id}", "meddef_lib.diagnostics.readings:make", settings, inputs)


def runs(book: Workbook) -> list[dict[str, Any]]:
    """What the readings need, each run once: those of Tables 1 and 2, then those of pruned networks."""
    protocol, profile = read(), book.profile
    wanted, scope = profile.readings, profile.pruning.scope
    pruned = [(profile.pruning.eps, rate) for rate in wanted.rates if rate]
    places: dict[Quantity, list[tuple[float, float]]] = {
        "accuracy": [(eps, 0.0) for eps in profile.attacks.eps],
        "attack_success_rate": pruned,
    }
    found: dict[tuple[Any, ...], dict[str, Any]] = {}
    for quantity, at in places.items():
        for reading in protocol.readings.values():
            for attack in protocol.attacks_of(reading) if quantity in reading.tables else ():
                for eps, rate in at:
                    procedure, made_as = protocol.procedures[reading.procedure], reading.made_as or attack
                    run = procedure.run(
                        made_as, reading.eps or eps, steps=wanted.steps, step_size=profile.attacks.step_size
                    )
                    if run["steps"] is None:
                        run["eps"] = None  # pairs of pixels have no epsilon: one run stands at each
                    elif wanted.most_steps is not None:
                        run["steps"] = min(run["steps"], wanted.most_steps)
                    run |= {"procedure": reading.procedure, "rate": rate, "scope": reading.scope or scope}
                    run["slow"] = run["steps"] is None or run["steps"] > MOST_STEPS
                    place = (reading.procedure, made_as, run["eps"], rate, run["scope"])
                    found.setdefault(place, run)
    return list(found.values())


def seconds(recipe: Recipe, costs: Costs) -> float:
    """Two forward passes an image and run, and the gradients of its steps."""
    settings, model = recipe.settings, recipe.inputs["model"].settings
    rate, size = costs.rates_of(model), model["image_size"]
    total = SECONDS_OF_A_START
    for run in settings["runs"]:
        most = min(settings["images"], settings["slow_images"]) if run["slow"] else settings["images"]
        steps = run["steps"]
        if steps is None:
            steps = JSMA.gradients(settings["jsma"], size, model["num_classes"])
        of_image = 2 * rate.forward + steps * rate.gradient
        total += costs.images_of(recipe, settings["split"], most) * of_image
    return total


KINDS = (
    Kind(
        "readings",
        place=8,
        cells=lambda book, dataset: (
            recipe(book, model) for model in book.chosen_models(dataset, book.profile.readings.variants)
        ),
        seconds=seconds,
        needs_rates=True,
    ),
)
