"""From the arguments to an exit code: parse, find the handler, run it, say in one line what went wrong.

What `--version` and a typo don't need is imported where it is used: they answer at once.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib
import os
import signal
import sys
from collections.abc import Callable, Coroutine, Sequence
from typing import TYPE_CHECKING

from wfconsole.cli import exits
from wfconsole.cli.grammar import SCALARS, SWITCHES, parse

if TYPE_CHECKING:
    from wfconsole.cli.session import Screen, Session
    from wfconsole.settings import Settings

Handler = Callable[["Session"], int | Coroutine[object, object, int]]


def run(argv: Sequence[str], *, screen: Screen) -> int:
    """Carry out a command line and give its exit code. Never raises, whatever the arguments.

    `screen` opens the interactive console, for the commands that do.
    """
    try:
        code = _dispatch(argv, screen)
        sys.stdout.flush()
        return code
    except SystemExit as left:
        return left.code if isinstance(left.code, int) else exits.DONE
    except BrokenPipeError:
        return _leave_pipe()
    except (Exception, KeyboardInterrupt) as error:
        return _report(error)


def missing_subcommand(session: Session) -> int:
    """`wfconsole db` alone."""
    raise exits.UsageError(f"which one? see `wfconsole {session.arguments.group} --help`")


def load_settings(arguments: argparse.Namespace) -> Settings:
    """The settings with the command line's flags over them; raises `SettingsError`."""
    from wfconsole.settings import Settings

    given = vars(arguments)
    overrides: dict[str, object] = {name: given[name] for name in (*SCALARS, *SWITCHES) if name in given}
    if arguments.workflows:
        overrides["workflows"] = arguments.workflows
    return Settings.load(overrides)


def _dispatch(argv: Sequence[str], screen: Screen) -> int:
    arguments = parse(argv)
    from wfconsole.cli.session import Session

    module, _, name = arguments.handler.partition(":")
    handler: Handler = getattr(importlib.import_module(f"wfconsole.cli.{module}"), name)
    session = Session(arguments, load_settings(arguments), screen)
    answer = handler(session)
    if isinstance(answer, int):
        return answer
    import asyncio

    return asyncio.run(_until_signalled(answer))


async def _until_signalled(work: Coroutine[object, object, int]) -> int:
    """SIGTERM ends a command as Ctrl-C does: leases are given back on the way out."""
    import asyncio

    task = asyncio.current_task()
    assert task is not None
    with contextlib.suppress(NotImplementedError, RuntimeError, ValueError):
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    try:
        return await work
    except asyncio.CancelledError as cancelled:
        raise KeyboardInterrupt from cancelled


def _leave_pipe() -> int:
    """The reader has left. The interpreter's last flush must not complain either."""
    with contextlib.suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return exits.DONE


def _report(error: BaseException) -> int:
    code = exits.exit_code(error)
    if os.environ.get("WFCONSOLE_DEBUG") == "1":
        import traceback

        traceback.print_exception(error, file=sys.stderr)
    with contextlib.suppress(OSError, ValueError):
        sys.stdout.flush()
        print(f"wfconsole: {_sentence(error, code)}", file=sys.stderr)
    return code


def _sentence(error: BaseException, code: int) -> str:
    from wfconsole.safe_text import safe_text

    if isinstance(error, KeyboardInterrupt):
        return "interrupted"
    text = " ".join(str(error).split()) or type(error).__name__
    if code == exits.DEFECT:
        text = f"unexpected {type(error).__name__}: {text}; this is a defect, WFCONSOLE_DEBUG=1 shows where"
    return safe_text(text, limit=2_000)
