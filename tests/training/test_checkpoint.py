import json
import os
from contextlib import nullcontext

import pytest
import torch

from meddef_lib.engine import files
from meddef_lib.training import checkpoint
from meddef_lib.training.checkpoint import CheckpointError
from tests.damage import flip


def step(model, optimizer, seed):
    torch.manual_seed(seed)
    model(torch.rand(4, 3, 16, 16)).square().sum().backward()
    optimizer.step()
    optimizer.zero_grad()


@pytest.mark.parametrize("fused", [True, False])
@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last])
def test_weights_and_moments_come_back_with_their_memory_format(tmp_path, new_tiny, memory_format, fused):
    def fresh(seed):
        model = new_tiny(seed=seed).train().to(memory_format=memory_format)
        return model, torch.optim.Adam(model.parameters(), lr=1e-2, fused=fused)

    model, optimizer = fresh(0)
    step(model, optimizer, 1)
    checkpoint.save(
        tmp_path, {}, checkpoint.training_tensors(model, optimizer), epochs_done=1, best=model.state_dict()
    )
    other, other_optimizer = fresh(5)
    checkpoint.restore(other, other_optimizer, checkpoint.load(tmp_path).last)

    for ours, theirs in zip(model.parameters(), other.parameters(), strict=True):
        assert torch.equal(ours, theirs)
        for moment, value in optimizer.state[ours].items():
            found = other_optimizer.state[theirs][moment]
            assert torch.equal(value, found)
            assert value.stride() == found.stride()
            assert value.dtype == found.dtype
    step(model, optimizer, 2)
    step(other, other_optimizer, 2)
    for (name, ours), theirs in zip(model.state_dict().items(), other.state_dict().values(), strict=True):
        assert torch.equal(ours, theirs), name


def save(folder, epoch, *, best):
    tensors = {"model/x": torch.full((2,), float(epoch))}
    weights = {"x": torch.full((2,), float(epoch))} if best else None
    checkpoint.save(folder, {"epoch": epoch}, tensors, epochs_done=epoch, best=weights)


def test_only_the_last_two_and_the_best_are_kept(tmp_path):
    for epoch, best in ((1, True), (2, True), (3, False), (4, False)):
        save(tmp_path, epoch, best=best)
    found = checkpoint.load(tmp_path)

    assert sorted(file.name for file in tmp_path.iterdir()) == [
        "before.json",
        "best-2.safetensors",
        "checkpoint.json",
        "last-3.safetensors",
        "last-4.safetensors",
    ]
    assert found.state["epoch"] == 4
    assert found.last["model/x"].tolist() == [4, 4]
    assert found.best_weights()["x"].tolist() == [2, 2]


@pytest.mark.parametrize("step", range(7))
def test_a_kill_at_any_write_leaves_a_whole_checkpoint(tmp_path, monkeypatch, step):
    """Files are renamed and removed in six operations; the process ends before the one numbered `step`."""
    for epoch in (1, 2):
        save(tmp_path, epoch, best=True)
    operations = []
    real = {name: getattr(checkpoint.Path, name) for name in ("replace", "unlink")}

    def dying(name):
        def operation(self, *arguments, **options):
            if len(operations) == step:
                raise KeyboardInterrupt
            operations.append(name)
            return real[name](self, *arguments, **options)

        return operation

    for name in real:
        monkeypatch.setattr(checkpoint.Path, name, dying(name))
    with pytest.raises(KeyboardInterrupt) if step < 6 else nullcontext():
        save(tmp_path, 3, best=True)
    monkeypatch.undo()

    found = checkpoint.load(tmp_path)
    assert found.state["epoch"] == (2 if step < 4 else 3)
    assert found.last["model/x"][0] == found.best_weights()["x"][0] == found.state["epoch"]
    assert operations == ["replace"] * min(step, 4) + ["unlink"] * (step - 4)


def test_a_folder_without_a_checkpoint_has_none(tmp_path):
    assert checkpoint.load(tmp_path / "none") is None


DAMAGE = {
    "flipped": flip,
    "cut": lambda file: file.write_bytes(file.read_bytes()[:-9]),
    "emptied": lambda file: file.write_bytes(b""),
    "another kind": lambda file: file.write_bytes(b"[]"),
    "gone": lambda file: file.unlink(),
}


@pytest.mark.parametrize("how", DAMAGE)
@pytest.mark.parametrize("name", ["checkpoint.json", "last-3.safetensors", "best-3.safetensors"])
def test_from_a_damaged_checkpoint_it_goes_back_to_the_one_before(tmp_path, capsys, name, how):
    for epoch in (1, 2, 3):
        save(tmp_path, epoch, best=True)
    DAMAGE[how](tmp_path / name)

    found = checkpoint.load(tmp_path)
    assert found.state["epoch"] == found.last["model/x"][0] == found.best_weights()["x"][0] == 2
    assert (name in capsys.readouterr().err) != (name == "checkpoint.json" and how == "gone")
    save(tmp_path, 3, best=False)
    assert checkpoint.load(tmp_path).best_weights()["x"][0] == 2
    flip(tmp_path / "best-2.safetensors")
    assert checkpoint.load(tmp_path) is None, "both have that one"
    with pytest.raises(CheckpointError, match="lost meanwhile; start again"):
        save(tmp_path, 4, best=False)


def test_a_checkpoint_is_on_the_disk_before_it_has_its_name(tmp_path, monkeypatch):
    synced, named = [], []
    replace = checkpoint.Path.replace
    monkeypatch.setattr(files.os, "fsync", lambda number: synced.append(os.fstat(number).st_ino))
    monkeypatch.setattr(
        checkpoint.Path, "replace", lambda part, to: named.append(part.stat().st_ino) or replace(part, to)
    )
    save(tmp_path, 1, best=True)
    assert synced == [*named, tmp_path.stat().st_ino]
    assert len(named) == 3


def test_nothing_is_pickled(tmp_path):
    checkpoint.save(tmp_path, {"a": 1}, {"x": torch.ones(1)}, epochs_done=1, best={"x": torch.ones(1)})

    for file in tmp_path.iterdir():
        start = file.read_bytes()[:9]
        assert file.suffix == ".json" or start[8:9] == b"{"
    assert json.loads((tmp_path / "checkpoint.json").read_text())["a"] == 1
