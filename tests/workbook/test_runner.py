"""A run that cannot keep its results says so before it computes any."""

import pytest

from meddef_lib.workbook import commands, runner
from meddef_lib.workbook.runner import INTERRUPTED, REFUSED, Request


@pytest.mark.parametrize("name", ["STORE", "REPORTS"])
def test_a_folder_that_cannot_be_written_to_is_refused_in_a_sentence(name, tmp_path, monkeypatch, capsys):
    file = tmp_path / "file"
    file.write_text("no folder", encoding="utf-8")
    monkeypatch.setenv(f"MEDDEF_{name}", str(file / "below"))
    monkeypatch.setattr(runner, "compute", lambda *_, **__: pytest.fail("it was begun all the same"))
    assert runner.reproduce(Request(profile="mini", device="cpu")) == REFUSED
    told = capsys.readouterr().err
    assert str(file / "below") in told
    assert f"MEDDEF_{name}" in told
    assert len(told.strip().splitlines()) == 1


def test_ctrl_c_says_how_to_go_on_whatever_a_command_is_at(monkeypatch, capsys):
    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setenv("MEDDEF_WEIGHTS", "")  # which `evaluate` sets
    monkeypatch.setattr(commands, "_with_workbook", interrupt)
    monkeypatch.setattr("sys.argv", ["invoke", "evaluate", "--set", "attacks.eps=[0.1]"])
    assert commands.evaluate("a.pt", "full", "roct", "mini", None, (), "auto") == INTERRUPTED
    assert commands.plan("mini", (), None, (), "auto") == INTERRUPTED
    assert "invoke evaluate --set 'attacks.eps=[0.1]'" in capsys.readouterr().out
