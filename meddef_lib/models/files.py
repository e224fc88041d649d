"""Networks on disk: `model.safetensors`, and `model.json` with the arguments that rebuild the network."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from torch import Tensor

from meddef_lib.models.network import VARIANTS, Network, skeleton
from meddef_lib.models.state import ModelFileError, fill, misfits, read_state
from meddef_lib.params import ModelParams

WEIGHTS = "model.safetensors"
RECIPE = "model.json"

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
TRUNK = ("conv1.", "bn1.", "layer1.", "layer2.", "layer3.", "layer4.")


def save(model: Network, folder: Path, recipe: Mapping[str, Any] | None = None) -> None:
    """Write `model.safetensors` and `model.json` (how to rebuild the network, and `recipe`) into `folder`.

    Raises ValueError where `recipe` says otherwise than the network itself.
    """
    of_network = {
        "variant": model.variant,
        "num_classes": model.num_classes,
        "mean": model.normalise.mean,
        "std": model.normalise.std,
        "options": model.options.settings(),
    }
    for key, value in (recipe or {}).items():
        if of_network.setdefault(key, value) != value:
            raise ValueError(f"the recipe says {key} is {value!r}, the network {of_network[key]!r}")
    folder.mkdir(parents=True, exist_ok=True)
    state = {name: value.contiguous() for name, value in model.state_dict().items()}  # not channels_last
    safetensors.torch.save_file(state, folder / WEIGHTS)
    text = json.dumps(of_network, indent=2, sort_keys=True)
    (folder / RECIPE).write_text(f"{text}\n", encoding="utf-8")


def load(folder: Path, device: torch.device | str = "cpu") -> Network:
    """The network that `save` wrote, in eval mode on `device`. Raises ModelFileError."""
    found = recipe(folder)
    try:
        model = skeleton(
            found["variant"],
            found["num_classes"],
            mean=found["mean"],
            std=found["std"],
            options=ModelParams.model_validate(found["options"]),
        )
    except (KeyError, TypeError, ValueError) as error:
        what = f"{error} is missing" if isinstance(error, KeyError) else error
        raise ModelFileError(f"{folder / RECIPE} does not describe a network: {what}") from error
    return _filled(model, read_state(folder / WEIGHTS), folder / WEIGHTS).to(device)


def recipe(folder: Path) -> dict[str, Any]:
    """What `model.json` in `folder` says. Raises ModelFileError."""
    file = folder / RECIPE
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise ModelFileError(f"there is no {file}; a folder of `save` has it beside the weights") from error
    except ValueError as error:
        raise ModelFileError(f"{file} is not JSON ({error})") from error
    if not isinstance(found, dict):
        raise ModelFileError(f"{file} holds {type(found).__name__}; expected keys and values")
    return found


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
    model = skeleton(variant, num_classes, mean=mean, std=std, options=options or ModelParams())
    return _filled(model, read_state(file), file)


def _filled(model: Network, state: dict[str, Tensor], file: Path) -> Network:
    state = _our_names(state, model.variant)
    if misfits(model, state):
        _explain(model, state, file)
    model.to_empty(device="cpu")
    fill(model, state, str(file))
    return model.eval()


def _our_names(state: Mapping[str, Tensor], variant: str) -> dict[str, Tensor]:
    known = TORCHVISION_NAMES if variant == "resnet18" else PUBLIC_CODE_NAMES
    renames = known | {name: f"backbone.{name}" for name in TRUNK}

    def ours(name: str) -> str:
        theirs = next((theirs for theirs in renames if name.startswith(theirs)), "")
        return renames[theirs] + name.removeprefix(theirs) if theirs else name

    return {ours(name): value for name, value in state.items()}


def _explain(model: Network, state: Mapping[str, Tensor], file: Path) -> None:
    """Raise ModelFileError where the misfit is another number of classes or another variant."""
    for variant in VARIANTS:
        renamed = _our_names(state, variant)
        last = renamed.get("head.weight" if variant == "resnet18" else "head.classify.weight")
        if last is None or last.ndim != 2 or last.shape[0] < 1:
            continue
        classes = last.shape[0]
        other = skeleton(variant, classes, mean=0.0, std=1.0, options=model.options)
        if misfits(other, renamed):
            continue
        if variant != model.variant:
            raise ModelFileError(f"{file} holds the weights of the variant {variant}, not of {model.variant}")
        raise ModelFileError(f"{file} holds a head of {classes} classes; asked for are {model.num_classes}")
