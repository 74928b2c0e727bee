"""200 texts that try to steer a terminal, and a database that has one in every text it holds."""

from __future__ import annotations

import itertools
import re
import sys
from pathlib import Path
from typing import Any

from sqlalchemy.pool import SingletonThreadPool

sys.path.insert(0, str(Path(__file__).parent / "contract"))

TELL = "EVIL"
_CONTROLS = [chr(code) for code in (*range(0x20), 0x7F, *range(0x80, 0xA0))]
_INVISIBLE = [
    *"\u061c\u200b\u200c\u200d\u200e\u200f\u2028\u2029\u202a\u202b\u202c\u202d\u202e",
    *"\u2060\u2066\u2067\u2068\u2069\ufeff",
]
_SEQUENCES = [
    "\x1b]52;c;RVZJTA==\x07", "\x1b]52;c;RVZJTA==\x1b\\", "\x1b]0;title\x07", "\x1b]8;;http://x\x07", "\x1b[2J",
    "\x1b[H", "\x1b[6n", "\x1b[c", "\x1b[?1049l", "\x1b[?25l",
    "\x1b[31m", "\x1b[8m", "\x1bc", "\x1b(0", "\x1bP$q\x1b\\",
    "\x1b_Gx\x1b\\", "\x1b^x\x1b\\", "\x9b2J", "\x9d52;c;RVZJTA==\x9c", "\x90x\x9c",
    "\x1b[>c", "\x1b[1;1r", "\x1b[5i", "\x1b#8", "\r\x1b[K",
]  # fmt: skip
_MARKUP = [
    "[/b]",
    "[red]",
    "[@click=app.quit]x[/]",
    "[/]",
    "{0}",
    "%s",
    "$quiet",
    "\\[",
    "[link=http://x]",
    "</script>",
]
_WIDE = [
    "全角" * 40,
    "e\u0301" * 40,
    "\U0001f468\u200d\U0001f469" * 20,
    "\U000e0041" * 9,
    "x" * 20_000,
    " " * 300,
    "\t\t",
]


def _texts() -> list[str]:
    pieces = [*_SEQUENCES, *_CONTROLS, *_INVISIBLE, *_MARKUP, *_WIDE]
    alone = [f"{piece}{TELL}" for piece in pieces]
    pairs = (f"{one}{TELL}{other}" for one, other in itertools.product(_SEQUENCES, _INVISIBLE))
    return [*alone, *itertools.islice(pairs, 200 - len(alone))]


HOSTILE = _texts()
FORBIDDEN = re.compile(
    "[\x00-\x09\x0b-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\U000e0000-\U000e0fff]"
)
"""What may not reach a terminal from outside; a newline ends our own lines."""
IN_JSON = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]")


def poisoned_database(url: str) -> dict[str, str]:
    """Fill the database at `url`; ids of things to ask for."""
    from inspected_store import NOW, InspectedStore, ago, make_flow

    from engine.inspector import JobStatus, RunStatus
    from engine.model.json import dumps
    from engine.model.records import DefinitionRecord
    from engine.stores.sql import side_tables, tables
    from engine.stores.sql.registers import DEFINITION

    store = InspectedStore(url, pool=SingletonThreadPool)
    plan = make_flow().plan.to_json()
    rows: dict[Any, list[dict[str, Any]]] = {table: [] for table in _side(side_tables)}
    names: dict[str, str] = {}
    # NUL can't be stored: the engine itself writes U+FFFD in its place.
    texts = [text.replace("\0", "\ufffd") for text in HOSTILE]
    for at, text in enumerate(texts):
        stored = {"workflow_id": text, "definition": text}
        failed = store.run(
            status=RunStatus.FAILED, workflow_name=text, idempotency_key=text, error=text, error_code=text,
            error_fingerprint=text, completed_at=ago(at), **stored,
        )  # fmt: skip
        running = store.run(status=RunStatus.RUNNING, **stored)
        stage = store.stage(
            running, text, name=text, error=text, error_code=text, worker_id=text, progress_message=text,
            started_at=ago(9), output=dumps({"value": text}),
        )  # fmt: skip
        store.job(stage, running, status=JobStatus.RUNNING, worker_id=text, leased_until=NOW, last_error=text)
        store.log(failed, text, stage_id=text, fields=dumps({text: text}))
        event = store.event(
            failed, 1, type=text, payload=dumps({text: text}), causation_id=text, last_error=text, sink=text,
            fingerprint=text, dead_at=ago(at),
        )  # fmt: skip
        store.annotation(failed, text, text, actor=text)
        store.worker(f"{at}{text}", {text: text}, host=text)
        call = dict.fromkeys(("topic", "model", "provider", "prompt", "response", "error", "stage_id"), text)
        store.ai_call(run_id=failed.id, workflow_id=text, **call)
        evil = {**plan, "workflow_id": text, "name": text, "description": text}
        store.put(DEFINITION, DefinitionRecord(text, text, dumps(evil), NOW))
        _add_side_rows(side_tables, rows, at, text, failed.id)
        names = {"run": failed.id, "running": running.id, "event": event.id}
    counts = [{"workflow_id": text, "status": "FAILED", "shard": 0, "count": 1} for text in texts]
    with store.engine.connect() as connection:
        for table, found in rows.items():
            store._insert(connection, table, found)
        store._insert(connection, tables.run_stats, counts)
    store.engine.dispose()
    return names


def _add_side_rows(side_tables: Any, rows: dict[Any, list[dict[str, Any]]], at: int, text: str, run_id: str) -> None:
    from inspected_store import NOW, ago

    from engine.model.ids import new_id
    from engine.model.json import dumps

    rows[side_tables.audit_log].append(
        {"created_at": NOW, "actor": text, "command": text, "run_id": run_id, "target": text, "reason": text}
    )
    rows[side_tables.paused_workflows].append({"workflow_id": text, "paused_at": NOW, "actor": text, "reason": text})
    rows[side_tables.schedules].append(
        {"id": new_id(), "command": dumps({"type": text, "workflow_id": text}), "actor": text, "cron": text,
         "zone": text, "due_at": NOW, "created_at": NOW, "fired": 1, "last_error": text}
    )  # fmt: skip
    rows[side_tables.sinks].append({"id": f"{at}{text}", "target": text, "failing_since": ago(9), "last_error": text})


def _side(side_tables: Any) -> list[Any]:
    return [side_tables.audit_log, side_tables.paused_workflows, side_tables.schedules, side_tables.sinks]
