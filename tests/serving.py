"""A web server on loopback that serves what a test gives it, and fails where a test wants it to."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

DATA = bytes(range(256)) * 40


class Server(ThreadingHTTPServer):
    """Serves ``files``; sends at most ``stop_after`` bytes of a body; knows ranges unless told otherwise."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.files = {"/a.bin": DATA}
        self.stop_after, self.ranges, self.weak, self.broken = 0, True, "", False
        self.seen: list[tuple[str, str | None]] = []

    def address(self, path: str = "/a.bin") -> str:
        return f"http://127.0.0.1:{self.server_port}{path}"


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        wanted = self.headers.get("Range")
        self.server.seen.append((self.path, wanted))
        data = self.server.files.get(self.path)
        if data is None:
            self.send_error(404)
            return
        mark = f'{self.server.weak}"{hashlib.sha256(data).hexdigest()[:8]}"'
        start = 0
        if wanted and self.server.broken:
            self.send_response(206)
            self.send_header("Content-Range", f"bytes 7-{len(data) - 1}/{len(data)}")
            self.end_headers()
            return
        if wanted and self.server.ranges and self.headers.get("If-Range") == mark:
            start = int(wanted.removeprefix("bytes=").removesuffix("-"))
        if start >= len(data):
            self.send_response(416)
            self.send_header("Content-Range", f"bytes */{len(data)}")
            self.end_headers()
            return
        self.send_response(206 if start else 200)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(data) - 1}/{len(data)}")
        self.send_header("ETag", mark)
        self.send_header("Content-Length", str(len(data) - start))
        self.end_headers()
        body = data[start:]
        self.wfile.write(body[: self.server.stop_after] if self.server.stop_after else body)

    def log_message(self, format: str, *args: object) -> None:
        """Silent."""


@contextmanager
def serving() -> Iterator[Server]:
    """A server that answers until the block ends."""
    running = Server()
    thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield running
    finally:
        running.shutdown()
        thread.join()
        running.server_close()
