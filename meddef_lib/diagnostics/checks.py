"""All checks of one model; and of a trained network and what pruning makes of it, a "diagnose/..." cell."""

import json
from collections.abc import Callable, Iterable
from dataclasses import asdict
from typing import Any

import torch
from torch import Tensor, nn

from meddef_lib.attacks.calling import check as check_inputs
from meddef_lib.attacks.calling import frozen
from meddef_lib.attacks.starts import ids_or_places
from meddef_lib.diagnostics import behaviour, strength
from meddef_lib.diagnostics.catalogue import Check
from meddef_lib.diagnostics.subject import Subject, tested
from meddef_lib.engine.recipe import Workspace
from meddef_lib.inference_mode import outside_inference_mode
from meddef_lib.models import files
from meddef_lib.params.studies import DiagnosticsParams
from meddef_lib.pruning import prune

EVERY: tuple[Callable[[Subject], Check | None], ...] = (
    behaviour.logits,
    behaviour.deterministic,
    behaviour.answers,
    behaviour.zero_budget,
    behaviour.zero_gradient,
    behaviour.one_sign,
    behaviour.loss_surface,
    strength.larger_budget,
    strength.unbounded,
    strength.iterative,
    strength.more_steps,
    strength.more_restarts,
    strength.smaller_steps,
    strength.final_image,
    strength.losses,
    strength.noise,
    strength.transfer,
    strength.square,
    strength.folded,
    strength.bfloat16,
)
WITHOUT_GRADIENT = (behaviour.logits, behaviour.deterministic, behaviour.no_gradient)


@outside_inference_mode
def check(
    model: nn.Module,
    images: Tensor,
    labels: Tensor,
    *,
    eps: float = 0.05,
    surrogate: nn.Module | None = None,
    effort: DiagnosticsParams | None = None,
    image_ids: Tensor | None = None,
    seed: int = 0,
    batch_size: int = 32,
) -> list[Check]:
    """What each check of `catalogue.CHECKS` finds of a model, in their order.

    Of a model without an input gradient it is only what needs none, and that there is none.

    Shapes: images float (n, c, h, w) in [0, 1], n >= 1; labels int64 (n,). `eps` is the budget at which
    attacks are compared, `effort` how much they may spend (by default as the profile `paper`); `surrogate`, a
    separately trained network, is what "transfer" makes its images on: without it that check is left out. A
    model that is weak passes; one fails whose accuracy under attack says little of what it can be made to do.
    Raises ValueError for arguments that are none, and for a model that does not answer with logits, or has
    NaN in its input gradient.
    """
    check_inputs(images, labels, eps=eps, batch_size=batch_size)
    if not len(images):
        raise ValueError("A model is examined on images; there are none.")
    if not 0 < eps <= 1:
        raise ValueError(f"eps is {eps}; a model is examined at a budget above 0 and of at most 1.")
    if surrogate is model:
        raise ValueError("The surrogate is the model itself; expected a separately trained network, or None.")
    for name, network in (("model", model), ("surrogate", surrogate)):
        if network is not None:
            _check_answers(name, network, images, labels)
    subject = Subject(
        model=model,
        images=images.clone(),  # a network that writes into its input does not write into the caller's
        labels=labels,
        eps=eps,
        effort=effort or DiagnosticsParams(),
        ids=ids_or_places(image_ids, images),
        seed=seed,
        batch_size=batch_size,
        surrogate=surrogate,
    )
    found = [one(subject) for one in (EVERY if subject.has_gradient else WITHOUT_GRADIENT)]
    return [one for one in found if one is not None]


def _check_answers(name: str, network: nn.Module, images: Tensor, labels: Tensor) -> None:
    """Raise ValueError unless a network answers with logits, of the images' type, that the labels fit."""
    of_weights = {weight.dtype for weight in network.parameters()} - {images.dtype}
    if of_weights:
        raise ValueError(
            f"The weights of the {name} are {', '.join(sorted(map(str, of_weights)))} and the images "
            f"{images.dtype}; expected one type for both."
        )
    with frozen(network), torch.no_grad():
        answer = network(images[:1].clone())
    if not isinstance(answer, Tensor) or answer.dtype != images.dtype or answer.shape[:-1] != (1,):
        what = (
            f"{answer.dtype} {tuple(answer.shape)}" if isinstance(answer, Tensor) else type(answer).__name__
        )
        raise ValueError(
            f"The {name} answers to an image of {images.dtype} with {what}; expected logits (n, classes) of "
            "the same type."
        )
    low, high, classes = int(labels.min()), int(labels.max()), answer.shape[1]
    if low < 0 or high >= classes:
        raise ValueError(
            f"The labels reach from {low} to {high}, and the {name} tells {classes} classes; expected 0 to "
            f"{classes - 1}."
        )


def make(space: Workspace) -> None:
    """Make `checks.json`: {images, eps, networks: [{rate, checks}]}, the checks as `Check` has them.

    Settings: split; images (at most so many, drawn by class); rates of pruning and their scope; eps, the
    budget in pixels in [0, 1]; effort (DiagnosticsParams); batch_size; seed. Inputs: model, data, and
    surrogate, a separately trained network, where there is one.
    """
    settings, trained = space.settings, files.load(space.inputs["model"], space.device)
    surrogate = space.inputs.get("surrogate")
    networks = (
        ({"rate": rate}, prune(trained, rate, scope=settings["scope"]) if rate else trained)
        for rate in settings["rates"]
    )
    examine(
        space,
        networks,
        len(settings["rates"]),
        surrogate=files.load(surrogate, space.device) if surrogate else None,
    )


def examine(
    space: Workspace,
    networks: Iterable[tuple[dict[str, Any], nn.Module]],
    count: int,
    *,
    surrogate: nn.Module | None,
) -> None:
    """Check `count` networks and write `checks.json`, where each stands with what is said about it."""
    settings = space.settings
    images, labels, ids = tested(space, settings["images"])
    found = []
    for number, (about, network) in enumerate(networks, start=1):
        checks = check(
            network,
            images,
            labels,
            eps=settings["eps"],
            surrogate=surrogate,
            effort=DiagnosticsParams.model_validate(settings["effort"]),
            image_ids=ids,
            seed=settings["seed"],
            batch_size=settings["batch_size"],
        )
        found.append({**about, "checks": [asdict(one) for one in checks]})
        space.progress(number, count, "networks")
    made = {"images": len(images), "eps": settings["eps"], "networks": found}
    (space.folder / "checks.json").write_text(json.dumps(made, indent=1) + "\n", encoding="utf-8")
