"""The folder of a report on loopback: its files and no others, a page that reloads itself, and no more."""

import http.client
import json
import os
import socket
import struct
import threading
import time

import pytest

from meddef_lib.app import commands, serving
from meddef_lib.app.exits import Ended
from meddef_lib.errors import INTERRUPTED, REFUSED
from tests.browser import ARGUMENTS, CHROMIUM

PAGE = "<!doctype html><title>a</title><body><p id='said'>{}</p><script>window.own = 1;</script>\n</body>"


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "reports/mini"
    for name in ("notebooks", "tables"):
        (folder / name).mkdir(parents=True)
    (folder / "index.html").write_text(PAGE.format("first"), encoding="utf-8")
    (folder / "results.json").write_text("{}", encoding="utf-8")
    (folder / "model-card.md").write_text("# Card", encoding="utf-8")
    (folder / "run.sh").write_text("#!/bin/sh", encoding="utf-8")
    (folder / "tables/values.csv").write_text("id\n", encoding="utf-8")
    (folder / "notebooks/04_a.roct.html").write_text("<script>alert(1)</script>", encoding="utf-8")
    (folder / ".failures.json").write_text("{}", encoding="utf-8")
    (tmp_path / "reports/secret.json").write_text("{}", encoding="utf-8")
    (folder / "linked.json").symlink_to(tmp_path / "reports/secret.json")
    (folder / "up").symlink_to(tmp_path / "reports")
    return folder


@pytest.fixture
def port(folder):
    server = serving.listening(folder, 0)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    yield server.server_port
    server.shutdown()
    server.server_close()
    thread.join()


def asked(port, path, host=None, method="GET"):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    connection.putrequest(method, path, skip_host=True)
    connection.putheader("Host", host or f"127.0.0.1:{port}")
    connection.endheaders()
    answer = connection.getresponse()
    content = answer.read()
    connection.close()
    return answer, content


def test_the_files_of_the_report_are_served(port):
    for path, kind in (
        ("/", "text/html; charset=utf-8"),
        ("/index.html", "text/html; charset=utf-8"),
        ("/results.json?x=1", "application/json"),
        ("/model-card.md", "text/plain; charset=utf-8"),
        ("/run.sh", "text/plain; charset=utf-8"),
        ("/tables/values.csv", "text/csv; charset=utf-8"),
        ("/notebooks/04_a.roct.html", "text/html; charset=utf-8"),
    ):
        answer, _ = asked(port, path)
        assert (answer.status, answer.headers["Content-Type"]) == (200, kind), path


@pytest.mark.parametrize(
    "path",
    [
        "/../secret.json",
        "/..%2fsecret.json",
        "/%2e%2e/secret.json",
        "/tables/../results.json",
        "/tables/..%2f..%2fsecret.json",
        "//secret.json",
        "/up/secret.json",
        "/linked.json",
        "/.failures.json",
        "/tables/",
        "/tables",
        "/notebooks/%00",
        "/absent.json",
        "/results.json/",
        "/etc/passwd",
        "http://[",
        f"/{'a' * 300}.json",
    ],
)
def test_nothing_else_is(port, path):
    answer, content = asked(port, path)
    assert answer.status == 404
    assert b"secret" not in content


def test_whoever_asks_for_the_head_gets_no_more(port):
    answer, content = asked(port, "/results.json", method="HEAD")
    assert (answer.status, answer.headers["Content-Length"], content) == (200, "2", b"")
    assert asked(port, "/absent.json", method="HEAD")[0].status == 404


def test_a_page_that_is_closed_while_it_loads_is_no_mistake(port, folder, capsys):
    (folder / "results.json").write_bytes(b" " * 2**24)
    with socket.create_connection(("127.0.0.1", port)) as gone:
        gone.sendall(f"GET /results.json HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n".encode())
        gone.recv(1)
        gone.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # cut off
    while len(threads := [each for each in threading.enumerate() if "process_request" in each.name]):
        threads[0].join()
    assert capsys.readouterr().err == ""


def test_at_port_80_names_have_no_number(port, monkeypatch):
    assert asked(port, "/results.json", host="localhost")[0].status == 421
    monkeypatch.setattr(serving, "HTTP_PORT", port)
    assert asked(port, "/results.json", host="localhost")[0].status == 200
    assert asked(port, "/results.json", host=f"localhost:{port}")[0].status == 200
    assert asked(port, "/results.json", host="rebound.example")[0].status == 421


def test_a_page_of_others_gets_no_answer_by_another_name_of_this_machine(port):
    assert asked(port, "/results.json", host=f"rebound.example:{port}")[0].status == 421
    assert asked(port, "/results.json", host=f"localhost:{port}")[0].status == 200
    assert asked(port, "/results.json", method="POST")[0].status == 501


def test_only_the_pages_own_scripts_may_run(port, folder):
    answer, content = asked(port, "/")
    policy = answer.headers["Content-Security-Policy"]
    assert policy.count("'sha256-") == 2, "the page's and the one that reloads it"
    assert "default-src 'none'" in policy
    assert (
        "script-src 'none'" in asked(port, "/notebooks/04_a.roct.html")[0].headers["Content-Security-Policy"]
    )
    assert b"location.reload" in content
    assert "reload" not in (folder / "index.html").read_text(encoding="utf-8"), "the file is as it was"


def test_it_listens_to_this_machine_alone(folder):
    server = serving.listening(folder, 0)
    assert server.server_address[0] == "127.0.0.1"
    server.server_close()


def test_a_port_in_use_is_a_sentence(folder, monkeypatch, capsys):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(
            serving.UserError, match=f"nothing can be served at 127.0.0.1:{port} .*name another"
        ):
            serving.listening(folder, port)
        monkeypatch.setattr(commands, "workbook_of", None)  # nothing is rendered before it is told
        assert commands.report(profile="mini", serve=True, port=str(port)) == REFUSED
        assert f"nothing can be served at 127.0.0.1:{port}" in capsys.readouterr().err
    assert commands.report(profile="mini", serve=True, port="many") == REFUSED
    assert "--port is 'many'" in capsys.readouterr().err


def test_a_connection_that_asks_nothing_is_closed(folder, monkeypatch):
    monkeypatch.setattr(serving._Handler, "timeout", 0.1)
    server = serving.listening(folder, 0)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    with socket.create_connection(server.server_address) as silent:
        silent.settimeout(30)
        assert silent.recv(1) == b""
    server.shutdown()
    server.server_close()


def test_ctrl_c_ends_it(folder, monkeypatch, capsys):
    def interrupted(server, *_):
        raise Ended

    closed, close = [], serving.ThreadingHTTPServer.server_close
    monkeypatch.setattr(serving.ThreadingHTTPServer, "serve_forever", interrupted)
    monkeypatch.setattr(
        serving.ThreadingHTTPServer, "server_close", lambda server: closed.append(server) or close(server)
    )
    monkeypatch.setattr("meddef_lib.report.page.from_folder", lambda folder: folder / "index.html")
    monkeypatch.setattr("sys.argv", ["invoke", "report", "--serve"])
    assert commands.report(from_=str(folder), serve=True, port="0") == INTERRUPTED
    assert len(closed) == 2, "the one that tried the port, and the one that served"
    assert "http://127.0.0.1:" in capsys.readouterr().out


@pytest.mark.skipif(CHROMIUM is None, reason="Debian's chromium is not installed")
@pytest.mark.xdist_group("browser")
def test_a_page_that_was_rendered_anew_is_seen_without_a_hand(port, folder):
    from playwright.sync_api import sync_playwright

    errors = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(ARGUMENTS))
        page = browser.new_page()
        page.on("console", lambda said: errors.append(said.text) if said.type == "error" else None)
        with page.expect_response("**/version"):
            page.goto(f"http://127.0.0.1:{port}/")
        assert page.evaluate("window.own") == 1, "its own script runs"
        (folder / "index.html").write_text(PAGE.format("second"), encoding="utf-8")
        later = time.time() + 5
        os.utime(folder / "index.html", (later, later))
        page.get_by_text("second").wait_for(timeout=60_000)
        (folder / "notebooks/04_a.roct.html").write_text("<script>window.ran = 1</script>", encoding="utf-8")
        page.goto(f"http://127.0.0.1:{port}/notebooks/04_a.roct.html")
        assert page.evaluate("window.ran") is None
        browser.close()
    assert [said for said in errors if "Content Security Policy" not in said and "favicon" not in said] == []
    assert json.loads(asked(port, "/results.json")[1]) == {}
