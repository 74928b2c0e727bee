"""Everything an operator can do, declared once: key, label, help, question, command and command-line twin.

The console builds its bindings, footer, palette and help from here; nothing in it knows a terminal.
"""

from __future__ import annotations

import json

from engine.commands import (
    CancelRun,
    CancelRunResult,
    CreateRun,
    DiscardDeadLetters,
    DiscardDeadLettersResult,
    PollNowResult,
    ReplayDeadLetters,
    ReplayDeadLettersResult,
    RerunFrom,
    RetryFailed,
)
from engine.inspector import Delivery, EventView, RunDetail, RunStatus, RunSummary, StageStatus
from engine.model.json import Json
from engine.model.status import TERMINAL_RUN
from wfconsole.action_kinds import EVERYWHERE, RUN_PLACES
from wfconsole.action_kinds import Action as Action
from wfconsole.action_kinds import Answer as Answer
from wfconsole.action_kinds import Operation as Operation
from wfconsole.action_kinds import Question as Question
from wfconsole.action_kinds import cli as cli
from wfconsole.frame_actions import FRAME_ACTIONS, POLL
from wfconsole.run_actions import GIVE_UP, NOTE, RUN_TAB_ACTIONS


def stages_again(run: RunDetail, stage_id: str) -> tuple[list[str], list[str]]:
    """What a rerun from `stage_id` does: the stages that run again, and those whose outputs are reused."""
    group = next((stage.group for row in run.plan for stage in row if stage.stage_id == stage_id), 0)
    again = [stage.stage_id for row in run.plan for stage in row if stage.group >= group]
    reused = [stage.stage_id for stage in run.stages if stage.group < group and stage.status == StageStatus.COMPLETED]
    return again, reused


def rerun_choices(run: RunDetail) -> list[str]:
    """The stages a rerun may start from: those of the groups this run has reached."""
    reached = max((stage.group for stage in run.stages), default=-1)
    return [stage.stage_id for row in run.plan for stage in row if stage.group <= reached]


def _why_no_cancel(run: RunSummary) -> str | None:
    return f"it is already {run.status.lower()}" if run.status in TERMINAL_RUN else None


def _why_no_rerun(run: RunSummary) -> str | None:
    if run.status not in TERMINAL_RUN:
        return f"it is still {run.status.lower()}: cancel it first (c)"
    if isinstance(run, RunDetail) and not rerun_choices(run):
        return "none of its stages ever started"
    return None


def _why_no_retry(run: RunSummary) -> str | None:
    return None if run.status == RunStatus.FAILED else f"only a failed run can be retried; it is {run.status.lower()}"


def _ask_cancel(run: RunSummary, _: Answer) -> Question:
    lines = [f"Run {run.id} of {run.workflow_id}."]
    if run.status == RunStatus.PENDING:
        lines.append("It has not started; it never will.")
    else:
        where = ", ".join(run.current_stages)
        lines.append(f"What executes now is stopped{f': {where}' if where else ''}.")
        lines.append("Outputs of finished stages are kept: it can be rerun later (R).")
    return Question("Cancel this run?", lines, "Yes, cancel it")


def _ask_retry(run: RunSummary, _: Answer) -> Question:
    lines = [f"Run {run.id} of {run.workflow_id}."]
    if isinstance(run, RunDetail):
        failed = [stage.stage_id for stage in run.stages if stage.status == StageStatus.FAILED]
        kept = [stage.stage_id for stage in run.stages if stage.status == StageStatus.COMPLETED]
        lines.append(f"Runs again: {', '.join(failed) or '-'}")
        lines.append(f"Kept: {', '.join(kept) or 'nothing'}")
    return Question("Retry the failed stages?", lines, "Yes, retry")


def _ask_rerun(run: RunSummary, answer: Answer) -> Question:
    lines = [f"Run {run.id} of {run.workflow_id}."]
    if isinstance(run, RunDetail) and answer.stage_id:
        again, reused = stages_again(run, answer.stage_id)
        lines.append(f"Runs again: {', '.join(again)}")
        lines.append(f"Reused: {', '.join(reused) or 'nothing'}")
    return Question("Rerun from this stage?", lines, "Yes, rerun")


def _why_not_dead(event: EventView) -> str | None:
    return None if event.delivery == Delivery.DEAD else f"it is {event.delivery}"


def _ask_replay(event: EventView, _: Answer) -> Question:
    lines = [f"{event.type} of run {event.run_id}.", "Its sink gets it again with a fresh budget of tries."]
    return Question("Replay this dead letter?", lines, "Yes, replay")


def _ask_discard(event: EventView, _: Answer) -> Question:
    lines = [
        f"{event.type} of run {event.run_id}.",
        "It is closed for good; the row stays, with your reason.",
    ]
    return Question("Discard this dead letter?", lines, "Yes, discard")


CANCEL: Operation[RunSummary] = Operation(
    "run.cancel",
    "c",
    "cancel",
    "cancel the run",
    RUN_PLACES,
    writes=True,
    valid_for=_why_no_cancel,
    question=_ask_cancel,
    command=lambda run, answer: CancelRun(run_id=run.id, reason=answer.reason or None, idempotency_key=answer.key),
    twin=lambda run, _: cli("cancel", run.id),
    done="cancelled",
)

RERUN: Operation[RunSummary] = Operation(
    "run.rerun",
    "R",
    "rerun",
    "rerun from a stage you choose",
    RUN_PLACES,
    writes=True,
    valid_for=_why_no_rerun,
    question=_ask_rerun,
    command=lambda run, answer: RerunFrom(
        run_id=run.id,
        from_stage_id=answer.stage_id,
        config={stage: dict(fields) for stage, fields in answer.config.items()},
        reuse_ai=answer.reuse_ai,
        idempotency_key=answer.key,
    ),
    twin=lambda run, answer: cli("rerun", run.id, "--from", answer.stage_id, *_changes(answer)),
    done="rerun started",
)

RETRY: Operation[RunSummary] = Operation(
    "run.retry",
    "F",
    "retry",
    "retry the failed stages",
    RUN_PLACES,
    writes=True,
    valid_for=_why_no_retry,
    question=_ask_retry,
    command=lambda run, answer: RetryFailed(run_id=run.id, idempotency_key=answer.key),
    twin=lambda run, _: cli("retry", run.id),
    done="retry started",
)

REPLAY: Operation[EventView] = Operation(
    "dlq.replay",
    "P",
    "replay",
    "replay the dead letter",
    frozenset({"dlq"}),
    writes=True,
    valid_for=_why_not_dead,
    question=_ask_replay,
    command=lambda event, answer: ReplayDeadLetters(event_ids=[event.id], idempotency_key=answer.key),
    twin=lambda event, _: cli("dlq", "replay", event.id),
    done="due again",
)

DISCARD: Operation[EventView] = Operation(
    "dlq.discard",
    "X",
    "discard",
    "discard the dead letter, with a reason",
    frozenset({"dlq"}),
    writes=True,
    valid_for=_why_not_dead,
    question=_ask_discard,
    command=lambda event, answer: DiscardDeadLetters(
        event_ids=[event.id], reason=answer.reason, idempotency_key=answer.key
    ),
    twin=lambda event, answer: cli("dlq", "discard", event.id, "--reason", answer.reason, "--yes"),
    done="discarded",
)


def _changes(answer: Answer) -> list[str]:
    """What a rerun does otherwise, as options."""
    changed = [(f"{stage}.{name}", value) for stage, fields in answer.config.items() for name, value in fields.items()]
    words = [
        word for name, value in changed for word in ("--set-config", f"{name}={json.dumps(value, ensure_ascii=False)}")
    ]
    return [*words, "--reuse-ai"] if answer.reuse_ai else words


def create_run(workflow_id: str, value: Json, answer: Answer) -> CreateRun:
    """The command of the new-run form."""
    return CreateRun(idempotency_key=answer.key, workflow_id=workflow_id, input=value)


def create_run_twin(workflow_id: str, value: Json) -> str:
    return cli("run", workflow_id, "--input", json.dumps(value, ensure_ascii=False))


NEW_RUN = Action(
    "run.new",
    "o",
    "new run",
    "start a run of a workflow",
    frozenset({"runs", "run", "workflows"}),
    writes=True,
)

OPEN = Action(
    "go.open",
    "enter",
    "open",
    "open it, or step into the pane",
    frozenset({"runs", "run", "costs", "dlq", "workers", "workflows"}),
)
EXPLAIN = Action("run.explain", "a", "why", "explain why it is where it is", RUN_PLACES)
FILTER = Action(
    "list.filter",
    "/",
    "filter",
    "filter the list, or search the log",
    frozenset({"runs", "run", "logs", "costs"}),
)
FOLLOW = Action("log.follow", "f", "follow", "follow the log, or stop following", frozenset({"run", "logs", "runs"}))
NEXT_TAB = Action("go.next-tab", "tab", "next tab", "the next tab (shift+tab: the one before)", frozenset({"run"}))
MARK = Action("list.mark", "space", "mark", "mark it, or not", frozenset({"runs", "dlq"}), footer=False)
TAKE = Action("list.take", ".", "take new", "take in the new rows held back", frozenset({"runs"}), footer=False)
COPY = Action("go.copy", "y", "copy", "copy the id", EVERYWHERE, footer=False)
PAUSE = Action("live.pause", "p", "pause", "pause live refresh, or go on", EVERYWHERE, footer=False)
WRAP = Action("log.wrap", "w", "wrap", "wrap long log lines", frozenset({"run", "logs"}), footer=False)
LEVEL = Action("log.level", "L", "level", "the least level shown in the log", frozenset({"run", "logs"}), footer=False)
TIMES = Action("live.times", "t", "times", "show times as ages, local or UTC", EVERYWHERE, footer=False)
DIFF = Action(
    "go.diff",
    "d",
    "compare",
    "compare two marked runs, two attempts of a stage, or with the last good run; costs with the period before",
    RUN_PLACES | {"costs"},
)
VIEWS = Action(
    "list.views", "v", "views", "another view: what to look at, folded by what", frozenset({"costs", "runs"})
)
HOLD = Action("workflow.hold", "H", "hold", "hold the workflow, or release it", frozenset({"workflows"}), writes=True)
MARK_ALL = Action("list.mark-all", "*", "mark all", "mark all that match", frozenset({"dlq", "runs"}), footer=False)
ONLY = Action("log.only", "&", "only", "keep only matching lines: stage: id: level: words", frozenset({"logs"}))
EXPORT = Action(
    "go.export",
    "e",
    "export",
    "write what is shown to a file",
    frozenset({"logs", "costs", "run", "runs"}),
    footer=False,
)
HELP = Action("go.help", "?", "help", "what the keys do here", EVERYWHERE)
BACK = Action("go.back", "escape", "back", "clear the filter, then the marks, then back", EVERYWHERE, footer=False)
QUIT = Action("go.quit", "q", "quit", "back; at the root: quit", EVERYWHERE)

PLACES: tuple[Action, ...] = (
    Action("place.runs", "1", "runs", "place: Runs", EVERYWHERE, footer=False),
    Action("place.logs", "2", "logs", "place: Logs of all runs, live", EVERYWHERE, footer=False),
    Action("place.costs", "3", "costs", "place: Costs", EVERYWHERE, footer=False),
    Action("place.dlq", "4", "dlq", "place: dead letters", EVERYWHERE, footer=False),
    Action("place.workers", "5", "workers", "place: Workers and queue", EVERYWHERE, footer=False),
    Action("place.workflows", "6", "workflows", "place: Workflows", EVERYWHERE, footer=False),
)

RUN_OPERATIONS: tuple[Operation[RunSummary], ...] = (CANCEL, RETRY, RERUN, POLL, GIVE_UP, NOTE)
EVENT_OPERATIONS: tuple[Operation[EventView], ...] = (REPLAY, DISCARD)

ACTIONS: tuple[Action, ...] = (
    OPEN,
    EXPLAIN,
    CANCEL,
    RETRY,
    RERUN,
    *RUN_TAB_ACTIONS,
    REPLAY,
    DISCARD,
    NEW_RUN,
    FILTER,
    FOLLOW,
    NEXT_TAB,
    MARK,
    TAKE,
    COPY,
    PAUSE,
    TIMES,
    WRAP,
    LEVEL,
    *FRAME_ACTIONS,
    ONLY,
    DIFF,
    VIEWS,
    HOLD,
    MARK_ALL,
    EXPORT,
    HELP,
    BACK,
    QUIT,
    *PLACES,
)
"""In the order the footer and the help show them."""


def shortfall(result: object) -> str | None:
    """Why a command that was carried out changed nothing; None when it did what was asked."""
    if isinstance(result, CancelRunResult) and not result.cancelled:
        return "nothing to cancel: the run was over by then"
    if isinstance(result, PollNowResult) and not result.stages:
        return "nothing of it waited by then"
    if isinstance(result, ReplayDeadLettersResult) and not result.replayed:
        return "nothing was replayed: it is no dead letter any more"
    if isinstance(result, DiscardDeadLettersResult) and not result.discarded:
        return "nothing was discarded: it is no dead letter any more"
    return None


def actions_of(place: str) -> list[Action]:
    """What has a meaning in that place, in footer order."""
    return [action for action in ACTIONS if place in action.places]
