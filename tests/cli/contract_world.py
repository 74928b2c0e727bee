"""A database in which everything has happened that the command line has a word for, on either database."""

from __future__ import annotations

import contextlib
import io
import json
import os
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from unittest import mock

import postgres_server
from cli_user import Answer

from engine import RetryPolicy
from engine.kernel import delivering
from wfconsole.cli.main import run

ROOT = Path(__file__).resolve().parent.parent.parent
TEXT = "# Lighthouse\n\nThe lighthouse keeper trims the lamp. The lamp guides ships past the harbour rocks.\n"
RUN_FOLDER = "WFCONSOLE_TEST_RUN"


@dataclass(slots=True)
class World:
    """`names` are the things that happened: ids by what they are."""

    url: str
    folder: Path
    names: dict[str, str] = field(default_factory=dict)

    def call(self, *argv: str, stdin: str = "") -> Answer:
        """A command line in this process, as a user whose home and working directory are the world's own."""
        out, err = io.StringIO(), io.StringIO()
        before = os.getcwd()
        os.chdir(self.folder)
        try:
            with (
                mock.patch.dict(os.environ, self._environment()),
                mock.patch("sys.stdin", io.StringIO(stdin)),
                contextlib.redirect_stdout(out),
                contextlib.redirect_stderr(err),
            ):
                code = run(argv, screen=lambda *_: 99)
        finally:
            os.chdir(before)
        return Answer(code, out.getvalue(), err.getvalue())

    def filled(self, line: tuple[str, ...]) -> list[str]:
        """The words of a line, with the names in braces replaced."""
        return [word.format_map(self.names) if "{" in word and '"' not in word else word for word in line]

    def _environment(self) -> dict[str, str]:
        homes = {f"XDG_{name}_HOME": str(self.folder / name.lower()) for name in ("CONFIG", "DATA", "STATE", "CACHE")}
        return {
            **homes,
            "HOME": str(self.folder),
            "WFCONSOLE_DB": self.url,
            "WFCONSOLE_SAMPLE_INBOX": str(self.folder / "inbox"),
            "PYTHONPATH": str(ROOT),
        }


@contextlib.contextmanager
def world(kind: str, folder: Path) -> Iterator[World]:
    """A filled world on `sqlite` or `postgres`."""
    if kind == "sqlite":
        made = World(f"sqlite:///{folder / 'runs.db'}", folder)
        _fill(made)
        yield made
        return
    shared = Path(os.environ[RUN_FOLDER])
    server = postgres_server.server_of_this_run(shared)
    name = f"wfconsole_{uuid.uuid4().hex[:16]}"
    template = postgres_server.template_of_this_run(shared, server)
    made = World(postgres_server.create_database(server, name, template), folder)
    try:
        _fill(made)
        yield made
    finally:
        postgres_server.drop_database(server, name)


@contextlib.contextmanager
def hasty_deliveries() -> Iterator[None]:
    """Meanwhile a delivery that failed is tried again at once, and not after seconds."""
    at_once = timedelta(milliseconds=1)
    with mock.patch.object(delivering, "BACKOFF", RetryPolicy(initial_delay=at_once, max_delay=at_once, jitter=False)):
        yield


def _fill(made: World) -> None:
    (made.folder / "doc.md").write_text(TEXT)
    (made.folder / "wfconsole.toml").write_text('[sinks.journal]\ntype = "log"\n')
    names = made.names

    def created(*argv: str) -> str:
        answer = made.call("run", *argv, "--json")
        assert answer.code == 0, answer.err
        return str(answer.json["id"])

    names["ok"] = created("document-processor", "--input", '{"url": "doc.md"}')
    names["failed"] = created("document-processor", "--input", '{"url": "missing.md"}')
    patient = ("--set-config", "digest.seconds_to_ready=3600")
    names["waiting"] = created("batch-digest", "--input", '{"path": "."}', *patient)
    names["dead_run"] = created("flaky-import")
    deadline = time.monotonic() + 60
    with hasty_deliveries():
        while True:
            assert made.call("worker", "--once").code == 0
            letters = made.call("dlq", "ls", "--json").json["items"]
            if len(letters) >= 2 and made.call("show", names["failed"], "--json").json["status"] == "FAILED":
                break
            assert time.monotonic() < deadline, letters
    names["letter"], names["other_letter"] = letters[0]["id"], letters[1]["id"]
    names["queued"] = created(
        "document-processor", "--input", '{"url": "doc.md"}', "--key", "queued", "--priority", "9"
    )
    names["cancelled"] = created("document-processor", "--input", '{"url": "doc.md"}', "--key", "cancelled")
    assert made.call("cancel", names["cancelled"], "--reason", "not this one").code == 0
    names["nobody"] = "0000000000000000000z"
    names["prefix"] = names["ok"][:10]


def records(text: str) -> list[dict[str, object]]:
    """The objects of a stream, one a line."""
    return [json.loads(line) for line in text.splitlines() if line]
