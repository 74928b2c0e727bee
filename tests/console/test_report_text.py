"""A report's Markdown holds whatever the runs' text is."""

from __future__ import annotations

from datetime import UTC, timedelta

import pytest
from console_samples import NOON, detail, log_line, summary

from engine.inspector import AnnotationView, AuditView, Explanation, RunStatus
from wfconsole.report import RunFacts, section
from wfconsole.safe_text import safe_text

HOSTILE = "``` \x1b]52;c;aGk=\x07\n# heading\n```\n| cell | [x](y) <b> \u202e"


def hostile_facts(text: str) -> RunFacts:
    run = detail(summary(1, RunStatus.FAILED, workflow_id=text, error=text, idempotency_key=text, worker_id=text))
    stages = [stage.model_copy(update={"stage_id": text, "error": text}) for stage in run.stages]
    step = Explanation.Next(label=text, key="F", cli=text)
    why = Explanation(
        run_id=run.id, code="failed", summary=text, since=None, until=None, facts={text: text}, next=[step]
    )
    action = AuditView(
        id="1", created_at=NOON, actor=text, command=text, target=text, run_id=run.id, reason=text,
        before=None, after=None, idempotency_key=text,
    )  # fmt: skip
    note = AnnotationView(
        id="1", run_id=run.id, key=text, value=text, scope="run", scope_id=None, attempt=None, actor=text,
        actor_kind=None, actor_version=None, payload=None, created_at=NOON,
    )  # fmt: skip
    lines = [log_line(1, run.id, text, stage_id=text, fields={text: text})]
    return RunFacts(run.model_copy(update={"stages": stages}), why, lines, [action], [note])


@pytest.mark.parametrize("text", [HOSTILE, "`" * 50, "x" * 100_000], ids=["mixed", "ticks", "long"])
def test_r19_text_of_a_run_breaks_neither_the_markdown_nor_the_terminal(text: str) -> None:
    told = "\n".join(section(hostile_facts(text), UTC, NOON))
    assert told == safe_text(told, multiline=True)
    assert len(told) < 60_000
    fence = ""
    for line in told.split("\n"):
        if not fence and line.startswith("```"):
            fence = line.removesuffix("text")
        elif fence:
            fence = "" if line == fence else fence
        else:
            assert not line.startswith("# heading")
            assert line.startswith("Next: `") or "<b>" not in line
    assert not fence


def test_r27_times_carry_their_offset() -> None:
    told = "\n".join(section(hostile_facts("plain"), UTC, NOON + timedelta(seconds=1)))
    assert "2026-11-23T12:03:33.000+00:00" in told
