"""What goes wrong for a reason that the person at the keyboard can do something about.

The message of such an error is a sentence: what, where (file, key, image), what to do. Commands print it and
end with its exit code; any other exception is a mistake of this program and keeps its traceback.
"""

from collections.abc import Collection
from difflib import get_close_matches

DONE, FAILED, REFUSED, HUNG_UP, INTERRUPTED, READER_GONE, TERMINATED = 0, 1, 2, 129, 130, 141, 143


class UserError(Exception):
    """An error whose message is for a person; by default something was refused before any work."""

    exit_code = REFUSED

    def _render_traceback_(self) -> list[str]:
        """What IPython shows in a notebook in the place of a traceback: the sentence."""
        return [f"{type(self).__name__}: {self}"]


class DataError(UserError):
    """A data root or data set refused before any work; says which folder, and how to get the data."""


def known_are(word: object, known: Collection[str]) -> str:
    """How a sentence ends that refuses a name: `known are roct, chest_xray (did you mean roct?)`."""
    return f"known are {', '.join(known)}{did_you_mean(word, known)}"


def did_you_mean(word: object, known: Collection[str]) -> str:
    """` (did you mean roct?)` for a word that is close to a known one, else nothing."""
    close = get_close_matches(str(word), known, n=1)
    return f" (did you mean {close[0]}?)" if close else ""
