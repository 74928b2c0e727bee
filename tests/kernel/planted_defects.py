"""Defects an engine could have, to be planted for one test: each takes away one guard that the rest relies on."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from engine.kernel import claiming, course, delivering, kernel, settling
from engine.kernel.changes import Changes
from engine.kernel.handlers import run_cancel, run_rerun_from, run_retry_failed
from engine.kernel.procedures import outbox_flush, stage_poll_suspended
from engine.kernel.rules.advance import Move, advance
from engine.kernel.rules.hand_off import Shares
from engine.kernel.rules.retry import Again
from engine.kernel.settling import Settling
from engine.model.status import StageStatus
from engine.stores.sql.jobs import SqlJobs
from engine.stores.sql.operations import SqlPauses
from engine.stores.sql.outbox import SqlOutbox
from engine.stores.sql.runs import SqlRuns
from engine.stores.sql.stages import SqlStages

Plant = Callable[[pytest.MonkeyPatch], None]
DEFECTS: dict[str, Plant] = {}


def defect(plant: Plant) -> Plant:
    DEFECTS[plant.__name__] = plant
    return plant


@defect
def no_token_check(patch: pytest.MonkeyPatch) -> None:
    """Whoever comes late may still write the outcome."""

    def finish(self: SqlJobs, outcomes: Any) -> int:
        self.save([job for _, job in outcomes])
        return len(outcomes)

    patch.setattr(SqlJobs, "finish", finish)


@defect
def no_attempt_cap_at_failures(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(
        settling,
        "after_failure",
        lambda policy, *, tries, retryable, draw, **_: (
            Again(policy.initial_delay * 2 ** (tries - 1)) if retryable else None
        ),
    )


@defect
def no_attempt_cap_at_crashes(patch: pytest.MonkeyPatch) -> None:
    original = Settling.reap
    patch.setattr(
        Settling, "reap", lambda self, job, stage: original(self, job._replace(max_attempts=1_000_000), stage)
    )


@defect
def unguarded_cancel(patch: pytest.MonkeyPatch) -> None:
    """The last terminal state wins."""
    patch.setattr(run_cancel, "TERMINAL_RUN", frozenset())


@defect
def cancel_leaves_the_stages(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(run_cancel, "wind_up", lambda changes, run_id, cause: None)


@defect
def first_failure_ends_the_group(patch: pytest.MonkeyPatch) -> None:
    def hasty(*, groups: int, group: int, open_stages: int, failed: bool) -> Move:
        return Move("fail") if failed else advance(groups=groups, group=group, open_stages=open_stages, failed=failed)

    patch.setattr(course, "advance", hasty)


@defect
def group_advances_with_its_first_stage(patch: pytest.MonkeyPatch) -> None:
    def hasty(*, groups: int, group: int, open_stages: int, failed: bool) -> Move:
        return advance(groups=groups, group=group, open_stages=0, failed=failed)

    patch.setattr(course, "advance", hasty)


@defect
def rerun_keeps_later_groups(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(
        run_rerun_from, "to_delete", lambda stages, group: [stage for stage in stages if stage.group_no == group]
    )


@defect
def rerun_counts_attempts_anew(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Changes, "last_attempts", lambda self, run_id: {})


@defect
def retry_runs_completed_siblings_again(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(
        run_retry_failed, "to_retry", lambda stages, group: [stage for stage in stages if stage.group_no == group]
    )


@defect
def attempts_are_not_kept(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(SqlStages, "archive", lambda self, records: None)


@defect
def polls_are_not_leased(patch: pytest.MonkeyPatch) -> None:
    original = SqlStages.claim_polls
    patch.setattr(
        SqlStages,
        "claim_polls",
        lambda self, workflow_ids, token, until, limit: original(self, workflow_ids, token, self._now, limit),
    )


@defect
def polls_have_no_deadline(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(stage_poll_suspended, "deadline_passed", lambda now, until: False)


@defect
def broken_checks_are_asked_for_ever(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(stage_poll_suspended, "after_error", lambda now, errors, jitter: now + timedelta(seconds=5 * jitter))


@defect
def hand_off_ignores_priority(patch: pytest.MonkeyPatch) -> None:
    def selfish(free: int, handed_off: Any, due: Any, pending: Any) -> Shares:
        kept = min(free, len(handed_off))
        taken = min(free - kept, len(due))
        return Shares(kept, taken, min(free - kept - taken, len(pending)))

    patch.setattr(claiming, "share", selfish)


@defect
def pauses_are_not_asked(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(SqlPauses, "paused", lambda self: frozenset())


@defect
def keys_ignore_the_payload(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(kernel, "_payload_hash", lambda command: "same")


@defect
def a_drained_attempt_counts(patch: pytest.MonkeyPatch) -> None:
    original = Settling._requeue
    patch.setattr(
        Settling,
        "_requeue",
        lambda self, stage, code, why, *, tries: original(self, stage, code, why, tries=stage.tries),
    )


@defect
def delayed_runs_start_at_once(patch: pytest.MonkeyPatch) -> None:
    original = SqlRuns.promote_delayed

    def eager(self: SqlRuns) -> int:
        self._now += timedelta(days=1)
        try:
            return original(self)
        finally:
            self._now -= timedelta(days=1)

    patch.setattr(SqlRuns, "promote_delayed", eager)


@defect
def delivery_is_not_noted(patch: pytest.MonkeyPatch) -> None:
    """The process dies between the sink's yes and the write of it, each time."""
    original = SqlOutbox.save
    patch.setattr(
        SqlOutbox,
        "save",
        lambda self, records: original(self, [event for event in records if event.published_at is None]),
    )


@defect
def a_failing_run_is_not_held_back(patch: pytest.MonkeyPatch) -> None:
    """The next event of the run goes out although the one before it did not."""
    original = delivering._at_one

    async def one_by_one(sink: Any, waiting: Any, known: Any, now: Any, last_start: float) -> Any:
        whole = await original(sink, waiting[:1], known, now, last_start)
        for event in waiting[1:]:
            at = await original(sink, [event], known, now, last_start)
            whole.states.update(at.states)
            whole.tried, whole.failed = whole.tried + at.tried, whole.failed + at.failed
        return whole

    patch.setattr(delivering, "_at_one", one_by_one)


@defect
def replay_keeps_the_spent_budget(patch: pytest.MonkeyPatch) -> None:
    original = SqlOutbox.save

    def save(self: SqlOutbox, records: Any) -> None:
        spent = {event.id: event.retry_count for event in self.dead(1000, None, None)}
        original(self, [event._replace(retry_count=spent.get(event.id, event.retry_count)) for event in records])

    patch.setattr(SqlOutbox, "save", save)


@defect
def dead_letters_are_not_told(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(outbox_flush, "_tell", lambda work, run_id, dead: None)


@defect
def a_suspended_stage_counts_as_done(patch: pytest.MonkeyPatch) -> None:
    original = Settling._suspend

    def suspend(self: Settling, stage: Any, delivery: Any, ending: Any, free: Any) -> Any:
        settled = original(self, stage, delivery, ending, free)
        run = self.changes.run(stage.run_id)
        assert stage.status is StageStatus.RUNNING
        self.changes.update_run(run.id, open_stages=run.open_stages - 1)
        return settled

    patch.setattr(Settling, "_suspend", suspend)
