"""The page served to browsers of this machine, and to nothing else."""

from __future__ import annotations

import errno
from collections.abc import Mapping
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import PurePosixPath

from ..errors import OutputError
from .page import TYPES

HOST = "127.0.0.1"
# As in web/index.html, where it holds on any host; a header alone can forbid frames.
POLICY = (
    "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; connect-src 'self'; style-src 'self'; font-src 'self'; "
    "img-src 'self' data: blob:; media-src blob:; worker-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'"
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "microphone=(self), camera=(), geolocation=()",
    "Cache-Control": "no-store",  # the same address shows another model tomorrow
}


def server(files: Mapping[str, bytes], port: int = 0) -> ThreadingHTTPServer:
    """A server of `files` on the loopback interface, bound and ready for `serve_forever`; port 0 takes a free one.

    It answers GET and HEAD of these files and nothing else, and only to whoever calls it by a name of this machine:
    a foreign page that made its own name point here is turned away. Raises OutputError when the port is taken.
    """
    try:
        return _Server((HOST, port), files)
    except OSError as error:
        if error.errno not in (errno.EADDRINUSE, errno.EACCES):
            raise
        why = "in use" if error.errno == errno.EADDRINUSE else "not allowed"
        raise OutputError(f"port {port} is {why}. Name another with --port, or --port 0 for any free one.") from None


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, address: tuple[str, int], files: Mapping[str, bytes]):
        self.files = {f"/{name}": data for name, data in files.items()}
        self.files["/"] = files["index.html"]
        super().__init__(address, _Answers)


class _Answers(BaseHTTPRequestHandler):
    server_version, sys_version = "tinyscene", ""
    protocol_version = "HTTP/1.1"
    timeout = 30

    def do_GET(self) -> None:
        self._answer(body=True)

    def do_HEAD(self) -> None:
        self._answer(body=False)

    def log_message(self, format: str, *args: object) -> None:
        """Says nothing: the terminal is the user's."""

    def _answer(self, body: bool) -> None:
        assert isinstance(self.server, _Server)
        port = self.server.server_address[1]
        path = self.path.partition("?")[0]
        ends = (f":{port}", "") if port == 80 else (f":{port}",)  # clients leave away the port that http has anyway
        if self.headers.get("Host") not in {f"{name}{end}" for name in ("127.0.0.1", "localhost") for end in ends}:
            return self._send(
                HTTPStatus.MISDIRECTED_REQUEST, b"This server answers this machine alone.\n", ".txt", body
            )
        data = self.server.files.get(path)
        if data is None:
            return self._send(HTTPStatus.NOT_FOUND, b"There is no such file.\n", ".txt", body)
        self._send(HTTPStatus.OK, data, PurePosixPath(path).suffix or ".html", body)

    def _send(self, status: HTTPStatus, data: bytes, ending: str, body: bool) -> None:
        self.send_response(status)
        for key, value in HEADERS.items():
            self.send_header(key, value)
        self.send_header("Content-Type", TYPES.get(ending, "text/plain; charset=utf-8"))
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if body:
            self.wfile.write(data)
