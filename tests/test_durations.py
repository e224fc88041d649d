"""Spans of time in words."""

import pytest

from meddef_lib.durations import duration


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0.2, "0 s"),
        (89, "89 s"),
        (90, "2 min"),
        (600, "10 min"),
        (5400, "1.5 h"),
        (100_000, "27.8 h"),
        (2e8, "2,315 days"),
    ],
)
def test_durations_are_said_as_people_say_them(seconds, words):
    assert duration(seconds) == words
