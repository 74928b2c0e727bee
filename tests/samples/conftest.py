"""A workbench for stages, and pages served on this machine."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from workbench import Workbench


@pytest.fixture
def workbench() -> Workbench:
    return Workbench()


Page = tuple[int, Mapping[str, str], bytes]


@contextmanager
def serving(answer: Callable[[str], Page]) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, headers, body = answer(self.path)
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            try:
                self.wfile.write(body)
            except (BrokenPipeError, ConnectionResetError):
                # A reader that has enough of a long page hangs up.
                self.close_connection = True

        def log_message(self, *args: object) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def serve() -> Iterator[Callable[[Mapping[str, Page]], str]]:
    """`serve({"/path": (status, headers, body)})` gives the server's address."""
    with ExitStack() as stack:

        def start(pages: Mapping[str, Page]) -> str:
            return stack.enter_context(serving(lambda path: pages.get(path, (404, {}, b"not here"))))

        yield start
