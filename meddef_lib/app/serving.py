"""`invoke report --serve`: the folder of a report, and nothing else, to browsers of this machine.

The page that is served reloads itself when it was rendered anew: a few lines are added to it that ask for its
version now and then. The file stays as it is.
"""

import re
from base64 import b64encode
from collections.abc import Sequence
from hashlib import sha256
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote, urlsplit

from meddef_lib.errors import UserError

HOST = "127.0.0.1"
HTTP_PORT = 80  # which browsers leave out of the name that they ask for
PAGE, VERSION = "index.html", "version"
TYPES = {
    ".html": "text/html; charset=utf-8",
    ".json": "application/json",
    ".csv": "text/csv; charset=utf-8",
    ".tex": "text/plain; charset=utf-8",
    ".md": "text/plain; charset=utf-8",  # of a type that browsers show
    ".sh": "text/plain; charset=utf-8",
    ".ipynb": "application/json",
    ".webp": "image/webp",
}
SERVED = re.compile(r"(?:(?:notebooks|tables|pictures)/)?[A-Za-z0-9_=+-][A-Za-z0-9_.=+-]*")
SCRIPT = re.compile(rb"<script>(.*?)</script>", re.DOTALL)
SECONDS_BETWEEN_QUESTIONS = 3
SECONDS_OF_SILENCE = 30.0  # after which a connection that asks nothing is closed
RELOAD = f"""
let seen;
setInterval(async () => {{
  try {{
    const answer = await fetch("{VERSION}", {{ cache: "no-store" }});
    const version = answer.ok ? await answer.text() : seen;
    if (seen !== undefined && version !== seen) location.reload();
    seen = version;
  }} catch {{ /* the server has ended; the page stays */ }}
}}, {1000 * SECONDS_BETWEEN_QUESTIONS});
""".encode()


def serve(folder: Path, port: int) -> None:
    """Serve a report's folder on loopback until this process is interrupted.

    Raises UserError where nobody can listen at the port.
    """
    server = listening(folder, port)
    try:
        print(f"http://{HOST}:{server.server_port}/ shows it until Ctrl-C", flush=True)
        server.serve_forever()
    finally:
        server.server_close()


def listening(folder: Path, port: int) -> ThreadingHTTPServer:
    """A server of a report's folder that listens on loopback (port 0: any that is free). Raises UserError."""
    handler = type("Handler", (_Handler,), {"folder": folder.resolve()})
    try:
        return ThreadingHTTPServer((HOST, port), handler)
    except OSError as error:
        raise UserError(
            f"nothing can be served at {HOST}:{port} ({error.strerror or error}); name another --port, or 0 "
            "for any that is free"
        ) from error


class _Handler(BaseHTTPRequestHandler):
    """Answers with files of one folder whose names a report may have; with nothing else."""

    folder: Path
    server_version, sys_version = "meddef", ""
    timeout = SECONDS_OF_SILENCE

    def do_GET(self) -> None:
        port = self.connection.getsockname()[1]
        ends = (f":{port}", "") if port == HTTP_PORT else (f":{port}",)
        if self.headers.get("Host") not in [f"{name}{end}" for name in (HOST, "localhost") for end in ends]:
            self.send_error(HTTPStatus.MISDIRECTED_REQUEST)  # another name led here: a page of others asks
            return
        try:
            name = unquote(urlsplit(self.path).path).removeprefix("/") or PAGE
            if name == VERSION:
                self._answer(str((self.folder / PAGE).stat().st_mtime_ns).encode(), "text/plain")
            elif (file := self._file(name)) is None:
                self.send_error(HTTPStatus.NOT_FOUND)
            else:
                content, scripts = file.read_bytes(), []
                if name == PAGE:  # no other file may run anything
                    content = content.replace(b"</body>", b"<script>" + RELOAD + b"</script>\n</body>")
                    scripts = SCRIPT.findall(content)
                self._answer(content, TYPES[file.suffix], scripts)
        except ConnectionError:
            self.close_connection = True  # who asked has gone: a page that was closed while it loaded
        except (OSError, ValueError):  # no file, a name that no file can have, or no address
            self.send_error(HTTPStatus.NOT_FOUND)

    do_HEAD = do_GET  # without what the file holds

    def _file(self, name: str) -> Path | None:
        """The file of a report by its name; None where no report has such a one, or it leads elsewhere."""
        if not SERVED.fullmatch(name) or Path(name).suffix not in TYPES:
            return None
        file = self.folder / name
        return file if file.is_file() and file.resolve() == file else None

    def _answer(self, content: bytes, kind: str, scripts: Sequence[bytes] = ()) -> None:
        hashes = (b64encode(sha256(script).digest()).decode() for script in scripts)
        policy = {
            "default-src": "'none'",
            "script-src": " ".join(f"'sha256-{each}'" for each in hashes) or "'none'",
            "style-src": "'unsafe-inline'",  # of figures and of the page itself
            "img-src": "data:",
            "connect-src": "'self'",
            "base-uri": "'none'",
            "form-action": "'none'",
            "frame-ancestors": "'none'",
        }
        self.send_response(HTTPStatus.OK)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        self.send_header("Cache-Control", "no-store")
        self.send_header("X-Content-Type-Options", "nosniff")
        self.send_header("Referrer-Policy", "no-referrer")
        self.send_header("Content-Security-Policy", "; ".join(f"{name} {of}" for name, of in policy.items()))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def log_message(self, format: str, *arguments: object) -> None:
        """Say nothing of a request: a page asks every few seconds."""
