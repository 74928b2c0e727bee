"""What can be done about one run besides cancelling, retrying and rerunning it, and looked at in its tabs."""

from __future__ import annotations

import re
from collections.abc import Sequence

from engine.commands import AnnotateRun, FailStage
from engine.inspector import RunDetail, RunStatus, RunSummary, StageStatus
from engine.model.json import Json
from wfconsole.action_kinds import RUN_PLACES, Action, Answer, Operation, Question, cli

_RUN = frozenset({"run"})


def suspended_stages(run: RunDetail) -> list[str]:
    """The stages that wait for an outside result."""
    return [stage.stage_id for stage in run.stages if stage.status is StageStatus.SUSPENDED]


def given_up_choices(run: RunDetail) -> list[str]:
    """The stages that may be given up: those that wait, in any way."""
    return [stage.stage_id for stage in run.stages if stage.status in (StageStatus.SUSPENDED, StageStatus.PENDING)]


_BATCH_NAMES = re.compile(r"(^|_)(batch|job|task)(_?ids?)?$")


def batch_ids(state: Json) -> list[str]:
    """The ids a waiting stage remembers of work outside: texts under names such as `batch_id`."""
    found: list[str] = []
    waiting: list[tuple[str, Json]] = [("", state)]
    while waiting:
        name, value = waiting.pop()
        if isinstance(value, dict):
            waiting.extend((str(key), one) for key, one in value.items())
        elif isinstance(value, list):
            waiting.extend((name, one) for one in value)
        elif isinstance(value, str) and value and _BATCH_NAMES.search(name):
            found.append(value)
    return list(dict.fromkeys(reversed(found)))


def outside_line(stage_id: str, ids: Sequence[str]) -> str:
    """What a stage that is given up or cancelled leaves behind."""
    what = f"the batch {', '.join(ids)}" if ids else "an outside result"
    return f"{stage_id} waits for {what}: over there it goes on, and may bill."


def _why_no_giving_up(run: RunSummary) -> str | None:
    if run.status is not RunStatus.RUNNING:
        return f"it is {run.status.lower()}: nothing of it waits"
    if isinstance(run, RunDetail) and not given_up_choices(run):
        return "what executes can't be given up: cancel the run (c)"
    return None


def _ask_give_up(run: RunSummary, answer: Answer) -> Question:
    lines = [f"Run {run.id} of {run.workflow_id}."]
    if answer.stage_id:
        lines.append(f"{answer.stage_id} fails for good, with your reason as its error. The run fails with it.")
    return Question("Give this stage up?", lines, "Yes, give it up")


def _ask_note(run: RunSummary, _: Answer) -> Question:
    return Question("Note something about this run?", [f"Run {run.id} of {run.workflow_id}."], "Keep the note")


GIVE_UP: Operation[RunSummary] = Operation(
    "run.give-up",
    "U",
    "give up",
    "give up a stage that waits, with a reason",
    RUN_PLACES,
    footer=False,
    writes=True,
    valid_for=_why_no_giving_up,
    question=_ask_give_up,
    command=lambda run, answer: FailStage(run_id=run.id, stage_id=answer.stage_id, reason=answer.reason),
    twin=lambda run, answer: cli("give-up", run.id, "--stage", answer.stage_id, "--reason", answer.reason),
    done="stage given up",
)

NOTE: Operation[RunSummary] = Operation(
    "run.note",
    "m",
    "note",
    "note something about the run",
    RUN_PLACES,
    footer=False,
    writes=True,
    valid_for=lambda run: None,
    question=_ask_note,
    command=lambda run, answer: AnnotateRun(
        run_id=run.id, attributes={"note": answer.reason}, actor_kind="human", idempotency_key=answer.key
    ),
    twin=lambda run, answer: cli("note", run.id, answer.reason),
    done="noted",
)

EARLIER = Action("run.earlier", "[", "earlier", "the event, or the stage's attempt, before", _RUN, footer=False)
LATER = Action("run.later", "]", "later", "the event, or the stage's attempt, after", _RUN, footer=False)
FOLD = Action("run.fold", "z", "fold", "fold stages side by side in the graph, idle time in the timeline", _RUN)
RUN_TAB_ACTIONS: tuple[Action, ...] = (GIVE_UP, NOTE, EARLIER, LATER, FOLD)
