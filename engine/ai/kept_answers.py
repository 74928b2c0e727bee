"""Answers as they are kept in a call's row, to answer an equal request another time."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

from engine.model.records import AICallRecord
from engine.ports.ai_providers import EmbedAnswer, TextAnswer, ToolCall, Usage

MOST_VECTORS = 64 * 1024
"""Characters of vectors that are kept without being asked for."""


def kept(answer: TextAnswer | EmbedAnswer, *, wanted: bool) -> str | None:
    """The answer as JSON text; None for many vectors nobody wants to see again."""
    if isinstance(answer, EmbedAnswer):
        text = json.dumps({"vectors": answer.vectors}, separators=(",", ":"))
        return text if wanted or len(text) <= MOST_VECTORS else None
    calls = [[call.id, call.name, call.arguments] for call in answer.calls]
    fields = {
        "text": answer.text,
        "finish_reason": answer.finish_reason,
        **({"reasoning": answer.reasoning} if answer.reasoning else {}),
        **({"calls": calls, "echo": answer.echo} if calls else {}),
    }
    # Escaped throughout: whatever a model said, the text is fit for every database.
    return json.dumps(fields, separators=(",", ":"))


def text_in(record: AICallRecord) -> TextAnswer | None:
    """The kept answer, as one that used nothing and cost nothing; None when there is none that can be read."""
    try:
        found: dict[str, Any] = json.loads(record.answer or "")
        return TextAnswer(
            text=found["text"],
            usage=Usage(),
            finish_reason=found["finish_reason"],
            answered_by=record.answered_by,
            reasoning=found.get("reasoning"),
            calls=tuple(ToolCall(*call) for call in found.get("calls", ())),
            echo=found.get("echo"),
            cost=Decimal(0),
        )
    except (ValueError, TypeError, KeyError):
        return None


def vectors_in(record: AICallRecord) -> EmbedAnswer | None:
    """As `text_in`, for vectors."""
    try:
        found: dict[str, Any] = json.loads(record.answer or "")
        vectors = tuple(tuple(map(float, row)) for row in found["vectors"])
        return EmbedAnswer(vectors, Usage(), record.answered_by, Decimal(0))
    except (ValueError, TypeError, KeyError):
        return None
