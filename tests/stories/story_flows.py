"""The workflows of the stories. What the world outside does to them stands in files of the folder STORY_WORLD."""

from __future__ import annotations

import os
from datetime import timedelta
from pathlib import Path

from pydantic import BaseModel, Field, JsonValue

from engine import (
    Completion,
    NoConfig,
    RetryPolicy,
    StageContext,
    Suspend,
    WorkflowBuilder,
    async_batch_stage,
    stage,
)
from engine.errors import AIRateLimited

ONCE = RetryPolicy(max_attempts=1)
TEXT = "The harbour keeps the ships. Ships leave the harbour at dawn, and return at night. "


def world(name: str) -> Path:
    return Path(os.environ["STORY_WORLD"]) / name


class Document(BaseModel):
    url: str


class Pages(BaseModel):
    text: str


class ChunkConfig(BaseModel):
    size: int = Field(default=400, ge=1)


class Chunks(BaseModel):
    chunks: list[str]


class Asked(BaseModel):
    model: str = "offline/demo"
    prompt: str = "Summarise in two sentences"


class EmbedConfig(BaseModel):
    overlap: int = Field(default=5, ge=0)
    model: str = "offline/demo"
    prompt: str = "Summarise in two sentences"


class Answered(BaseModel):
    said: str


class Published(BaseModel):
    chunks: int


@stage(id="fetch", name="Fetch")
async def fetch(ctx: StageContext[Document, NoConfig]) -> Pages:
    ctx.log("INFO", "fetched", url=ctx.input.url)
    return Pages(text=TEXT * 12)


@stage(id="chunk", name="Chunk")
async def chunk(ctx: StageContext[Pages, ChunkConfig]) -> Chunks:
    text, size = ctx.input.text, ctx.config.size
    parts = [text[at : at + size] for at in range(0, len(text), size)]
    ctx.log("INFO", "cut", chunks=len(parts), size=size)
    return Chunks(chunks=parts)


@stage(id="embed", name="Embed", retry=ONCE)
async def embed(ctx: StageContext[Chunks, EmbedConfig]) -> Chunks:
    await ctx.ai.generate_text(ctx.config.model, f"{ctx.config.prompt}:\n\n{ctx.input.chunks[0]}")
    if world("provider-full").exists():
        ctx.log("ERROR", "429 rate limited", retry_after=20)
        raise AIRateLimited("rate limit reached for this key", provider="openai", status=429)
    ctx.log("INFO", "embedded", chunks=len(ctx.input.chunks), overlap=ctx.config.overlap)
    return ctx.input


@stage(id="publish", name="Publish")
async def publish(ctx: StageContext[Chunks, NoConfig]) -> Published:
    return Published(chunks=len(ctx.input.chunks))


@stage(id="outline", name="Outline")
async def outline(ctx: StageContext[Document, Asked]) -> Answered:
    said = await ctx.ai.generate_text(ctx.config.model, f"{ctx.config.prompt}: {ctx.input.url}")
    return Answered(said=said.text)


@stage(id="draft", name="Draft")
async def draft(ctx: StageContext[Answered, Asked]) -> Answered:
    said = await ctx.ai.generate_text(ctx.config.model, f"{ctx.config.prompt}:\n\n{ctx.input.said}")
    return Answered(said=said.text)


@async_batch_stage(id="transcribe", name="Transcribe")
async def transcribe(ctx: StageContext[Document, NoConfig]) -> Pages | Suspend:
    ctx.log("INFO", "batch handed in", batch="batch_8812", files=812)
    state = {"batch_id": "batch_8812"}
    return Suspend(state=state, poll_every=timedelta(hours=6), max_wait=timedelta(hours=48))


@transcribe.check_completion
async def check_transcription(state: JsonValue, ctx: StageContext[Document, NoConfig]) -> Completion[Pages]:
    ctx.log("WARN", "the provider has not begun: 0 of 812 files", batch="batch_8812")
    return Completion.waiting(next_check_in=timedelta(hours=6))


@stage(id="index", name="Index")
async def index(ctx: StageContext[Pages, NoConfig]) -> Pages:
    return ctx.input


@stage(id="review", name="Review")
async def review(ctx: StageContext[Pages, NoConfig]) -> Pages:
    return ctx.input


summarise_docs = (
    WorkflowBuilder("summarise-docs", "Summarise documents", "Into chunks, embedded", input=Document)
    .pipe(fetch)
    .pipe(chunk)
    .pipe(embed)
    .pipe(publish)
    .build()
)
write_answers = (
    WorkflowBuilder("write-answers", "Write answers", "An outline, then a draft", input=Document)
    .pipe(outline)
    .pipe(draft)
    .build()
)
sort_mail = WorkflowBuilder("sort-mail", "Sort mail", "One outline a mail", input=Document).pipe(outline).build()
transcribe_calls = (
    WorkflowBuilder("transcribe-calls", "Transcribe calls", "As one batch a day", input=Document)
    .pipe(transcribe)
    .pipe(index)
    .build()
)
EVERYTHING = (summarise_docs, write_answers, sort_mail, transcribe_calls)

# What the next release is made of: calls are read by somebody before anything waits for a batch.
transcribe_calls_anew = (
    WorkflowBuilder("transcribe-calls", "Transcribe calls", "Read over, then indexed", input=Document)
    .pipe(fetch)
    .pipe(review)
    .build()
)
NEXT_RELEASE = (summarise_docs, transcribe_calls_anew)
