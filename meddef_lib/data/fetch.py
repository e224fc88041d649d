"""Download the MedMNIST form of a data set.

A download goes into `<name>.part`, is continued where it broke off (HTTP Range) by the same call or the next
one, and takes its name only when its MD5 is the published one. Nothing that a server does is waited for
without a bound: bytes, tries, seconds without an answer and the speed all have one.
"""

import hashlib
import http.client
import os
import re
import shutil
import ssl
import stat
import time
import urllib.error
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, Any, cast
from urllib.parse import urlsplit

from meddef_lib.data import web
from meddef_lib.data.sources import medmnist
from meddef_lib.engine.locks import Locks
from meddef_lib.engine.recipe import Progress, silent
from meddef_lib.errors import FAILED, DataError, UserError
from meddef_lib.params import Dataset
from meddef_lib.visible import one_line

PIECE = 2**20  # bytes
TRY_AGAIN = frozenset({408, 429, 500, 502, 503, 504})  # HTTP answers that may pass


@dataclass(frozen=True)
class Bounds:
    """How long a server is listened to; without its clock, nothing here waits."""

    tries: int = 30  # in all; each that brings nothing waits longer before the next
    waits: tuple[float, ...] = (1.0, 4.0, 15.0)  # seconds before a new try in a row that brought nothing
    seconds_of_silence: float = 60.0  # and until the whole beginning of an answer is there
    least_speed: float = 2**13  # bytes a second, on average since an answer began
    seconds_before_speed_counts: float = 60.0
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep


class FetchError(UserError):
    """A download that cannot be finished; says what is kept and what to do."""

    exit_code = FAILED


class Broken(Exception):
    """The connection ended early; what arrived is kept and the rest may be asked for."""


PASSING = (
    Broken,
    urllib.error.URLError,
    http.client.HTTPException,
    ConnectionError,
    TimeoutError,
    ssl.SSLError,
)  # what may pass when it is tried again


def fetch_medmnist(
    dataset: Dataset, root: Path, *, image_size: int | str, progress: Progress = silent
) -> Path:
    """The MedMNIST file of that image size in `root`, downloaded if it is not there; tells bytes.

    Raises DataError where MedMNIST has no such data set, or not at this size, FetchError where it cannot be
    had.
    """
    form = medmnist.form(dataset)
    source = {str(size): download for size, download in form.downloads.items()}.get(str(image_size))
    if source is None:
        sizes = ", ".join(form.downloads) or "none"
        raise DataError(f"{form.prefix} is not to be had at {image_size} px; there are {sizes}")
    name = PurePosixPath(urlsplit(source.url).path).name
    most = source.bytes or medmnist.most_bytes(dataset, int(image_size))
    return download(source.url, root / name, md5=source.md5, most=most, progress=progress)


def download(
    url: str,
    target: Path,
    *,
    md5: str,
    most: int,
    bounds: Bounds = Bounds(),
    progress: Progress = silent,
) -> Path:
    """Download `url` to `target`, continuing what an earlier call left in `<target>.part`.

    A file that is there is checked, never replaced; of one with over `most` bytes no more is taken. Raises
    FetchError.
    """
    if urlsplit(url).scheme not in {"http", "https"}:
        raise FetchError(f"{url} is no address of the web")
    if target.exists():
        with target.open("rb") as stream:
            found = _md5(stream)
        if found != md5:
            raise FetchError(
                f"{target} is there, but it is not the published file (MD5 {found}, not {md5}); move it away "
                "and fetch again"
            )
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(f"{target.name}.part")
    try:
        with Locks(target.parent).if_free(f".{target.name}") as free:
            if not free:
                raise FetchError(f"another process is fetching {target}; wait for it")
            try:
                with _opened(part) as sink:
                    _Download(url, sink, part, most, bounds, progress).complete(md5)
                part.replace(target)
            finally:
                if part.is_file() and not part.stat().st_size:
                    part.unlink()
    except OSError as error:
        raise FetchError(f"{part} cannot be written: {error.strerror or error}") from error
    return target


@contextmanager
def _opened(part: Path) -> Iterator[IO[bytes]]:
    """The part of a file, made if it is not there; no link is followed, and nothing else written to."""
    number = os.open(part, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK, 0o666)
    found = os.fstat(number)
    if not stat.S_ISREG(found.st_mode) or found.st_nlink > 1:
        os.close(number)
        raise FetchError(f"{part} is no file of its own; move it away and fetch again")
    with os.fdopen(number, "r+b") as stream:
        yield stream


@dataclass
class _Download:
    """One file on its way: where from, where to, and what it may cost."""

    url: str
    sink: IO[bytes]
    part: Path
    most: int
    bounds: Bounds
    progress: Progress

    def complete(self, md5: str) -> None:
        """Ask until all is there and it is what it should be. Raises FetchError."""
        continued = self._kept() > 0
        self._ask_for_all()
        if continued and _md5(self.sink) != md5:
            # what lay here was of another file or damaged; its beginning cannot be told from its end
            self.sink.truncate(0)
            self._ask_for_all()
        if (found := _md5(self.sink)) != md5:
            self.part.unlink()
            raise FetchError(
                f"{self.url} gave a file with MD5 {found}, not the published {md5}; it was removed. The "
                "publisher may have replaced it, or something on the way changes it: try another network"
            )

    def _kept(self) -> int:
        return self.sink.seek(0, os.SEEK_END)

    def _ask_for_all(self) -> None:
        """Ask for what is missing until all is there; give up after some tries."""
        waits = iter(self.bounds.waits)
        for left in reversed(range(self.bounds.tries)):
            had = self._kept()
            try:
                self._ask(had)
                return
            except PASSING as error:
                kept = self._kept()
                if isinstance(error, urllib.error.HTTPError):
                    error.close()
                    if error.code not in TRY_AGAIN:
                        said = one_line(error.reason)
                        raise FetchError(f"{self.url} answers {error.code} {said}") from error
                if kept > had:
                    waits = iter(self.bounds.waits)
                wait = next(waits, None)
                if wait is None or not left:
                    raise FetchError(
                        f"{self.url} cannot be reached ({one_line(error)}); {kept:,} bytes are kept in "
                        f"{self.part}, and fetching again goes on from there"
                    ) from error
                self.bounds.sleep(wait)

    def _ask(self, had: int) -> None:
        """One request for all from byte `had` on; returns when the file is complete, else raises.

        Raises Broken when less arrives than was announced, for `read` itself just ends.
        """
        headers = {"User-Agent": "meddef-workbook", "Accept-Encoding": "identity"}
        if had:
            headers["Range"] = f"bytes={had}-"
        try:
            response = web.answer(self.url, headers, seconds=self.bounds.seconds_of_silence)
        except web.NotFollowed as error:
            raise FetchError(str(error)) from error
        except urllib.error.HTTPError as error:
            if error.code != 416:
                raise
            error.close()
            if error.headers.get("Content-Range") == f"bytes */{had}":
                return  # there is nothing after the last byte that we have
            self.sink.truncate(0)
            raise Broken(f"the server has no byte {had:,}") from error
        with response:
            begin, total = _announced(response, had)
            free = shutil.disk_usage(self.part.parent).free
            if (total or 0) > self.most:
                raise FetchError(f"{self.url} offers {total:,} bytes, and the file has {self.most:,} at most")
            if total is not None and free < total - begin:
                raise FetchError(
                    f"{self.part.parent} has {free:,} bytes left and {total - begin:,} are needed; make room"
                )
            self.sink.truncate(begin)
            done = self._take(response, begin, total)
        if total is not None and done < total:
            raise Broken(f"the connection ended after {done:,} of {total:,} bytes")

    def _take(self, response: http.client.HTTPResponse, begin: int, total: int | None) -> int:
        """Write what arrives; returns how many bytes there are then. Raises Broken, FetchError."""
        done, started = begin, self.bounds.clock()
        self.sink.seek(begin)
        while piece := response.read1(PIECE):
            done += len(piece)
            if done > self.most:
                self.sink.truncate(0)
                raise FetchError(f"{self.url} sends more than the {self.most:,} bytes of the file; refused")
            self.sink.write(piece)
            self.progress(done, total or done, self.part.stem)
            seconds = self.bounds.clock() - started
            if (
                seconds > self.bounds.seconds_before_speed_counts
                and done - begin < seconds * self.bounds.least_speed
            ):
                raise Broken(f"the server sends {(done - begin) / seconds:,.0f} bytes a second")
        return done


def _announced(response: http.client.HTTPResponse, had: int) -> tuple[int, int | None]:
    """From which byte the answer goes, and how many the whole file has where the server says it."""
    if response.status == 206:
        said = response.headers.get("Content-Range", "")
        found = re.fullmatch(r"bytes ([0-9]{1,15})-[0-9]{1,15}/([0-9]{1,15}|\*)", said)
        if found is None or int(found[1]) != had:
            raise FetchError(
                f"{one_line(response.url)} answers a request for byte {had:,} with another range"
            )
        return had, None if found[2] == "*" else int(found[2])
    # 200: this server does not continue, and sends all from the beginning
    length = response.headers.get("Content-Length", "")
    return 0, int(length) if re.fullmatch("[0-9]{1,15}", length) else None


def _md5(stream: IO[bytes]) -> str:
    stream.seek(0)
    return hashlib.file_digest(cast(Any, stream), lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
