"""The filter grammar for log lines."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from engine.inspector import LogLine
from engine.model.status import LogLevel
from wfconsole.filtering import FilterError
from wfconsole.tui.layout.log_query import parse_log_query

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)


def line(**changes: Any) -> LogLine:
    values: dict[str, Any] = {
        "id": "1",
        "run_id": "7f3a9100000000000000",
        "stage_id": "embed",
        "attempt": 3,
        "level": LogLevel.WARN,
        "message": "429 Rate limited",
        "fields": {"retry_after": 20, "model": "openai/small"},
        "created_at": NOON - timedelta(minutes=5),
    }
    return LogLine(**(values | changes))


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("level:warn", True),
        ("level:error", False),
        ("level:info,error", False),
        ("level:WARNING", True),
        ("-level:warn", False),
        ("stage:embed", True),
        ("stage:ocr,embed", True),
        ("-stage:embed", False),
        ("id:7f3a", True),
        ("id:7F3A", True),
        ("id:0000", False),
        ("rate", True),
        ("embed#3", True),
        ("openai", True),
        ('"rate limited"', True),
        ("rate missing", False),
        ("rate -missing", True),
        ("since:10m", True),
        ("since:1m", False),
        ("until:1m", True),
        ("level:info stage:embed id:7f 429", True),
    ],
)
def test_what_it_wants(text: str, wanted: bool) -> None:
    query = parse_log_query(text, now=NOON, tz=UTC)
    assert query is not None
    assert query.wants(line()) is wanted


def test_a_line_of_the_run_itself_has_no_stage() -> None:
    query = parse_log_query("stage:embed", now=NOON, tz=UTC)
    assert query is not None
    assert not query.wants(line(stage_id=None, attempt=None))


def test_nothing_keeps_everything() -> None:
    assert parse_log_query("  ", now=NOON, tz=UTC) is None


@pytest.mark.parametrize(
    ("text", "said"), [("level:loud", "is no level"), ("cost:>1", "nearest is"), ("since:x", "no time")]
)
def test_a_mistake_says_what_is_wrong(text: str, said: str) -> None:
    with pytest.raises(FilterError, match=said):
        parse_log_query(text, now=NOON, tz=UTC)
