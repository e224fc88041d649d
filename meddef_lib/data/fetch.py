"""Download the MedMNIST form of a data set.

A download goes into `<name>.part`, is continued where it broke off (HTTP Range) by the same call or the next
one, and takes its name only when its MD5 is the published one, whatever a server sent. Bytes, tries and
seconds without a word have a bound.
"""

import hashlib
import shutil
import time
from pathlib import Path, PurePosixPath
from urllib.parse import urlsplit

import requests

from meddef_lib.data.sources import medmnist
from meddef_lib.engine.locks import Locks
from meddef_lib.engine.recipe import Progress, silent
from meddef_lib.errors import FAILED, DataError, UserError
from meddef_lib.params import Dataset
from meddef_lib.visible import one_line

PIECE = 2**16  # bytes; what a connection that breaks may lose
TRIES = 30  # in all
WAITS = (1.0, 4.0, 15.0)  # seconds before a new try, of those in a row that brought nothing
SILENCE = 60.0  # seconds
TRY_AGAIN = frozenset({408, 429, 500, 502, 503, 504})  # HTTP answers that may pass
HEADERS = {"User-Agent": "meddef-workbook", "Accept-Encoding": "identity"}


class FetchError(UserError):
    """A download that cannot be finished; says what is kept and what to do."""

    exit_code = FAILED


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


def download(url: str, target: Path, *, md5: str, most: int, progress: Progress = silent) -> Path:
    """Download `url` to `target`, continuing what an earlier call left in `<target>.part`.

    A file that is there is checked, never replaced; of one with over `most` bytes no more is taken. Raises
    FetchError.
    """
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
        with Locks(target.parent).if_free(f".{target.name}") as free:
            if not free:
                raise FetchError(f"another process is fetching {target}; wait for it")
            if part.is_symlink():
                raise FetchError(f"{part} is no file of its own; move it away and fetch again")
            try:
                _complete(url, part, md5, most, progress)
                part.replace(target)
            finally:
                if not _size(part):
                    part.unlink(missing_ok=True)
    except OSError as error:
        raise FetchError(f"{part} cannot be written: {error.strerror or error}") from error
    return target


def _complete(url: str, part: Path, md5: str, most: int, progress: Progress) -> None:
    """Fill `part` until it is the published file. Raises FetchError, OSError."""
    continued = _size(part) > 0
    _ask_for_all(url, part, most, progress)
    if continued and _md5(part) != md5:
        # what lay here was of another file or damaged; its beginning cannot be told from its end
        part.unlink()
        _ask_for_all(url, part, most, progress)
    if (found := _md5(part)) != md5:
        part.unlink()
        raise FetchError(
            f"{url} gave a file with MD5 {found}, not the published {md5}; it was removed. The publisher may "
            "have replaced it, or something on the way changes it: try another network"
        )


def _ask_for_all(url: str, part: Path, most: int, progress: Progress) -> None:
    """Ask for what is missing until all is there; give up after some tries. Raises FetchError, OSError."""
    waits = iter(WAITS)
    for left in reversed(range(TRIES)):
        had = _size(part)
        try:
            return _ask(url, part, had, most, progress)
        except (requests.RequestException, ValueError) as error:
            kept, answer = _size(part), getattr(error, "response", None)
            if answer is not None and answer.status_code not in TRY_AGAIN:
                said = f"{answer.status_code} {one_line(answer.reason)}"
                raise FetchError(f"{url} answers {said}") from error
            if kept > had:
                waits = iter(WAITS)
            wait = next(waits, None)
            if wait is None or not left:
                raise FetchError(
                    f"{url} cannot be reached ({one_line(error)}); {kept:,} bytes are kept in {part}, and "
                    "fetching again goes on from there"
                ) from error
            time.sleep(wait)


def _ask(url: str, part: Path, had: int, most: int, progress: Progress) -> None:
    """One request for all from byte `had` on, which returns when the file is complete."""
    headers = HEADERS | ({"Range": f"bytes={had}-"} if had else {})
    with requests.get(url, headers=headers, stream=True, timeout=SILENCE) as response:
        if had and response.status_code == 416:  # nothing comes after our last byte: the MD5 will tell
            return
        response.raise_for_status()
        answered = response.headers.get("Content-Range", "")
        if response.status_code == 206 and not answered.startswith(f"bytes {had}-"):
            raise FetchError(f"{url} answers with another range; remove {part}, if it is there; fetch again")
        done = had if response.status_code == 206 else 0  # 200: this server sends all from the beginning
        coming = response.raw.length_remaining or 0  # 0: it does not say
        if done + coming > most:
            raise FetchError(f"{url} offers {done + coming:,} bytes, and the file has {most:,} at most")
        if (free := shutil.disk_usage(part.parent).free) < coming:
            raise FetchError(f"{part.parent} has {free:,} bytes left and {coming:,} are needed; make room")
        total = done + coming
        with part.open("ab" if done else "wb") as sink:
            for piece in response.iter_content(PIECE):
                done += len(piece)
                if done > most:
                    sink.truncate(0)
                    raise FetchError(f"{url} sends more than the {most:,} bytes of the file; refused")
                sink.write(piece)
                progress(done, max(total, done), part.stem)


def _size(part: Path) -> int:
    return part.stat().st_size if part.exists() else 0


def _md5(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
