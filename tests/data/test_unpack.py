"""Unpacking: the usual archives arrive whole, the hostile ones leave nothing."""

import bz2
import gzip
import io
import lzma
import stat
import tarfile
import zipfile
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from filelock import FileLock

from meddef_lib.data import unpack
from meddef_lib.data.sources.folders import list_folder, require_class_folders
from meddef_lib.data.unpack import Limits, UnpackError
from meddef_lib.errors import FAILED, REFUSED, DataError
from meddef_lib.params import read_dataset

NOISE = np.random.default_rng(0).bytes(5000)
KERMANY = {
    f"OCT2017 /{split}/{name}/{name}-{number}-1.jpeg": NOISE + name.encode()
    for split in ("train", "test")
    for number, name in enumerate(("CNV", "DME", "DRUSEN", "NORMAL"))
}


def make_zip(file: Path, contents: dict[str, bytes], **options) -> Path:
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in contents.items():
            archive.writestr(name, data)
    return file


def make_tar(file: Path, contents: dict[str, bytes]) -> Path:
    kind = {".gz": "w:gz", ".xz": "w:xz", ".bz2": "w:bz2"}.get(file.suffix, "w")
    with tarfile.open(file, kind) as archive:
        for name, data in contents.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return file


def refused(archive: Path, folder: Path, **limits) -> str:
    """The reason; nothing may have been left in or beside the folder."""
    before = everything(folder.parent)
    with pytest.raises(UnpackError) as error:
        unpack.unpack(archive, folder, limits=Limits(**limits))
    assert everything(folder.parent) == before
    return str(error.value)


def everything(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*")}


def files(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if not path.is_dir()}


@pytest.fixture
def root(tmp_path) -> Path:
    (tmp_path / "root").mkdir()
    return tmp_path / "root"


@pytest.mark.parametrize("name", ["oct.zip", "OCT2017.tar", "OCT2017.tar.gz", "OCT2017.tar.xz", "no suffix"])
def test_an_archive_arrives_whole(tmp_path, root, name):
    clutter = ("__MACOSX/OCT2017 /._CNV-0-1.jpeg", "OCT2017 /.DS_Store", ".ssh/authorized_keys", ".bashrc")
    contents = KERMANY | dict.fromkeys(clutter, b"clutter")
    make = make_zip if name == "oct.zip" else make_tar
    told: list[tuple[int, int, str]] = []
    found = unpack.unpack(
        make(tmp_path / name, contents), root, progress=lambda *told_now: told.append(told_now)
    )
    assert found == (root / "OCT2017 ",)
    assert {path: (root / path).read_bytes() for path in files(root)} == KERMANY
    assert [path.name for path in root.iterdir()] == ["OCT2017 "], "no lock stays behind"
    assert told[-1][0] <= told[-1][1] == (tmp_path / name).stat().st_size
    assert len(list_folder(root, read_dataset("roct")).images) == len(KERMANY)


def test_folders_with_and_without_entries_of_their_own(tmp_path, root):
    with tarfile.open(tmp_path / "a.tar", "w") as archive:
        folder = tarfile.TarInfo("./data/train")
        folder.type = tarfile.DIRTYPE
        archive.addfile(folder)
        for name in ("./data/train/a", "data/test/b"):
            archive.addfile(tarfile.TarInfo(name))
    unpack.unpack(tmp_path / "a.tar", root)
    assert files(root) == {"data/train/a", "data/test/b"}


@pytest.mark.parametrize(
    "name",
    [
        "../evil",
        "data/../../evil",
        "/tmp/evil",
        "..\\evil",
        "C:\\evil",
        "C:evil",
        "data/..",
        "\\\\host\\evil",
    ],
)
@pytest.mark.parametrize("make", [make_zip, make_tar])
def test_a_path_outside_is_refused(tmp_path, root, make, name):
    archive = make(tmp_path / "archive", KERMANY | {name: b"evil"})
    assert "leads outside the folder" in refused(archive, root)


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE])
def test_links_and_devices_in_a_tar_are_refused(tmp_path, root, kind):
    with tarfile.open(tmp_path / "a.tar", "w") as archive:
        member = tarfile.TarInfo("data/link")
        member.type = kind
        member.linkname = "../../outside"
        archive.addfile(member)
    assert "'data/link' is a link or a device" in refused(tmp_path / "a.tar", root)


def test_a_link_in_a_zip_is_refused(tmp_path, root):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        info = zipfile.ZipInfo("data/link")
        info.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(info, "../../outside")
    assert "'data/link' is a link or a device" in refused(tmp_path / "a.zip", root)


def test_bombs_are_refused_by_what_they_unpack_to(tmp_path, root, monkeypatch):
    monkeypatch.setattr(unpack, "SMALL", 100_000)
    zeros = {"data/zeros": bytes(3_000_000)}
    assert "unpacks to over 100,000 bytes" in refused(make_zip(tmp_path / "a.zip", zeros), root)
    assert "refused as a bomb" in refused(make_tar(tmp_path / "a.tar.gz", zeros), root)
    many = {f"data/{number}": bytes(1000) for number in range(200)}
    assert "refused as a bomb" in refused(make_zip(tmp_path / "many.zip", many), root, total_bytes=150_000)
    assert "more than 199 entries" in refused(tmp_path / "many.zip", root, entries=199)
    assert unpack.unpack(tmp_path / "many.zip", root) == (root / "data",)


def test_a_zip_that_lies_about_its_size_is_refused(tmp_path, root, monkeypatch):
    monkeypatch.setattr(unpack, "SMALL", 100_000)
    file = make_zip(tmp_path / "a.zip", {"zeros": bytes(3_000_000)})
    size = (3_000_000).to_bytes(4, "little")
    file.write_bytes(file.read_bytes().replace(size, (50).to_bytes(4, "little")))
    assert "is damaged" in refused(file, root) or "bomb" in refused(file, root)


def test_a_name_twice_is_refused(tmp_path, root):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("data/a", b"first")
        with pytest.warns(UserWarning, match="Duplicate name"):
            archive.writestr("data/a", b"second")
    assert "holds 'data/a' twice" in refused(tmp_path / "a.zip", root)
    both = refused(make_zip(tmp_path / "b.zip", {"a": b"", "a/b": b""}), root)
    assert "holds 'a/b' twice, or as file and as folder" in both


@pytest.mark.parametrize("sign", ["\n", "\t", "\x1b[2J", "\x7f", "\x9b", "\u202e", "\u2066", "\u2028"])
def test_a_name_with_characters_that_cannot_be_seen_is_refused(tmp_path, root, sign):
    for make, name in ((make_zip, "a.zip"), (make_tar, "a.tar")):
        said = refused(make(tmp_path / name, {f"data/{sign}a": b""}), root)
        assert "has characters that cannot be seen" in said
        assert sign not in said


@pytest.mark.parametrize("make", [make_zip, make_tar])
def test_the_archive_of_another_data_set_is_refused_and_not_kept(tmp_path, root, make, monkeypatch):
    archive = make(tmp_path / "a", KERMANY)
    own = partial(require_class_folders, archive=archive)
    with pytest.raises(DataError, match="no folder PNEUMONIA, and so is no archive of Chest X-ray"):
        unpack.unpack(archive, root, check=partial(own, dataset=read_dataset("chest_xray")))
    assert everything(root) == set()
    assert unpack.unpack(archive, root, check=partial(own, dataset=read_dataset("roct")))
    # what lists its names is refused before anything is unpacked
    monkeypatch.setattr(zipfile.ZipFile, "open", None)
    if make is make_zip:
        with pytest.raises(DataError, match="no folder PNEUMONIA"):
            unpack.unpack(archive, tmp_path / "new", check=partial(own, dataset=read_dataset("chest_xray")))


def test_what_is_allowed_of_modes_is_not_taken_from_the_archive(tmp_path, root):
    with tarfile.open(tmp_path / "a.tar", "w") as archive:
        member = tarfile.TarInfo("data/a")
        member.mode = 0o6777
        archive.addfile(member)
    unpack.unpack(tmp_path / "a.tar", root)
    assert stat.S_IMODE((root / "data" / "a").stat().st_mode) & 0o7111 == 0


def test_what_is_there_is_not_touched(tmp_path, root):
    (root / "OCT2017 ").mkdir()
    (root / "OCT2017 " / "mine").write_text("mine")
    text = refused(make_zip(tmp_path / "a.zip", KERMANY), root)
    assert f"{root / 'OCT2017 '} is there already" in text
    assert files(root) == {"OCT2017 /mine"}


def test_damaged_archives(tmp_path, root):
    whole = make_tar(tmp_path / "whole.tar.gz", KERMANY).read_bytes()
    (tmp_path / "cut.tar.gz").write_bytes(whole[: len(whole) // 2])
    assert "is damaged" in refused(tmp_path / "cut.tar.gz", root)
    whole = make_zip(tmp_path / "whole.zip", KERMANY).read_bytes()
    (tmp_path / "cut.zip").write_bytes(whole[: len(whole) // 2])
    assert "is a ZIP file that is cut off" in refused(tmp_path / "cut.zip", root)
    at = whole.index(NOISE[:100])
    (tmp_path / "broken.zip").write_bytes(whole[:at] + bytes(50) + whole[at + 50 :])
    assert "is damaged (Bad CRC-32" in refused(tmp_path / "broken.zip", root)
    (tmp_path / "page.zip").write_bytes(b"<html>please log in</html>" * 99)
    assert "is a web page" in refused(tmp_path / "page.zip", root)
    (tmp_path / "nothing.zip").touch()
    assert "is empty (0 bytes)" in refused(tmp_path / "nothing.zip", root)
    (tmp_path / "other.zip").write_bytes(b"Rar!\x1a\x07" + NOISE)
    assert "is neither a ZIP nor a tar archive" in refused(tmp_path / "other.zip", root)
    (tmp_path / "one.gz").write_bytes(gzip.compress(b"not a tar" * 999))
    assert "neither a ZIP nor a tar archive" in refused(tmp_path / "one.gz", root)
    assert "is not a file" in refused(tmp_path / "missing.zip", root)
    assert "holds no files" in refused(make_zip(tmp_path / "empty.zip", {}), root)


def test_folders_of_windows_are_named_as_what_they_are(tmp_path, root):
    text = refused(make_zip(tmp_path / "a.zip", {"data\\train\\a": b"a"}), root)
    assert "has a backslash between folders" in text
    assert "outside" not in text


def test_a_tar_file_that_ends_in_a_zip_file_is_a_tar_file(tmp_path, root):
    inner = make_zip(tmp_path / "inner.zip", {"inside": b"x"}).read_bytes()
    unpack.unpack(make_tar(tmp_path / "a.tar", {"data/a": b"a", "data/inner.zip": inner}), root)
    assert (root / "data/inner.zip").read_bytes() == inner


def test_a_password_is_said(tmp_path, root):
    data = bytearray(make_zip(tmp_path / "a.zip", {"data/a": NOISE}).read_bytes())
    for signature, flags in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        data[data.index(signature) + flags] |= 1
    (tmp_path / "a.zip").write_bytes(bytes(data))
    assert "is encrypted, password required for extraction; unpack it" in refused(tmp_path / "a.zip", root)


def test_a_method_that_python_does_not_know_is_said(tmp_path, root):
    """Windows packs what is over 2 GB by Deflate64."""
    data = bytearray(make_zip(tmp_path / "a.zip", {"data/a": NOISE}).read_bytes())
    for signature, method in ((b"PK\x03\x04", 8), (b"PK\x01\x02", 10)):
        data[data.index(signature) + method] = 9
    (tmp_path / "a.zip").write_bytes(bytes(data))
    assert "method is not supported; unpack it with 7z" in refused(tmp_path / "a.zip", root)


@pytest.mark.parametrize("suffix", [".tar", ".tar.gz", ".tar.xz", ".tar.bz2"])
def test_a_tar_file_that_is_not_whole_is_not_taken_for_a_shorter_one(tmp_path, root, suffix):
    """Python's reader ends without a word at a header that is damaged or missing."""
    whole = make_tar(tmp_path / "whole.tar", {f"data/{number}": NOISE for number in range(4)}).read_bytes()
    second = 512 + 10 * 512  # a header and its content, in whole blocks
    pack = {".gz": gzip.compress, ".xz": lzma.compress, ".bz2": bz2.compress}.get(Path(suffix).suffix, bytes)
    for broken in (whole[: 2 * second], whole[:second] + b"?" + whole[second + 1 :]):
        (tmp_path / f"a{suffix}").write_bytes(pack(broken))
        assert "is damaged" in refused(tmp_path / f"a{suffix}", root)


@pytest.mark.parametrize(
    ("pack", "place"),
    [(gzip.compress, -8), (lzma.compress, -40), (bz2.compress, -4)],
    ids=["gz", "xz", "bz2"],
)
def test_the_checksum_of_a_compressed_tar_file_is_looked_at(tmp_path, root, pack, place):
    data = bytearray(pack(make_tar(tmp_path / "whole.tar", {"data/a": NOISE}).read_bytes()))
    data[place] ^= 1
    (tmp_path / "a").write_bytes(bytes(data))
    assert "is damaged" in refused(tmp_path / "a", root)


@pytest.mark.parametrize("kind", [tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.GNUTYPE_LONGNAME])
def test_a_header_that_fills_the_memory_is_not_read(tmp_path, root, kind):
    header = tarfile.TarInfo("header")
    header.type, header.size = kind, 2**32
    first = make_tar(tmp_path / "a.tar", {"data/a": b""}).read_bytes()[:512]
    (tmp_path / "a.tar").write_bytes(first + header.tobuf() + bytes(2048))
    assert "a header of 4,294,967,296 bytes" in refused(tmp_path / "a.tar", root)
    (tmp_path / "a.tar").write_bytes(header.tobuf() + bytes(2048))
    assert "is neither a ZIP nor a tar archive" in refused(tmp_path / "a.tar", root)


def test_headers_without_end_are_refused(tmp_path, root):
    header = tarfile.TarInfo("header")
    header.type = tarfile.XHDTYPE
    (tmp_path / "a.tar").write_bytes(header.tobuf() * 3000)
    assert "cannot be read" in refused(tmp_path / "a.tar", root)


def test_what_the_reader_can_do_something_about_is_a_refusal(tmp_path, root):
    with pytest.raises(UnpackError) as of_the_reader:
        unpack.unpack(tmp_path / "missing.zip", root)
    make_zip(tmp_path / "long.zip", {"data/" + "n" * 300: b""})
    with pytest.raises(UnpackError, match="File name too long") as of_the_system:
        unpack.unpack(tmp_path / "long.zip", root)
    assert (of_the_reader.value.exit_code, of_the_system.value.exit_code) == (REFUSED, FAILED)


def test_what_a_killed_process_left_is_cleared_and_two_do_not_mix(tmp_path, root):
    archive = make_zip(tmp_path / "a.zip", KERMANY)
    (root / ".unpacking").mkdir()
    (root / ".unpacking" / "half").touch()
    with FileLock(root / ".unpacking.lock"):
        assert "another process" in refused(archive, root)
    assert unpack.unpack(archive, root) == (root / "OCT2017 ",)
    assert {path.name for path in root.iterdir()} == {"OCT2017 "}
