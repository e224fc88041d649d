"""The answer to one request over HTTP: in time, and from nowhere else than the web."""

import http.client
import socket
import urllib.request
from collections.abc import Mapping
from contextlib import suppress
from threading import Event, Timer
from typing import Any, cast
from urllib.parse import urlsplit

from meddef_lib.visible import one_line


class NotFollowed(Exception):
    """A redirect to what is no page of the web, or from an encrypted one to one that is not."""


def answer(url: str, headers: Mapping[str, str], *, seconds: float) -> http.client.HTTPResponse:
    """The answer to a GET; its beginning, and later each byte, may take so many seconds.

    Raises NotFollowed, urllib.error.URLError, http.client.HTTPException, OSError.
    """
    opener = urllib.request.build_opener(Redirects, _InTimeHandler)
    request = urllib.request.Request(url, headers=dict(headers))
    return cast(http.client.HTTPResponse, opener.open(request, timeout=seconds))


class Redirects(urllib.request.HTTPRedirectHandler):
    """Follows redirects to pages of the web, and none from an encrypted one to one that is not."""

    def redirect_request(self, req: Any, fp: Any, code: int, msg: str, headers: Any, newurl: str) -> Any:
        kinds = ("https",) if req.type == "https" else ("http", "https")
        if urlsplit(newurl).scheme not in kinds:
            fp.close()
            raise NotFollowed(f"{req.full_url} leads to {one_line(newurl)}, which is not followed")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


class _InTime(http.client.HTTPConnection):
    """A connection that ends where the beginning of an answer is not there in time, however it trickles."""

    def getresponse(self) -> http.client.HTTPResponse:
        late = Event()
        timer = Timer(cast(float, self.timeout), self._end, [late])
        timer.start()
        try:
            found = super().getresponse()
        finally:
            timer.cancel()
        if late.is_set():  # what arrived until then looks like a whole answer
            found.close()
            raise TimeoutError(f"no answer within {self.timeout} seconds")
        return found

    def _end(self, late: Event) -> None:
        late.set()
        with suppress(OSError):
            self.sock.shutdown(socket.SHUT_RDWR)


class _InTimeEncrypted(_InTime, http.client.HTTPSConnection):
    pass


class _InTimeHandler(urllib.request.HTTPHandler, urllib.request.HTTPSHandler):
    def http_open(self, req: urllib.request.Request) -> http.client.HTTPResponse:
        return self.do_open(_InTime, req)

    def https_open(self, req: urllib.request.Request) -> http.client.HTTPResponse:
        return self.do_open(_InTimeEncrypted, req)
