"""The read side: what may be asked of a store. Records come back, never rows and never views."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, tzinfo
from decimal import Decimal
from typing import Protocol

from engine.model.criteria import AnnotationFilter, CallFilter, PageRequest, RunFilter
from engine.model.read_records import (
    Activity,
    AnnotationRow,
    AttemptRow,
    AttemptTexts,
    CostSum,
    DefinitionRef,
    FailureSum,
    HotCause,
    Inconsistency,
    LeaseRow,
    LetterGroup,
    OpenStage,
    QueueCount,
    RunCount,
    RunRow,
    RunWhole,
    SinkBacklog,
    Situation,
    Slice,
    StagePrice,
    StageRow,
    UnfinishedCount,
)
from engine.model.records import (
    AICallRecord,
    ArtifactRecord,
    AuditRecord,
    EventRecord,
    LogRecord,
    PauseRecord,
    ScheduleRecord,
    StageRecord,
    WorkerRecord,
)
from engine.model.status import LogLevel


class ReadStore(Protocol):
    """Every method reads the same snapshot. `now` is sampled once, when the read begins.

    Pages are keyset pages: complete and without repeats while rows are added. Where the page names no sort,
    each listing has its own order. A wrong sort field or cursor raises `InvalidInput`.
    """

    now: datetime

    def runs(self, criteria: RunFilter, page: PageRequest) -> Slice[RunRow]:
        """The runs that match; the id decides between equals, runs without the sort value come last.

        Raises `InvalidInput` for an unknown status word or a text too long to search for.
        """

    def run(self, run_id: str) -> RunWhole | None:
        """None when there is no such run."""

    def exists(self, run_id: str) -> bool:
        """Whether there is such a run."""

    def resolve(self, prefix: str, limit: int) -> list[str]:
        """Ids of runs that begin with `prefix` (in any case), in order."""

    def reached(self, run_ids: Sequence[str]) -> list[StageRow]:
        """The stages of the group each of the runs has reached, by run and number."""

    def unpriced_runs(self, run_ids: Sequence[str]) -> set[str]:
        """Those of the runs that have an AI call whose price nobody knows; one under way has none yet."""

    def plans(self, definitions: Iterable[tuple[str, str]]) -> dict[tuple[str, str], str]:
        """Plan texts by (workflow id, fingerprint); unknown ones are left out."""

    def stages(self, run_id: str) -> list[tuple[StageRecord, str | None]]:
        """The stages of a run with their input texts, by group and number."""

    def attempts(self, run_id: str) -> list[AttemptRow]:
        """The attempts that are over and archived, by stage and attempt."""

    def artifacts(self, run_id: str) -> list[ArtifactRecord]:
        """By stage, attempt and name."""

    def attempt_texts(self, run_id: str, stage_id: str) -> list[AttemptTexts]:
        """Every attempt of one stage with its payload texts, the one under way last."""

    def suspended_state(self, run_id: str, stage_id: str) -> str | None:
        """What a waiting stage remembers; None when there is nothing."""

    def artifact(self, run_id: str, stage_id: str, name: str, attempt: int | None) -> ArtifactRecord | None:
        """Of that attempt, or the latest of that name."""

    def stage_times(self, run_ids: Sequence[str]) -> list[tuple[str, datetime, datetime]]:
        """(stage id, start, end) of the completed stages of these runs."""

    def unpriced_attempts(self, run_id: str) -> set[tuple[str, int]]:
        """(stage id, attempt) of such AI calls of the run."""

    def situation(self, run_id: str) -> Situation | None:
        """None when there is no such run."""

    def logs(
        self,
        page: PageRequest,
        *,
        run_id: str | None = None,
        stage_id: str | None = None,
        level: LogLevel | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        search: str | None = None,
    ) -> Slice[LogRecord]:
        """Log lines, the newest first; of `level` or graver, from `since` on, before `until`.

        A page of all runs looks through a bounded number of lines: it may hold fewer than it takes, or none, and still
        have a cursor.
        """

    def tail(self, run_id: str | None, after: int | None, limit: int) -> list[LogRecord]:
        """The next lines after that `seq` in commit order; without it the last lines, in commit order too."""

    def events(self, run_id: str, page: PageRequest) -> Slice[EventRecord]:
        """By sequence."""

    def dead_letters(
        self,
        run_id: str | None,
        page: PageRequest,
        *,
        fingerprint: str | None = None,
        sink: str | None = None,
        prefix: str | None = None,
    ) -> Slice[EventRecord]:
        """Events given up and not discarded, the latest first; `prefix` is of their ids."""

    def dead_letters_of(self, run_ids: Sequence[str]) -> dict[str, int]:
        """How many dead letters each of the runs has; a run without any is left out."""

    def dead_letter_groups(self, limit: int) -> list[LetterGroup]:
        """Up to `limit` groups of dead letters with one cause and sink, the largest first."""

    def events_by_id(self, event_ids: Sequence[str]) -> list[EventRecord]:
        """By id; unknown ids are left out."""

    def annotations(
        self,
        run_id: str,
        page: PageRequest,
        criteria: AnnotationFilter,
    ) -> Slice[AnnotationRow]:
        """In the order they were written."""

    def has_annotations(self, run_id: str, key_prefix: str) -> bool:
        """Whether the run has any whose key begins so."""

    def failures(self, criteria: RunFilter, limit: int) -> list[FailureSum]:
        """The FAILED runs that match, by fingerprint, workflow and stage; those with most runs first."""

    def counts(self) -> list[RunCount]:
        """From the rollup: nobody counts runs."""

    def activity(self, *, long_window: datetime, short_window: datetime, day: datetime) -> Activity:
        """`ended` counts from `long_window` on, `ended_lately` from `short_window`, costs from `day`."""

    def derived_counts(self) -> tuple[int, int]:
        """How many RUNNING runs are in backoff, and how many wait for outside: all that is active suspended."""

    def ended_by_hour(self, since: datetime, hours: int) -> list[int]:
        """How many runs ended in each of so many hours from `since` on; what ended later counts in the last."""

    def hot_cause(self, *, within: datetime, least: int, since: datetime) -> HotCause | None:
        """The cause and stage with most failures from `within` on, if they are `least` or more.

        All failures of it are counted that were created from `since` on; never fewer than those.
        """

    def workers(self) -> list[WorkerRecord]:
        """Those that registered and neither left nor were forgotten, by id."""

    def queue(self) -> list[QueueCount]:
        """One for each workflow with jobs that aren't done or runs that are PENDING, by id."""

    def leases(self, limit: int) -> list[LeaseRow]:
        """Up to `limit` jobs being executed, by worker, the longest first."""

    def unfinished(self) -> list[UnfinishedCount]:
        """How many runs are PENDING or RUNNING, by workflow, definition and group reached, in that order."""

    def open_stages(self) -> list[OpenStage]:
        """The stages neither COMPLETED nor SKIPPED of the groups that RUNNING runs have reached, by workflow,
        definition and stage."""

    def definitions(self) -> list[DefinitionRef]:
        """The newest stored definition of each workflow, by id."""

    def costs(
        self,
        by: Sequence[str],
        *,
        since: datetime | None,
        until: datetime | None,
        criteria: RunFilter | None,
        limit: int,
        zone: tzinfo = UTC,
    ) -> list[CostSum]:
        """AI calls summed by these keys, the dearest first; with `criteria` only those of runs that match. `since` is
        included, `until` not.

        Keys: model, provider, workflow, stage, topic, run, day (of `zone`). Raises `InvalidInput` for another.
        """

    def ai_calls(self, criteria: CallFilter, page: PageRequest, *, brief: bool) -> Slice[AICallRecord]:
        """AI calls, the newest first; with `brief` only the beginnings of their words, and no answers kept for later.

        They sort by created_at, cost, latency_ms, input_tokens and output_tokens: the id decides between equals, calls
        without the sort value come last.
        """

    def ai_call(self, call_id: str) -> AICallRecord | None:
        """The call whole; None when there is none of that id."""

    def open_calls(self, run_id: str) -> list[AICallRecord]:
        """Those of the run that are under way, the oldest first; briefly."""

    def calls_of_run(self, run_id: str) -> list[AICallRecord]:
        """All of the run that a model was asked for, the reused ones left out, the oldest first; briefly."""

    def recall(self, request_key: str, run_id: str | None) -> AICallRecord | None:
        """The newest call of an equal request that was answered by a model, and whose answer is kept: of a run, or of
        anybody."""

    def answers(self, request_key: str, run_id: str, stage_id: str, before_attempt: int) -> list[AICallRecord]:
        """All such calls of a stage's earlier attempts: the latest attempt's first, of one attempt in order."""

    def recorded(self, batch_id: str) -> set[str]:
        """Ids of the calls of a batch that ended."""

    def limits(self, run_id: str) -> dict[str, Decimal | None]:
        """What operators allowed the run to spend: by stage id, empty for the whole run; None: without limit."""

    def stage_prices(self, workflow_id: str, stage_ids: Sequence[str], sample: int) -> list[StagePrice]:
        """What the last attempts of these stages cost in the `sample` newest runs that completed them: one for each
        stage, in the order given."""

    def pauses(self) -> list[PauseRecord]:
        """The paused workflows, by id."""

    def audit(
        self,
        page: PageRequest,
        *,
        run_id: str | None = None,
        actor: str | None = None,
        command: str | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
    ) -> Slice[AuditRecord]:
        """What operators did, the newest first."""

    def blob(self, key: str) -> bytes | None:
        """A blob kept in the database itself."""

    def has_blob(self, key: str) -> bool:
        """Whether there is one."""

    def blob_keys(self, prefix: str) -> list[str]:
        """Sorted."""

    def inconsistencies(self) -> list[Inconsistency]:
        """Everything that must hold and doesn't, but for blobs."""

    def pointers(self) -> list[str]:
        """Every payload text that points to a blob."""

    def artifact_blobs(self) -> list[tuple[str, str]]:
        """(blob key, digest) of every artifact."""

    def tokens(self) -> set[str]:
        """Of every delivery and every poll under way."""

    def existing(self, run_ids: Sequence[str]) -> set[str]:
        """Those of the runs that are there."""

    def expired(self, before: datetime, *, keep_failed: bool) -> int:
        """How many runs ended before."""

    def schedules(self) -> list[ScheduleRecord]:
        """The next to fire first, those that fire no more last."""

    def sinks(self) -> list[SinkBacklog]:
        """The sinks that ever delivered or failed to, by id."""
