"""What goes wrong for a reason that the person at the keyboard can do something about.

The message of such an error is a sentence: what, where (file, key, image), what to do. Commands print it and
end with its exit code; any other exception is a mistake of this program and keeps its traceback.
"""

DONE, FAILED, REFUSED, INTERRUPTED, READER_GONE = 0, 1, 2, 130, 141


class UserError(Exception):
    """An error whose message is for a person; by default something was refused before any work."""

    exit_code = REFUSED
