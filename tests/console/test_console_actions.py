"""The operator's actions: keys that never change meaning, refusals, questions, commands and twins."""

from __future__ import annotations

import shlex
from collections import Counter

import pytest
from console_samples import dead_letter, detail, summary

from engine.commands import CancelRunResult, ReplayDeadLettersResult, RerunFromResult
from engine.model.status import RunStatus
from wfconsole import actions
from wfconsole.actions import Answer

CONTRACT_KEYS = {
    "run.cancel": "c",
    "run.rerun": "R",
    "run.retry": "F",
    "dlq.replay": "P",
    "dlq.discard": "X",
    "run.new": "o",
    "log.follow": "f",
    "live.pause": "p",
    "run.explain": "a",
    "live.times": "t",
    "go.copy": "y",
    "list.filter": "/",
    "list.mark": "space",
    "go.help": "?",
    "go.open": "enter",
    "go.back": "escape",
    "go.quit": "q",
    "place.runs": "1",
    "place.logs": "2",
    "place.costs": "3",
    "place.dlq": "4",
    "place.workers": "5",
    "place.workflows": "6",
}


def test_the_keys_of_the_contract() -> None:
    keys = {action.id: action.key for action in actions.ACTIONS}
    assert {name: keys[name] for name in CONTRACT_KEYS} == CONTRACT_KEYS


def test_a_key_has_one_meaning_everywhere() -> None:
    assert [key for key, times in Counter(action.key for action in actions.ACTIONS).items() if times > 1] == []


@pytest.mark.parametrize(
    ("status", "allowed"),
    [
        (RunStatus.PENDING, {"run.cancel", "run.note"}),
        (RunStatus.RUNNING, {"run.cancel", "run.poll", "run.note", "run.give-up"}),
        (RunStatus.COMPLETED, {"run.rerun", "run.note"}),
        (RunStatus.FAILED, {"run.rerun", "run.retry", "run.note"}),
        (RunStatus.CANCELLED, {"run.rerun", "run.note"}),
    ],
)
def test_what_is_allowed_in_which_state(status: RunStatus, allowed: set[str]) -> None:
    run = summary(1, status)
    assert {one.id for one in actions.RUN_OPERATIONS if one.valid_for(run) is None} == allowed


def test_a_refusal_is_a_sentence() -> None:
    assert actions.CANCEL.valid_for(summary(1, RunStatus.FAILED)) == "it is already failed"
    assert actions.RETRY.valid_for(summary(1)) == "only a failed run can be retried; it is running"
    never_started = detail(summary(1, RunStatus.PENDING)).model_copy(update={"status": RunStatus.CANCELLED})
    assert actions.RERUN.valid_for(never_started) == "none of its stages ever started"


def test_a_rerun_may_start_only_where_the_run_has_been() -> None:
    failed = detail(summary(1, RunStatus.FAILED))
    assert actions.rerun_choices(failed) == ["fetch", "ocr", "parse", "embed"]
    assert actions.stages_again(failed, "parse") == (["ocr", "parse", "embed", "publish"], ["fetch"])
    assert actions.stages_again(failed, "fetch") == (["fetch", "ocr", "parse", "embed", "publish"], [])


def test_every_operation_asks_sends_and_can_be_said_as_a_command_line() -> None:
    run, event = detail(summary(1, RunStatus.FAILED)), dead_letter(1)
    answer = Answer(key="k1", stage_id="embed", reason="it's known")
    for operation in actions.RUN_OPERATIONS:
        assert run.id in "".join(operation.question(run, answer).lines)
        command = operation.command(run, answer)
        assert command.model_dump().get("idempotency_key", "k1") == "k1"
        assert shlex.split(operation.twin(run, answer))[0] == "wfconsole"
    for event_operation in actions.EVENT_OPERATIONS:
        assert event_operation.command(event, answer).model_dump()["event_ids"] == [event.id]
        assert event.id in shlex.split(event_operation.twin(event, answer))


def test_twins_can_be_pasted() -> None:
    answer = Answer(key="k", reason="don't; rm -rf $HOME")
    words = shlex.split(actions.DISCARD.twin(dead_letter(1), answer))
    assert words[-2:] == ["don't; rm -rf $HOME", "--yes"]
    twin = actions.create_run_twin("wf", {"url": 'it\'s "here"'})
    assert shlex.split(twin) == ["wfconsole", "run", "wf", "--input", '{"url": "it\'s \\"here\\""}']


def test_a_command_that_changed_nothing_is_told() -> None:
    assert actions.shortfall(CancelRunResult(cancelled=False)) is not None
    assert actions.shortfall(CancelRunResult(cancelled=True)) is None
    assert actions.shortfall(ReplayDeadLettersResult(replayed=0)) is not None
    assert actions.shortfall(RerunFromResult(run_id="r", from_stage_id="s", deleted_stages=[])) is None
