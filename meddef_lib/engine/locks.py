"""One writer a key: by locks that the system frees when their process dies, or by leases in a shared store.

A lease is a file that its owner renews; one in the store says to every process that opens it that machines
share it. On NFS and its like a lock may be refused, or granted twice. What holds there is that a link is
made once, and that `rename` is atomic. A lease of a process of this machine that is dead is taken over at
once, that of another machine when it was not renewed for some seconds by the clock of the file server.
Whoever was taken for dead and is not (a machine that slept) makes a result a second time: that is waste, and
no harm, since a result appears whole and is the same.
"""

import json
import os
import platform
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, ClassVar

import psutil
from filelock import FileLock, Timeout

from meddef_lib.engine import sealed
from meddef_lib.engine.files import StoreError

MARK = "shared.json"
RENEWED = 4  # times in the seconds after which a lease ends
SECONDS_OF_DOUBT = 2.0  # by which the start of one process may be told differently


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


@dataclass(frozen=True)
class Leases(Locks):
    """Files in a folder that say who writes what; one ends after `seconds`."""

    seconds: float = 60.0
    ending: ClassVar[str] = "lease"

    lack: ClassVar[str] = (
        "gives no file a second name ({}), by which machines agree who writes; name another folder with "
        "MEDDEF_STORE"
    )

    @property
    def _pause(self) -> float:
        return self.seconds / 60

    def _take(self, key: str) -> AbstractContextManager[None] | None:
        token = self._token(key)
        return None if token is None else self._held(key, token)

    def _token(self, key: str) -> str | None:
        """Make the key's lease, whose token is returned; None while another one is good."""
        self.folder.mkdir(parents=True, exist_ok=True)
        token = uuid.uuid4().hex
        own = self.folder / f"{key}.{token}"
        own.write_text(json.dumps(_myself() | {"token": token}), encoding="utf-8")
        try:
            now = own.stat().st_mtime  # by the file server's clock, as are the times of others' leases
            while True:
                try:
                    self._file(key).hardlink_to(own)
                    return token
                except FileExistsError:
                    if own.stat().st_nlink == 2:  # it was made, and the server's answer was lost
                        return token
                    if not self._cleared(key, now):
                        return None
        except FileNotFoundError:  # somebody tidied up our file: we were slow
            return None
        finally:
            own.unlink(missing_ok=True)

    def _cleared(self, key: str, now: float) -> bool:
        """Whether the key's lease is gone, which it is at the latest after this where its owner is dead."""
        try:
            with self._file(key).open(encoding="utf-8") as file:  # opened, NFS asks the server for its times
                seen, age = file.read(), now - os.fstat(file.fileno()).st_mtime
        except FileNotFoundError:
            return True
        if age < self.seconds and not _is_dead(_read(seen)):
            return False
        aside = self.folder / f"{key}.{uuid.uuid4().hex}"
        try:
            self._file(key).rename(aside)
        except FileNotFoundError:
            return True
        is_what_was_seen = aside.read_text(encoding="utf-8") == seen
        if not is_what_was_seen:  # another process took it over just now: it gets it back
            with suppress(FileExistsError):
                self._file(key).hardlink_to(aside)
        aside.unlink()
        return is_what_was_seen

    @contextmanager
    def _held(self, key: str, token: str) -> Iterator[None]:
        """Renew a lease until the block ends, and leave nothing of it in the folder."""
        done = threading.Event()

        def renew() -> None:
            while not done.wait(self.seconds / RENEWED):
                with suppress(OSError):  # a server that is away for a moment; where it stays away, it ends
                    if self._told(key).get("token") == token:
                        os.utime(self._file(key))

        threading.Thread(target=renew, daemon=True).start()
        try:
            yield
        finally:
            done.set()
            if self._told(key).get("token") == token:
                now = self._file(key).stat().st_mtime
                for left in self.folder.glob(f"{key}.*"):  # of processes that were killed
                    with suppress(FileNotFoundError):
                        if now - left.stat().st_mtime > self.seconds:
                            left.unlink()
                self._file(key).unlink(missing_ok=True)

    def _sign(self, key: str) -> None:
        """A lease has its owner's name from its beginning."""

    def _owner(self, key: str) -> str:
        return self._told(key).get("owner", "another process")

    def _told(self, key: str) -> dict[str, Any]:
        """What the key's lease says; nothing where there is none."""
        try:
            return _read(self._file(key).read_text(encoding="utf-8"))
        except FileNotFoundError:
            return {}


def _read(text: str) -> dict[str, Any]:
    try:
        return dict(json.loads(text))
    except (ValueError, TypeError):  # damaged: it ends when it is not renewed
        return {}


def _myself() -> dict[str, Any]:
    return {
        "owner": process_name(),
        "place": _place(),
        "pid": os.getpid(),
        "started": psutil.Process().create_time(),
    }


@cache
def _place() -> str:
    """Where the number of a process means the same: this machine since it started, and this container."""
    boot, space = Path("/proc/sys/kernel/random/boot_id"), Path("/proc/self/ns/pid")
    told = boot.read_text(encoding="utf-8").strip() if boot.is_file() else str(psutil.boot_time())
    return f"{platform.node()} {told} {space.readlink() if space.is_symlink() else ''}"


def _is_dead(lease: dict[str, Any]) -> bool:
    """Whether it is known that the process is no more that holds a lease: only of this machine it is."""
    if lease.get("place") != _place():
        return False
    try:
        process = psutil.Process(lease["pid"])
        same = abs(process.create_time() - lease["started"]) < SECONDS_OF_DOUBT
        return not same or process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def told(root: Path) -> dict[str, Any]:
    """What the mark of a shared store says; nothing of a store of one machine."""
    return sealed.read(root / MARK) or {}


def share(root: Path, *, seconds: float = 60.0) -> None:
    """Mark a store as shared; a lease in it ends after `seconds`. Raises StoreError while somebody writes."""
    if told(root):
        return
    if by := Locks(root / "locks").holder():
        raise StoreError(
            f"{by} is making a result in the store {root}, which no machine shared until now: wait for its "
            "end before a cluster uses it"
        )
    root.mkdir(parents=True, exist_ok=True)
    part = root / f"{MARK}.{uuid.uuid4().hex}"
    sealed.write(part, {"id": part.suffix, "seconds": seconds})
    with suppress(FileExistsError):  # another process was quicker: its mark is that of the store
        (root / MARK).hardlink_to(part)
    part.unlink()


def locks_of(root: Path) -> Locks:
    """How the processes that use a store agree who writes."""
    mark = told(root)
    return Leases(root / "locks", mark["seconds"]) if mark else Locks(root / "locks")


def memory_of(root: Path, name: str) -> Path:
    """The file of this name that remembers something for the store; a shared one has one a machine."""
    return root / (f"{name}-{platform.node()}" if (root / MARK).is_file() else name)
