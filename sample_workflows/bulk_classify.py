"""`bulk-classify`: many texts in, a label for each out, asked for as one batch at half the price.

classify (waits outside until the batch is done) → tally
"""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from typing import Annotated, Any

from pydantic import BaseModel, Field, StringConstraints

from engine import BatchItem, BatchRequest, StageContext, WorkflowBuilder, stage
from engine.ai import ai_batch_stage
from sample_workflows.asking import Asking
from sample_workflows.pacing import Paced

POLL_EVERY = timedelta(seconds=2)
UNSURE = "unsure"

Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=20_000)]
Label = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=100, pattern=r"^[^,\n]+$")]


class Texts(BaseModel):
    texts: list[Text] = Field(min_length=1, max_length=1_000)
    labels: list[Label] = Field(default=["positive", "negative", "neutral"], min_length=2, max_length=50)


class Labelled(BaseModel):
    text: str
    label: str
    error: str | None = None


class Tally(BaseModel):
    labelled: list[Labelled]
    counts: dict[str, int]
    failed: int


def _requests(ctx: StageContext[Texts, Asking]) -> list[BatchRequest]:
    """Each text in a request of its own."""
    given = ctx.input
    offered = f"{', '.join(given.labels[:-1])} or {given.labels[-1]}"
    ctx.log("INFO", "handing in", texts=len(given.texts), model=ctx.config.model)
    return [
        BatchRequest(id=f"text-{number}", prompt=f"Classify this as {offered}:\n\n{text}", temperature=0.0)
        for number, text in enumerate(given.texts, start=1)
    ]


def _collect(items: list[BatchItem], ctx: StageContext[Texts, Asking]) -> list[Labelled]:
    known = {label.casefold(): label for label in ctx.input.labels}
    found = []
    for text, item in zip(ctx.input.texts, items, strict=True):
        said = (item.text or "").strip(" .\n").casefold()
        found.append(Labelled(text=text[:200], label=known.get(said, UNSURE), error=item.error))
    ctx.log("INFO", "collected", answers=len(items), failed=sum(one.error is not None for one in found))
    return found


def _model(ctx: StageContext[Any, Any]) -> str:
    return str(ctx.config.model)


classify = ai_batch_stage(
    id="classify",
    name="Classify",
    description="Hands the texts in as one batch and waits for it",
    model=_model,
    requests=_requests,
    collect=_collect,
    poll_every=POLL_EVERY,
)


@stage(id="tally", name="Tally", description="How often each label was given")
async def tally(ctx: StageContext[list[Labelled], Paced]) -> Tally:
    counts = Counter(one.label for one in ctx.input)
    failed = sum(one.error is not None for one in ctx.input)
    ctx.log("WARN" if failed else "INFO", "counted", counts=dict(counts))
    return Tally(labelled=ctx.input, counts=dict(counts.most_common()), failed=failed)


bulk_classify = (
    WorkflowBuilder(
        "bulk-classify",
        "Bulk Classify",
        "Labels many texts in one batch, at half the price",
        input=Texts,
        output=Tally,
    )
    .pipe(classify)
    .pipe(tally)
    .build()
)
