"""`ticket-triage`: a customer's ticket in, where it goes, how urgent it is and a draft of the answer out.

classify, mood (side by side) → draft → route

Each of the first two asks a model for an object; `route` leaves its verdict on the run, to be searched for.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, Field, StringConstraints

from engine import StageContext, WorkflowBuilder, stage
from sample_workflows.asking import Asking
from sample_workflows.pacing import Paced, linger

Category = Literal["billing", "delivery", "defect", "question"]
Words = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=20_000)]
_TEAMS: dict[Category, str] = {
    "billing": "accounts",
    "delivery": "logistics",
    "defect": "repairs",
    "question": "front desk",
}


class Ticket(BaseModel):
    subject: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=500)]
    body: Words
    customer: str = "unknown"


class TriageConfig(Asking, Paced):
    temperature: float = Field(default=0.0, ge=0, le=2)


class Classified(BaseModel):
    category: Category
    product: str = Field(default="", max_length=200)
    """What it is about, in a few words."""


class Mood(BaseModel):
    sentiment: Literal["positive", "negative", "neutral"]
    reason: str = Field(max_length=500)


class Verdicts(BaseModel):
    """What the two readers found, by stage id."""

    classify: Classified
    mood: Mood


class Draft(BaseModel):
    category: Category
    urgent: bool
    reply: str


class Routed(BaseModel):
    team: str
    category: Category
    urgent: bool
    reply: str


def _as_read(ticket: Ticket) -> str:
    return f"{ticket.subject}\n{ticket.body}"


@stage(id="classify", name="Classify", description="What the ticket is about")
async def classify(ctx: StageContext[Ticket, TriageConfig]) -> Classified:
    await linger(ctx, "reading")
    task = f"Classify this ticket as billing, delivery, defect or question:\n\n{_as_read(ctx.input)}"
    found = await ctx.ai.generate_object(ctx.config.model, task, Classified, temperature=ctx.config.temperature)
    ctx.log("INFO", "classified", category=found.object.category, cost=found.cost)
    ctx.progress(1.0, found.object.category)
    return found.object


@stage(id="mood", name="Mood", description="How the customer feels about it")
async def mood(ctx: StageContext[Ticket, TriageConfig]) -> Mood:
    await linger(ctx, "reading between the lines")
    task = f"Classify the sentiment of this ticket:\n\n{_as_read(ctx.input)}"
    found = await ctx.ai.generate_object(ctx.config.model, task, Mood, temperature=ctx.config.temperature)
    ctx.log("INFO", "felt", sentiment=found.object.sentiment, cost=found.cost)
    ctx.progress(1.0, found.object.sentiment)
    return found.object


@stage(id="draft", name="Draft", description="A first answer, for somebody to read over")
async def draft(ctx: StageContext[Verdicts, TriageConfig]) -> Draft:
    await linger(ctx, "writing")
    found = ctx.input
    task = f"Write a title for the answer to a customer whose ticket is about {found.classify.category}"
    said = await ctx.ai.generate_text(
        ctx.config.model,
        f"{task}:\n\n{found.mood.reason or found.classify.product or found.classify.category}",
        temperature=ctx.config.temperature,
        max_tokens=ctx.config.max_tokens,
    )
    urgent = found.classify.category == "defect" or found.mood.sentiment == "negative"
    ctx.log("INFO", "drafted", urgent=urgent, characters=len(said.text), cost=said.cost)
    reply = f"Thank you for writing to us. {said.text.strip()}".strip()
    return Draft(category=found.classify.category, urgent=urgent, reply=reply)


@stage(id="route", name="Route", description="Says who answers, and leaves word of it on the run")
async def route(ctx: StageContext[Draft, Paced]) -> Routed:
    await linger(ctx, "routing")
    team = _TEAMS[ctx.input.category]
    ctx.annotate("triage.category", ctx.input.category)
    ctx.annotate("triage.urgent", ctx.input.urgent)
    ctx.annotate("triage.team", team)
    ctx.log("WARN" if ctx.input.urgent else "INFO", "routed", team=team, urgent=ctx.input.urgent)
    return Routed(team=team, category=ctx.input.category, urgent=ctx.input.urgent, reply=ctx.input.reply)


ticket_triage = (
    WorkflowBuilder(
        "ticket-triage",
        "Ticket Triage",
        "Reads a customer's ticket, says whose it is and how urgent, and drafts an answer",
        input=Ticket,
        output=Routed,
    )
    .parallel([classify, mood])
    .pipe(draft)
    .pipe(route)
    .build()
)
