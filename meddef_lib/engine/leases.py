"""One writer a key where a file system's locks are not to be trusted: leases, files that their owner renews.

On NFS and its like a lock may be refused, or granted twice. What holds there is that a link is made once,
and that `rename` is atomic. A lease of a process of this machine that is dead is taken over at once, that of
another machine when it was not renewed for some seconds by the clock of the file server. Whoever was taken
for dead and is not (a machine that slept) makes a result a second time: that is waste, and no harm, since a
result appears whole and is the same.
"""

import json
import os
import platform
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, ClassVar

import psutil

from meddef_lib.engine.files import StoreError
from meddef_lib.engine.locks import Locks, process_name

RENEWED = 4  # times in the seconds after which a lease ends
SECONDS_OF_DOUBT = 2.0  # by which the start of one process may be told differently


@dataclass(frozen=True)
class Leases(Locks):
    """Files in a folder that say who writes what; one ends after `seconds`."""

    seconds: float = 60.0
    ending: ClassVar[str] = "lease"

    def require(self) -> None:
        """Raise StoreError where a lease cannot be had."""
        try:
            with self.if_free("tried"):
                pass
        except OSError as error:
            raise StoreError(
                f"the file system of the store {self.folder.parent} gives no file a second name ({error}), "
                "by which machines agree who writes; name another folder with MEDDEF_STORE"
            ) from error

    @contextmanager
    def writing(self, key: str, what: str, say: Callable[[str], None]) -> Iterator[None]:
        """Hold the key's lease; while another process holds it, wait and say for whom to make `what`."""
        waits = False
        while (token := self._take(key)) is None:
            if not waits:
                say(f"waiting for {self._owner(key)}, which is making {what}")
            waits = True
            time.sleep(self.seconds / 60)
        with self._held(key, token):
            yield

    @contextmanager
    def if_free(self, key: str) -> Iterator[bool]:
        """Hold the key's lease unless another process does; yields whether it is held."""
        token = self._take(key)
        if token is None:
            yield False
            return
        with self._held(key, token):
            yield True

    def _take(self, key: str) -> str | None:
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
