"""`flaky-import`: an import that fails when told to, to see retries, failures and dead letters at work.

fetch-rows → validate-rows → load-rows
"""

from __future__ import annotations

import asyncio
import csv
import io
import json
import os
import random
import time
from collections.abc import Iterator, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, Field, StringConstraints, ValidationError

from engine import (
    NonRetryable,
    RetryPolicy,
    StageContext,
    StageResult,
    WorkflowBuilder,
    define_plugin,
    stage,
)
from engine.events import Event
from sample_workflows.pacing import Paced, linger

INBOX_VARIABLE = "WFCONSOLE_SAMPLE_INBOX"

SOON = RetryPolicy(max_attempts=3, initial_delay=timedelta(seconds=1), max_delay=timedelta(seconds=5))

_GOODS = (
    "bolt",
    "bracket",
    "cable",
    "filter",
    "gasket",
    "hinge",
    "lamp",
    "nozzle",
    "pump",
    "relay",
    "valve",
    "washer",
)


class ImportRequest(BaseModel):
    """A CSV file with the columns sku, name, quantity, price_cents; without such a file rows are made up."""

    source: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=4096)] = "inventory.csv"
    rows: int = Field(default=200, ge=0, le=10_000)


class RawRows(BaseModel):
    source: str
    made_up: bool
    rows: list[dict[str, str]]


class ValidateConfig(Paced):
    fail_times: int = Field(default=0, ge=0, le=100)
    """Attempts, from the first, that end in a temporary error."""
    bad_rows: int = Field(default=0, ge=0, le=10_000)
    """Rows that are spoilt before they are validated."""
    strict: bool = True
    """Whether one bad row refuses the whole import; otherwise bad rows are left out."""


class Row(BaseModel):
    sku: str = Field(min_length=1)
    name: str = Field(min_length=1)
    quantity: int = Field(ge=0)
    price_cents: int = Field(ge=0)


class ValidRows(BaseModel):
    source: str
    rows: list[Row]
    left_out: int


class Imported(BaseModel):
    source: str
    rows: int
    left_out: int
    units: int
    value_cents: int


@stage(id="fetch-rows", name="Fetch rows", description="Reads the file, or makes rows up", retry=SOON)
async def fetch_rows(ctx: StageContext[ImportRequest, Paced]) -> RawRows:
    wanted = ctx.input
    ctx.log("INFO", "fetching", source=wanted.source, rows=wanted.rows)
    await linger(ctx, f"fetching {wanted.source}")
    file = Path(wanted.source)
    made_up = not await asyncio.to_thread(file.is_file)
    rows = _made_up(wanted) if made_up else await asyncio.to_thread(_read, file, wanted.rows)
    if made_up:
        ctx.log("WARN", "no such file, so the rows are made up", source=wanted.source)
    ctx.log("INFO", "fetched", rows=len(rows))
    ctx.progress(1.0, f"{len(rows)} rows")
    return RawRows(source=wanted.source, made_up=made_up, rows=rows)


@stage(id="validate-rows", name="Validate rows", description="Checks every row; fails on purpose", retry=SOON)
async def validate_rows(ctx: StageContext[RawRows, ValidateConfig]) -> ValidRows:
    config = ctx.config
    await linger(ctx, "validating")
    if ctx.attempt <= config.fail_times:
        ctx.log("WARN", "failing on purpose", attempt=ctx.attempt, fail_times=config.fail_times)
        raise ConnectionError(f"the price service did not answer (on purpose: fail_times={config.fail_times})")
    good: list[Row] = []
    faults: list[str] = []
    for number, row in enumerate(_spoilt(ctx.input.rows, config.bad_rows), start=1):
        try:
            good.append(Row.model_validate(row))
        except ValidationError as error:
            faults.append(f"row {number}: {_first_fault(error)}")
    if faults:
        ctx.log("WARN", "bad rows", count=len(faults), first=faults[0])
    if faults and config.strict:
        raise NonRetryable(
            f"{len(faults)} of {len(good) + len(faults)} rows are bad ({faults[0]}); "
            "set validate-rows.strict to false to leave them out"
        )
    ctx.progress(1.0, f"{len(good)} good rows")
    ctx.log("INFO", "validated", good=len(good), left_out=len(faults))
    return ValidRows(source=ctx.input.source, rows=good, left_out=len(faults))


@stage(id="load-rows", name="Load rows", description="Adds the rows up and writes inventory.csv", retry=SOON)
def load_rows(ctx: StageContext[ValidRows, Paced]) -> StageResult[Imported]:
    rows = ctx.input.rows
    ctx.log("INFO", "loading", rows=len(rows))
    written = io.StringIO()
    writer = csv.DictWriter(written, fieldnames=list(Row.model_fields))
    writer.writeheader()
    units = value = done = 0
    for batch in _tenths(rows):
        if ctx.cancelled:
            raise NonRetryable(f"cancelled after {done} rows")
        # A plain body runs on a thread of its own, so it may simply wait.
        time.sleep(ctx.config.delay_ms / 1000 * len(batch) / len(rows))
        writer.writerows(row.model_dump() for row in batch)
        units += sum(row.quantity for row in batch)
        value += sum(row.quantity * row.price_cents for row in batch)
        done += len(batch)
        ctx.progress(done / len(rows), f"{done} of {len(rows)} rows")
    ctx.log("INFO", "loaded", rows=len(rows), units=units, value_cents=value)
    return StageResult(
        output=Imported(
            source=ctx.input.source,
            rows=len(rows),
            left_out=ctx.input.left_out,
            units=units,
            value_cents=value,
        ),
        artifacts={"inventory.csv": written.getvalue().encode()},
        metrics={"rows": len(rows)},
    )


def _read(file: Path, limit: int) -> list[dict[str, str]]:
    try:
        with file.open(encoding="utf-8-sig", newline="") as opened:
            reader = csv.DictReader(opened)
            missing = set(Row.model_fields) - set(reader.fieldnames or ())
            if missing:
                raise NonRetryable(f"{file} lacks the columns {', '.join(sorted(missing))}")
            return [
                {name: row[name] or "" for name in Row.model_fields}
                for row, _ in zip(reader, range(limit), strict=False)
            ]
    except (UnicodeDecodeError, csv.Error) as error:
        raise NonRetryable(f"{file} is not a CSV file in UTF-8: {error}") from None


def _made_up(wanted: ImportRequest) -> list[dict[str, str]]:
    # The same source gives the same rows, so that a rerun compares.
    chance = random.Random(wanted.source)  # noqa: S311
    return [
        {
            "sku": f"SKU-{number:05}",
            "name": f"{chance.choice(_GOODS)} {chance.randint(2, 40)} mm",
            "quantity": str(chance.randint(0, 500)),
            "price_cents": str(chance.randint(15, 9_900)),
        }
        for number in range(1, wanted.rows + 1)
    ]


def _spoilt(rows: list[dict[str, str]], count: int) -> Iterator[dict[str, str]]:
    for number, row in enumerate(rows):
        yield {**row, "quantity": "many"} if number < count else row


def _first_fault(error: ValidationError) -> str:
    fault = error.errors(include_url=False)[0]
    return f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}"


def _tenths(rows: list[Row]) -> Iterator[list[Row]]:
    size = max(1, -(-len(rows) // 10))
    for start in range(0, len(rows), size):
        yield rows[start : start + size]


def notify(event: Event) -> None:
    """Append a JSON line to `notifications.jsonl` in the folder that WFCONSOLE_SAMPLE_INBOX names, if any.

    Raises `FileNotFoundError` while that folder is missing: the event becomes a dead letter, and can be
    replayed once it is there.
    """
    inbox = os.environ.get(INBOX_VARIABLE)
    if not inbox:
        return
    line: Mapping[str, str] = {
        "event_id": event.id,
        "run_id": event.run_id,
        "type": event.type,
        "occurred_at": event.occurred_at.isoformat(),
    }
    if not Path(inbox).is_dir():
        raise FileNotFoundError(f"the inbox {inbox} is missing: create it, then replay this event")
    with (Path(inbox) / "notifications.jsonl").open("a", encoding="utf-8") as file:
        file.write(json.dumps(line) + "\n")


flaky_import = (
    WorkflowBuilder(
        "flaky-import",
        "Flaky Import",
        "Imports an inventory; fails when its settings say so",
        input=ImportRequest,
        output=Imported,
    )
    .pipe(fetch_rows)
    .pipe(validate_rows)
    .pipe(load_rows)
    .build()
)

flaky_import_notifier = define_plugin(
    id="flaky-import-notifier",
    name="Flaky import notifier",
    on=["workflow:completed", "workflow:failed"],
    handle=notify,
    # A folder that is missing is not made by waiting: soon give up, and be a dead letter.
    max_retries=2,
)
