"""Declarations are read from sources that are never run."""

from dataclasses import dataclass, field

import pytest

from meddef_lib.declared import DeclarationError, declarations


@dataclass(frozen=True)
class Kind:
    id: str
    settings: dict = field(default_factory=dict)


def test_declarations_are_read_without_running_the_module(tmp_path):
    (tmp_path / "b.py").write_text(
        "import nothing_of_that_name\nOTHER = 5\nB = Kind(id='b')\nC = Kind('c')\n"
    )
    (tmp_path / "a.py").write_text("A: Kind = Kind(id='a', settings={'x': (1, None), 'y': Kind('inner')})\n")
    (tmp_path / ".#a.py").symlink_to("someone@a.machine.17:42")  # an editor's lock
    inner = {"x": (1, None), "y": Kind("inner")}
    assert list(declarations(tmp_path, {"Kind": Kind})) == [
        ("a", Kind("a", inner)),
        ("b", Kind("b")),
        ("b", Kind("c")),
    ]


def test_what_is_no_literal_is_refused_with_its_place(tmp_path):
    (tmp_path / "own.py").write_text("name = 'own'\nA = Kind(id=name)\n")
    with pytest.raises(DeclarationError, match=r"own\.py, line 2: .* this is name"):
        list(declarations(tmp_path, {"Kind": Kind}))
