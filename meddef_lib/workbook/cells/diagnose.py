"""diagnose/<model>: whether the robustness of a network is real, as it was trained and pruned.

diagnose/<model>/<defence>: the same of the plain ResNet-18 behind a defence.
defence/<model>/<defence>: that network under attacks (4.5).
transfer/<model>: images made on this network, shown to every other one of its data set.
least_eps/<model>: the least budget that flips each image, of a network as it was trained and pruned.
"""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from meddef_lib.attacks.registry import ATTACKS
from meddef_lib.defences.registry import DEFENCES, DISTILLED, UNDEFENDED, Defence, chosen
from meddef_lib.diagnostics.catalogue import USED
from meddef_lib.engine.recipe import Recipe
from meddef_lib.paper.addresses import BASELINE
from meddef_lib.params import ParamsError
from meddef_lib.results.model import Model
from meddef_lib.results.parts.defences import plain
from meddef_lib.workbook.book import Workbook
from meddef_lib.workbook.cells import prepared, train
from meddef_lib.workbook.kinds import SECONDS_OF_A_START, Costs, Kind

ROOTS = tuple(ATTACKS[name].root for name in USED)
NOT_OF_A_RESULT = ("variants", "rates", "images")  # which networks and images; the rest is the effort
NOT_OF_A_SEARCH = ("variants", "every_training", "images", "rates")
FIRST = "pgd"  # the attack that every view of a defended network meets
VIEWS = 2  # of a defence, mostly: a weak one and an adaptive one
BUDGETS, OTHERS, SINGLE = 6, 8, 20  # runs by budget and on other grounds; gradients that stand alone


def recipe(book: Workbook, model: Model) -> Recipe:
    """The checks of one network at every rate of the profile."""
    profile = book.profile
    wanted = profile.diagnostics
    settings = {
        **train.on_test_images(book, model),
        "images": wanted.images,
        "rates": list(wanted.rates),
        "scope": profile.pruning.scope,
        "eps": profile.eps_scale(book.datasets[model.dataset]) * profile.pruning.eps,
        "effort": wanted.settings(*NOT_OF_A_RESULT),
    }
    inputs = train.tried(book, model)
    if (other := surrogate(book, model)) is not None:
        inputs["surrogate"] = train.recipe(book, other)
    return Recipe(f"diagnose/{model.id}", "meddef_lib.diagnostics.checks:make", settings, inputs, roots=ROOTS)


def checks_of_defence(book: Workbook, dataset: str, defended: Defence) -> Recipe:
    """The checks of the plain network behind a defence, on few images."""
    profile = book.profile
    settings = {
        "images": profile.defences.checked_images,
        "eps": profile.eps_scale(book.datasets[dataset]) * profile.pruning.eps,
        "effort": profile.diagnostics.settings(*NOT_OF_A_RESULT),
    }
    return behind(book, dataset, defended, "diagnose", "examine", settings, ROOTS)


def surrogate(book: Workbook, model: Model) -> Model | None:
    """Another network of the tables, trained separately, on which images are made that may transfer."""
    others = [other for other in book.main_models(model.dataset) if other.variant != model.variant]
    return others[0] if others else None


def cells(book: Workbook, dataset: str) -> Iterator[Recipe]:
    """Every training of the variants that the profile names, with the first seed; then the defences."""
    for model in book.chosen_models(dataset, book.profile.diagnostics.variants):
        yield recipe(book, model)
    for defended in defences(book) if book.profile.defences.checked_images else ():
        if defended.id != UNDEFENDED:
            yield checks_of_defence(book, dataset, defended)


def seconds(recipe: Recipe, costs: Costs) -> float:
    """The gradients and queries that the checks of a network take, for each pruning rate."""
    settings = recipe.settings
    of_defence = "defence" in settings
    model = recipe.inputs[settings["networks"][0] if of_defence else "model"].settings
    effort, rate = settings["effort"], costs.rates_of(model)
    runs = effort["steps"] * (BUDGETS + effort["restarts"] + OTHERS)
    gradients = runs + effort["most_steps"] + SINGLE
    of_image = gradients * rate.gradient + (effort["queries"] + SINGLE) * rate.forward
    tested = costs.images_of(recipe, "test", settings["images"])
    if of_defence:
        times = networks(recipe) * DEFENCES[settings["defence"]["id"]].examined
    else:
        times = len(settings["rates"])
    return SECONDS_OF_A_START + times * tested * of_image


def defences(book: Workbook) -> list[Defence]:
    """Those that the profile asks for; none for given weights, and without the baseline."""
    if book.given or BASELINE not in book.profile.variants:
        return []
    return [DEFENCES[name] for name in chosen(book.profile.defences)]


def defence_recipe(book: Workbook, dataset: str, defence: Defence) -> Recipe:
    """The answers of one defended network to images that the attacks make."""
    profile = book.profile
    wanted, scale = profile.defences, profile.eps_scale(book.datasets[dataset])
    attacks = [ATTACKS[name] for name in dict.fromkeys((FIRST, *wanted.further))]
    if without := [attack.id for attack in attacks if not attack.has_eps]:
        raise ParamsError(
            f"defences.further has {without[0]!r}, an attack without a budget; expected attacks that take eps"
        )
    called = [attack.recipe(profile.attacks) for attack in attacks]
    for attack in called:
        if "step_size" in attack["settings"]:
            attack["settings"]["step_size"] *= scale
    settings = {"images": wanted.images, "eps": [scale * eps for eps in wanted.eps], "attacks": called}
    roots = tuple(attack.root for attack in attacks)
    return behind(book, dataset, defence, "defence", "make", settings, roots)


def behind(
    book: Workbook,
    dataset: str,
    defence: Defence,
    kind: str,
    maker: str,
    settings: dict[str, Any],
    roots: tuple[str, ...],
) -> Recipe:
    """A cell about a defended network: what is asked of it, and the networks that it is made of."""
    model = plain(book.profile, dataset)
    own = defence.settings(book.profile.defences)
    networks = {model.id: train.recipe(book, model)}
    for number in range(1, own[defence.members] if defence.members else 0):
        other = replace(model, seed=model.seed + number)
        networks[other.id] = train.recipe(book, other)
    for mode in defence.networks:
        made = train.distilled(book, model) if mode == DISTILLED else None
        made = made or train.recipe(book, replace(model, mode=mode))
        networks[made.id] = made
    settings = {
        **train.on_test_images(book, model),
        **settings,
        "defence": {"id": defence.id, "root": defence.root, "settings": own},
        "networks": list(networks),
    }
    return Recipe(
        f"{kind}/{model.id}/{defence.id}",
        f"meddef_lib.diagnostics.defended:{maker}",
        settings,
        {"data": prepared.recipe(book, dataset), **networks},
        roots=(*roots, defence.root),
    )


def defence_seconds(recipe: Recipe, costs: Costs) -> float:
    """The gradients of each attack at each budget, on one network or all members of an ensemble."""
    settings = recipe.settings
    model = recipe.inputs[settings["networks"][0]].settings
    rate = costs.rates_of(model)
    gradients = sum(
        (VIEWS if place == 0 else 1)
        * ATTACKS[attack["id"]].gradients(attack["settings"], model["image_size"], model["num_classes"])
        for place, attack in enumerate(settings["attacks"])
    )
    of_image = (
        len(settings["eps"]) * networks(recipe) * (gradients * rate.gradient + 2 * VIEWS * rate.forward)
    )
    return SECONDS_OF_A_START + costs.images_of(recipe, "test", settings["images"]) * of_image


def networks(recipe: Recipe) -> int:
    """Through how many networks a pass of a defended one goes."""
    defence = DEFENCES[recipe.settings["defence"]["id"]]
    members: int = recipe.settings["defence"]["settings"].get(defence.members, 1)
    return members


def transfer(book: Workbook, model: Model) -> Recipe:
    """What the networks answer to images that PGD makes on one of them at the epsilon of Tables 3 and 4."""
    profile, dataset = book.profile, model.dataset
    scale = profile.eps_scale(book.datasets[dataset])
    targets = transferred(book, dataset)
    settings = {
        **train.on_test_images(book, model),
        "images": profile.transfer.images,
        "eps": scale * profile.pruning.eps,
        "step_size": scale * profile.attacks.step_size,
        "steps": profile.attacks.steps,
        "source": model.id,
        "targets": [target.id for target in targets],
    }
    inputs = {"data": prepared.recipe(book, dataset)}
    inputs |= {target.id: train.recipe(book, target) for target in targets}
    return Recipe(f"transfer/{model.id}", "meddef_lib.diagnostics.transfer:make", settings, inputs)


def transferred(book: Workbook, dataset: str) -> list[Model]:
    wanted = book.profile.transfer
    return book.chosen_models(dataset, wanted.variants, every_training=wanted.every_training)


def transfer_cells(book: Workbook, dataset: str) -> Iterator[Recipe]:
    """Every such network, where there are two."""
    models = transferred(book, dataset)
    for model in models if len(models) > 1 else ():
        yield transfer(book, model)


def transfer_seconds(recipe: Recipe, costs: Costs) -> float:
    """The gradients on one network, and two passes through each."""
    settings = recipe.settings
    rates = {name: costs.rates_of(recipe.inputs[name].settings) for name in settings["targets"]}
    passes = 2 * sum(rate.forward for rate in rates.values())
    of_image = settings["steps"] * rates[settings["source"]].gradient + passes
    return SECONDS_OF_A_START + costs.images_of(recipe, "test", settings["images"]) * of_image


def least_eps(book: Workbook, model: Model) -> Recipe:
    """The search on one network at every rate of the profile, checked at the budgets of Tables 1 and 2."""
    profile = book.profile
    wanted, scale = profile.least_eps, profile.eps_scale(book.datasets[model.dataset])
    settings = {
        **train.on_test_images(book, model),
        "images": wanted.images,
        "rates": list(wanted.rates),
        "scope": profile.pruning.scope,
        "search": wanted.settings(*NOT_OF_A_SEARCH)
        | {"check_eps": [scale * eps for eps in profile.attacks.eps]},
    }
    inputs = train.tried(book, model)
    return Recipe(f"least_eps/{model.id}", "meddef_lib.diagnostics.least_eps:make", settings, inputs)


def least_eps_cells(book: Workbook, dataset: str) -> Iterator[Recipe]:
    """Every network that the profile names."""
    wanted = book.profile.least_eps
    for model in book.chosen_models(dataset, wanted.variants, every_training=wanted.every_training):
        yield least_eps(book, model)


def least_eps_seconds(recipe: Recipe, costs: Costs) -> float:
    """The gradients of the search for each pruning rate, of which half the budgets flip an image soon."""
    settings, rate = recipe.settings, costs.rates_of(recipe.inputs["model"].settings)
    search = settings["search"]
    gradients = search["halvings"] * (search["steps"] + 1) / 2
    gradients += len(search["check_eps"]) * (search["check_steps"] + 1)
    tested = costs.images_of(recipe, "test", settings["images"])
    return SECONDS_OF_A_START + len(settings["rates"]) * tested * gradients * rate.gradient


KINDS = (
    Kind("diagnose", place=7, cells=cells, seconds=seconds, needs_rates=True),
    Kind(
        "defence",
        place=8,
        cells=lambda book, dataset: (defence_recipe(book, dataset, each) for each in defences(book)),
        seconds=defence_seconds,
        needs_rates=True,
    ),
    Kind("transfer", place=8, cells=transfer_cells, seconds=transfer_seconds, needs_rates=True),
    Kind("least_eps", place=8, cells=least_eps_cells, seconds=least_eps_seconds, needs_rates=True),
)
