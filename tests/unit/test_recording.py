"""What of a call is written down."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from engine.kernel.recording import MOST_ANSWER, MOST_WORDS, as_recorded
from engine.model.records import AICallRecord
from engine.model.redaction import REDACTED

KEY = "sk-0123456789abcdef0123"


def call(**fields: Any) -> AICallRecord:
    made = AICallRecord("id", "topic", "text", "fake/small", "fake", datetime(2026, 11, 26, tzinfo=UTC))
    return made._replace(**fields)


def test_secrets_are_left_out_unless_everything_is_wanted() -> None:
    said = call(prompt=f"my key is {KEY}", response=f"{KEY}, I see", error=f"bad key {KEY}")
    redacted = as_recorded(said, "redacted")
    assert redacted.prompt == f"my key is {REDACTED}"
    assert redacted.response == f"{REDACTED}, I see"
    whole = as_recorded(said, "full")
    assert (whole.prompt, whole.response) == (said.prompt, said.response)
    assert {as_recorded(said, mode).error for mode in ("full", "redacted", "metadata")} == {f"bad key {REDACTED}"}
    bare = as_recorded(said, "metadata")
    assert (bare.prompt, bare.response, bare.answer) == (None, None, None)


def test_a_long_text_keeps_its_head_and_its_tail() -> None:
    written = as_recorded(call(prompt="a" * MOST_WORDS + "middle" + "z" * MOST_WORDS), "full").prompt
    assert written is not None
    assert len(written) < MOST_WORDS + 100
    assert written.startswith("aaa")
    assert written.endswith("zzz")
    assert f"({MOST_WORDS + 6} characters left out)" in written
    exact = "a" * MOST_WORDS
    assert as_recorded(call(prompt=exact), "full").prompt == exact


def test_a_secret_across_the_cut_does_not_survive_it() -> None:
    head = MOST_WORDS * 3 // 4
    text = "x " * ((head - 10) // 2) + f" {KEY} " + "y " * MOST_WORDS
    written = as_recorded(call(prompt=text), "redacted").prompt
    assert written is not None
    assert "sk-0123" not in written


@pytest.mark.parametrize(
    "answer", [f'{{"text":"{KEY}"}}', "x" * (MOST_ANSWER + 1), '{"text":"nul\x00"}'], ids=["secret", "long", "unfit"]
)
def test_an_answer_that_can_not_be_kept_as_it_is_is_not_kept(answer: str) -> None:
    assert as_recorded(call(answer=answer), "redacted").answer is None


def test_an_answer_is_kept_letter_by_letter() -> None:
    answer = '{"text":"\\u0000 fine","finish_reason":"stop"}'
    assert as_recorded(call(answer=answer), "redacted").answer == answer


def test_what_providers_say_is_made_storable() -> None:
    written = as_recorded(call(model="fake/\x00m", answered_by="m" * 9000, finish_reason="st\ud800op"), "full")
    assert "\x00" not in written.model
    assert len(written.answered_by or "") <= 512
    (written.finish_reason or "").encode()
