"""A run that cannot keep its results says so before it computes any."""

import errno

import pytest

from meddef_lib.app import commands, estimates, given_weights, planning, runner
from meddef_lib.engine.store import Store
from meddef_lib.errors import FAILED, INTERRUPTED, REFUSED, UserError
from meddef_lib.workbook.book import workbook
from meddef_lib.workbook.kinds import every_cell


def reproduce(force=()):
    return commands.reproduce("mini", None, None, None, None, force, "cpu", None, False)


@pytest.mark.parametrize("name", ["STORE", "REPORTS"])
def test_a_folder_that_cannot_be_written_to_is_refused_in_a_sentence(name, tmp_path, monkeypatch, capsys):
    file = tmp_path / "file"
    file.write_text("no folder", encoding="utf-8")
    monkeypatch.setenv(f"MEDDEF_{name}", str(file / "below"))
    monkeypatch.setattr(runner, "compute", lambda *_, **__: pytest.fail("it was begun all the same"))
    assert reproduce() == REFUSED
    told = capsys.readouterr().err
    assert str(file / "below") in told
    assert f"MEDDEF_{name}" in told
    assert len(told.strip().splitlines()) == 1


def test_ctrl_c_says_how_to_go_on_whatever_a_command_is_at(monkeypatch, capsys):
    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setenv("MEDDEF_WEIGHTS", "")  # which `evaluate` sets
    for each in (commands, planning):
        monkeypatch.setattr(each, "workbook_of", interrupt)
    monkeypatch.setattr("sys.argv", ["invoke", "evaluate", "--set", "attacks.eps=[0.1]"])
    assert commands.evaluate("a.pt", "full", "roct", "mini", None, (), "auto", False) == INTERRUPTED
    assert planning.plan("mini", (), None, (), "auto") == INTERRUPTED
    assert "invoke evaluate --set 'attacks.eps=[0.1]'" in capsys.readouterr().out


@pytest.mark.parametrize(
    "typed", [["--force", "audit"], ["--force=audit", "-f", "train"], ["-faudit", "--force", "train"]]
)
def test_ctrl_c_names_what_is_forced_only_until_it_has_been_removed(typed, tmp_path, monkeypatch, capsys):
    def interrupt(*_, **__):
        raise KeyboardInterrupt

    command = ["invoke", "reproduce", "--profile", "mini", *typed, "--device", "cpu"]
    monkeypatch.setattr("sys.argv", command)
    monkeypatch.setenv("MEDDEF_REPORTS", str(tmp_path / "reports"))
    monkeypatch.setattr(estimates, "estimate", lambda *_: estimates.Estimate())

    def resumed_by():
        assert reproduce(force=["audit", "train"]) == INTERRUPTED
        return capsys.readouterr().out.splitlines()[-1].strip()

    with monkeypatch.context() as patch:
        patch.setattr(Store, "remove", interrupt)
        assert resumed_by() == " ".join(command)
    monkeypatch.setattr(runner, "compute", interrupt)
    assert resumed_by() == "invoke reproduce --profile mini --device cpu"


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_a_disk_that_is_full_when_a_plan_is_noted_is_a_sentence(number, tmp_path, monkeypatch, capsys):
    def full(*_):
        raise OSError(number, "full")

    monkeypatch.setenv("MEDDEF_REPORTS", str(tmp_path / "reports"))
    monkeypatch.setattr(estimates, "estimate", full)
    assert reproduce() == FAILED
    assert planning.plan("mini", (), None, (), "cpu") == FAILED
    told = capsys.readouterr().err.splitlines()
    assert len(told) == 2
    assert all(str(tmp_path / "reports") in line and "invoke clean --stale" in line for line in told)


def test_other_errors_of_a_disk_are_told_as_they_are(tmp_path, monkeypatch, capsys):
    def broken(*_):
        raise OSError(errno.EIO, "broken")

    monkeypatch.setenv("MEDDEF_REPORTS", str(tmp_path / "reports"))
    monkeypatch.setattr(estimates, "estimate", broken)
    assert reproduce() == FAILED
    assert capsys.readouterr().err == "the system refused: broken\n"


def chest(root, **splits):
    """Empty files under the names of chest films: so many of each class in each split."""
    for split, number in splits.items():
        for name in ("NORMAL", "PNEUMONIA"):
            folder = root / "chest_xray" / split / name
            folder.mkdir(parents=True)
            for image in range(number):
                (folder / f"IM-{image:04d}-0001.jpeg").touch()
    return root


@pytest.mark.parametrize(
    ("splits", "missing"),
    [({"train": 9}, "test"), ({"test": 9}, "train"), ({"train": 1, "test": 9}, "val"), ({"val": 9}, "test")],
)
def test_an_empty_split_is_refused_before_any_work(splits, missing, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("MEDDEF_DATA", str(chest(tmp_path / "data", **splits)))
    monkeypatch.setattr(estimates, "estimate", None)  # nothing is measured, either
    settings = ["data.source=folders", "data.split=published"]
    assert commands.reproduce("mini", (), None, settings, (), (), "cpu", None, False) == REFUSED
    assert f"the {missing} split of {tmp_path}/data/chest_xray has no" in capsys.readouterr().err
    assert not (Store().root / "cells").exists()


def test_what_is_drawn_from_all_images_needs_no_folder_of_tests(tmp_path, monkeypatch):
    monkeypatch.setenv("MEDDEF_DATA", str(chest(tmp_path / "data", train=20)))
    book = workbook("mini", overrides=["data.source=folders", "data.split=pooled"])
    runner.require_images(book, list(every_cell(book).values()))


@pytest.mark.parametrize(
    ("splits", "images", "settings", "rule"),
    [
        ({"train": 9, "test": 9}, None, [], "published"),
        ({"test": 9}, None, [], "published"),
        ({"train": 9, "val": 9}, None, [], "all"),
        ({"train": 9, "val": 9}, None, ["chest_xray.split=pooled"], "pooled"),
        ({"train": 9, "test": 9}, "test", ["data.limits.test=3"], "published"),
        ({"train": 9, "test": 9}, "all", ["chest_xray.split=published"], "all"),
        ({"train": 9, "test": 9}, "paper", [], "pooled"),
    ],
)
def test_an_evaluation_tests_the_images_that_are_asked_for(
    splits, images, settings, rule, tmp_path, monkeypatch
):
    monkeypatch.setenv("MEDDEF_DATA", str(chest(tmp_path / "data", **splits)))
    book = workbook("sample", datasets=["chest_xray"], overrides=settings)
    data = given_weights.tested(book, "chest_xray", images)
    assert data.split == rule
    assert data.limits.test == (3 if "data.limits.test=3" in settings else None)


@pytest.mark.parametrize(
    ("images", "words"), [("valid", "expected one of test, all, paper"), ("all", "name different images")]
)
def test_images_that_no_evaluation_has_are_refused(images, words):
    book = workbook("mini", overrides=["data.split=pooled"])
    with pytest.raises(UserError, match=words):
        given_weights.tested(book, "chest_xray", images)
