"""Download the MedMNIST form of a data set.

A download goes into `<name>.part`, is continued where it broke off (HTTP Range) by the same call or the next
one, and takes its name only when its MD5 is the published one.
"""

import hashlib
import http.client
import re
import shutil
import ssl
import time
import urllib.error
import urllib.request
from pathlib import Path, PurePosixPath
from urllib.parse import urlsplit

from filelock import FileLock, Timeout

from meddef_lib.data.sources import medmnist
from meddef_lib.engine.recipe import Progress, silent
from meddef_lib.errors import FAILED, REFUSED, UserError
from meddef_lib.params import Dataset

PIECE = 2**20  # bytes
TIMEOUT_SECONDS = 60.0  # without a byte
WAIT_SECONDS = (1.0, 4.0, 15.0)  # before each new try in a row that brought nothing
TRY_AGAIN = frozenset({408, 429, 500, 502, 503, 504})  # HTTP answers that may pass


class FetchError(UserError):
    """A download that cannot be finished; says what is kept and what to do."""

    exit_code = FAILED


class NotOffered(FetchError):
    """There is no such download, which is said before any work."""

    exit_code = REFUSED


class _Broken(Exception):
    """The connection ended early; what arrived is kept and the rest may be asked for."""


PASSING = (
    _Broken,
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

    Raises DataError where MedMNIST has no such data set, FetchError where it cannot be had.
    """
    form = medmnist.form(dataset)
    source = {str(size): download for size, download in form.downloads.items()}.get(str(image_size))
    if source is None:
        sizes = ", ".join(form.downloads) or "none"
        raise NotOffered(f"{form.prefix} is not to be had at {image_size} px; there are {sizes}")
    name = PurePosixPath(urlsplit(source.url).path).name
    return download(source.url, root / name, md5=source.md5, progress=progress)


def download(url: str, target: Path, *, md5: str, progress: Progress = silent) -> Path:
    """Download `url` to `target`, continuing what an earlier call left in `<target>.part`.

    A file that is there is checked, never replaced. Raises FetchError.
    """
    if urlsplit(url).scheme not in {"http", "https"}:
        raise FetchError(f"{url} is no address of the web")
    if target.exists():
        if (found := _md5(target)) != md5:
            raise FetchError(
                f"{target} is there, but it is not the published file (MD5 {found}, not {md5}); move it away "
                "and fetch again"
            )
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(f"{target.name}.part")
    try:
        with FileLock(target.with_name(f".{target.name}.lock"), timeout=0):
            continued = part.exists() and part.stat().st_size > 0
            _complete(url, part, progress)
            if continued and _md5(part) != md5:
                # what lay here was of another file or damaged; its beginning cannot be told from its end
                part.unlink()
                _complete(url, part, progress)
            if (found := _md5(part)) != md5:
                part.unlink()
                raise FetchError(
                    f"{url} gave a file with MD5 {found}, not the published {md5}; it was removed. The "
                    "publisher may have replaced it, or something on the way changes it: try another network"
                )
            part.replace(target)
    except Timeout as error:
        raise FetchError(f"another process is fetching {target}; wait for it") from error
    except OSError as error:
        raise FetchError(f"{part} cannot be written: {error.strerror or error}") from error
    return target


def _complete(url: str, part: Path, progress: Progress) -> None:
    """Ask for what is missing of `part` until all is there; give up after some tries that brought nothing."""
    waits = iter(WAIT_SECONDS)
    while True:
        had = part.stat().st_size if part.exists() else 0
        try:
            _ask(url, part, had, progress)
            return
        except PASSING as error:
            kept = part.stat().st_size if part.exists() else 0
            if isinstance(error, urllib.error.HTTPError):
                error.close()
                if error.code not in TRY_AGAIN:
                    raise FetchError(f"{url} answers {error.code} {error.reason}") from error
            if kept > had:
                waits = iter(WAIT_SECONDS)
            wait = next(waits, None)
            if wait is None:
                raise FetchError(
                    f"{url} cannot be reached ({error}); {kept:,} bytes are kept in {part}, and fetching "
                    "again goes on from there"
                ) from error
            time.sleep(wait)


def _ask(url: str, part: Path, had: int, progress: Progress) -> None:
    """One request for all from byte `had` on; returns when `part` is complete, else raises.

    Raises _Broken when less arrives than was announced, for `read` itself just ends.
    """
    headers = {"User-Agent": "meddef-workbook", "Accept-Encoding": "identity"}
    if had:
        headers["Range"] = f"bytes={had}-"
    try:
        response = urllib.request.urlopen(
            urllib.request.Request(url, headers=headers), timeout=TIMEOUT_SECONDS
        )
    except urllib.error.HTTPError as error:
        if error.code != 416:
            raise
        error.close()
        if error.headers.get("Content-Range") == f"bytes */{had}":
            return  # there is nothing after the last byte that we have
        part.unlink()
        raise _Broken(f"the server has no byte {had:,}") from error
    with response:
        begin, total = _announced(response, had)
        free = shutil.disk_usage(part.parent).free
        if total is not None and free < total - begin:
            raise FetchError(
                f"{part.parent} has {free:,} bytes left and {total - begin:,} are needed; make room"
            )
        done = begin
        with part.open("r+b" if begin else "wb") as sink:
            sink.seek(begin)
            while piece := response.read(PIECE):
                done += len(piece)
                sink.write(piece)
                progress(done, total or done, part.stem)
    if total is not None and done < total:
        raise _Broken(f"the connection ended after {done:,} of {total:,} bytes")


def _announced(response: http.client.HTTPResponse, had: int) -> tuple[int, int | None]:
    """From which byte the answer goes, and how many the whole file has where the server says it."""
    if response.status == 206:
        found = re.fullmatch(r"bytes (\d+)-\d+/(\d+|\*)", response.headers.get("Content-Range", ""))
        if found is None or int(found[1]) != had:
            raise FetchError(f"{response.url} answers a request for byte {had:,} with another range")
        return had, None if found[2] == "*" else int(found[2])
    # 200: this server does not continue, and sends all from the beginning
    length = response.headers.get("Content-Length", "")
    return 0, int(length) if length.isdecimal() else None


def _md5(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
