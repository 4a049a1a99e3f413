"""The server of the page: these files, to this machine, under its own name; and nothing else."""

from __future__ import annotations

import http.client
import json
import re
import socket
import threading
from urllib.parse import urlsplit

import pytest

from tinyscene.errors import OutputError
from tinyscene.web.page import TYPES
from tinyscene.web.serve import POLICY, server

FILES = {"index.html": b"<p>page</p>", "assets/a.js": b"1", "model.onnx": b"\x08" * 1000}


@pytest.fixture
def port(stay):
    return urlsplit(stay(FILES)).port


@pytest.fixture
def ask(port):
    def asked(path: str, method: str = "GET", host: str | None = None) -> tuple[http.client.HTTPResponse, bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        connection.request(method, path, headers={} if host is None else {"Host": host})
        answer = connection.getresponse()
        body = answer.read()
        connection.close()
        return answer, body

    return asked


def test_known_files(ask):
    answer, body = ask("/")
    assert (answer.status, body) == (200, FILES["index.html"])
    assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
    answer, body = ask("/assets/a.js?x=1")
    assert (answer.status, body) == (200, b"1")
    assert answer.headers["Content-Type"].startswith("text/javascript")
    answer, body = ask("/model.onnx", "HEAD")
    assert (answer.status, body, answer.headers["Content-Length"]) == (200, b"", "1000")


def test_headers_are_on_every_answer(ask):
    for path in ("/", "/none"):
        headers = ask(path)[0].headers
        assert headers["Content-Security-Policy"] == POLICY
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Cross-Origin-Resource-Policy"] == "same-origin"
        assert "Access-Control-Allow-Origin" not in headers


@pytest.mark.parametrize("path", ["/assets", "/assets/", "/../pyproject.toml", "/%2e%2e/x", "//etc/passwd", "/index"])
def test_nothing_else_is_there(ask, path):
    answer, body = ask(path)
    assert (answer.status, body) == (404, b"There is no such file.\n")


def test_foreign_names_are_turned_away(ask, port):
    """A page of evil.example that made its name point to 127.0.0.1 must not read the model."""
    for host in ("evil.example", f"evil.example:{port}", "127.0.0.1", f"127.0.0.1:{port}.evil.example", ""):
        answer, body = ask("/model.onnx", host=host)
        assert answer.status == 421, host
        assert b"\x08" not in body
    assert ask("/model.onnx", host=f"localhost:{port}")[0].status == 200


@pytest.mark.parametrize(("told", "status"), [(80, 200), (81, 421)])
def test_the_port_of_http_may_be_left_away(told, status):
    with server(FILES) as serving:
        port = serving.server_address[1]
        serving.server_address = ("127.0.0.1", told)  # 80 itself is not everyone's to take
        thread = threading.Thread(target=serving.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            for host, wanted in (("localhost", status), ("127.0.0.1", status), (f"localhost:{told}", 200)):
                connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
                connection.request("HEAD", "/", headers={"Host": host})
                assert connection.getresponse().status == wanted, host
                connection.close()
        finally:
            serving.shutdown()
            thread.join()


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS"])
def test_only_reading(ask, method):
    assert ask("/", method)[0].status == 501


def test_loopback_alone():
    with server(FILES) as serving:
        assert serving.server_address[0] == "127.0.0.1"


def test_a_taken_port():
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(OutputError, match=f"port {port} is in use. Name another with --port"):
            server(FILES, port)


def test_the_page_has_the_servers_policy(built):
    """But for frames, which only a header can forbid; and it refers to nothing outside its folder."""
    text = (built / "index.html").read_text(encoding="utf-8")
    found = re.search(r'http-equiv="Content-Security-Policy"\s+content="([^"]*)"', text)
    assert found
    assert found[1] == POLICY.removesuffix("; frame-ancestors 'none'")
    links = re.findall(r'(?:src|href)="([^"]*)"', text)
    assert links
    assert all(link.startswith(("./", "data:image/svg+xml,")) for link in links)
    assert {path.suffix for path in built.rglob("*") if path.is_file()} <= set(TYPES)
    assert len(list(built.rglob("*.wasm"))) == 1
    assert "SIL OPEN FONT LICENSE" in (built / "licenses.txt").read_text(encoding="utf-8")


def test_versions_are_pinned():
    from pathlib import Path

    folder = Path(__file__).parents[2] / "web"
    wanted = json.loads((folder / "package.json").read_text())["devDependencies"]
    locked = json.loads((folder / "package-lock.json").read_text())["packages"]
    for name, version in wanted.items():
        assert version == locked[f"node_modules/{name}"]["version"]
    assert all("integrity" in package for path, package in locked.items() if path)
