"""Pictures of places 3 to 6, on a frozen clock; `--snapshot-update` renews them, after a look."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from console_pilot import console
from console_samples import NOON, dead_letter
from fake_gateway import FakeGateway
from fake_places import FakeCall, lease, schedule, sink, unfinished
from test_console_snapshots import SIZES, Compare, run_before

from wfconsole.tui.widgets.line_table import LineTable


def gateway() -> FakeGateway:
    found = FakeGateway()
    places = found.inspector
    causes = (("fp1", "hook", "HTTP 503 Service Unavailable"), ("fp2", "mail", "ConnectionRefusedError: [Errno 111]"))
    places.letters = [
        dead_letter(number, fingerprint=cause, sink=at, last_error=error, dead_at=NOON - timedelta(minutes=7 * number))
        for number, (cause, at, error) in enumerate([*[causes[0]] * 5, *[causes[1]] * 3])
    ]
    places.held = [lease(1), lease(2, stage_id="embed", attempt=1)]
    places.outlets = [
        sink(),
        sink("mail", failing_since=NOON - timedelta(minutes=9), last_error="refused", pending=214),
    ]
    places.versions = [unfinished(workflow_id="invoice-extract")]
    places.timetable = [schedule(workflow_id="invoice-extract")]
    places.paid = [
        FakeCall(
            at=NOON - timedelta(days=day, minutes=1),
            run=f"r{day}",
            workflow="invoice-extract" if day % 3 else "summarise-docs",
            model=("openai/small", "anthropic/large", "acme/unknown")[day % 3],
            cost=None if day % 3 == 2 else Decimal(7 + day * day % 31) / 10,
            error=day % 5 == 4,
        )
        for day in range(28)
    ]
    return found


def painted(name: str, rows: int) -> Callable[[Any], object]:
    return lambda app: bool(app.screen.query(name)) and len(app.screen.query_one(name, LineTable).rows) >= rows


PLACES = [
    ("costs", painted("#costs", 30)),
    ("dlq", painted("#dead-letters", 10)),
    ("workers", painted("#sinks", 2)),
    ("workflows", painted("#workflows", 2)),
]


@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
@pytest.mark.parametrize(("place", "ready"), PLACES, ids=[place for place, _ in PLACES])
def test_place(snap_compare: Compare, size: tuple[int, int], place: str, ready: Callable[[Any], object]) -> None:
    assert snap_compare(console(gateway(), place=place), terminal_size=size, run_before=run_before(ready))


@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
def test_costs_against_the_period_before(snap_compare: Compare, size: tuple[int, int]) -> None:
    found = gateway()
    found.inspector.paid = [
        *found.inspector.paid,
        *(FakeCall(at=NOON - timedelta(days=day), run=f"b{day}", cost=Decimal("0.4")) for day in range(31, 50)),
    ]

    async def compared(pilot: Any) -> None:
        await run_before(painted("#costs", 30))(pilot)
        await pilot.press("d")
        table = pilot.app.screen.query_one("#costs", LineTable)
        await run_before(lambda _: 0 < len(table.rows) < 30)(pilot)

    assert snap_compare(console(found, place="costs"), terminal_size=size, run_before=compared)
