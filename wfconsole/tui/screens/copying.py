"""The copy menu: what can be taken out of a place, and how its text is made."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from typing import TYPE_CHECKING

from engine.errors import EngineError
from wfconsole import formatting
from wfconsole.actions import cli
from wfconsole.safe_text import safe_text
from wfconsole.tui.command_line import carry_out_line
from wfconsole.tui.screens.choose import Choice

if TYPE_CHECKING:
    from wfconsole.tui.app import WorkflowConsole

MOST = 100
"""Runs copied whole at once."""


class NothingToCopy(ValueError):
    """There is no such text here; the sentence says why."""


def choices(run_ids: Sequence[str], line: str, twin: str) -> list[Choice]:
    """What the menu offers: of the runs meant, else of the line under the cursor."""
    offered = []
    if run_ids:
        whose = f"{len(run_ids)} runs" if len(run_ids) > 1 else formatting.short_id(run_ids[0])
        offered += [
            Choice("i", "id", "id", whose),
            Choice("j", "json", "JSON", "the run whole, times in UTC"),
            Choice("e", "error", "error"),
            Choice("l", "link", "link", "a command that opens it"),
            Choice("r", "report", "report", "a redacted hand-over in Markdown"),
        ]
    elif line:
        offered.append(Choice("i", "line", "line or id", line))
    offered.append(Choice("t", "twin", "CLI twin", twin or "nothing was done yet"))
    return offered


async def text_of(console: WorkflowConsole, choice: str, run_ids: Sequence[str], line: str) -> str:
    """The text of a choice. Raises `NothingToCopy`, and the engine's errors."""
    if choice == "line":
        return line
    if choice == "twin":
        if not console.last_twin:
            raise NothingToCopy("nothing was done from here yet")
        return console.last_twin
    if choice == "id":
        return "\n".join(run_ids)
    if choice == "link":
        return "\n".join(link(console, run_id) for run_id in run_ids)
    if len(run_ids) > MOST:
        raise NothingToCopy(f"{MOST} runs at most; {len(run_ids)} are marked")
    if choice == "report":
        return await _report(console, run_ids)
    runs = await asyncio.gather(*(console.source().inspector.run(run_id) for run_id in run_ids))
    if choice == "json":
        plain = [run.model_dump(mode="json") for run in runs]
        return json.dumps(plain if len(plain) > 1 else plain[0], indent=2, ensure_ascii=False)
    errors = [run.error for run in runs if run.error]
    if not errors:
        raise NothingToCopy("there is no error here")
    return "\n\n".join(errors)


def link(console: WorkflowConsole, run_id: str) -> str:
    """A command line that opens this run, without any password."""
    settings = console.settings
    where = ["--profile", settings.profile] if settings.profile else ["--db", console.source().database]
    return cli(*where, "--run", run_id)


async def _report(console: WorkflowConsole, run_ids: Sequence[str]) -> str:
    output = await carry_out_line(("report", *run_ids), console.settings, read_only=console.settings.read_only)
    if output.code != 0:
        raise NothingToCopy(safe_text(output.text.strip() or "no report", limit=300))
    return output.text


async def copy_choice(console: WorkflowConsole, choice: str, run_ids: Sequence[str], line: str) -> None:
    """Copy it, or say why not."""
    try:
        text = await text_of(console, choice, run_ids, line)
    except (NothingToCopy, EngineError) as error:
        console.tell(f"copy: {error}", severity="warning")
    else:
        await console.copy(text)
