"""What others call things is printed as text and nothing else."""

import json

import pytest

from meddef_lib.visible import one_line, visible

HIDDEN = (
    "\x00\x07\x08\r\x1b\x7f\x80\x9b\u061c\u200e\u200f\u2028\u202a\u202e\u2066\u2069\ufff9\U000e0041\ud800"
)


@pytest.mark.parametrize("sign", HIDDEN)
def test_what_cannot_be_seen_is_escaped(sign):
    shown = visible(f"a{sign}b")
    assert shown.isprintable()
    assert json.loads(f'"{shown}"') == f"a{sign}b"


def test_everything_else_stays():
    text = "Köln\t網膜\nשלום · 100 %\u00a0≤ α\u200d"
    assert visible(text) == text


def test_json_stays_the_same_json():
    found = {"title": HIDDEN, "path": "a/é"}
    assert json.loads(visible(json.dumps(found, ensure_ascii=False))) == found


def test_what_a_server_says_is_one_short_line():
    assert one_line("not\r\nfound \x1b[2J") == "not found \\u001b[2J".replace("not ", "not\\r ")
    assert len(one_line("x" * 9999)) == 301
