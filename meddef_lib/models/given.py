"""Someone's own weights as a model of the workbook (`invoke evaluate`), by whatever names of the layers."""

import os
import re
from collections.abc import Mapping
from hashlib import file_digest
from pathlib import Path
from typing import Any

from torch import Tensor

from meddef_lib.declared import load
from meddef_lib.engine.recipe import Workspace
from meddef_lib.models.contents import ModelFileError, require_file
from meddef_lib.models.files import filled, save
from meddef_lib.models.network import Network, ResNet18, recipe_of, skeleton
from meddef_lib.models.state import fits, read_state
from meddef_lib.models.variants import VARIANTS
from meddef_lib.params.profile import WIDTHS, ModelParams

VARIABLE = "MEDDEF_WEIGHTS"  # where the file is travels beside the recipe, which holds only its hash
# beginnings of names in other people's state dicts and the layers here; the first that fits is taken
TORCHVISION_NAMES = {"fc.": "head."}
PUBLIC_CODE_NAMES = {  # of the authors' public code (repository Hetawk/meddef1)
    "defense.adv_detector.noise_detector.0.": "defense.afd.mask.conv1.",
    "defense.adv_detector.noise_detector.1.": "defense.afd.mask.norm.",
    "defense.adv_detector.noise_detector.3.": "defense.afd.mask.conv2.",
    "defense.adv_detector.feature_cleaner.": "defense.afd.clean.",
    "defense.medical_features.edge_detector.": "defense.mfe.edges.",
    "defense.medical_features.texture_analyzer.": "defense.mfe.texture.",
    "defense.medical_features.context.": "defense.mfe.merge.",
    **{
        f"defense.multi_scale.scales.{level}.{theirs}.": f"defense.msf.levels.{level}.{ours}."
        for level in range(3)
        for theirs, ours in ((1, 0), (2, 1))  # theirs begins with the pooling
    },
    "defense.multi_scale.fusion.": "defense.msf.merge.",
    "defense.feature_fusion.": "defense.fusion.layers.",
    "defense.channel_attention.1.": "defense.attention.gate.0.",
    "defense.channel_attention.3.": "defense.attention.gate.2.",
    "self_attention.wq.": "attention.query.",
    "self_attention.wk.": "attention.key.",
    "self_attention.wv.": "attention.value.",
    "self_attention.dense.": "attention.output.",
    "fusion.0.": "head.join.",
    "fc.": "head.classify.",
}
# torchvision's layers, which others keep without our "backbone."
ANCHOR = "layer1.0.conv1.weight"  # a layer that every variant has
TRUNK = ("conv1.", "bn1.", "layer1.", "layer2.", "layer3.", "layer4.")

NORMALISATION = re.compile(r"(.*\.)?(mean|std)")  # of a layer that normalises the images


def digest(file: Path) -> str:
    """The sha256 of a weights file. Raises ModelFileError where there is none."""
    require_file(file)
    with file.open("rb") as stream:
        return file_digest(stream, "sha256").hexdigest()


def make(space: Workspace) -> None:
    """Make a "given/..." cell: the weights read strictly into the network that they are said to be.

    Settings: variant, num_classes, image_size, mean, std, model (ModelParams), weights (sha256). Raises
    ModelFileError where they do not fit the variant.
    """
    save(read(space.settings), space.folder, {"image_size": space.settings["image_size"]})


def read(settings: Mapping[str, Any]) -> Network:
    """The network of the given file; `settings` as of `make`. Raises ModelFileError."""
    file = Path(os.environ.get(VARIABLE, ""))
    if digest(file) != settings["weights"]:
        raise ModelFileError(f"{file} is no longer the file that was given (its content has changed)")
    return read_weights(
        file,
        settings["variant"],
        settings["num_classes"],
        mean=settings["mean"],
        std=settings["std"],
        options=ModelParams.restored(settings["model"]),
    )


def read_weights(
    file: Path,
    variant: str,
    num_classes: int,
    *,
    mean: float = 0.0,
    std: float = 1.0,
    options: ModelParams | None = None,
) -> Network:
    """A network with someone's own weights, in eval mode: `.safetensors`, or a state dict saved by torch.

    Layers may go by our names, by torchvision's (`resnet18`) or by those of the authors' public code. Every
    tensor must find its place. Raises ModelFileError, which names the variant that the file does fit.
    """
    model = skeleton(recipe_of(variant), num_classes, mean=mean, std=std, options=options or ModelParams())
    theirs = read_state(file)
    state = _our_names(theirs, variant)
    if not fits(model, state):
        _explain(model, theirs, file)
    return filled(model, state, file)


def _our_names(state: Mapping[str, Tensor], variant: str) -> dict[str, Tensor]:
    plain = issubclass(load(VARIANTS[variant].network), ResNet18)
    known = TORCHVISION_NAMES if plain else PUBLIC_CODE_NAMES
    renames = known | {name: f"backbone.{name}" for name in TRUNK}
    anchor = next((name for name in state if name.endswith(ANCHOR)), ANCHOR)
    around = anchor.removesuffix(ANCHOR)  # what a class around the network put before every name
    if all(name.startswith(around) for name in state):
        state = {name.removeprefix(around): value for name, value in state.items()}

    def ours(name: str) -> str:
        theirs = next((theirs for theirs in renames if name.startswith(theirs)), "")
        return renames[theirs] + name.removeprefix(theirs) if theirs else name

    return {ours(name): value for name, value in state.items()}


def _explain(model: Network, state: Mapping[str, Tensor], file: Path) -> None:
    """Raise ModelFileError where the misfit is a normalisation, another width, variant or head."""
    inside = [name for name in state if NORMALISATION.fullmatch(name) and state[name].numel() <= 3]
    if inside:
        values = "; ".join(f"{name} is {state[name].flatten().tolist()}" for name in inside)
        raise ModelFileError(
            f"{file} holds a normalisation of the images beside the layers ({values}); save the state dict "
            "of the network within, and name one mean, one std by --set DATASET.mean=, --set DATASET.std="
        )
    matches: list[tuple[str, int, int]] = []
    for variant in dict.fromkeys([model.variant, *VARIANTS]):
        renamed = _our_names(state, variant)
        last = renamed.get("head.weight", renamed.get("head.classify.weight"))
        if last is None or last.ndim != 2 or last.shape[0] < 1:
            continue
        classes, width = last.shape[0], _width(variant, renamed)
        options = model.options.model_copy(update={"width": width})
        known = WIDTHS[0] <= width <= WIDTHS[1]
        if known and fits(skeleton(recipe_of(variant), classes, options=options), renamed):
            matches.append((variant, width, classes))
    if matches:  # another may be alike at another width: what needs no other width comes first
        variant, width, classes = min(matches, key=lambda match: match[1] != model.options.width)
        if width != model.options.width:
            also = "" if variant == model.variant else f" and --variant {variant}"
            raise ModelFileError(
                f"{file} holds the weights of the variant {variant} at a width of {width}; asked for is "
                f"{model.variant} at {model.options.width}; say --set model.width={width}{also}"
            )
        if variant != model.variant:
            raise ModelFileError(f"{file} holds the weights of the variant {variant}, not of {model.variant}")
        raise ModelFileError(f"{file} holds a head of {classes} classes; asked for are {model.num_classes}")


def _width(variant: str, state: Mapping[str, Tensor]) -> int:
    """The `model.width` at which a variant's first layer has as many channels as that of `state`; 0: none."""
    first = state.get("backbone.conv1.weight")
    if first is None or first.ndim != 4:
        return 0
    usual = ModelParams()
    return round(usual.width * first.shape[0] / skeleton(recipe_of(variant), 2, options=usual).width)
