"""One writer a key in a store that several machines share: leases, files that their owner renews.

A file in the store says to every process that opens it that it is shared. On NFS and its like a lock may be
refused, or granted twice. What holds there is that a link is made once, and that `rename` is atomic. A lease
of a process of this machine that is dead is taken over at once, that of another machine when it was not
renewed for some seconds by the clock of the file server. Whoever was taken for dead and is not (a machine
that slept) makes a result a second time: that is waste, and no harm, since a result appears whole and is the
same.
"""

import json
import os
import platform
import threading
import uuid
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, ClassVar

import psutil

from meddef_lib.engine import sealed
from meddef_lib.engine.files import StoreError
from meddef_lib.engine.locks import Locks, process_name

MARK = "shared.json"
RENEWED = 4  # times in the seconds after which a lease ends
SECONDS_OF_DOUBT = 2.0  # by which the start of one process may be told differently


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
