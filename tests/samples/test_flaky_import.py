"""flaky-import fails exactly when its settings say so; its notifier when its inbox is missing."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from workbench import Workbench

from engine import NonRetryable
from engine.events import Event
from sample_workflows.flaky_import import (
    INBOX_VARIABLE,
    fetch_rows,
    flaky_import,
    flaky_import_notifier,
    load_rows,
    validate_rows,
)


async def test_made_up_rows_are_the_same_every_time_and_add_up(workbench: Workbench) -> None:
    rows = await workbench.run(fetch_rows, {"rows": 25})
    assert rows["made_up"]
    assert rows == await workbench.run(fetch_rows, {"rows": 25})
    valid = await workbench.run(validate_rows, rows)
    imported = await workbench.run(load_rows, valid)
    assert (imported["rows"], imported["left_out"]) == (25, 0)
    assert imported["units"] == sum(int(row["quantity"]) for row in rows["rows"])
    written = workbench.result.artifacts["inventory.csv"].decode().splitlines()
    assert written[0] == "sku,name,quantity,price_cents"
    assert len(written) == 26
    assert workbench.reporter.fractions[-1] == 1.0


async def test_a_real_file_is_read(workbench: Workbench, tmp_path: Path) -> None:
    file = tmp_path / "stock.csv"
    file.write_text("sku,name,quantity,price_cents,note\nA,bolt,2,50,x\nB,nut,-1,10,y\nC,cap,3\n")
    rows = await workbench.run(fetch_rows, {"source": str(file)})
    assert not rows["made_up"]
    with pytest.raises(NonRetryable, match=r"^2 of 3 rows are bad \(row 2: quantity: "):
        await workbench.run(validate_rows, rows)
    valid = await workbench.run(validate_rows, rows, {"strict": False})
    imported = await workbench.run(load_rows, valid)
    assert (imported["rows"], imported["left_out"], imported["value_cents"]) == (1, 2, 100)


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"sku,name\nA,b\n", "lacks the columns price_cents, quantity"),
        (b"\xff\xfe\xff", "not a CSV"),
        (b"", "lacks"),
    ],
)
async def test_a_file_that_is_no_inventory_is_refused(
    workbench: Workbench, tmp_path: Path, content: bytes, sentence: str
) -> None:
    file = tmp_path / "stock.csv"
    file.write_bytes(content)
    with pytest.raises(NonRetryable, match=sentence):
        await workbench.run(fetch_rows, {"source": str(file)})


async def test_it_fails_as_often_as_told_by_attempt(workbench: Workbench) -> None:
    rows = await workbench.run(fetch_rows, {"rows": 3})
    for attempt in (1, 2):
        with pytest.raises(ConnectionError, match="fail_times=2"):
            await workbench.run(validate_rows, rows, {"fail_times": 2}, attempt=attempt)
    assert (await workbench.run(validate_rows, rows, {"fail_times": 2}, attempt=3))["left_out"] == 0


async def test_bad_rows_fail_for_good_and_the_error_names_the_way_out(workbench: Workbench) -> None:
    rows = await workbench.run(fetch_rows, {"rows": 10})
    with pytest.raises(NonRetryable, match=r"4 of 10 rows are bad .*set validate-rows\.strict to false"):
        await workbench.run(validate_rows, rows, {"bad_rows": 4})
    valid = await workbench.run(validate_rows, rows, {"bad_rows": 4, "strict": False})
    assert (len(valid["rows"]), valid["left_out"]) == (6, 4)


async def test_no_rows_and_a_cancel_are_no_trouble(workbench: Workbench) -> None:
    nothing = await workbench.run(validate_rows, await workbench.run(fetch_rows, {"rows": 0}))
    assert (await workbench.run(load_rows, nothing))["rows"] == 0
    some = await workbench.run(validate_rows, await workbench.run(fetch_rows, {"rows": 5}))
    workbench.reporter.cancelled = True
    with pytest.raises(NonRetryable, match="cancelled after 0 rows"):
        await workbench.run(load_rows, some, {"delay_ms": 600_000})


def test_its_retries_come_soon() -> None:
    policy = flaky_import.stage("validate-rows").retry
    assert (policy.max_attempts, policy.initial_delay.total_seconds()) == (3, 1)


def an_event(kind: str) -> Event:
    return Event(
        id=f"e-{kind}",
        run_id="r" * 20,
        sequence=1,
        type=kind,
        occurred_at=datetime(2026, 11, 23, tzinfo=UTC),
        causation_id="c",
    )


def test_the_notifier_fails_while_its_inbox_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    inbox = tmp_path / "inbox"
    monkeypatch.delenv(INBOX_VARIABLE, raising=False)
    flaky_import_notifier.handle(an_event("workflow:failed"))
    monkeypatch.setenv(INBOX_VARIABLE, str(inbox))
    with pytest.raises(FileNotFoundError, match="create it, then replay"):
        flaky_import_notifier.handle(an_event("workflow:failed"))
    inbox.mkdir()
    for kind in ("workflow:failed", "workflow:completed"):
        flaky_import_notifier.handle(an_event(kind))
    lines = [json.loads(line) for line in (inbox / "notifications.jsonl").read_text().splitlines()]
    assert [(line["event_id"], line["type"]) for line in lines] == [
        ("e-workflow:failed", "workflow:failed"),
        ("e-workflow:completed", "workflow:completed"),
    ]
    assert flaky_import_notifier.on == {"workflow:failed", "workflow:completed"}
