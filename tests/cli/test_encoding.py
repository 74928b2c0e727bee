"""JSON output: numbers, times, and nothing a terminal would obey."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from engine.inspector.views import CostRow, LogLine
from engine.model.status import LogLevel
from wfconsole.cli.encoding import encode, page

ROW = CostRow(
    key="offline/x", calls=2, runs=1, failed=0, reused=0, input_tokens=1, output_tokens=2,
    cost=Decimal("0.412"), wasted=Decimal("3.00"), unpriced=0,
)  # fmt: skip


def test_money_is_a_number() -> None:
    found = json.loads(encode(page([ROW])))
    assert found["items"][0]["cost"] == 0.412
    assert found["items"][0]["wasted"] == 3
    assert found["next_cursor"] is None


def test_times_are_utc_with_z() -> None:
    there = timezone(timedelta(hours=2))
    line = LogLine(
        id="1", run_id="r", stage_id=None, attempt=None, level=LogLevel.WARN, message="m", fields={},
        created_at=datetime(2026, 11, 23, 14, 0, 0, 120_000, tzinfo=there),
    )  # fmt: skip
    found = json.loads(encode(line))
    assert found["created_at"] == "2026-11-23T12:00:00.120000Z"
    assert found["level"] == "WARN"
    assert encode(datetime(2026, 1, 1, tzinfo=UTC)) == '"2026-01-01T00:00:00Z"'


def test_a_record_is_one_line() -> None:
    assert "\n" not in encode({"a": "x\ny"}, indent=None)


@given(st.recursive(st.text() | st.integers() | st.booleans() | st.none(), lambda inner: st.lists(inner)))
def test_what_was_put_in_comes_out_and_the_text_is_printable(value: object) -> None:
    text = encode({"value": value, "tag": "\U000e0041\x9b\x7f\u202e"}, indent=None)
    assert json.loads(text)["value"] == value
    assert json.loads(text)["tag"] == "\U000e0041\x9b\x7f\u202e"
    assert not any(char < " " or "\x7f" <= char <= "\x9f" or char in "\u202e\U000e0041" for char in text)
    text.encode()
