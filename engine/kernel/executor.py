"""Phase two: the body runs, with no transaction open, and tells how it ended."""

from __future__ import annotations

import asyncio
import hashlib
import mimetypes
import re
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import Any

from pydantic import ValidationError

from engine.definition.context import StageContext
from engine.definition.presets import AIConfig
from engine.definition.stage import Stage
from engine.definition.suspension import StageResult, Suspend
from engine.definition.workflow import Workflow
from engine.errors import (
    AIAuthError,
    AIBadRequest,
    AIError,
    BudgetExceeded,
    DefinitionError,
    InvalidConfig,
    InvalidInput,
    InvalidOutput,
    NonRetryable,
    UnknownModel,
)
from engine.kernel.call_log import CallDesk, CallLog, topic_of
from engine.kernel.children import Order, run_child
from engine.kernel.ending import Completed, Crashed, Ending, Failed, Held, Suspended
from engine.kernel.outputs import LoadedOutputs, group_input, keep_output, load_texts, put_blob
from engine.kernel.reporter import LiveReporter
from engine.kernel.rules.retry import LONGEST, LONGEST_ASKED
from engine.kernel.stage_storage import BlobStorage
from engine.kernel.threads import BodyThreads
from engine.model.budgets import BUDGET_CODE
from engine.model.json import Json, NotJson, clean_text, dumps, loads
from engine.model.problems import problems_of
from engine.model.records import ArtifactRecord, Claimed, StageRecord
from engine.model.redaction import fit_to_write, redact_json
from engine.ports.blobs import BlobStore
from engine.ports.clock import Clock

AnyStage = Stage[Any, Any, Any]
AnyContext = StageContext[Any, Any]
MAX_ERROR = 16 * 1024

_FATAL = (
    *(NonRetryable, InvalidInput, InvalidConfig, InvalidOutput, DefinitionError),
    *(AIAuthError, AIBadRequest, UnknownModel, BudgetExceeded),
)
_CODES = {InvalidInput: "INVALID_INPUT", InvalidConfig: "INVALID_CONFIG", InvalidOutput: "INVALID_OUTPUT"}


class BodyTimeout(Exception):
    """The body took longer than its stage allows."""


@dataclass(frozen=True, slots=True)
class Executor:
    """Runs stage bodies and completion checks: async ones on the loop at hand, plain ones on `threads`."""

    blobs: BlobStore
    clock: Clock
    threads: BodyThreads
    desk: CallDesk

    async def execute(self, workflow: Workflow, claimed: Claimed, reporter: LiveReporter) -> Ending:
        """How the body ended; only a cancellation of the caller is raised."""
        stage = workflow.stage(claimed.job.stage_id)
        calls = self.desk.of_delivery(claimed, max_cost_of(stage, claimed.stage), reporter)
        try:
            return _or_held(await self._execute(stage, claimed, reporter, calls), calls)
        finally:
            await calls.end()

    async def _execute(self, stage: AnyStage, claimed: Claimed, reporter: LiveReporter, calls: CallLog) -> Ending:
        try:
            if runs_alone(stage, claimed):
                return await self._in_child(stage, claimed, reporter, calls)
            context = await self.context(stage, claimed, reporter, calls)
            result = await self._call(stage, context)
            return await self._ending(stage, claimed, result)
        except asyncio.CancelledError as error:
            task = asyncio.current_task()
            if task is not None and task.cancelling():
                raise
            return failure(error)
        except BaseException as error:
            # SystemExit and KeyboardInterrupt too: a body may end its stage, never its worker.
            return failure(error)

    async def _in_child(self, stage: AnyStage, claimed: Claimed, reporter: LiveReporter, calls: CallLog) -> Ending:
        texts = await load_texts(self.blobs, claimed.outputs)
        given, record = group_input(claimed, texts), claimed.stage
        validate(stage, "input", given)
        config = loads(record.config or "{}")
        validate(stage, "config", config)
        assert stage.address is not None
        facts = facts_of(stage, claimed.job.workflow_id, record)
        opener = self.desk.opener
        ai = None if opener is None else {"opener": opener.portable(), "reuse": record.reuse_ai}
        order = Order(stage.address, stage.id, given, config, texts, facts, ai)
        storage = BlobStorage(self.blobs, record.run_id, stage.id)
        outcome = await _within(stage.timeout, run_child(order, reporter, storage, calls))
        if isinstance(outcome, Failed | Crashed):
            return outcome
        return await self._ending(stage, claimed, outcome)

    async def context(self, stage: AnyStage, claimed: Claimed, reporter: LiveReporter, calls: CallLog) -> AnyContext:
        """The context of a delivery. Raises `InvalidInput` or `InvalidConfig` for what the stage's schemas refuse."""
        texts = await load_texts(self.blobs, claimed.outputs)
        record = claimed.stage
        topic = topic_of(record.run_id, stage.id)
        return StageContext(
            **facts_of(stage, claimed.job.workflow_id, record),
            input=validate(stage, "input", group_input(claimed, texts)),
            config=validate(stage, "config", loads(record.config or "{}")),
            reporter=reporter,
            outputs=LoadedOutputs(texts),
            storage=BlobStorage(self.blobs, record.run_id, stage.id),
            ai=None if self.desk.opener is None else lambda: calls.helper(topic),
            loop=asyncio.get_running_loop(),
        )

    async def _call(self, stage: AnyStage, context: AnyContext) -> object:
        if stage.is_async:
            return await _within(stage.timeout, stage.body(context))
        return await _within(stage.timeout, self.threads.run(lambda: stage.body(context)))

    async def _ending(self, stage: AnyStage, claimed: Claimed, result: object) -> Ending:
        if isinstance(result, Suspend):
            return _suspended(stage, result)
        wrapped = result if isinstance(result, StageResult) else StageResult(output=result)
        prefix = f"runs/{claimed.job.run_id}/{stage.id}/{claimed.job.lease_token}"
        output = await keep_output(self.blobs, prefix, checked_output(stage, wrapped.output))
        artifacts = [
            await self._keep_artifact(claimed, prefix, name, content) for name, content in wrapped.artifacts.items()
        ]
        metrics = _plain(redact_json(dict(wrapped.metrics))) if wrapped.metrics else None
        return Completed(output, artifacts, metrics)

    async def _keep_artifact(self, claimed: Claimed, prefix: str, name: str, content: Json | bytes) -> ArtifactRecord:
        if isinstance(content, bytes):
            guessed, _ = mimetypes.guess_type(name)
            body, media_type = content, guessed or "application/octet-stream"
        else:
            body, media_type = _plain(content).encode(), "application/json"
        blob = await put_blob(self.blobs, f"{prefix}/artifacts/{_segment(name)}", body)
        job = claimed.job
        return ArtifactRecord(
            job.run_id,
            job.stage_id,
            job.attempt,
            clean_text(name),
            media_type,
            blob.size,
            blob.digest,
            blob.key,
            self.clock.now(),
        )


def runs_alone(stage: AnyStage, claimed: Claimed) -> bool:
    """In a process of its own: asked for, or because a worker died of this job or beside it.

    A stage that no other process can import stays in this one.
    """
    return (stage.isolation == "process" or claimed.job.reaped > 0) and stage.address is not None


def max_cost_of(stage: AnyStage, record: StageRecord) -> Decimal | None:
    """What the stage's own config lets it spend, if it is one of those that say so."""
    kind = stage.config.python_type
    if not (isinstance(kind, type) and issubclass(kind, AIConfig)):
        return None
    try:
        return kind.model_validate(loads(record.config or "{}")).max_cost
    except ValidationError:
        return None


def _or_held(ending: Ending, calls: CallLog) -> Ending:
    """A stage that failed for want of money waits instead, where that was asked for."""
    if isinstance(ending, Failed) and ending.code == BUDGET_CODE and calls.hold is not None:
        return Held(ending.error, BUDGET_CODE, calls.hold.until)
    return ending


def facts_of(stage: AnyStage, workflow_id: str, record: StageRecord) -> dict[str, Any]:
    """The plain fields of a context."""
    state = record.suspended_state
    return {
        "run_id": record.run_id,
        "workflow_id": workflow_id,
        "stage_id": stage.id,
        "stage_name": record.name,
        "stage_number": record.number,
        "attempt": record.attempt,
        "resume_state": None if state is None else loads(state),
        "idempotency_key": f"{record.run_id}:{stage.id}:{record.generation}",
    }


def _segment(name: str) -> str:
    """A part of a blob key: readable where it can be, and not the same for two names."""
    readable = re.sub(r"[^A-Za-z0-9-]", "_", name)[:60]
    return f"{readable}.{hashlib.sha256(name.encode(errors='surrogatepass')).hexdigest()[:16]}"


async def _within(limit: timedelta | None, awaitable: Any) -> object:
    if limit is None:
        return await awaitable
    try:
        async with asyncio.timeout(limit.total_seconds()) as timer:
            return await awaitable
    except TimeoutError:
        if timer.expired():
            raise BodyTimeout(f"the body took longer than {limit.total_seconds():g} s") from None
        raise


def validate(stage: AnyStage, side: str, value: Json) -> Any:
    """The typed input or config of a stage."""
    schema, error_type = (stage.input, InvalidInput) if side == "input" else (stage.config, InvalidConfig)
    try:
        return schema.validate(value)
    except ValidationError as error:
        raise error_type(problems_of(error)) from error


def checked_output(stage: AnyStage, value: object) -> Json:
    """The output as JSON data. Raises `InvalidOutput` for what the stage's schema refuses, with field paths."""
    try:
        return stage.output.parse(value)
    except ValidationError as error:
        raise InvalidOutput(problems_of(error)) from error
    except NotJson as error:
        raise InvalidOutput(error.problems) from error


def _plain(value: Json) -> str:
    try:
        return dumps(value)
    except NotJson as error:
        raise InvalidOutput(error.problems) from error


def _suspended(stage: AnyStage, result: Suspend) -> Ending:
    if stage.mode != "async-batch":
        return Failed(
            f"NOT_A_BATCH_STAGE: stage {stage.id!r} suspended, but is no async_batch_stage",
            "NOT_A_BATCH_STAGE",
            False,
        )
    try:
        state = dumps(result.state)
    except NotJson as error:
        return failure(InvalidOutput(error.problems))
    return Suspended(state, min(result.poll_every, LONGEST), min(result.max_wait, LONGEST), result.first_poll_at)


def failure(error: BaseException) -> Failed:
    """An exception as the end of a delivery. The engine's own begin with their code, others with their class name."""
    if isinstance(error, BodyTimeout):
        return Failed(f"TIMEOUT: {error}", "TIMEOUT", retryable=True)
    code = next((code for kind, code in _CODES.items() if isinstance(error, kind)), None)
    if isinstance(error, AIError):
        code = type(error).__name__
    text = fit_to_write(str(error)) or type(error).__name__
    if len(text) > MAX_ERROR:
        text = f"{text[:MAX_ERROR]}… ({len(text)} characters)"
    if code is not None:
        text = f"{code}: {text}"
    elif type(error) not in (Exception, NonRetryable):
        text = f"{type(error).__name__}: {text}"
    asked = error.retry_after if isinstance(error, AIError) else None
    wait = None if asked is None else timedelta(seconds=min(asked, LONGEST_ASKED.total_seconds()))
    return Failed(text, code, retryable=not isinstance(error, _FATAL), wait=wait)
