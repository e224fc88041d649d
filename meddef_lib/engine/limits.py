"""What a system may refuse to any process, known in every library's words, and what to do about it."""

import errno
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from meddef_lib.errors import FAILED, UserError

KEPT = "what was finished before is kept, and the same command goes on from there"


class LimitReached(UserError):
    """The system refused memory, files, processes or room; the message says which and what to do."""

    exit_code = FAILED


class NoRoomLeft(LimitReached):
    """A disk, a quota or a file is full; the message says where and what to do."""


@dataclass(frozen=True)
class Limit:
    """One thing that may be used up: how errors say so, and the sentence for a person."""

    advice: str  # may name the place as {where}
    numbers: tuple[int, ...] = ()  # of an OSError
    # of libraries that pass the system's word on as text, without its number
    words: str = r"(?!)"
    kinds: tuple[type[BaseException], ...] = ()
    raised: type[LimitReached] = LimitReached

    def meets(self, error: BaseException) -> bool:
        """Whether the error says that this was used up; what a person is told in our own words does not."""
        if isinstance(error, self.kinds) or (isinstance(error, OSError) and error.errno in self.numbers):
            return True
        return not isinstance(error, UserError) and re.search(self.words, str(error)) is not None


LIMITS = (
    Limit(
        "a file would have become larger than the system lets this process write, {where}: raise the limit "
        f"of a file's size (ulimit -f unlimited); {KEPT}",
        numbers=(errno.EFBIG,),
        words="File too large|file size limit",
        raised=NoRoomLeft,
    ),
    Limit(
        "no room left {where}; what was finished before is kept: make room and start again. "
        "`invoke clean --stale` removes what no profile asks for: also results and half-done work of "
        "other parameters (`--set`)",
        numbers=(errno.ENOSPC, errno.EDQUOT),
        words=r"No space left on device|Disk quota exceeded|disk is full|\d+ requested and \d+ written",
        raised=NoRoomLeft,
    ),
    Limit(
        "too many files are open at once: raise the limit (ulimit -n 4096) or use fewer --workers; " + KEPT,
        numbers=(errno.EMFILE, errno.ENFILE),
        words="Too many open files",
    ),
    Limit(
        "the system gave no more processes or threads: raise the limit (ulimit -u) or use fewer --workers; "
        + KEPT,
        words="can't start new thread|Resource temporarily unavailable|Thread creation failed"
        "|pthread_create failed",
    ),
    Limit(
        "the GPU has no memory left: use a smaller evaluation.batch_size or training.batch_size, or a larger "
        f"training.accumulation, or end what else computes on it (nvidia-smi lists it); {KEPT}",
        words="(?i)CUDA out of memory|CUDA error: out of memory|MPS backend out of memory"
        "|CUBLAS_STATUS_ALLOC_FAILED|CUDNN_STATUS_ALLOC_FAILED",
    ),
    Limit(
        "the system gave no more memory: use fewer --workers, a smaller evaluation.batch_size or "
        f"training.batch_size, or raise the limit (ulimit -v); {KEPT}",
        numbers=(errno.ENOMEM,),
        words="(?i)can't allocate memory|cannot allocate memory|not enough memory|out of memory"
        "|insufficient memory|unable to allocate|bad_alloc|failed to allocate|failed to map segment"
        "|MemoryError",
        kinds=(MemoryError,),
    ),
)


@contextmanager
def within_limits(where: str) -> Iterator[None]:
    """Turn whatever says that something is used up, `where` something is written, into a sentence.

    Raises LimitReached; every other error travels on as it is.
    """
    try:
        yield
    except LimitReached:
        raise
    except Exception as error:
        if (limit := reached(error)) is None:
            raise
        raise limit.raised(limit.advice.format(where=where)) from error


def reached(error: BaseException) -> Limit | None:
    """The limit that an error, or what caused it, tells of; None for any other error."""
    found = next((limit for limit in LIMITS if limit.meets(error)), None)
    return reached(error.__cause__) if found is None and error.__cause__ is not None else found


def advice(text: str) -> str:
    """What to do about a limit that a log or another process's error tells of, as `: advice`; "" for none."""
    found = reached(Exception(text))
    return f": {found.advice.format(where='by another process')}" if found else ""
