"""One writer a key: locks that the system frees when their process dies."""

import os
import platform
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout

from meddef_lib.engine.files import StoreError


@dataclass(frozen=True)
class Locks:
    """The locks of a store, files in a folder; each has who holds it in a file beside it."""

    folder: Path

    def require(self) -> None:
        """Raise StoreError where the file system has no locks: two processes could then write one result."""
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with FileLock(self.folder / ".tried"):
                pass
        except (OSError, NotImplementedError) as error:
            raise StoreError(
                f"the file system of the store {self.folder.parent} has no locks ({error}), so that two "
                "processes could write one result at once; name a folder on a local disk with MEDDEF_STORE"
            ) from error

    @contextmanager
    def writing(self, key: str, what: str, say: Callable[[str], None]) -> Iterator[None]:
        """Hold the key's lock; while another process holds it, wait and say for whom to make `what`."""
        self.folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(self._file(key))
        try:
            lock.acquire(timeout=0)
        except Timeout:
            say(f"waiting for {self._owner(key)}, which is making {what}")
            lock.acquire()
        try:
            self._owner_file(key).write_text(f"process {os.getpid()} on {platform.node()}", encoding="utf-8")
            yield
        finally:
            self._owner_file(key).unlink(missing_ok=True)
            lock.release()

    def is_held(self, key: str) -> bool:
        """Whether a living process holds the key's lock."""
        file = self._file(key)
        if not file.is_file():
            return False
        try:
            with FileLock(file, timeout=0):
                return False
        except Timeout:
            return True

    def holder(self) -> str | None:
        """Who is making a result now, such as "process 12 on host"; None where nobody is."""
        held = (file.stem for file in self.folder.glob("*.lock") if self.is_held(file.stem))
        return next(map(self._owner, held), None)

    def _owner(self, key: str) -> str:
        """Who holds the key's lock, as it said itself."""
        try:
            return self._owner_file(key).read_text(encoding="utf-8", errors="replace")
        except FileNotFoundError:  # not said yet, or no longer
            return "another process"

    def _file(self, key: str) -> Path:
        return self.folder / f"{key}.lock"

    def _owner_file(self, key: str) -> Path:
        return self.folder / f"{key}.owner"  # beside the lock: opening a lock file empties it
