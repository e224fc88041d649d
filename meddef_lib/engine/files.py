"""Files that are whole or absent, and a disk that may be full."""

import errno
import os
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from hashlib import file_digest
from pathlib import Path

from meddef_lib.errors import FAILED, UserError

PART = ".part"  # ends the name of a file that is being written
FULL_DISK = re.compile(
    r"No space left on device|Disk quota exceeded|File too large|disk is full|\d+ requested and \d+ written"
)
THREADS_TO_DISK = 8  # the disk takes hundreds of small files together ten times as fast as one by one


class StoreError(UserError):
    """The store cannot do what is asked; the message says where and what to do."""


class NoRoomLeft(StoreError):
    """A disk is full; the message says which and what to do."""

    exit_code = FAILED


@contextmanager
def room(where: str) -> Iterator[None]:
    """Turn whatever says that a disk is full, `where` something is written, into a sentence.

    Raises NoRoomLeft; every other error travels on as it is.
    """
    try:
        yield
    except NoRoomLeft:
        raise
    except Exception as error:
        if not is_full_disk(error):
            raise
        raise NoRoomLeft(
            f"no room left {where}; what was finished before is kept: make room and start again. "
            "`invoke clean --stale` removes what no profile asks for: also results and half-done work of "
            "other parameters (`--set`)"
        ) from error


def is_full_disk(error: BaseException) -> bool:
    """Whether an error says that a disk, a quota or a file's allowed size is used up, in whatever words.

    SQLite, safetensors, numpy and pyarrow pass the system's word on as text, without its number.
    """
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return True
    said = FULL_DISK.search(str(error)) is not None
    return said or (error.__cause__ is not None and is_full_disk(error.__cause__))


def file_hash(file: Path) -> str:
    """The sha256 of a file's bytes. Raises OSError."""
    with file.open("rb") as stream:
        return file_digest(stream, "sha256").hexdigest()


def write_whole(file: Path, text: str, *, on_disk: bool = False) -> None:
    """Write a text file that appears whole, also where several processes write it at once.

    With `on_disk` its name appears when the disk holds it. Raises OSError.
    """
    part = file.with_name(f"{file.name}.{os.getpid()}{PART}")
    part.write_text(text, encoding="utf-8")
    if on_disk:
        sync(part)
    part.replace(file)


def put_on_disk(folder: Path) -> None:
    """Wait until the disk holds every file of a folder, and the folder itself. Raises OSError."""
    entries = list(folder.rglob("*"))
    with ThreadPoolExecutor(THREADS_TO_DISK) as threads:
        list(threads.map(sync, (path for path in entries if path.is_file())))
    for path in (*(path for path in entries if path.is_dir()), folder):
        sync(path)


def name_on_disk(part: Path, final: Path, *, below: Path) -> None:
    """Give a file or folder its final name, and wait until the disk holds the name; its folders lie `below`.

    Raises OSError.
    """
    part.replace(final)
    for folder in final.parents:
        sync(folder)
        if folder == below:
            break


def sync(path: Path) -> None:
    """Wait until the disk holds a file, or the names in a folder. Raises OSError."""
    number = os.open(path, os.O_RDONLY)
    try:
        os.fsync(number)
    except OSError as error:
        if error.errno != errno.EINVAL:  # a file system that cannot do it for folders
            raise
    finally:
        os.close(number)
