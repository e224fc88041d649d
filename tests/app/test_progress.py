"""What a person sees of a run: lines in a log, bars in a terminal, and the time that is left."""

import io

import pytest

from meddef_lib.app import progress
from meddef_lib.engine.workers import Event
from tests.processes import wait_for


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.fixture
def clock(monkeypatch):
    """A clock that only goes on when told to."""
    now = [100.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])

    def forward(seconds):
        now[0] += seconds

    return forward


@pytest.fixture
def terminal(monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "200")
    for name in ("FORCE_COLOR", "NO_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE"):
        monkeypatch.delenv(name, raising=False)
    return Terminal()


def done(name, seconds=1.0):
    return Event(name, "done", details={"seconds": seconds})


def test_a_log_gets_a_line_for_each_cell_with_the_time_left(clock):
    log = io.StringIO()
    with progress.shown(3, {"a": 10.0, "b": 10.0, "c": 20.0}, log) as watch:
        clock(5)
        watch(done("a", 5.0))
        clock(5)
        watch(Event("b", "failed", text="ValueError: [0.03] is odd"))
        watch(Event("c", "said", text="waiting for another process"))
        clock(10)
        watch(done("c", 200.0))
    assert log.getvalue().splitlines() == [
        "[1/3] a done in 5 s  about 15 s left",
        "[2/3] b FAILED: ValueError: [0.03] is odd  about 10 s left",
        "        waiting for another process",
        "[3/3] c done in 3 min  about 0 s left",
    ]


def test_a_long_cell_is_heard_of_now_and_then(clock):
    log = io.StringIO()
    with progress.shown(1, {"a": 100.0}, log) as watch:
        for step in range(1, 41):
            clock(1)
            watch(Event("a", "progress", done=step, total=40, text="epochs"))
    assert log.getvalue().splitlines() == [
        "        a: 16 of 40 epochs  about 24 s left",
        "        a: 31 of 40 epochs  about 9 s left",
    ]


def test_a_cell_of_unknown_length_or_cost_does_no_harm(clock):
    log = io.StringIO()
    with progress.shown(1, {}, log) as watch:
        watch(Event("a", "progress", done=0, total=0))
        watch(done("a"))
    assert log.getvalue() == "[1/1] a done in 1 s\n"


def test_a_terminal_gets_bars(terminal):
    with progress.shown(2, {"a": 1.0, "b": 1.0}, terminal) as watch:
        watch(Event("a", "progress", done=1, total=4, text="epoch [1]"))
        watch(done("a"))
        watch(Event("b", "said", text="waiting for [another]"))
        watch(Event("b", "failed", text="eps is [0.03]; expected less"))
    shown = terminal.getvalue()
    assert "all steps" in shown
    assert "2/2" in shown
    assert "waiting for [another]" in shown, "brackets are no markup"
    assert "b: eps is [0.03]; expected less" in shown


def test_a_terminal_that_cannot_draw_gets_lines(terminal, monkeypatch):
    monkeypatch.setenv("TERM", "dumb")
    with progress.shown(1, {}, terminal) as watch:
        watch(done("a"))
    assert terminal.getvalue() == "[1/1] a done in 1 s\n"


def test_a_long_task_tells_a_log_of_its_steps_now_and_then(clock):
    log = io.StringIO()
    with progress.steps(log) as told:
        told(1, 84_484, "examining images")
        clock(progress.SECONDS_BETWEEN_LINES)
        told(1_200, 84_484, "examining images")
        told(1_201, 84_484, "examining images")
    assert log.getvalue() == "examining images: 1,200 of 84,484\n"


def test_a_long_task_is_a_bar_in_a_terminal(terminal):
    with progress.steps(terminal) as told:
        told(0, 9, "hashing files")
        told(9, 9, "examining images")
    assert "examining images" in terminal.getvalue()
    assert "9/9" in terminal.getvalue()


@pytest.mark.parametrize("kind", ["said", "failed", "progress"])
def test_no_name_moves_the_cursor(terminal, kind, clock, monkeypatch):
    hostile = "\x1b[2J\x9b\u202ename"
    log = io.StringIO()
    for stream in (terminal, log):
        with progress.shown(1, {}, stream) as watch:
            watch(Event("a", "progress", done=0, total=9, text=""))
            clock(progress.SECONDS_BETWEEN_LINES)
            watch(Event("a", kind, done=1, total=9, text=hostile))
        with progress.steps(stream) as told:
            clock(progress.SECONDS_BETWEEN_LINES)
            told(1, 2, hostile)
        assert hostile not in stream.getvalue()
        assert "\\u001b[2J\\u009b\\u202ename" in stream.getvalue()


def test_in_a_notebook_bars_move_while_no_step_ends(monkeypatch, capsys):
    drawn, pages = [], []

    class Output:
        def update(self, bundle, raw):
            drawn.append(bundle["text/plain"])
            pages.append(bundle["text/html"])

    monkeypatch.setattr(progress, "_in_notebook", lambda: True)
    others = []  # outputs that rich makes in a notebook
    monkeypatch.setattr("rich.console._is_jupyter", lambda: True)
    monkeypatch.setattr("rich.jupyter.display", lambda *output: others.append(output))
    monkeypatch.setattr(progress, "SECONDS_BETWEEN_DRAWINGS", 0.001)
    monkeypatch.setattr("IPython.display.display", lambda bundle, raw, display_id: Output())
    with progress.shown(2, {"train/a": 30.0, "attack/a": 30.0}) as watch:
        watch(done("train/a"))
        watch(Event("attack/a", "progress", 1, 4, "batch <1>"))
        wait_for(lambda: drawn and "attack/a" in drawn[-1])
        first = drawn[-1].splitlines()
        assert "1/2" in first[0]
        assert "1/4" in first[1]
        assert "batch <1>" in first[1]
        wait_for(lambda: drawn[-1].splitlines() != first)
        watch(Event("attack/a", "failed", text="no room " * 30))
    assert capsys.readouterr().out == f"failed attack/a: {'no room ' * 30}\n"
    assert any(" left" in text for text in drawn)
    assert " left" not in drawn[-1]
    assert "2/2" in drawn[-1]
    assert "attack/a" not in drawn[-1]
    assert not others
    assert not any("\x1b" in text for text in (*drawn, *pages))
    assert all(page.startswith("<pre") for page in pages)
    assert any("batch &lt;1&gt;" in page for page in pages)
