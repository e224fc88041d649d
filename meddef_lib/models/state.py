"""Reading tensors by name from a file, without running anything that the file holds."""

import pickle
import warnings
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
import torch
from torch import Tensor, nn

from meddef_lib.errors import UserError

WRAPPERS = ("state_dict", "model_state_dict", "model", "net", "network", "weights")  # of checkpoints
PREFIXES = ("model.", "net.", "network.")  # what a class around the network puts before names
PARALLEL = ("module", "_orig_mod")  # what DistributedDataParallel and torch.compile put into names
COUNTER = "num_batches_tracked"  # old checkpoints lack it, and with a fixed momentum nothing reads it
# how files begin that are something else; what each is stands in `_other`
OTHER_BEGINNINGS = (b"version https://git-lfs", b"<", b"\x89HDF", b"\x1f\x8b", b"\x93NUMPY", b"GGUF")


class ModelFileError(UserError, ValueError):
    """A file of weights or its recipe that cannot be used; a sentence that names file and reason."""


def read_state(file: Path) -> dict[str, Tensor]:
    """The tensors of a safetensors file, or of a state dict that torch saved (read with `weights_only`).

    What a file is, its content says and not its name. A state dict may lie under one of the keys `WRAPPERS`
    or under the only key with tensors, beside an optimiser's state and the like; prefixes of wrappers are
    taken off, masks of `torch.nn.utils.prune` applied, sparse tensors filled. Raises ModelFileError, also
    for a tensor that is quantised, complex, NaN or infinite.
    """
    if not file.is_file():
        raise ModelFileError(f"there is no file of weights {file}")
    found = _tensors(_content(file), file)
    named = {_bare(name): _dense(name, value, file) for name, value in found.items()}
    if len(named) < len(found):
        raise ModelFileError(f"{file} holds two networks, one within the other; save one state dict alone")
    state = {
        name.removesuffix("_orig") if _mask(name) in named else name: value * named[_mask(name)]
        if _mask(name) in named
        else value
        for name, value in named.items()
        if not (name.endswith("_mask") and f"{name.removesuffix('_mask')}_orig" in named)
    }
    for name, value in state.items():
        if not value.float().isfinite().all():
            what = "NaN" if value.isnan().any() else "infinite values"
            raise ModelFileError(
                f"{file}: {name} holds {what}; take weights from before the training diverged"
            )
    return state


def _content(file: Path) -> Any:
    """What a file holds, read by what it begins with, without running any of it."""
    with file.open("rb") as stream:
        head = stream.read(512)
    is_safetensors = head[8:9] == b"{"  # before it stands a length, which may be the bytes of anything
    start = head.lstrip(b"\xef\xbb\xbf \t\r\n")
    if not is_safetensors and start.startswith(OTHER_BEGINNINGS):
        raise ModelFileError(f"{file} {_other(start)}")
    try:
        if is_safetensors:
            return safetensors.torch.load_file(file)
        if head.startswith(b"PK"):
            with zipfile.ZipFile(file) as archive:
                members = {Path(name).name for name in archive.namelist()}
            if "constants.pkl" in members:
                raise ModelFileError(
                    f"{file} is TorchScript, which holds code; save torch.jit.load(...).state_dict() instead"
                )
            if "data.pkl" not in members:
                raise ModelFileError(f"{file} is an archive, not a file of torch.save; unpack it first")
        with file.open("rb") as stream, warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of torch, about its own ways of keeping sparse or old tensors
            # not by the file's name: torch takes a ".safetensors" for what it says
            return torch.load(stream, map_location="cpu", weights_only=True)
    except safetensors.SafetensorError as error:
        raise ModelFileError(f"{file} is not a whole safetensors file ({error}); copy it again") from error
    except pickle.UnpicklingError as error:
        if head.startswith((b"PK", b"\x80")):
            raise ModelFileError(
                f"{file} holds more than tensors, and reading that could run code; save model.state_dict() "
                "alone"
            ) from error
        raise ModelFileError(f"{file} is no file of weights: neither safetensors nor torch.save") from error
    except (RuntimeError, EOFError, zipfile.BadZipFile, ValueError, LookupError) as error:
        if isinstance(error, ModelFileError):
            raise
        raise ModelFileError(f"{file} is not a whole file of torch.save ({error}); copy it again") from error


def _tensors(found: Any, file: Path) -> dict[str, Tensor]:
    """The state dict in what a file holds; what is not a tensor beside the tensors is left aside."""
    while isinstance(found, Mapping):
        inside = {key: value for key, value in found.items() if isinstance(value, Mapping)}
        known = next((name for name in WRAPPERS if name in inside), None)
        if known is None and any(isinstance(value, Tensor) for value in found.values()):
            break
        holding = [key for key, value in inside.items() if _holds_tensors(value)]
        if known is None and len(holding) > 1:
            raise ModelFileError(
                f"{file} holds several state dicts ({', '.join(map(str, holding))}); save one of them alone"
            )
        found = inside.get(known if known is not None else next(iter(holding), None))
    if not isinstance(found, Mapping):
        raise ModelFileError(
            f"{file} holds no state dict; expected tensors by name, as of model.state_dict()"
        )
    tensors = {name: value for name, value in found.items() if isinstance(value, Tensor)}
    for name in tensors:
        if not isinstance(name, str):
            raise ModelFileError(
                f"{file} holds tensors by {type(name).__name__} ({name!r}); expected the names of "
                "model.state_dict()"
            )
    return tensors


def _holds_tensors(found: Mapping[Any, Any]) -> bool:
    return any(isinstance(value, Tensor) for value in found.values())


def _dense(name: str, value: Tensor, file: Path) -> Tensor:
    if value.is_meta:
        raise ModelFileError(f"{file}: {name} is without values (on the meta device); expected weights")
    if value.is_quantized or value.is_complex():
        what = "quantised" if value.is_quantized else "complex"
        raise ModelFileError(f"{file}: {name} is {what}; expected floating-point weights")
    return value.detach() if value.layout == torch.strided else value.detach().to_dense()


def _mask(name: str) -> str:
    """The name of the mask that torch's pruning keeps beside a weight "..._orig"; "" of another tensor."""
    return f"{name.removesuffix('_orig')}_mask" if name.endswith("_orig") else ""


def fits(model: nn.Module, state: Mapping[str, Tensor]) -> bool:
    """Whether `state` fills `model`: every name and shape is there, and no other; counters may be missing."""
    expected = model.state_dict()
    needed = {name for name in expected if not name.endswith(COUNTER)}
    named = needed <= state.keys() <= expected.keys()
    return named and not any(_unlike(value, expected[name]) for name, value in state.items())


def misfits(model: nn.Module, state: Mapping[str, Tensor]) -> list[str]:
    """What keeps `state` from filling `model`, in words."""
    expected = model.state_dict()
    missing = [name for name in expected if name not in state and not name.endswith(COUNTER)]
    surplus = [name for name in state if name not in expected]
    reshaped = [
        f"{name} {tuple(state[name].shape)} instead of {tuple(value.shape)}"
        for name, value in expected.items()
        if name in state and state[name].shape != value.shape
    ]
    retyped = [
        f"{name} ({state[name].dtype})"
        for name, value in expected.items()
        if name in state and state[name].shape == value.shape and _unlike(state[name], value)
    ]
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


def _other(start: bytes) -> str:
    """What a file is that begins with one of `OTHER_BEGINNINGS`, and what to do about it."""
    known = {
        b"version https://git-lfs": "is a Git LFS pointer, not the file; fetch that with `git lfs pull`",
        b"<": "is a web page, not the file that was wanted; download it again, and look at the page",
        b"\x89HDF": "is an HDF5 file, as of Keras; expected a state dict of torch or safetensors",
        b"\x1f\x8b": "is compressed (gzip); unpack it first",
        b"\x93NUMPY": "is an array of numpy; expected a state dict of torch or safetensors",
        b"GGUF": "is a GGUF file; expected a state dict of torch or safetensors",
    }
    return next(words for beginning, words in known.items() if start.startswith(beginning))
