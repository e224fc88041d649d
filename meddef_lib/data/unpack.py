"""Unpack a downloaded archive of images: nothing outside its folder, no links, no bombs, whole or not at all.

ZIP and tar files go the same way: each entry is checked by name and kind, then its bytes are counted while
they are written, for what a header says of sizes need not be true.
"""

import lzma
import shutil
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import IO, Self

from meddef_lib.engine.locks import Locks
from meddef_lib.engine.recipe import Progress, silent
from meddef_lib.errors import FAILED, REFUSED, UserError
from meddef_lib.visible import HIDDEN

PIECE = 2**20  # bytes
ABOUT_NEXT = (
    *(tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.SOLARIS_XHDTYPE),
    *(tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK),
)  # headers of a tar file whose content tells of the entry after it
LONGEST_HEADER = 2**16  # bytes; tarfile takes one whole into memory before anything can be counted
SMALL = 64 * 2**20  # bytes that an archive may unpack to whatever its own size
AGAIN = "download it again"
STAGING = ".unpacking"  # a folder in the data root
Entries = Iterator[tuple[str, IO[bytes] | None]]  # files by name, folders without a stream
Check = Callable[[Collection[str]], None]  # raises UserError where an archive of these names is not wanted


@dataclass(frozen=True)
class Limits:
    """What an archive of images may become; the largest published one holds 115,165 images in 8.4 GB."""

    total_bytes: int = 64 * 2**30
    entries: int = 500_000
    ratio: float = 20.0  # unpacked bytes to the archive's own


class UnpackError(UserError):
    """An archive that was refused, or for which the system had no room; nothing of it was kept.

    `what` is wrong, and `remedy`, which is for archives of images: others come from elsewhere.
    """

    def __init__(self, what: str, remedy: str = "", exit_code: int = REFUSED) -> None:
        super().__init__(f"{what}; {remedy}" if remedy else what)
        self.what = what
        self.exit_code = exit_code


class _Header(tarfile.TarInfo):
    """A header of a tar file. Where one is damaged, tarfile takes what came before for the whole archive."""

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> Self:
        """The header in these 512 bytes. Raises ReadError: damaged, missing or too long."""
        try:
            header = super().frombuf(buf, encoding, errors)
        except tarfile.HeaderError as error:
            if len(buf) == tarfile.BLOCKSIZE and not any(buf):
                raise  # zeros end an archive
            raise tarfile.ReadError(f"{error}" if buf else "its end is missing") from error
        if header.type in ABOUT_NEXT and header.size > LONGEST_HEADER:
            raise tarfile.ReadError(f"a header of {header.size:,} bytes")
        return header


def unpack(
    archive: Path,
    folder: Path,
    *,
    limits: Limits = Limits(),
    check: Check = lambda names: None,
    progress: Progress = silent,
) -> tuple[Path, ...]:
    """Unpack a ZIP or tar file (also .tar.gz, .tar.xz, .tar.bz2) into `folder` and return what is new in it.

    All appears in `folder` when the whole is unpacked and `check` has seen the names (of a ZIP file, which
    lists them, before). Names with a dot before them and resource forks of macOS are left out. Raises what
    `check` does, and UnpackError: no archive, damaged, a bomb, no room; an entry that leads outside, is a
    link or device, or is in `folder` already.
    """
    if not archive.is_file():
        raise UnpackError(f"{archive} is not a file", "name the archive that was downloaded")
    folder.mkdir(parents=True, exist_ok=True)
    staging = folder / STAGING
    try:
        with Locks(folder).if_free(STAGING) as free:
            if not free:
                raise UnpackError(f"another process is unpacking into {folder}; wait for it")
            try:
                shutil.rmtree(staging, ignore_errors=True)  # of a process that was killed
                staging.mkdir()
                _fill(archive, staging, folder, limits, check, progress)
                return tuple(top.rename(folder / top.name) for top in sorted(staging.iterdir()))
            finally:
                shutil.rmtree(staging, ignore_errors=True)
    except (zipfile.BadZipFile, tarfile.TarError, zlib.error, lzma.LZMAError, EOFError, ValueError) as error:
        raise UnpackError(f"{archive} is damaged ({error})", AGAIN) from error
    except RuntimeError as error:  # encrypted, of a method that Python has not, too many headers in a row
        raise UnpackError(f"{archive} cannot be read: {error}", "unpack it with 7z") from error
    except OSError as error:
        if error.errno is None:  # of gzip and bz2, about what they read
            raise UnpackError(f"{archive} is damaged ({error})", AGAIN) from error
        why = f"{error.strerror or error} ({error.filename or folder})"
        what = f"{archive} cannot be unpacked into {folder}: {why}"
        raise UnpackError(what, exit_code=FAILED) from error


def _fill(
    archive: Path, staging: Path, folder: Path, limits: Limits, check: Check, progress: Progress
) -> None:
    size = archive.stat().st_size
    most = min(limits.total_bytes, max(SMALL, int(limits.ratio * size)))
    bomb = f"{archive} ({size:,} bytes) unpacks to over {most:,} bytes; refused as a bomb"
    written = 0
    names: list[str] = []
    with archive.open("rb") as raw:
        for number, (path, source) in enumerate(_entries(archive, raw, limits, check), start=1):
            if number > limits.entries:
                raise UnpackError(f"{archive} has more than {limits.entries:,} entries; refused")
            if (folder / path.parts[0]).exists():
                raise UnpackError(f"{folder / path.parts[0]} is there already; move it away and try again")
            target = staging / path
            if source is None:
                target.mkdir(parents=True, exist_ok=True)
                continue
            names.append(str(path))
            try:
                target.parent.mkdir(parents=True, exist_ok=True)
                sink = target.open("xb")
            except (FileExistsError, NotADirectoryError) as error:
                raise UnpackError(
                    f"{archive} holds {str(path)!r} twice, or as file and as folder; refused"
                ) from error
            with source, sink:
                while piece := source.read(PIECE):
                    written += len(piece)
                    if written > most:
                        raise UnpackError(bomb)
                    sink.write(piece)
            progress(raw.tell(), size, archive.name)
    if not names:
        raise UnpackError(f"{archive} holds no files")
    check(names)


def _entries(
    archive: Path, raw: IO[bytes], limits: Limits, check: Check
) -> Iterator[tuple[PurePosixPath, IO[bytes] | None]]:
    """The files of an archive that is open as `raw`, and its folders (None), in its order, checked."""
    beginning = raw.read(512)
    # a tar file whose last member is a ZIP file ends as one
    is_zip = beginning[257:262] != b"ustar" and zipfile.is_zipfile(raw)
    if not beginning:
        raise UnpackError(f"{archive} is empty (0 bytes)", AGAIN)
    if not is_zip and beginning.startswith(b"PK\x03\x04"):
        raise UnpackError(f"{archive} is a ZIP file that is cut off: its end is missing", AGAIN)
    if not is_zip and beginning.lstrip().startswith(b"<"):
        what = "a web page (perhaps one that asks for a login), neither a ZIP nor a tar archive"
        raise UnpackError(f"{archive} is {what}")
    raw.seek(0)
    found = _zip_entries(archive, raw, limits, check) if is_zip else _tar_entries(archive, raw)
    for name, source in found:
        path = _safe(archive, name)
        if path.parts and path.parts[0] != "__MACOSX" and not any(part[0] == "." for part in path.parts):
            yield path, source


def _zip_entries(archive: Path, raw: IO[bytes], limits: Limits, check: Check) -> Entries:
    with zipfile.ZipFile(raw) as opened:
        if len(opened.infolist()) > limits.entries:
            raise UnpackError(f"{archive} has more than {limits.entries:,} entries; refused")
        check(opened.namelist())
        for info in opened.infolist():
            kind = stat.S_IFMT(info.external_attr >> 16)
            if info.is_dir():
                yield info.filename, None
            elif kind in (0, stat.S_IFREG):
                yield info.filename, opened.open(info)
            else:
                raise UnpackError(f"{archive}: {info.filename!r} is a link or a device; refused")


def _tar_entries(archive: Path, raw: IO[bytes]) -> Entries:
    with _opened_tar(archive, raw) as opened:
        while member := opened.next():
            opened.members.clear()  # type: ignore[attr-defined]  # tarfile keeps them all
            if member.isdir():
                yield member.name, None
            elif member.isreg():
                yield member.name, opened.extractfile(member)
            else:
                raise UnpackError(f"{archive}: {member.name!r} is a link or a device; refused")
        while opened.fileobj and opened.fileobj.read(PIECE):
            pass  # where it is compressed, the checksum stands at the end


def _opened_tar(archive: Path, raw: IO[bytes]) -> tarfile.TarFile:
    try:
        return tarfile.open(fileobj=raw, mode="r:*", tarinfo=_Header)
    except tarfile.ReadError as error:
        raise UnpackError(f"{archive} is neither a ZIP nor a tar archive") from error


def _safe(archive: Path, name: str) -> PurePosixPath:
    """The name as a path below the folder. Raises UnpackError if it leads elsewhere on any system."""
    windows = PureWindowsPath(name)  # where "/" parts folders as well
    if windows.anchor or ".." in windows.parts or "\0" in name:
        raise UnpackError(f"{archive}: {name!r} leads outside the folder; refused")
    if HIDDEN.search(name) or "\n" in name or "\t" in name:
        raise UnpackError(f"{archive}: {name!r} has characters that cannot be seen; refused")
    if "\\" in name:
        raise UnpackError(
            f"{archive}: {name!r} has a backslash between folders, as some programs of Windows write it",
            "unpack it there, or with 7z",
        )
    return PurePosixPath(name)
