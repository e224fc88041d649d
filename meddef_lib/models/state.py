"""Reading tensors by name from a file, without running anything that the file holds."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from meddef_lib.models.contents import ModelFileError, content
from meddef_lib.visible import one_line

WRAPPERS = ("state_dict", "model_state_dict", "model", "net", "network", "weights")  # of checkpoints
PREFIXES = ("model.", "net.", "network.")  # what a class around the network puts before names
PARALLEL = ("module", "_orig_mod")  # what DistributedDataParallel and torch.compile put into names
MOST_VALUES = 2**28  # of all tensors of a file, twenty times those of the largest network here
LONGEST_NAME = 200  # characters of a tensor's name
COUNTER = "num_batches_tracked"  # old checkpoints lack it, and with a fixed momentum nothing reads it


def read_state(file: Path) -> dict[str, Tensor]:
    """The tensors by name that a file holds, of safetensors, `torch.save` (`weights_only`) or `numpy.savez`.

    What a file is, its content says and not its name. A state dict may lie under one of the keys `WRAPPERS`
    or under the only key with tensors, beside an optimiser's state and the like; prefixes of wrappers are
    taken off, masks of pruning applied, sparse tensors filled. Raises ModelFileError, also for a tensor that
    is quantised, complex, NaN or infinite, and for a negative variance.
    """
    found = _tensors(content(file), file)
    if (values := sum(value.numel() for value in found.values())) > MOST_VALUES:
        raise ModelFileError(f"{file} holds tensors of {values:,} values, more than any network here")
    named = {_bare(name): _dense(name, value, file) for name, value in found.items()}
    if len(named) < len(found):
        raise ModelFileError(f"{file} holds two networks, one within the other; save one state dict alone")
    state = _pruned(named, file)
    for name, value in state.items():
        if "parametrizations." in name:
            raise ModelFileError(
                f"{file} holds {name}, and not what is computed from it; remove the parametrization before "
                "saving (torch.nn.utils.parametrize.remove_parametrizations, or squash_mask of a sparsifier)"
            )
        if not value.float().isfinite().all():
            what = "NaN" if value.isnan().any() else "infinite values"
            raise ModelFileError(
                f"{file}: {name} holds {what}; take weights from before the training diverged"
            )
        if name.endswith("running_var") and (value.float() < 0).any():
            raise ModelFileError(f"{file}: {name} holds negative variances, of which a network makes NaN")
    return state


def _tensors(found: Any, file: Path) -> dict[str, Tensor]:
    """The state dict in what a file holds; what is not a tensor beside the tensors is left aside."""
    held = list(_state_dicts(found, "", set()))
    if not held:
        raise ModelFileError(
            f"{file} holds no state dict; expected tensors by name, as of model.state_dict()"
        )
    known = next((entries for name, entries in held if name in WRAPPERS), None)
    if known is not None:  # beside it only what is the same network again: averaged weights
        held = [(name, entries) for name, entries in held if entries.keys() == known.keys()]
    if len(held) > 1:
        names = ", ".join(name for name, _ in held)
        raise ModelFileError(f"{file} holds several state dicts ({names}); save one of them alone")
    arrays = {name: value for name, value in held[0][1].items() if _is_array(value)}
    for name in arrays:
        if not isinstance(name, str):
            raise ModelFileError(
                f"{file} holds tensors by {type(name).__name__} ({name!r}); expected the names of "
                "model.state_dict()"
            )
        if len(name) > LONGEST_NAME or not name.isprintable():
            raise ModelFileError(
                f"{file} holds a tensor that is called {name[:LONGEST_NAME]!a}, as no layer is"
            )
    try:
        return {name: torch.as_tensor(value) for name, value in arrays.items()}
    except (TypeError, ValueError) as error:  # kinds of numbers that torch has not
        raise ModelFileError(f"{file}: {one_line(error)}; save tensors of float32") from error


def _state_dicts(found: Any, name: str, seen: set[int]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Mappings that hold tensors by name, at any depth, by their keys; an optimiser's go by number."""
    if not isinstance(found, Mapping) or id(found) in seen:  # a mapping may hold itself
        return
    seen.add(id(found))
    named = {key: value for key, value in found.items() if isinstance(key, str)}
    inside = {key: value for key, value in named.items() if isinstance(value, Mapping)}
    if any(map(_is_array, named.values())) and not inside.keys() & set(WRAPPERS):
        yield name, found
    else:
        for key, value in inside.items():
            yield from _state_dicts(value, key, seen)


def _is_array(value: Any) -> bool:
    return isinstance(value, Tensor) or (isinstance(value, np.ndarray) and value.dtype.kind in "biuf")


def _dense(name: str, value: Tensor, file: Path) -> Tensor:
    if value.is_meta:
        raise ModelFileError(f"{file}: {name} is without values (on the meta device); expected weights")
    if value.is_quantized or value.is_complex():
        what = "quantised" if value.is_quantized else "complex"
        raise ModelFileError(f"{file}: {name} is {what}; expected floating-point weights")
    return value.detach() if value.layout == torch.strided else value.detach().to_dense()


def fits(model: nn.Module, state: Mapping[str, Tensor]) -> bool:
    """Whether `state` fills `model`: every name and shape is there, and no other; counters may be missing.

    `misfits` says what does not, in words, which must not stand in a result's fingerprint.
    """
    expected = model.state_dict()
    needed = {name for name in expected if not name.endswith(COUNTER)}
    named = needed <= state.keys() <= expected.keys()
    return named and not any(_unlike(value, expected[name]) for name, value in state.items())


def misfits(model: nn.Module, state: Mapping[str, Tensor]) -> list[str]:
    """What keeps `state` from filling `model`, in words."""
    expected = model.state_dict()
    missing = [name for name in expected if name not in state and not name.endswith(COUNTER)]
    surplus = [name for name in state if name not in expected]
    reshaped, retyped = [], []
    for name, value in expected.items():
        given = state.get(name, value)
        if given.shape != value.shape:
            reshaped.append(f"{name} {tuple(given.shape)} instead of {tuple(value.shape)}")
        elif _unlike(given, value):
            retyped.append(f"{name} ({given.dtype})")
    parts = [("missing", missing), ("not in the network", surplus), ("of another shape", reshaped)]
    parts.append(("no floating-point numbers", retyped))
    return [f"{_few(names)} {'is' if len(names) == 1 else 'are'} {what}" for what, names in parts if names]


def fill(model: nn.Module, state: Mapping[str, Tensor], source: str) -> None:
    """Put `state` into `model`, all of it and nothing else. Raises ModelFileError."""
    if not fits(model, state):
        raise ModelFileError(f"{source} does not fit the network: {'; '.join(misfits(model, state))}")
    counters = {name: torch.tensor(0) for name in model.state_dict() if name.endswith(COUNTER)}
    model.load_state_dict(counters | dict(state), strict=True)


def _unlike(value: Tensor, expected: Tensor) -> bool:
    return value.shape != expected.shape or (expected.is_floating_point() and not value.is_floating_point())


def _bare(name: str) -> str:
    name = ".".join(part for part in name.split(".") if part not in PARALLEL)
    while name.startswith(PREFIXES):
        name = name.partition(".")[2]
    return name


def _few(names: Sequence[str]) -> str:
    shown = ", ".join(names[:3])
    return f"{shown} and {len(names) - 3} more" if len(names) > 3 else shown


def _pruned(state: Mapping[str, Tensor], file: Path) -> dict[str, Tensor]:
    """The state with weight * mask where `torch.nn.utils.prune` keeps a weight in these two parts."""
    found = dict(state)
    for name in state:
        weight = name.removesuffix("_mask")
        if weight == name or f"{weight}_orig" not in state:
            continue
        mask, original = found.pop(name).float(), found.pop(f"{weight}_orig").float()
        if mask.shape != original.shape:
            raise ModelFileError(f"{file}: {weight} does not follow from its parts, which differ in shape")
        found[weight] = original * mask
    return found
