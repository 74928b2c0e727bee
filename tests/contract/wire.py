"""A wire between a client and a server that a test may cut, or leave open and dead."""

from __future__ import annotations

import contextlib
import select
import socket
import threading
from urllib.parse import urlsplit


class Wire:
    """Passes bytes on, both ways. `url`: the database's address through it."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._server = (parts.hostname or "127.0.0.1", parts.port or 5432)
        self._listening = socket.create_server(("127.0.0.1", 0))
        port = self._listening.getsockname()[1]
        self.url = url.replace(f"{parts.hostname}:{parts.port}", f"127.0.0.1:{port}", 1)
        self._dead = threading.Event()
        self._cut_after: bytes | None = None
        self.cuts = 0
        threading.Thread(target=self._accept, daemon=True).start()

    def die(self) -> None:
        """What is connected now stays open and hears nothing any more; who connects later is served."""
        self._dead.set()
        self._dead = threading.Event()

    def cut_after(self, words: bytes) -> None:
        """The next line over which the client says this is cut, before the server's answer comes through."""
        self._cut_after = words

    def close(self) -> None:
        self._listening.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listening.accept()
                threading.Thread(target=self._serve, args=(client, self._dead), daemon=True).start()

    def _serve(self, client: socket.socket, dead: threading.Event) -> None:
        with client, socket.create_connection(self._server) as server, contextlib.suppress(OSError):
            while True:
                for source in select.select([client, server], [], [])[0]:
                    got = source.recv(65536)
                    if not got:
                        return
                    if dead.is_set():
                        continue
                    if source is server:
                        client.sendall(got)
                        continue
                    server.sendall(got)
                    if self._cut_after is not None and self._cut_after in got:
                        self._cut_after, self.cuts = None, self.cuts + 1
                        server.recv(1)
                        return
