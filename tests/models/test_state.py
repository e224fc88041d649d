"""Reading other people's files of tensors, safely."""

import argparse
import os
import warnings
import zipfile
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import safetensors.torch
import torch
from torch import nn
from torch.nn.utils import prune as old_prune

from meddef_lib.models import contents
from meddef_lib.models.contents import ModelFileError
from meddef_lib.models.state import fill, misfits, read_state

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
        {name: value.numpy() for name, value in STATE.items()},
        {"state_dict": STATE, "best": np.float64(0.9), "args": argparse.Namespace(lr=0.1), "m": np.eye(2)},
        {"state_dict": STATE, "loss": {"weight": torch.ones(3)}, "m": np.eye(2)},
        {**STATE, "optimizer": {"exp_avg": torch.ones(3)}},
        {"ema": {"module": STATE}, "optimizer": {"state": {0: {"step": torch.tensor(1.0)}}}},
        {"pytorch-lightning_version": "2.1", "state_dict": {f"model.{k}": v for k, v in STATE.items()}},
        {name: nn.Parameter(value) for name, value in STATE.items()},
        {"weight_orig": torch.tensor([[1.0, 2.0]]), "weight_mask": torch.ones(1, 2), "bias": STATE["bias"]},
    ],
    ids=[
        *("net", "epoch beside", "another key", "prefix", "sparse", "numpy", "numbers and arguments beside"),
        *("a loss beside", "an optimiser beside"),
        *("two keys deep", "lightning", "parameters", "pruned"),
    ],
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


@pytest.mark.parametrize("name", ["weights.npz", "weights.pth"])
@pytest.mark.parametrize("write", [np.savez, np.savez_compressed])
def test_arrays_of_numpy_are_read(tmp_path: Path, name: str, write: Callable[..., None]) -> None:
    with (tmp_path / name).open("wb") as stream:
        write(stream, **{key: value.numpy() for key, value in STATE.items()})
    _same(read_state(tmp_path / name))


def test_arrays_that_are_objects_are_not_made(tmp_path: Path) -> None:
    np.savez(tmp_path / "weights.npz", weight=np.array([Payload()]))
    with pytest.raises(ModelFileError, match="more than numbers"):
        read_state(tmp_path / "weights.npz")


def test_a_torch_file_whose_content_was_damaged_is_refused(tmp_path: Path) -> None:
    """torch reads it without a word, and the network answers with other weights."""
    state = {"weight": torch.arange(1000.0), "bias": torch.zeros(3)}
    torch.save(state, tmp_path / "weights.pth")
    content = bytearray((tmp_path / "weights.pth").read_bytes())
    place = content.index(np.float32(500).tobytes() + np.float32(501).tobytes())
    content[place : place + 4] = np.float32(7).tobytes()
    (tmp_path / "damaged.pth").write_bytes(content)
    assert torch.load(tmp_path / "damaged.pth")["weight"][500] == 7
    with pytest.raises(ModelFileError, match=r"is damaged: \S+ is not what its checksum says"):
        read_state(tmp_path / "damaged.pth")


@pytest.mark.parametrize("parts", [("weight",), ("weight", "bias")])
@pytest.mark.parametrize("shape", [(5, 4), (1, 4), (5, 4, 3, 3)], ids=str)
def test_what_torchs_pruning_keeps_in_parts_is_put_together(
    tmp_path: Path, parts: tuple[str, ...], shape: tuple[int, ...]
) -> None:
    torch.manual_seed(0)
    layer = nn.Linear(shape[1], shape[0]) if len(shape) == 2 else nn.Conv2d(shape[1], shape[0], shape[2:])
    for name in parts:
        old_prune.l1_unstructured(layer, name, amount=0.5)
    with torch.no_grad():
        for parameter in layer.parameters():  # or the parts still make the weight that the layer began with
            parameter.mul_(torch.rand_like(parameter) + 0.5)
    network = nn.ModuleDict({"block": layer, "norm": nn.BatchNorm2d(2)}).eval()
    layer(torch.rand(1, *shape[1:2], *(4 for _ in shape[2:])))  # which computes the weight anew
    torch.save(network.state_dict(), tmp_path / "weights.pth")
    found = read_state(tmp_path / "weights.pth")
    assert {"block.weight", "block.bias"} == {name for name in found if name.startswith("block")}
    torch.testing.assert_close(found["block.weight"], layer.weight.detach())
    torch.testing.assert_close(found["block.bias"], layer.bias.detach())


def test_a_parametrization_that_does_not_tell_what_it_computes_is_named(tmp_path: Path) -> None:
    layer = nn.Linear(2, 2)
    nn.utils.parametrizations.orthogonal(layer)
    torch.save(layer.state_dict(), tmp_path / "weights.pth")
    with pytest.raises(ModelFileError, match=r"parametrizations\.weight\S+, and not what is computed"):
        read_state(tmp_path / "weights.pth")


def test_parts_of_a_weight_that_do_not_go_together_are_named(tmp_path: Path) -> None:
    torch.save({"fc.weight_orig": torch.ones(2, 3), "fc.weight_mask": torch.ones(4)}, tmp_path / "w.pth")
    with pytest.raises(ModelFileError, match=r"fc\.weight does not follow from its parts"):
        read_state(tmp_path / "w.pth")


def test_one_of_two_networks_is_not_taken_without_a_word(tmp_path: Path) -> None:
    torch.save({"state_dict": STATE, "state_dict_ema": dict(STATE), "epoch": 3}, tmp_path / "w.pth")
    with pytest.raises(ModelFileError, match=r"several state dicts \(state_dict, state_dict_ema\)"):
        read_state(tmp_path / "w.pth")


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
        (b"version https://git-lfs.github.com/spec/v1\n", "is text.*it begins with 'version https://git-lfs"),
        (b"\n<!DOCTYPE html><html></html>", "is text.*it begins with '<!DOCTYPE html>"),
        (b"\x89HDF\r\n\x1a\n", "neither safetensors nor torch.save"),
        (b"\x1f\x8b\x08", "neither safetensors nor torch.save"),
        (b"model.pth".ljust(257, b"\0") + b"ustar\x0000", "neither safetensors nor torch.save"),
        (bytes(5000), "neither safetensors nor torch.save"),
        (b"", "is empty; copy it again"),
        (b"outs:\n- md5: abc\n  path: w.pth\n", "is text.*it begins with 'outs: - md5"),
        ("Trop de téléchargements".encode(), "is text.*téléchargements"),
        (b'{"weight_map": {}}', "is text.*weight_map"),
        (b"\x89PNG\r\n\x1a\n", "neither safetensors nor torch.save"),
    ],
)
@pytest.mark.parametrize("name", ["weights.pth", "weights.safetensors"])
def test_another_file_is_called_what_it_is(tmp_path: Path, name: str, content: bytes, reason: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ModelFileError, match=reason):
        read_state(tmp_path / name)


def nested(inner: dict[str, object], times: int) -> dict[str, object]:
    for _ in range(times):
        inner = {"x": inner, "y": inner}
    return inner


def circle() -> dict[str, object]:
    found: dict[str, object] = {}
    found["state_dict"] = found
    return found


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (nested({}, 40), "no state dict"),
        (circle(), "no state dict"),
        ({"w": torch.zeros(1).expand(2**40)}, "tensors of 1,099,511,627,776 values"),
        ({"w": torch.zeros(2**20, 2**20, layout=torch.sparse_coo)}, "tensors of 1,099,511,627,776 values"),
        ({"w": torch.zeros(2, device="meta")}, "w is without values"),
        ({"\x1b[31mred\u202e": torch.zeros(2)}, r"is called '\\x1b\[31mred\\u202e', as no layer"),
        ({"k" * 10**6: torch.zeros(2)}, "is called 'k{200}', as no layer"),
        ({"w": torch.zeros(2), 1: torch.zeros(2)}, "tensors by int"),
    ],
    ids=["shared", "circle", "expanded", "sparse", "meta", "control", "long", "by number"],
)
@pytest.mark.filterwarnings("ignore:Sparse invariant checks")
def test_a_small_file_that_stands_for_much_is_refused(
    tmp_path: Path, content: dict[str, object], reason: str
) -> None:
    torch.save(content, tmp_path / "w")
    with pytest.raises(ModelFileError, match=reason):
        read_state(tmp_path / "w")


def array(header: bytes) -> bytes:
    return b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header


@pytest.mark.parametrize(
    "header",
    [
        b"{'descr': '<f4', 'fortran_order': False, 'shape': (1000000000000,)}\n",
        b"{'descr': '<f4', 'fortran_order': False, 'shape': (-1,)}\n",
        b"{'descr': '|O', 'fortran_order': False, 'shape': (1,)}\n",
        b"(" * 9000,
        b"-" * 9000 + b"1",
    ],
    ids=["huge", "negative", "object", "nested", "minus"],
)
def test_an_odd_array_of_numpy_is_refused(tmp_path: Path, header: bytes) -> None:
    with zipfile.ZipFile(tmp_path / "w", "w") as archive:
        archive.writestr("a.npy", array(header))
    with pytest.raises(ModelFileError, match="holds more than numbers"):
        read_state(tmp_path / "w")


def test_an_archive_that_unpacks_to_too_much_is_refused_unread(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(contents, "MOST_UNPACKED", 100_000)
    np.savez_compressed(tmp_path / "w.npz", a=np.zeros(10**6))
    with pytest.raises(ModelFileError, match="unpacks to 8,000,128 bytes; refused as a bomb"):
        read_state(tmp_path / "w.npz")


def test_an_archive_without_members_is_no_file_of_weights(tmp_path: Path) -> None:
    np.savez(tmp_path / "w.npz")
    with pytest.raises(ModelFileError, match=r"is an archive, not a file of torch\.save"):
        read_state(tmp_path / "w.npz")


def test_numbers_that_torch_has_not_are_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "w.npz", a=np.ones(3, ">f4"))
    with pytest.raises(ModelFileError, match=r"save tensors of float32"):
        read_state(tmp_path / "w.npz")


def test_compressed_arrays_that_are_damaged_are_refused_wherever_it_is(tmp_path: Path) -> None:
    np.savez_compressed(tmp_path / "w.npz", a=np.random.default_rng(0).random(100))
    whole = (tmp_path / "w.npz").read_bytes()
    for place in range(80, 700, 40):  # of the compressed numbers
        (tmp_path / "w.npz").write_bytes(whole[:place] + b"\xff\xff\xff\xff" + whole[place + 4 :])
        with pytest.raises(ModelFileError, match=r"w\.npz "):
            read_state(tmp_path / "w.npz")


def test_a_tensor_that_claims_more_than_its_record_is_refused(tmp_path: Path) -> None:
    torch.save({"a": torch.arange(77.0)}, tmp_path / "w")
    with zipfile.ZipFile(tmp_path / "w") as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(tmp_path / "w", "w") as archive:
        for name, data in members.items():
            archive.writestr(name, data.replace(b"KM", b"M\xff\xff"))  # of the pickle: 77, and 65,535
    with pytest.raises(ModelFileError, match="not a whole file"):
        read_state(tmp_path / "w")


@pytest.mark.parametrize(
    "header",
    [
        b'{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"b":{"dtype":"F32","shape":[2],'
        b'"data_offsets":[4,12]}}',
        b'{"a":{"dtype":"F32","shape":[1099511627776],"data_offsets":[0,8]}}',
        b'{"\\u001b[31mred":{"dtype":"F32","shape":[3],"data_offsets":[0,8]}}',
        b'{"a":' * 10_000,
    ],
    ids=["overlapping", "huge", "control", "nested"],
)
def test_an_odd_header_of_safetensors_is_refused(tmp_path: Path, header: bytes) -> None:
    (tmp_path / "w").write_bytes(len(header).to_bytes(8, "little") + header + bytes(12))
    with pytest.raises(ModelFileError, match="is not a whole safetensors file") as refused:
        read_state(tmp_path / "w")
    assert str(refused.value).isprintable()


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ({"fc.weight": torch.tensor([float("nan")])}, "fc.weight holds NaN"),
        ({"fc.weight": torch.tensor([float("inf")])}, "fc.weight holds infinite"),
        ({"bn.running_var": torch.tensor([1.0, -1e-3])}, "bn.running_var holds negative variances"),
        ({"w": quantised(torch.ones(2))}, "w is quantised"),
        ({"w": torch.ones(2, dtype=torch.complex64)}, "w is complex"),
        ({0: torch.zeros(3)}, "no state dict; expected tensors by name"),
        ({"G": STATE, "D": dict(STATE)}, r"several state dicts \(G, D\)"),
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


def test_a_program_of_torch_export_is_refused(tmp_path: Path) -> None:
    program = torch.export.export(nn.Linear(2, 1), (torch.ones(1, 2),))
    torch.export.save(program, tmp_path / "exported.pt2")
    with pytest.raises(ModelFileError, match="is an archive, not a file of torch"):
        read_state(tmp_path / "exported.pt2")


def test_an_archive_of_something_else_is_called_so(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "weights.pth", "w") as archive:
        archive.writestr("results/best.pth", "")
    with pytest.raises(ModelFileError, match=r"is an archive, not a file of torch\.save; unpack it first"):
        read_state(tmp_path / "weights.pth")


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda path: path.mkdir(), r"is a folder, not a file of weights; name the file \(it is empty\)"),
        (
            lambda path: (path / "best.pth").parent.mkdir() or (path / "best.pth").touch(),
            r"is a folder.*\(it holds best\.pth\)",
        ),
        (lambda path: path.symlink_to("nowhere.pth"), r"is a link to nowhere\.pth, where there is no file"),
        (lambda path: path.symlink_to(path.name), "is a link to"),
        (lambda path: os.mkfifo(path), "there is no file of weights"),
    ],
    ids=["empty folder", "folder", "dangling link", "loop", "pipe"],
)
def test_what_is_no_file_is_called_what_it_is(
    tmp_path: Path, make: Callable[[Path], object], reason: str
) -> None:
    make(tmp_path / "weights.pth")
    with pytest.raises(ModelFileError, match=reason):
        read_state(tmp_path / "weights.pth")


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelFileError, match=r"no file of weights .*absent\.pt"):
        read_state(tmp_path / "absent.pt")


def test_a_pickle_with_anything_but_tensors_is_not_run(tmp_path: Path) -> None:
    torch.save({"model": Payload()}, tmp_path / "whole.pt")
    with pytest.raises(ModelFileError, match=r"\(\S*Payload\), and reading that could run code; save model"):
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
