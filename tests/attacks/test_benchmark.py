"""The benchmark beside AutoAttack, with something in its place: what is weaker, and what it is asked."""

import json
import sys
from types import ModuleType, SimpleNamespace

import pytest
import torch
from torch import nn

from benchmarks import autoattack as benchmark


class Slope(nn.Module):
    """Class 1 where the first pixel is above a half; other classes, if any, never."""

    def __init__(self, classes):
        super().__init__()
        self.classes = classes

    def forward(self, images):
        score = 4 * (images[:, 0, 0, 0] - 0.5)
        rest = [-9 + 0 * score] * (self.classes - 2)
        return torch.stack([-score, score, *rest], dim=1)


@pytest.fixture
def peer(monkeypatch):
    """`peer(moved)`: an AutoAttack that moves every image by so much towards the other class."""
    asked = []

    class AutoAttack:
        def __init__(self, model, *, norm, eps, seed, device, version="standard", attacks=None):
            self.attacks_to_run = attacks or ["apgd-ce", "apgd-t", "fab-t", "square"]
            self.apgd, self.fab, self.square, self.apgd_targeted = (SimpleNamespace() for _ in range(4))
            asked.append(self)

        def run_standard_evaluation(self, images, labels, *, batch_size):
            return images + AutoAttack.moved * (1 - 2 * labels[:, None, None, None]), labels

    module = ModuleType("pyautoattack")
    module.AutoAttack, module.__spec__ = AutoAttack, object()
    monkeypatch.setitem(sys.modules, "pyautoattack", module)

    def made(moved):
        AutoAttack.moved = moved
        return asked

    return made


@pytest.fixture
def subjects(monkeypatch):
    """Eight images at distances of 0.01, 0.02, ... from the line; one is on the wrong side."""

    def two(effort):
        images = torch.full((8, 3, 4, 4), 0.5)
        images[:, 0, 0, 0] += torch.tensor([0.01, -0.02, 0.03, -0.04, 0.05, -0.06, 0.07, -0.08])
        labels = torch.tensor([1, 0] * 3 + [1, 1])
        for classes in (4, 2):
            yield benchmark.Subject(f"{classes}", Slope(classes).eval(), images, labels, classes, 0.045)

    monkeypatch.setattr(benchmark, "made_up", two)
    threads = torch.get_num_threads()
    yield
    torch.set_num_threads(threads)


def test_both_are_asked_on_the_same_images(peer, subjects, capsys):
    asked = peer(0.045)
    assert benchmark.main(["--quick", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert [row["attacks"] for row in rows] == ["apgd-ce, apgd-t, fab-t, square", "apgd-ce, square"]
    assert asked[0].fab.n_target_classes == asked[0].apgd_targeted.n_target_classes == 3
    assert asked[1].square.n_queries == benchmark.QUICK.queries
    for row in rows:
        assert (row["images"], row["clean"]) == (8, 87.5)
        assert row["worst_case"] == row["autoattack"] == 37.5, "the distances 0.05 to 0.07 stand"
        assert row["weaker_by"] == row["only_worst_case"] == row["only_autoattack"] == 0


def test_a_worst_case_that_is_weaker_fails(peer, subjects, capsys):
    peer(0.055)
    assert benchmark.main(["--quick", "--json"]) == 1
    assert [row["only_autoattack"] for row in json.loads(capsys.readouterr().out)] == [1, 1]
    peer(0.0)
    assert benchmark.main(["--quick"]) == 0
    table = capsys.readouterr().out.splitlines()
    assert [line.split()[-5:-2] for line in table[1:]] == [["4", "0", "-4"]] * 2


def test_without_the_peer_it_says_what_is_missing(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "pyautoattack", None)
    assert benchmark.main(["--quick"]) == 2
    assert "pyautoattack is not installed" in capsys.readouterr().err
