"""`batch-digest`: a folder of documents, digested by a service that takes its time.

collect → digest (hands a batch in, sleeps in the database, is asked again) → digest-report
"""

from __future__ import annotations

import asyncio
from datetime import timedelta
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, Field, JsonValue, StringConstraints

from engine import (
    Completion,
    NoConfig,
    NonRetryable,
    StageContext,
    StageResult,
    Suspend,
    WorkflowBuilder,
    async_batch_stage,
    stage,
)
from sample_workflows.batch_provider import Answer, BatchProvider, Request
from sample_workflows.documents import read_document
from sample_workflows.plain_text import plain_text

LONGEST_TEXT = 20_000


class Folder(BaseModel):
    """A folder (relative to the worker's directory) and which of its files; `**/*.md` goes deeper."""

    path: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=4096)]
    pattern: Annotated[str, StringConstraints(min_length=1, max_length=255)] = "*.md"
    limit: int = Field(default=20, ge=1, le=500)


class Documents(BaseModel):
    folder: str
    paths: list[str]
    left_out: int


class DigestConfig(BaseModel):
    seconds_to_ready: float = Field(default=5.0, ge=0, le=86_400)
    """How long the service sits on a batch."""
    poll_seconds: float = Field(default=2.0, ge=0.1, le=3600)
    sentences: int = Field(default=2, ge=1, le=10)


class BatchState(BaseModel):
    """What the run remembers while it waits."""

    batch_id: str
    unreadable: dict[str, str]


class Digests(BaseModel):
    batch_id: str
    answers: list[Answer]
    unreadable: dict[str, str]


class DigestReport(BaseModel):
    documents: int
    unreadable: int
    markdown: str


@stage(id="collect", name="Collect", description="Lists the documents of the folder")
def collect(ctx: StageContext[Folder, NoConfig]) -> Documents:
    folder, pattern = Path(ctx.input.path), ctx.input.pattern
    ctx.log("INFO", "looking for documents", folder=ctx.input.path, pattern=pattern)
    found = sorted(_documents(folder, pattern))
    if not found:
        raise NonRetryable(f"no document in {folder} matches {pattern}")
    paths = found[: ctx.input.limit]
    left_out = len(found) - len(paths)
    if left_out:
        ctx.log("WARN", "more documents than asked for", limit=ctx.input.limit, left_out=left_out)
    ctx.progress(1.0, f"{len(paths)} documents")
    return Documents(folder=ctx.input.path, paths=paths, left_out=left_out)


@async_batch_stage(id="digest", name="Digest", description="Hands the documents in as one batch and waits for it")
async def digest(ctx: StageContext[Documents, DigestConfig]) -> Digests | Suspend:
    config = ctx.config
    if ctx.resume_state is not None:
        # Delivered again after the batch was handed in: go on waiting for that one.
        state = BatchState.model_validate(ctx.resume_state)
        ctx.log("INFO", "still waiting", batch=state.batch_id)
    else:
        requests, unreadable = await _requests(ctx)
        provider = BatchProvider()
        batch = await asyncio.to_thread(provider.submit, ctx.idempotency_key, requests, config.seconds_to_ready)
        state = BatchState(batch_id=batch.id, unreadable=unreadable)
        ctx.log("INFO", "batch handed in", batch=batch.id, documents=len(requests), unreadable=len(unreadable))
    ctx.progress(0.5, f"waiting for {state.batch_id}")
    return Suspend(
        state=state.model_dump(),
        poll_every=timedelta(seconds=config.poll_seconds),
        max_wait=timedelta(seconds=config.seconds_to_ready) + timedelta(hours=1),
    )


@digest.check_completion
async def check_digest(state: JsonValue, ctx: StageContext[Documents, DigestConfig]) -> Completion[Digests]:
    waiting_for = BatchState.model_validate(state)
    provider = BatchProvider()
    batch = await asyncio.to_thread(provider.find, waiting_for.batch_id)
    if batch is None:
        return Completion.failed(f"the batch service no longer knows {waiting_for.batch_id}; run this stage again")
    left = provider.seconds_left(batch)
    if left > 0:
        ctx.log("DEBUG", "not ready", batch=batch.id, seconds_left=round(left, 1))
        return Completion.waiting(next_check_in=timedelta(seconds=min(left, ctx.config.poll_seconds)))
    answers = await asyncio.to_thread(provider.answers, batch)
    ctx.log("INFO", "batch ready", batch=batch.id, answers=len(answers))
    return Completion.ready(Digests(batch_id=batch.id, answers=answers, unreadable=waiting_for.unreadable))


@stage(id="digest-report", name="Digest report", description="Writes digest.md, one line a document")
def digest_report(ctx: StageContext[Digests, NoConfig]) -> StageResult[DigestReport]:
    documents = ctx.require(collect)
    answers, unreadable = ctx.input.answers, ctx.input.unreadable
    lines = [f"# Digest of {documents.folder}", ""]
    lines += [f"- **{answer.name}** ({answer.words} words): {answer.digest or 'no text'}" for answer in answers]
    lines += [f"- **{name}** could not be read: {why}" for name, why in unreadable.items()]
    if documents.left_out:
        lines += ["", f"{documents.left_out} more documents were left out."]
    markdown = "\n".join(lines) + "\n"
    ctx.log("INFO", "digest written", documents=len(answers), artifact="digest.md")
    ctx.progress(1.0, "digest.md")
    return StageResult(
        output=DigestReport(documents=len(answers), unreadable=len(unreadable), markdown=markdown),
        artifacts={"digest.md": markdown.encode()},
        metrics={"documents": len(answers), "words": sum(answer.words for answer in answers)},
    )


def _documents(folder: Path, pattern: str) -> list[str]:
    if not folder.exists():
        raise NonRetryable(f"no such folder: {folder} (the worker runs in {Path.cwd()})")
    if not folder.is_dir():
        raise NonRetryable(f"{folder} is a file: process it with document-processor")
    if Path(pattern).is_absolute() or ".." in Path(pattern).parts:
        raise NonRetryable(f"the pattern {pattern!r} leaves the folder; give one like *.md")
    try:
        # A name that is no Unicode cannot be written down, and so cannot be handed on.
        return [str(file) for file in folder.glob(pattern) if file.is_file() and _is_text(file.name)]
    except ValueError as error:
        raise NonRetryable(f"the pattern {pattern!r} is not usable: {error}") from None


def _is_text(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


async def _requests(ctx: StageContext[Documents, DigestConfig]) -> tuple[list[Request], dict[str, str]]:
    requests: list[Request] = []
    unreadable: dict[str, str] = {}
    paths = ctx.input.paths
    for number, path in enumerate(paths, start=1):
        try:
            document = await read_document(path)
        except NonRetryable as error:
            # One bad document does not cost the others their digest.
            ctx.log("WARN", "left out", path=path, why=str(error))
            unreadable[path] = str(error)
            continue
        found = await asyncio.to_thread(plain_text, document)
        requests.append(Request(name=path, text=found.text[:LONGEST_TEXT], sentences=ctx.config.sentences))
        ctx.progress(0.4 * number / len(paths), path)
    if not requests:
        raise NonRetryable(f"none of the {len(paths)} documents could be read: {'; '.join(unreadable.values())}")
    return requests, unreadable


batch_digest = (
    WorkflowBuilder(
        "batch-digest",
        "Batch Digest",
        "Digests a folder of documents through a batch service: hands in, waits, collects",
        input=Folder,
        output=DigestReport,
    )
    .pipe(collect)
    .pipe(digest)
    .pipe(digest_report)
    .build()
)
