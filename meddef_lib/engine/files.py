"""Files that are whole or absent."""

import errno
import os
from concurrent.futures import ThreadPoolExecutor
from hashlib import file_digest
from pathlib import Path

from meddef_lib.errors import UserError

PART = ".part"  # ends the name of a file that is being written
THREADS_TO_DISK = 8  # the disk takes hundreds of small files together ten times as fast as one by one


class StoreError(UserError):
    """The store cannot do what is asked; the message says where and what to do."""


def file_hash(file: Path) -> str:
    """The sha256 of a file's bytes. Raises OSError."""
    with file.open("rb") as stream:
        return file_digest(stream, "sha256").hexdigest()


def write_whole(file: Path, content: str | bytes, *, on_disk: bool = False) -> None:
    """Write a file that appears whole, also where several processes write it at once.

    With `on_disk` its name appears when the disk holds it. Raises OSError.
    """
    part = file.with_name(f"{file.name}.{os.getpid()}{PART}")
    try:
        part.write_bytes(content.encode() if isinstance(content, str) else content)
        if on_disk:
            sync(part)
        part.replace(file)
    except BaseException:
        part.unlink(missing_ok=True)
        raise


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
