"""Every code has its words, and the words are those of a sentence that begins with the file's path."""

import json
from typing import get_args

import pytest

from meddef_lib.data.reasons import CLAUSES, Code, UnreadableImage, clause, in_words, listed


def test_every_code_has_words():
    assert {*CLAUSES, "converted"} == {*get_args(Code)}


@pytest.mark.parametrize(
    ("code", "facts", "words"),
    [
        (
            "cut_off",
            {"format": "PNG", "bytes": 1234},
            "is cut off: 1,234 bytes of PNG data without the last chunk",
        ),
        ("other_format", {"format": "GIF"}, "is a GIF image, not a JPEG or PNG image"),
        ("other_format", {"format": "PDF"}, "is a PDF document, not a JPEG or PNG image"),
        (
            "not_a_class",
            {"kind": "file", "classes": ["A", "B"]},
            "is a file; only the folders A and B are read here",
        ),
        ("no_access", {"error": "Permission denied"}, "cannot be read: Permission denied"),
        (
            "converted",
            {"mode": "P", "orientation": 6},
            "palette to grey; turned upright (EXIF orientation 6)",
        ),
    ],
)
def test_words(code, facts, words):
    kept = json.loads(json.dumps({"path": "a.png", **UnreadableImage(code, **facts).reason}))
    assert clause(kept) == words
    assert in_words(kept) == {"path": "a.png", "reason": words}


def test_lists():
    assert (listed(["A"]), listed(["A", "B"]), listed(["A", "B", "C"])) == ("A", "A and B", "A, B and C")
