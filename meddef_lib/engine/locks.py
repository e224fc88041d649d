"""One writer a key: locks that the system frees when their process dies."""

import os
import platform
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from filelock import FileLock, Timeout

from meddef_lib.engine.files import StoreError


def process_name() -> str:
    """This process, for whoever waits for it."""
    return f"process {os.getpid()} on {platform.node()}"


@dataclass(frozen=True)
class Locks:
    """Locks of what one process at a time may write, as in a store: files in a folder, and who holds each."""

    folder: Path
    ending: ClassVar[str] = "lock"  # of the file that a key is held by
    lack: ClassVar[str] = (
        "has no locks ({}), so that two processes could write one result at once; name a folder on a local "
        "disk with MEDDEF_STORE, or run on a cluster (`--scheduler`), which does without locks"
    )

    def require(self) -> None:
        """Raise StoreError where the file system cannot have any: two processes could write one result."""
        try:
            with self.if_free(".tried"):
                pass
        except (OSError, NotImplementedError) as error:
            lack = self.lack.format(error)
            raise StoreError(f"the file system of the store {self.folder.parent} {lack}") from error

    @contextmanager
    def writing(self, key: str, what: str, say: Callable[[str], None]) -> Iterator[None]:
        """Hold the key; while another process holds it, wait and say for whom to make `what`."""
        waits = False
        while (held := self._take(key)) is None:
            if not waits:
                say(f"waiting for {self._owner(key)}, which is making {what}")
            waits = True
            time.sleep(self._pause)
        with held:
            self._sign(key)
            yield

    @contextmanager
    def if_free(self, key: str) -> Iterator[bool]:
        """Hold the key unless another process does; yields whether it is held."""
        held = self._take(key)
        with held or nullcontext():
            yield held is not None

    def is_held(self, key: str) -> bool:
        """Whether a process that is not known to be dead holds the key."""
        if not self._file(key).is_file():
            return False
        with self.if_free(key) as free:
            return not free

    def keys(self) -> set[str]:
        """The keys that are held, or were when a process was killed."""
        return {file.stem for file in self.folder.glob("*.*")}

    def holder(self) -> str | None:
        """Who is making a result now, such as "process 12 on host"; None where nobody is."""
        keys = (file.stem for file in self.folder.glob(f"*.{self.ending}"))
        return next(filter(None, map(self.holder_of, keys)), None)

    def holder_of(self, key: str) -> str | None:
        return self._owner(key) if self.is_held(key) else None

    def _file(self, key: str) -> Path:
        return self.folder / f"{key}.{self.ending}"

    @property
    def _pause(self) -> float:
        """Seconds between two looks whether a key is free."""
        return 0.05

    def _take(self, key: str) -> AbstractContextManager[None] | None:
        """Hold the key until the context ends; None while another process does."""
        self.folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(self._file(key))
        try:
            lock.acquire(timeout=0)
        except Timeout:
            return None
        return self._held_by(lock, key)

    @contextmanager
    def _held_by(self, lock: FileLock, key: str) -> Iterator[None]:
        try:
            yield
        finally:
            # its file goes while it is held: whoever waits for it sees that it has no name, and asks anew
            self._owner_file(key).unlink(missing_ok=True)
            self._file(key).unlink(missing_ok=True)
            lock.release()

    def _sign(self, key: str) -> None:
        """Say who holds the key, for those who wait; a look whether it is free says nothing."""
        self._owner_file(key).write_text(process_name(), encoding="utf-8")

    def _owner(self, key: str) -> str:
        try:
            return self._owner_file(key).read_text(encoding="utf-8", errors="replace")
        except FileNotFoundError:  # not said yet, or no longer
            return "another process"

    def _owner_file(self, key: str) -> Path:
        return self.folder / f"{key}.owner"  # beside the lock: opening a lock file empties it
