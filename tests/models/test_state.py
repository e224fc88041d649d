"""Reading other people's files of tensors, safely."""

from collections import OrderedDict
from pathlib import Path

import pytest
import safetensors.torch
import torch
from torch import nn

from meddef_lib.models.state import ModelFileError, fill, misfits, read_state

STATE = {"weight": torch.tensor([[1.0, 2.0]]), "bias": torch.tensor([3.0])}


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
