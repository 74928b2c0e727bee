"""What operators do, for the machine that checks the engine against the reference."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hypothesis import strategies as st
from model_reference import ModelRun, Refused

from engine import (
    AnnotateRun,
    CancelRun,
    FailStage,
    IllegalTransition,
    PauseWorkflow,
    PollNow,
    RerunFrom,
    ResumeWorkflow,
    RetryFailed,
    TransitionRun,
)

OPERATORS = (
    *("cancel", "rerun", "rerun", "rerun", "retry_failed", "retry_failed", "retry_failed", "poll_now", "give_up"),
    *("pause", "resume", "resume", "transition", "annotate"),
)


class OperatorSteps:
    def _operate(self, data: st.DataObject) -> None:
        kind = data.draw(st.sampled_from(self.operators), "command")
        run = data.draw(st.sampled_from(list(self.model.runs.values())), "run")
        stages = sorted(run.stages) if kind == "give_up" else [one for group in run.plan for one in group]
        if stages:
            getattr(self, f"_{kind}")(run, data.draw(st.sampled_from(stages), "stage"))

    def _cancel(self, run: ModelRun, _: str) -> None:
        assert self.send(CancelRun(run_id=run.id)).cancelled == self.model.cancel(run)

    def _rerun(self, run: ModelRun, stage_id: str) -> None:
        self._as_allowed(
            RerunFrom(run_id=run.id, from_stage_id=stage_id),
            lambda: self.model.rerun(run, stage_id),
            lambda result: result.deleted_stages,
        )

    def _retry_failed(self, run: ModelRun, _: str) -> None:
        self._as_allowed(
            RetryFailed(run_id=run.id), lambda: self.model.retry_failed(run), lambda result: result.retried_stages
        )

    def _poll_now(self, run: ModelRun, _: str) -> None:
        self._as_allowed(PollNow(run_id=run.id), lambda: self.model.poll_now(run), lambda result: result.stages)

    def _give_up(self, run: ModelRun, stage_id: str) -> None:
        self._as_allowed(
            FailStage(run_id=run.id, stage_id=stage_id, reason="enough"),
            lambda: self.model.give_up(run, stage_id),
            lambda result: result.failed,
        )

    def _as_allowed(self, command: Any, act: Callable[[], Any], told: Callable[[Any], Any]) -> None:
        """The reference refuses what the engine refuses, and else both tell the same."""
        try:
            expected = act()
        except Refused:
            self._raises(IllegalTransition, command)
            return
        found = told(self.send(command))
        assert (sorted(found) if isinstance(found, list) else found) == (
            sorted(expected) if isinstance(expected, list) else expected
        )

    def _pause(self, run: ModelRun, _: str) -> None:
        self.send(PauseWorkflow(workflow_id=run.workflow))
        self.model.paused.add(run.workflow)

    def _resume(self, run: ModelRun, _: str) -> None:
        self.send(ResumeWorkflow(workflow_id=run.workflow))
        self.model.paused.discard(run.workflow)

    def _transition(self, run: ModelRun, _: str) -> None:
        """Outcomes moved the run already: there is never anything left to do."""
        assert self.send(TransitionRun(run_id=run.id)).action == "noop"

    def _annotate(self, run: ModelRun, stage_id: str) -> None:
        emit = stage_id == "a"
        assert self.send(AnnotateRun(run_id=run.id, attributes={"seen": True}, emit_event=emit)).written == 1
        run.notes += 1
        run.events["annotation:created"] += emit
