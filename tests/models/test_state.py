"""Reading other people's files of tensors, safely."""

import warnings
from collections import OrderedDict
from pathlib import Path

import pytest
import safetensors.torch
import torch
from torch import nn

from meddef_lib.models.state import ModelFileError, fill, misfits, read_state

STATE = {"weight": torch.tensor([[1.0, 2.0]]), "bias": torch.tensor([3.0])}


def quantised(values: torch.Tensor) -> torch.Tensor:
    """A tensor of eight-bit integers with a scale, which torch is about to give up."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return torch.quantize_per_tensor(values, 0.1, 0, torch.qint8)


class Payload:
    """A class of its own in a pickle: what `weights_only` must refuse."""


@pytest.mark.parametrize(
    "content",
    [
        STATE,
        OrderedDict(STATE),
        {"state_dict": STATE, "epoch": 3},
        {"model_state_dict": STATE, "optimizer": {"lr": 0.1}},
        {"model": STATE},
        {f"module.{name}": value for name, value in STATE.items()},
        {f"module._orig_mod.{name}": value for name, value in STATE.items()},
    ],
    ids=["plain", "ordered", "state_dict", "model_state_dict", "model", "data parallel", "compiled"],
)
def test_a_state_dict_is_found_however_it_is_wrapped(tmp_path: Path, content: dict[str, object]) -> None:
    torch.save(content, tmp_path / "weights.pt")
    _same(read_state(tmp_path / "weights.pt"))


@pytest.mark.parametrize(
    "content",
    [
        {"net": STATE, "acc": 1},
        {"epoch": 3, **STATE},
        {"G": STATE, "optimizer": {"state": {0: {"step": torch.tensor(1.0)}}}},
        {f"model.{name}": value for name, value in STATE.items()},
        {name: value.to_sparse() for name, value in STATE.items()},
        {"weight_orig": torch.tensor([[1.0, 2.0]]), "weight_mask": torch.ones(1, 2), "bias": STATE["bias"]},
    ],
    ids=["net", "epoch beside", "another key", "prefix", "sparse", "pruned"],
)
@pytest.mark.parametrize("name", ["weights.pth", "weights.safetensors", "3f2a9c"])
def test_content_and_not_the_name_says_what_a_file_is(
    tmp_path: Path, name: str, content: dict[str, object]
) -> None:
    torch.save(content, tmp_path / name)
    _same(read_state(tmp_path / name))


@pytest.mark.parametrize("name", ["weights.pth", "WEIGHTS.SAFETENSORS", "3f2a9c"])
def test_safetensors_are_read_under_any_name(tmp_path: Path, name: str) -> None:
    safetensors.torch.save_file(STATE, tmp_path / name)
    _same(read_state(tmp_path / name))


@pytest.mark.parametrize("length", [0x3C, 0x3C20], ids=["<", "space and <"])
def test_a_length_that_reads_like_a_web_page_is_none(tmp_path: Path, length: int) -> None:
    """Safetensors begin with the length of their header: any bytes, those of "<" among them."""
    file = tmp_path / "weights.safetensors"
    safetensors.torch.save_file({"w": torch.ones(1)}, file)
    content = file.read_bytes()
    end = 8 + int.from_bytes(content[:8], "little")
    file.write_bytes(length.to_bytes(8, "little") + content[8:end].rstrip().ljust(length) + content[end:])
    assert read_state(file)["w"].tolist() == [1.0]


def test_a_mask_of_torchs_pruning_is_applied(tmp_path: Path) -> None:
    torch.save({"weight_orig": torch.ones(2), "weight_mask": torch.tensor([0.0, 1.0])}, tmp_path / "w.pt")
    assert read_state(tmp_path / "w.pt")["weight"].tolist() == [0.0, 1.0]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"version https://git-lfs.github.com/spec/v1\n", "Git LFS pointer.*git lfs pull"),
        (b"\n<!DOCTYPE html><html></html>", "web page"),
        (b"\x89HDF\r\n\x1a\n", "HDF5"),
        (b"\x1f\x8b\x08", "gzip"),
    ],
)
@pytest.mark.parametrize("name", ["weights.pth", "weights.safetensors"])
def test_another_file_is_called_what_it_is(tmp_path: Path, name: str, content: bytes, reason: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ModelFileError, match=reason):
        read_state(tmp_path / name)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ({"fc.weight": torch.tensor([float("nan")])}, "fc.weight holds NaN"),
        ({"fc.weight": torch.tensor([float("inf")])}, "fc.weight holds infinite"),
        ({"w": quantised(torch.ones(2))}, "w is quantised"),
        ({"w": torch.ones(2, dtype=torch.complex64)}, "w is complex"),
        ({0: torch.zeros(3)}, "tensors by int"),
        ({"G": STATE, "D": STATE}, "several state dicts"),
    ],
)
def test_tensors_that_are_no_weights_are_named(
    tmp_path: Path, content: dict[object, object], reason: str
) -> None:
    torch.save(content, tmp_path / "weights.pt")
    with pytest.raises(ModelFileError, match=reason):
        read_state(tmp_path / "weights.pt")


@pytest.mark.filterwarnings("ignore:.torch.jit:FutureWarning", "ignore:.torch.jit:DeprecationWarning")
def test_torchscript_is_called_so(tmp_path: Path) -> None:
    torch.jit.script(nn.Linear(2, 1)).save(str(tmp_path / "script.pt"))
    with pytest.raises(ModelFileError, match="TorchScript"):
        read_state(tmp_path / "script.pt")


def test_safetensors_are_read(tmp_path: Path) -> None:
    safetensors.torch.save_file(STATE, tmp_path / "weights.safetensors")
    _same(read_state(tmp_path / "weights.safetensors"))


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelFileError, match=r"no file of weights .*absent\.pt"):
        read_state(tmp_path / "absent.pt")


def test_a_pickle_with_anything_but_tensors_is_not_run(tmp_path: Path) -> None:
    torch.save({"model": Payload()}, tmp_path / "whole.pt")
    with pytest.raises(ModelFileError, match=r"could run code; save model\.state_dict\(\) alone"):
        read_state(tmp_path / "whole.pt")


@pytest.mark.parametrize("name", ["weights.pt", "weights.safetensors"])
@pytest.mark.parametrize("length", [0, 5, 100])
def test_a_file_cut_short_is_refused(tmp_path: Path, name: str, length: int) -> None:
    whole = tmp_path / f"whole-{name}"
    safetensors.torch.save_file(STATE, whole) if whole.suffix == ".safetensors" else torch.save(STATE, whole)
    (tmp_path / name).write_bytes(whole.read_bytes()[:length])
    with pytest.raises(ModelFileError, match="weights"):
        read_state(tmp_path / name)


@pytest.mark.parametrize("content", [[1, 2], {"epoch": 3}, torch.zeros(2)], ids=["list", "numbers", "tensor"])
def test_a_file_without_a_state_dict_is_refused(tmp_path: Path, content: object) -> None:
    torch.save(content, tmp_path / "other.pt")
    with pytest.raises(ModelFileError, match="holds no state dict"):
        read_state(tmp_path / "other.pt")


def test_fill_takes_all_and_nothing_else() -> None:
    layer = nn.Linear(2, 1)
    fill(layer, STATE, "here")
    assert layer.weight.tolist() == [[1.0, 2.0]]
    assert layer.bias.tolist() == [3.0]


@pytest.mark.parametrize(
    ("state", "message"),
    [
        ({"weight": STATE["weight"]}, "here does not fit the network: bias is missing"),
        ({**STATE, "extra": STATE["bias"]}, "extra is not in the network"),
        ({**STATE, "bias": torch.zeros(4)}, r"bias \(4,\) instead of \(1,\) is of another shape"),
        ({}, "weight, bias are missing"),
    ],
)
def test_what_does_not_fit_is_named(state: dict[str, torch.Tensor], message: str) -> None:
    with pytest.raises(ModelFileError, match=message):
        fill(nn.Linear(2, 1), state, "here")


def test_long_lists_of_names_are_shortened() -> None:
    model = nn.Sequential(*(nn.Linear(1, 1) for _ in range(4)))
    assert misfits(model, {}) == ["0.weight, 0.bias, 1.weight and 5 more are missing"]


def test_counters_of_old_checkpoints_may_be_missing() -> None:
    norm = nn.BatchNorm2d(2)
    state = {name: value for name, value in norm.state_dict().items() if name != "num_batches_tracked"}
    fill(norm, {**state, "weight": torch.tensor([2.0, 3.0])}, "here")
    assert norm.weight.tolist() == [2.0, 3.0]


def _same(found: dict[str, torch.Tensor]) -> None:
    assert {name: value.tolist() for name, value in found.items()} == {
        name: value.tolist() for name, value in STATE.items()
    }
