"""`wfconsole serve`: what each browser runs, and that it is really served."""

from __future__ import annotations

import importlib
import os
import shlex
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest
from cli_user import Cli

from wfconsole.cli.grammar import parse
from wfconsole.cli.serving import command_line
from wfconsole.cli.session import Session
from wfconsole.settings import Settings


def words(*argv: str) -> list[str]:
    arguments = parse(argv)
    return shlex.split(command_line(Session(arguments, Settings(), lambda *_: 0)))


def test_r21_a_browser_gets_the_options_but_no_address_with_a_password() -> None:
    line = ("serve", "--db", "postgresql://ann:secret@h/d", "--read-only", "--theme", "light", "--workflows", "a b")
    found = words(*line)
    assert found == [sys.executable, "-m", "wfconsole", "--theme=light", "--read-only", "--workflows=a b"]


def test_r21_without_the_extra_it_says_what_to_install(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> object:
        raise ImportError(name)

    monkeypatch.setattr(importlib, "import_module", missing)
    from wfconsole.cli import serving

    session = Session(parse(["serve"]), Settings(db="sqlite:///x.db"), lambda *_: 0)
    with pytest.raises(serving.UsageError, match="wfconsole\\[serve\\]"):
        serving.serve(session)


def test_r21_it_serves_a_page(here: Path, program: list[str]) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    server = subprocess.Popen(
        [*program, "serve", "--host", "127.0.0.1", "--port", str(port)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        env=dict(os.environ),
    )
    try:
        deadline = time.monotonic() + 30
        while True:
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=5) as answer:
                    page = answer.read().decode()
                break
            except OSError:
                assert time.monotonic() < deadline
                assert server.poll() is None
        assert "wfconsole" in page
    finally:
        server.send_signal(signal.SIGINT)
        _, said = server.communicate(timeout=20)
    assert f"serving at http://127.0.0.1:{port}" in said.decode()
