"""`document-processor`: one document in, a report of what it says out.

extract-text → keywords, summary, readability (side by side) → report
"""

from __future__ import annotations

import asyncio
from typing import Annotated

from pydantic import BaseModel, Field, StringConstraints

from engine import StageContext, StageResult, WorkflowBuilder, stage
from sample_workflows import prose
from sample_workflows.asking import Asking
from sample_workflows.documents import Kind, read_document, without_password
from sample_workflows.pacing import Paced, linger
from sample_workflows.plain_text import plain_text


class DocumentRef(BaseModel):
    """A path (relative to the worker's directory), a `file://` or an `http(s)://` URL."""

    url: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=4096)]


class ExtractConfig(Paced):
    max_length: int = Field(default=50_000, ge=1, le=1_000_000)
    """Characters of text that are kept."""


class ExtractedText(BaseModel):
    source: str
    title: str
    kind: Kind
    text: str
    word_count: int
    truncated: bool


class KeywordsConfig(Paced):
    top: int = Field(default=12, ge=1, le=200)


class Keyword(BaseModel):
    text: str
    count: int
    score: float


class Keywords(BaseModel):
    keywords: list[Keyword]


class SummaryConfig(Asking, Paced):
    """`model` is asked for the summary; the offline one picks sentences of the text itself."""

    sentences: int = Field(default=3, ge=1, le=50)


class Summary(BaseModel):
    summary: str
    sentences: list[str]


class Readability(BaseModel):
    words: int
    sentences: int
    syllables: int
    flesch: float | None
    reading_minutes: float


class Analysis(BaseModel):
    """What the three readers found, by stage id."""

    keywords: Keywords
    summary: Summary
    readability: Readability


class Report(BaseModel):
    source: str
    title: str
    words: int
    keywords: list[str]
    summary: str
    readability: Readability
    markdown: str


@stage(id="extract-text", name="Extract text", description="Reads the document and drops its markup")
async def extract_text(ctx: StageContext[DocumentRef, ExtractConfig]) -> ExtractedText:
    source = without_password(ctx.input.url)
    ctx.log("INFO", "reading", url=source)
    await linger(ctx, f"reading {source}", until=0.6)
    document = await read_document(ctx.input.url)
    ctx.progress(0.7, f"{document.size} bytes of {document.kind}")
    ctx.log("DEBUG", "read", bytes=document.size, kind=document.kind, charset=document.charset)
    # Parsing a long page takes a while: not on the loop that renews this worker's leases.
    plain = await asyncio.to_thread(plain_text, document)
    title, text = plain.title, plain.text
    limit = ctx.config.max_length
    truncated = document.truncated or len(text) > limit
    if truncated:
        ctx.log("WARN", "the document is cut", kept=min(len(text), limit), max_length=limit)
    kept = text[:limit]
    word_count = len(prose.words_of(kept))
    ctx.log("INFO" if word_count else "WARN", "extracted", title=title, words=word_count, characters=len(kept))
    ctx.progress(1.0, f"{word_count} words")
    return ExtractedText(
        source=source, title=title, kind=document.kind, text=kept, word_count=word_count, truncated=truncated
    )


@stage(id="keywords", name="Keywords", description="The words and pairs of words the document is about")
async def keywords(ctx: StageContext[ExtractedText, KeywordsConfig]) -> Keywords:
    ctx.log("INFO", "counting terms", words=ctx.input.word_count, top=ctx.config.top)
    await linger(ctx, "counting terms")
    terms = await asyncio.to_thread(prose.key_terms, ctx.input.text, ctx.config.top)
    ctx.log("INFO", "keywords found", count=len(terms), first=prose.listed(terms[:5]))
    ctx.progress(1.0, f"{len(terms)} keywords")
    return Keywords(keywords=[Keyword(text=term.text, count=term.count, score=term.score) for term in terms])


@stage(id="summary", name="Summary", description="What the document says, in a few sentences")
async def summary(ctx: StageContext[ExtractedText, SummaryConfig]) -> Summary:
    wanted, text = ctx.config.sentences, ctx.input.text
    ctx.log("INFO", "asking for a summary", model=ctx.config.model, sentences=wanted)
    await linger(ctx, "weighing sentences")
    if not ctx.input.word_count:
        ctx.log("WARN", "there is nothing to summarise")
        return Summary(summary="", sentences=[])
    answer = await ctx.ai.generate_text(
        ctx.config.model,
        f"Summarise this document in {wanted} sentences:\n\n{text}",
        temperature=ctx.config.temperature,
        max_tokens=ctx.config.max_tokens,
    )
    sentences = prose.sentences_of(answer.text)
    tokens = answer.input_tokens + answer.output_tokens
    ctx.log("INFO", "summarised", sentences=len(sentences), tokens=tokens, cost=answer.cost)
    ctx.progress(1.0, f"{len(sentences)} sentences")
    return Summary(summary=" ".join(sentences), sentences=sentences)


@stage(id="readability", name="Readability", description="Length, Flesch reading ease and reading time")
async def readability(ctx: StageContext[ExtractedText, Paced]) -> Readability:
    ctx.log("INFO", "measuring", words=ctx.input.word_count)
    await linger(ctx, "counting syllables")
    found = await asyncio.to_thread(prose.figures, ctx.input.text)
    ctx.log("INFO", "measured", sentences=found.sentences, flesch=found.flesch, minutes=found.minutes)
    ctx.progress(1.0, f"{found.minutes} min to read")
    return Readability(
        words=found.words,
        sentences=found.sentences,
        syllables=found.syllables,
        flesch=found.flesch,
        reading_minutes=found.minutes,
    )


@stage(id="report", name="Report", description="Writes report.md", dependencies=[extract_text])
async def report(ctx: StageContext[Analysis, Paced]) -> StageResult[Report]:
    await linger(ctx, "writing")
    document = ctx.require(extract_text)
    found = ctx.input
    markdown = _markdown(document, found)
    ctx.log("INFO", "report written", characters=len(markdown), artifact="report.md")
    ctx.progress(1.0, "report.md")
    output = Report(
        source=document.source,
        title=document.title,
        words=found.readability.words,
        keywords=[keyword.text for keyword in found.keywords.keywords],
        summary=found.summary.summary,
        readability=found.readability,
        markdown=markdown,
    )
    return StageResult(
        output=output,
        artifacts={"report.md": markdown.encode()},
        metrics={"words": found.readability.words, "keywords": len(output.keywords)},
    )


def _markdown(document: ExtractedText, found: Analysis) -> str:
    figures = found.readability
    ease = "not measurable" if figures.flesch is None else f"{figures.flesch} (Flesch)"
    lines = [
        f"# {document.title}",
        "",
        f"Source: {document.source}" + (", cut" if document.truncated else ""),
        "",
        "## Summary",
        "",
        found.summary.summary or "The document holds no text.",
        "",
        "## Keywords",
        "",
        *(f"- {keyword.text} ({keyword.count})" for keyword in found.keywords.keywords),
        *([] if found.keywords.keywords else ["None."]),
        "",
        "## Readability",
        "",
        f"- {figures.words} words in {figures.sentences} sentences",
        f"- {figures.reading_minutes} minutes to read",
        f"- reading ease: {ease}",
    ]
    return "\n".join(lines) + "\n"


document_processor = (
    WorkflowBuilder(
        "document-processor",
        "Document Processor",
        "Reads a document and reports its keywords, its summary and how it reads",
        input=DocumentRef,
        output=Report,
    )
    .pipe(extract_text)
    .parallel([keywords, summary, readability])
    .pipe(report)
    .build()
)
