"""What code makes a result is found once for sources that stay as they are, and anew for any other."""

import sys

import pytest

from meddef_lib.engine import fingerprint

ROOT = "toy.maker:make"


@pytest.fixture
def sources(tmp_path, monkeypatch):
    """A package `toy` of a maker and what it calls, in an environment that keeps compiled modules."""
    folder = tmp_path / "toy"
    folder.mkdir()
    (folder / "__init__.py").touch()
    (folder / "maker.py").write_text("from toy.sums import add\ndef make(space):\n    return add(1, 2)\n")
    (folder / "sums.py").write_text("def add(a, b):\n    return a + b\n")
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    monkeypatch.setattr(fingerprint, "PACKAGE", "toy")
    monkeypatch.setattr(fingerprint, "SOURCES", folder)
    fingerprint.forget()
    yield folder
    fingerprint.forget()


def found(monkeypatch, *, anew):
    """The code of the maker; whether it had to be found."""
    fingerprint.forget()
    calls, find = [], fingerprint._found_from
    with monkeypatch.context() as patched:
        patched.setattr(fingerprint, "_found_from", lambda roots: calls.append(roots) or find(roots))
        code = fingerprint.code_of(ROOT)
    assert bool(calls) == anew
    return code


def kept(sources):
    return sorted(sources.rglob(f"*{fingerprint.ENDING}"))


def test_it_is_found_once_and_anew_after_any_edit(sources, monkeypatch):
    first = found(monkeypatch, anew=True)
    assert found(monkeypatch, anew=False) == first
    (file,) = kept(sources)
    (sources / "sums.py").write_text("def add(a, b):\n    return a - b\n")
    second = found(monkeypatch, anew=True)
    assert second.keys() == first.keys()
    assert {name for name in first if first[name] != second[name]} == {"toy.sums:add"}
    assert len(kept(sources)) == 1
    assert not file.exists(), "what belongs to other sources goes"


def test_another_module_or_another_python_is_another_state(sources, monkeypatch):
    states = {fingerprint.state_of(sources)}
    (sources / "more.py").touch()
    states.add(fingerprint.state_of(sources))
    (sources / "more.py").rename(sources / "less.py")
    states.add(fingerprint.state_of(sources))
    monkeypatch.setattr(sys, "version", "4.0")
    states.add(fingerprint.state_of(sources))
    assert len(states) == 4


@pytest.mark.parametrize("content", ["", '{"toy.maker:make": ', "\0"])
def test_what_was_cut_short_is_found_anew(sources, monkeypatch, content):
    first = found(monkeypatch, anew=True)
    (file,) = kept(sources)
    file.write_text(content)
    assert found(monkeypatch, anew=True) == first
    assert found(monkeypatch, anew=False) == first


def test_sources_that_change_while_they_are_read_are_not_remembered(sources, monkeypatch):
    find = fingerprint._found_from

    def edited_meanwhile(roots):
        code = find(roots)
        (sources / "sums.py").write_text("def add(a, b):\n    return a * b\n")
        return code

    fingerprint.forget()
    with monkeypatch.context() as patched:
        patched.setattr(fingerprint, "_found_from", edited_meanwhile)
        fingerprint.code_of(ROOT)
    assert kept(sources) == []


def test_where_python_keeps_no_compiled_modules_nothing_is_kept(sources, monkeypatch):
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    found(monkeypatch, anew=True)
    assert kept(sources) == []


def test_a_folder_that_cannot_be_written_is_done_without(sources, monkeypatch):
    (sources / "__pycache__").write_text("no folder")
    assert found(monkeypatch, anew=True) == found(monkeypatch, anew=True)
