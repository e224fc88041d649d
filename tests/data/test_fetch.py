"""Downloads from a server on this machine that breaks off, lies and goes away."""

import contextlib
import hashlib
import re
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest
from filelock import FileLock

from meddef_lib.data import fetch
from meddef_lib.data.fetch import FetchError
from meddef_lib.data.sources import medmnist
from meddef_lib.errors import REFUSED, DataError
from meddef_lib.params import Download, MedMnistForm, read_dataset
from meddef_lib.visible import visible

CONTENT = np.random.default_rng(0).bytes(3_000_000)
MD5 = hashlib.md5(CONTENT).hexdigest()
SIZE = len(CONTENT)


class Server(ThreadingHTTPServer):
    """Serves `content` with Range; `break_after` lists how many bytes each answer sends before it ends."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.content = CONTENT
        self.break_after: list[int] = []
        self.errors: list[int] = []
        self.ranges = True
        self.lengths = True
        self.requests: list[str | None] = []
        self.answer: Callable[[Handler], None] | None = None  # instead of all that

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/files/octmnist.npz?download=1"


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Server

    def do_GET(self) -> None:
        asked = self.headers.get("Range")
        self.server.requests.append(asked)
        self.close_connection = True
        if self.server.answer:
            with contextlib.suppress(ConnectionError):
                self.server.answer(self)
            return
        if self.server.errors:
            self.send_error(self.server.errors.pop(0))
            return
        content = self.server.content
        begin = int(re.fullmatch(r"bytes=(\d+)-", asked)[1]) if asked and self.server.ranges else 0
        if begin >= len(content):
            self.send_response(416)
            self.send_header("Content-Range", f"bytes */{len(content)}")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        self.send_response(206 if asked and self.server.ranges else 200)
        if asked and self.server.ranges:
            self.send_header("Content-Range", f"bytes {begin}-{len(content) - 1}/{len(content)}")
        if self.server.lengths:
            self.send_header("Content-Length", str(len(content) - begin))
        self.send_header("Connection", "close")
        self.end_headers()
        body = content[begin:]
        with contextlib.suppress(ConnectionError):  # who has heard enough closes the connection
            self.wfile.write(body[: self.server.break_after.pop(0)] if self.server.break_after else body)

    def log_message(self, *_) -> None:
        """Say nothing on the terminal."""


@pytest.fixture
def server(monkeypatch) -> Iterator[Server]:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setattr(fetch, "WAITS", (0.0, 0.0))
    monkeypatch.setattr(fetch, "SILENCE", 5.0)
    monkeypatch.setattr(fetch, "PIECE", 1000)
    server = Server()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def target(tmp_path):
    return tmp_path / "root" / "octmnist.npz"


def download(server: Server, target, **changed):
    return fetch.download(server.url, target, **({"md5": MD5, "most": SIZE} | changed))


def left(target) -> list[str]:
    return sorted(path.name for path in target.parent.iterdir())


def test_a_download_is_whole_and_its_progress_told(server, target):
    told = []
    assert download(server, target, progress=lambda *told_now: told.append(told_now)) == target
    assert target.read_bytes() == CONTENT
    assert left(target) == ["octmnist.npz"]
    assert told[-1] == (SIZE, SIZE, "octmnist.npz")
    assert [done for done, *_ in told] == sorted(done for done, *_ in told)


def test_a_broken_download_is_continued_by_the_same_call(server, target):
    server.break_after = [1_000_000, 1_000_500, 0, 2000]
    download(server, target)
    assert target.read_bytes() == CONTENT
    # whole pieces are kept
    assert server.requests == [None, "bytes=1000000-", "bytes=2000000-", "bytes=2000000-", "bytes=2002000-"]


def test_a_given_up_download_is_continued_by_the_next_call(server, target):
    server.break_after = [1_234_567, 0, 0]
    with pytest.raises(FetchError, match=r"cannot be reached .* 1,234,000 bytes are kept"):
        download(server, target)
    assert left(target) == ["octmnist.npz.part"]
    server.requests.clear()
    download(server, target)
    assert server.requests == ["bytes=1234000-"]
    assert target.read_bytes() == CONTENT


def test_a_server_without_ranges_sends_all_again(server, target):
    server.ranges = False
    server.break_after = [1_000_000]
    download(server, target)
    assert target.read_bytes() == CONTENT
    assert server.requests == [None, "bytes=1000000-"]


def test_a_server_that_gives_no_length(server, target):
    server.lengths = False
    download(server, target)
    assert target.read_bytes() == CONTENT
    server.content = CONTENT * 2
    target.unlink()
    with pytest.raises(FetchError, match="it was removed"):
        download(server, target, most=2 * SIZE)


def test_a_part_that_is_whole_already_is_only_checked(server, target):
    target.parent.mkdir()
    target.with_name("octmnist.npz.part").write_bytes(CONTENT)
    download(server, target)
    assert server.requests == [f"bytes={SIZE}-"]
    assert target.read_bytes() == CONTENT


@pytest.mark.parametrize("old", [b"of another file" * 9, CONTENT + b"too long", CONTENT[:-1] + b"?", b""])
def test_a_part_of_something_else_is_replaced(server, target, old):
    target.parent.mkdir()
    target.with_name("octmnist.npz.part").write_bytes(old)
    download(server, target)
    assert target.read_bytes() == CONTENT


def test_a_wrong_checksum_leaves_nothing(server, target):
    server.content = CONTENT[:-1] + bytes([CONTENT[-1] ^ 1])
    with pytest.raises(FetchError, match=f"not the published {MD5}; it was removed"):
        download(server, target)
    assert left(target) == []


def test_a_file_that_is_there_is_checked_and_never_replaced(server, target):
    target.parent.mkdir()
    target.write_bytes(CONTENT)
    assert download(server, target) == target
    target.write_bytes(b"someone's own")
    with pytest.raises(FetchError, match="move it away and fetch again"):
        download(server, target)
    assert target.read_bytes() == b"someone's own"
    assert server.requests == []


def test_errors_that_may_pass_are_tried_again_and_others_are_not(server, target):
    server.errors = [503, 429]
    download(server, target)
    assert len(server.requests) == 3
    target.unlink()
    server.errors = [404]
    with pytest.raises(FetchError, match="answers 404 Not Found"):
        download(server, target)
    assert len(server.requests) == 4


def test_no_server(server, target):
    url = server.url.replace(f":{server.server_address[1]}", ":1")
    with pytest.raises(FetchError, match=r"cannot be reached .* 0 bytes are kept"):
        fetch.download(url, target, md5=MD5, most=SIZE)
    with pytest.raises(FetchError, match="cannot be reached"):
        fetch.download("file:///etc/hostname", target, md5=MD5, most=SIZE)


def test_a_full_disk_is_said_before_fetching(server, target, monkeypatch):
    usage = fetch.shutil.disk_usage("/")
    monkeypatch.setattr(fetch.shutil, "disk_usage", lambda _: usage._replace(free=10))
    with pytest.raises(FetchError, match="has 10 bytes left and 3,000,000 are needed"):
        download(server, target)


def test_two_at_once_do_not_write_into_each_other(server, target):
    target.parent.mkdir()
    with FileLock(target.with_name(".octmnist.npz.lock")), pytest.raises(FetchError, match="another process"):
        download(server, target)


def test_fetch_takes_the_file_of_the_wanted_size(server, tmp_path):
    entry = Download(url=server.url, md5=MD5, licence="CC BY 4.0")
    form = MedMnistForm(prefix="octmnist", labels=read_dataset("roct").classes, downloads={"28": entry})
    dataset = read_dataset("roct").model_copy(update={"medmnist": form})
    assert fetch.fetch_medmnist(dataset, tmp_path, image_size=28) == tmp_path / "octmnist.npz"
    with pytest.raises(DataError, match="not to be had at 30 px; there are 28") as refused:
        fetch.fetch_medmnist(dataset, tmp_path, image_size=30)
    assert refused.value.exit_code == REFUSED


def test_a_data_set_that_medmnist_has_not_is_said(tmp_path):
    dataset = read_dataset("roct").model_copy(update={"medmnist": None})
    with pytest.raises(DataError, match=r"Retinal OCT .* is not among MedMNIST's data sets"):
        fetch.fetch_medmnist(dataset, tmp_path, image_size=28)


def answers(*headers: tuple[str, str], code: int = 200, reason: str | None = None, body: bytes = b""):
    def answer(handler: Handler) -> None:
        handler.send_response(code, reason)
        for name, value in headers:
            handler.send_header(name, value)
        handler.end_headers()
        handler.wfile.write(body)

    return answer


def without_end(handler: Handler) -> None:
    handler.send_response(200)
    handler.end_headers()
    while True:
        handler.wfile.write(bytes(1_000_000))


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (answers(("Location", "file:///etc/passwd"), code=302), "cannot be reached"),
        (answers(("Location", "?again"), code=302), "answers 302"),
        (answers(code=404, reason="\x1b[31mred\x9b"), r"answers 404 \\u001b\[31mred\\u009b"),
        (answers(code=404, reason="long" * 999), "answers 404 (long){75}…$"),
        (
            answers(("Content-Length", "4000000")),
            "offers 4,000,000 bytes, and the file has 3,000,000 at most",
        ),
        (without_end, "sends more than the 3,000,000 bytes"),
        (answers(("Content-Length", "9" * 5000), body=b"x"), "MD5"),
        (answers(("Content-Length", "-5"), body=b"x"), "MD5"),
        (answers(("Content-Encoding", "gzip"), body=b"\x1f\x8bgarbage"), "cannot be reached"),
        (answers(("Transfer-Encoding", "chunked"), body=b"zz\r\n"), "cannot be reached"),
        (answers(("Content-Range", "bytes 5-9/10"), code=206, body=b"12345"), "with another range"),
        (answers(code=416), "answers 416"),
        (answers(("Location", "http://[bad"), code=302), "cannot be reached"),
        (lambda handler: handler.wfile.write(b"\x1b]0;title\x07\r\n\r\n"), "BadStatusLine"),
        (
            lambda handler: handler.wfile.write(b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 999),
            "cannot be reached",
        ),
    ],
)
def test_a_server_that_misbehaves_is_refused_and_leaves_nothing(server, target, answer, said):
    server.answer = answer
    with pytest.raises(FetchError, match=said) as refused:
        download(server, target)
    assert str(refused.value) == visible(str(refused.value))
    assert left(target) == []


def test_tries_are_bounded_even_if_each_brings_something(server, target, monkeypatch):
    monkeypatch.setattr(fetch, "TRIES", 7)
    server.break_after = [1000] * 99
    with pytest.raises(FetchError, match="7,000 bytes are kept"):
        download(server, target)
    assert len(server.requests) == 7


def test_a_server_that_says_nothing_is_given_up(server, target, monkeypatch):
    monkeypatch.setattr(fetch, "SILENCE", 0.1)
    awake = threading.Event()
    server.answer = lambda _: awake.wait(10) and None
    with pytest.raises(FetchError, match=r"cannot be reached .*timed? ?out"):
        download(server, target)
    awake.set()


def test_no_link_in_the_place_of_the_part_is_written_to(server, target):
    target.parent.mkdir()
    mine = target.with_name("mine")
    mine.write_bytes(b"mine")
    target.with_name("octmnist.npz.part").symlink_to(mine)
    with pytest.raises(FetchError, match="is no file of its own"):
        download(server, target)
    assert mine.read_bytes() == b"mine"


@pytest.mark.parametrize("name", ["roct", "chest_xray"])
def test_every_download_has_a_size(name):
    """The published one, or what its pixels can have at most."""
    dataset = read_dataset(name)
    for size, source in dataset.medmnist.downloads.items():
        most = medmnist.most_bytes(dataset, int(size))
        assert (source.bytes or most) <= most
