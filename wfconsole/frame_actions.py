"""What the keys of lists and of the console's frame do: views, marks, sorting, polling."""

from __future__ import annotations

from engine.commands import PollNow
from engine.inspector import RunDetail, RunStatus, RunSummary, StageStatus
from wfconsole.action_kinds import EVERYWHERE, RUN_PLACES, Action, Answer, Operation, Question, cli

_RUNS = frozenset({"runs"})


def _waiting_stages(run: RunDetail) -> list[str]:
    """Those that a poll makes due: suspended, or waiting out a backoff."""
    return [
        stage.stage_id
        for stage in run.stages
        if stage.status is StageStatus.SUSPENDED or (stage.status is StageStatus.PENDING and stage.retry_at is not None)
    ]


def _why_no_poll(run: RunSummary) -> str | None:
    if run.status is not RunStatus.RUNNING:
        return f"nothing of it waits: it is {run.status.lower()}"
    if isinstance(run, RunDetail) and not _waiting_stages(run):
        return "nothing of it waits for a poll or out a backoff"
    return None


def _ask_poll(run: RunSummary, _: Answer) -> Question:
    lines = [f"Run {run.id} of {run.workflow_id}."]
    if isinstance(run, RunDetail):
        lines.append(f"Due at once: {', '.join(_waiting_stages(run)) or 'nothing'}")
    lines.append("A waiting stage is asked now whether it is done; a backoff is skipped.")
    return Question("Poll now?", lines, "Yes, poll now")


POLL: Operation[RunSummary] = Operation(
    "run.poll",
    "u",
    "poll now",
    "poll a waiting stage now, or skip a backoff",
    RUN_PLACES,
    footer=False,
    writes=True,
    valid_for=_why_no_poll,
    question=_ask_poll,
    command=lambda run, _: PollNow(run_id=run.id),
    twin=lambda run, _: cli("poll", run.id),
    done="made due",
)

BEFORE = Action("list.before", "-", "before", "the view before, with its filter, marks and cursor", _RUNS, footer=False)
LOGS = Action("list.logs", "l", "logs", "logs of the marked runs, else of this one", _RUNS)
SORT = Action("list.sort", "s", "sort", "sort by the next column", _RUNS, footer=False)
REVERSE = Action("list.reverse", "S", "reverse", "reverse the order", _RUNS, footer=False)
MARK_RANGE = Action("list.mark-range", "V", "mark range", "mark from the last mark to here", _RUNS, footer=False)
MARK_INVERT = Action(
    "list.mark-invert", "!", "invert marks", "mark what is not marked, and the reverse", _RUNS, footer=False
)

COMMAND = Action("go.command", ":", "command", "a command, as on the command line", EVERYWHERE, footer=False)

COPY_MENU = Action(
    "go.copy-menu", "Y", "copy menu", "copy JSON, error, CLI twin, link or report", EVERYWHERE, footer=False
)
PIPE = Action(
    "list.pipe", "|", "pipe", "hand the marked runs, or what is shown, to a command", RUN_PLACES, footer=False
)

FRAME_ACTIONS: tuple[Action, ...] = (
    POLL,
    LOGS,
    BEFORE,
    MARK_RANGE,
    MARK_INVERT,
    SORT,
    REVERSE,
    COMMAND,
    COPY_MENU,
    PIPE,
)
