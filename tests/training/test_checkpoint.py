import json

import pytest
import torch

from meddef_lib.training import checkpoint
from meddef_lib.training.checkpoint import CheckpointError


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


def test_only_the_last_and_the_best_are_kept(tmp_path):
    def save(epoch, best):
        tensors = {"model/x": torch.full((2,), float(epoch))}
        weights = {"x": torch.full((2,), float(epoch))} if best else None
        checkpoint.save(tmp_path, {"epoch": epoch}, tensors, epochs_done=epoch, best=weights)

    for epoch, best in ((1, True), (2, True), (3, False), (4, False)):
        save(epoch, best)
    found = checkpoint.load(tmp_path)

    assert sorted(file.name for file in tmp_path.iterdir()) == [
        "best-2.safetensors",
        "checkpoint.json",
        "last-4.safetensors",
    ]
    assert found.state["epoch"] == 4
    assert found.last["model/x"].tolist() == [4, 4]
    assert found.best_weights()["x"].tolist() == [2, 2]


@pytest.mark.parametrize("step", range(6))
def test_a_kill_at_any_write_leaves_a_whole_checkpoint(tmp_path, monkeypatch, step):
    """Files are renamed and removed in six operations; the process ends before the one numbered `step`."""
    tensors, weights = {"x": torch.ones(1)}, {"x": torch.ones(1)}
    checkpoint.save(tmp_path, {"epoch": 1}, tensors, epochs_done=1, best=weights)
    operations = []
    real = {name: getattr(checkpoint.Path, name) for name in ("replace", "unlink")}

    def dying(name):
        def operation(self, *arguments):
            if len(operations) == step:
                raise KeyboardInterrupt
            operations.append(name)
            return real[name](self, *arguments)

        return operation

    for name in real:
        monkeypatch.setattr(checkpoint.Path, name, dying(name))
    twice = {"x": torch.full((1,), 2.0)}
    if step < 5:
        with pytest.raises(KeyboardInterrupt):
            checkpoint.save(tmp_path, {"epoch": 2}, twice, epochs_done=2, best=twice)
    else:
        checkpoint.save(tmp_path, {"epoch": 2}, twice, epochs_done=2, best=twice)
    monkeypatch.undo()

    found = checkpoint.load(tmp_path)
    assert found.state["epoch"] == (1 if step < 3 else 2)
    assert found.last["x"].item() == found.best_weights()["x"].item() == found.state["epoch"]
    assert operations[:3] == ["replace"] * min(step, 3)


def test_a_folder_without_a_checkpoint_has_none(tmp_path):
    assert checkpoint.load(tmp_path / "none") is None


def test_a_broken_file_is_named(tmp_path):
    checkpoint.save(tmp_path, {}, {"x": torch.ones(8)}, epochs_done=1, best={"x": torch.ones(8)})
    file = tmp_path / "last-1.safetensors"
    file.write_bytes(file.read_bytes()[:-9])

    with pytest.raises(CheckpointError, match=r"last-1\.safetensors cannot be read .* delete"):
        checkpoint.load(tmp_path)


@pytest.mark.parametrize(
    ("text", "message"),
    [("{", "is not a checkpoint"), ("[]", "is not a checkpoint"), ('{"format": 99}', "format 99")],
)
def test_a_strange_description_is_refused(tmp_path, text, message):
    (tmp_path / "checkpoint.json").write_text(text)

    with pytest.raises(CheckpointError, match=message):
        checkpoint.load(tmp_path)


def test_nothing_is_pickled(tmp_path):
    checkpoint.save(tmp_path, {"a": 1}, {"x": torch.ones(1)}, epochs_done=1, best={"x": torch.ones(1)})

    for file in tmp_path.iterdir():
        start = file.read_bytes()[:9]
        assert file.suffix == ".json" or start[8:9] == b"{"
    assert json.loads((tmp_path / "checkpoint.json").read_text())["a"] == 1
