"""What of an AI call is written down: how much of its words, and without secrets."""

from __future__ import annotations

from typing import Literal

from engine.model.json import clean_text
from engine.model.records import AICallRecord
from engine.model.redaction import fit_to_write, redact_text

Recording = Literal["full", "redacted", "metadata"]
"""Prompts and answers as they are, without secrets, or not at all."""

MOST_WORDS = 64 * 1024
"""Characters of a prompt or answer: of a longer one head and tail are kept."""
MOST_ERROR = 16 * 1024
MOST_NAME = 512
MOST_ANSWER = 1024 * 1024
"""Characters of an answer that is kept for later equal requests."""


def as_recorded(call: AICallRecord, recording: Recording) -> AICallRecord:
    """The call as it may be written: storable on both databases, bounded, words as far as `recording` allows."""
    return call._replace(
        topic=_name(call.topic),
        model=_name(call.model),
        provider=_name(call.provider),
        answered_by=None if call.answered_by is None else _name(call.answered_by),
        finish_reason=None if call.finish_reason is None else _name(call.finish_reason),
        batch_id=None if call.batch_id is None else clean_text(call.batch_id),
        error=None if call.error is None else _shortened(fit_to_write(call.error), MOST_ERROR),
        prompt=_words(call.prompt, recording),
        response=_words(call.response, recording),
        answer=_answer(call.answer, recording),
    )


def _name(text: str) -> str:
    return clean_text(text)[:MOST_NAME]


def _words(text: str | None, recording: Recording) -> str | None:
    if text is None or recording == "metadata":
        return None
    # Before it is shortened: a secret across the cut would be found no more.
    return _shortened(clean_text(text) if recording == "full" else fit_to_write(text), MOST_WORDS)


def _shortened(text: str, most: int) -> str:
    if len(text) <= most:
        return text
    head = most * 3 // 4
    tail = most - head
    return f"{text[:head]}\n… ({len(text) - most} characters left out) …\n{text[-tail:]}"


def _answer(text: str | None, recording: Recording) -> str | None:
    """An answer is kept whole or not at all: nobody is ever answered with what no model said."""
    if text is None or recording == "metadata" or len(text) > MOST_ANSWER:
        return None
    kept = clean_text(text) if recording == "full" else redact_text(clean_text(text))
    return text if kept == text else None
