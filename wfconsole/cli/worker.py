"""`wfconsole worker`: a worker without a screen."""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
from datetime import timedelta

from engine.model.redaction import redact_text
from wfconsole.cli.exits import DONE, UsageError
from wfconsole.cli.output import talk
from wfconsole.cli.session import Session


async def work(session: Session) -> int:
    """Execute runs until SIGTERM or SIGINT; with `--once` until nothing is due."""
    given = session.arguments
    session.forbid_read_only()
    if session.settings.in_memory:
        raise UsageError("a worker needs a database that others see: a SQLite file or Postgres")
    if given.concurrency < 1:
        raise UsageError("--concurrency has to be 1 or more")
    lease, drain = session.duration("lease"), session.duration("drain")
    assert lease is not None
    assert drain is not None
    if lease < timedelta(seconds=1):
        raise UsageError("--lease has to be 1s or more")
    _log_to_standard_error()
    if given.until_stdin_closes:
        _end_with_stdin()
    async with session.gateway() as gateway:
        host = gateway.engine.worker(
            worker_id=given.worker_id,
            concurrency=given.concurrency,
            stale_lease_threshold=lease,
            drain_timeout=drain,
        )
        known = ", ".join(sorted(gateway.workflows)) or "no workflows"
        talk(f"worker {host.worker_id} on {gateway.database}: {known}")
        if given.once:
            await host.run_until_idle()
        else:
            await host.run_forever(install_signals=True)
        talk(f"worker {host.worker_id} has stopped")
    if host.exhausted.is_set():
        # The threads of bodies that don't end can't be got rid of in any other way.
        talk("starting again: every slot was held by a body that didn't end")
        os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])  # noqa: S606
    return DONE


class _WithoutSecrets(logging.Formatter):
    """An error of a library may quote an address, its traceback the line with the key."""

    def format(self, record: logging.LogRecord) -> str:
        return redact_text(super().format(record))


def _log_to_standard_error() -> None:
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_WithoutSecrets("%(asctime)s %(levelname)s %(message)s"))
    logging.basicConfig(level=logging.INFO, handlers=[handler])


def _end_with_stdin() -> None:
    """Drain when standard input closes: whoever holds its other end is gone, however it went."""

    def watch() -> None:
        descriptor = sys.stdin.fileno()
        while os.read(descriptor, 4_096):
            pass
        # The way out is the one every operator uses, so there is one drain and not two.
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=watch, name="parent-watch", daemon=True).start()
