"""npm's `@copilotkit/aimock`, a server of the three wire protocols: in a temporary folder and a process of its own."""

from __future__ import annotations

import contextlib
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

PACKAGE = "@copilotkit/aimock@1.43.0"
KEY = "aimock-door-key"
# It takes one of the keys it was given and no other, says where it listens, and ends with its standard input.
LAUNCHER = """
import { LLMock } from "@copilotkit/aimock";
const [, , ...apiKeys] = process.argv;
const server = new LLMock({ host: "127.0.0.1", port: 0, logLevel: "silent", chunkSize: 8, auth: { apiKeys } });
await server.start();
console.log(server.url);
process.stdin.resume().on("end", () => process.exit(0));
"""


class Aimock:
    """What a test tells the server beforehand, and what the server tells of it afterwards."""

    def __init__(self, url: str, control: httpx.Client) -> None:
        self.url = url
        self._control = control

    def answer(self, response: dict[str, Any], *, to: dict[str, Any] | None = None, **how: Any) -> None:
        """Give `response` to what matches `to`, in the server's own words for both; `how` is how it is streamed."""
        self._post("fixtures", {"fixtures": [{"match": to or {}, "response": response, **how}]})

    def fail(self, status: int, message: str, *, times: int | None = None, **more: Any) -> None:
        """Refuse the first `times` requests with a status, or all of them."""
        after = more.pop("after", None)
        response = {"error": {"message": message, **more}, "status": status}
        if after is not None:
            response["retryAfter"] = after
        for turn in [None] if times is None else range(times):
            self.answer(response, to={} if turn is None else {"sequenceIndex": turn})

    def trouble(self, **rates: float) -> None:
        """Do this to every request from now on, whatever it asks for."""
        self._post("chaos", rates)

    @property
    def asked(self) -> list[dict[str, Any]]:
        """The requests so far, as the server understood them."""
        found: list[dict[str, Any]] = self._control.get("journal").raise_for_status().json()
        return found

    @property
    def statuses(self) -> list[int]:
        """What the server said to each; 0 to whom it hung up on."""
        return [one["response"]["status"] for one in self.asked]

    def reset(self) -> None:
        self._post("reset", {})

    def _post(self, what: str, body: dict[str, Any]) -> None:
        said = self._control.post(what, json=body)
        assert said.is_success, said.text


@contextlib.contextmanager
def running(folder: Path, *keys: str) -> Iterator[Aimock]:
    """A server in `folder` that lets these keys in."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        pytest.fail("make test-aimock needs Node.js 20.15 or newer and its npm on the PATH: install nodejs and npm")
    install = [npm, "install", "--prefix", str(folder), "--no-audit", "--no-fund", "--loglevel=error", PACKAGE]
    installed = subprocess.run(install, capture_output=True, text=True, timeout=100)
    if installed.returncode:
        pytest.fail(f"npm could not install {PACKAGE}: is its registry within reach? {installed.stderr}")
    (folder / "launcher.mjs").write_text(LAUNCHER)
    command = [node, "launcher.mjs", KEY, *keys]
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with (folder / "said").open("w") as said, subprocess.Popen(command, cwd=folder, stderr=said, **pipes) as server:
        assert server.stdin is not None
        assert server.stdout is not None
        try:
            url = server.stdout.readline().strip()
            if not url:
                pytest.fail(f"{PACKAGE} did not start: {(folder / 'said').read_text()}")
            headers = {"authorization": f"Bearer {KEY}"}
            with httpx.Client(base_url=f"{url}/__aimock/", headers=headers, trust_env=False) as control:
                yield Aimock(url, control)
        finally:
            server.stdin.close()
            try:
                server.wait(5)
            except subprocess.TimeoutExpired:
                server.kill()
