"""defence/<model>/<defence>: the plain ResNet-18 behind a defence, under attacks (4.5)."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from meddef_lib.attacks.registry import ATTACKS
from meddef_lib.defences.registry import DEFENCES, DISTILLED, Defence, chosen
from meddef_lib.engine.recipe import Recipe
from meddef_lib.paper.addresses import BASELINE
from meddef_lib.params import ParamsError
from meddef_lib.results.parts.defences import plain
from meddef_lib.workbook.book import Workbook
from meddef_lib.workbook.cells import distilled, prepared, train
from meddef_lib.workbook.kinds import SECONDS_OF_A_START, Costs, Kind

FIRST = "pgd"  # the attack that every view meets
VIEWS = 2  # of a defence, mostly: a weak one and an adaptive one


def defences(book: Workbook) -> list[Defence]:
    """Those that the profile asks for; none for given weights, and without the baseline."""
    if book.given or BASELINE not in book.profile.variants:
        return []
    return [DEFENCES[name] for name in chosen(book.profile.defences)]


def recipe(book: Workbook, dataset: str, defence: Defence) -> Recipe:
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
    return about(book, dataset, defence, "defence", "make", settings, roots)


def about(
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
        made = distilled.recipe(book, model) if mode == DISTILLED else None
        made = made or train.recipe(book, replace(model, mode=mode))
        networks[made.id] = made
    settings = {
        "split": "test",
        **settings,
        "defence": {"id": defence.id, "root": defence.root, "settings": own},
        "networks": list(networks),
        "batch_size": book.profile.evaluation.batch_size,
        "seed": model.seed,
    }
    return Recipe(
        f"{kind}/{model.id}/{defence.id}",
        f"meddef_lib.diagnostics.defended:{maker}",
        settings,
        {"data": prepared.recipe(book, dataset), **networks},
        roots=(*roots, defence.root),
    )


def cells(book: Workbook, dataset: str) -> Iterator[Recipe]:
    """Each defence of the profile."""
    for defence in defences(book):
        yield recipe(book, dataset, defence)


def seconds(recipe: Recipe, costs: Costs) -> float:
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


KIND = Kind("defence", place=8, cells=cells, seconds=seconds, needs_rates=True)
