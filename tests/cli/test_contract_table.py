"""The table of commands of the contract, each run with --json against a filled database: keys and exit codes."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from contract_world import World, records, world

RUN = """id workflow_id workflow_name status waiting priority created_at started_at completed_at duration_ms
current_stages progress attempt tries max_attempts retry_at idle_ms idempotency_key definition worker_id total_cost
total_tokens error error_code error_fingerprint"""
DETAIL = f"{RUN} input config output metadata plan stages"
STAGE = """stage_id name group number status attempt tries max_attempts queued_at started_at completed_at duration_ms
retry_at worker_id input output config error error_code progress progress_message next_poll_at last_poll_at polls
max_wait_until cost tokens metrics artifacts attempts"""
EVENT = """id run_id sequence type occurred_at causation_id delivery published_at retry_count next_attempt_at dead_at
last_error sink fingerprint payload"""
LINE = "id run_id stage_id attempt level message fields created_at"
OVERVIEW = """counts rate_per_s fail_rate workers_alive workers_known queue undelivered dead_letters cost_today
unpriced_today as_of"""
CAUSE = "fingerprint code example workflow_id stage_id runs first_at last_at wasted"
WORKFLOW = "id name description fingerprint groups input_schema registered live_workers paused unfinished"
QUEUE = "workflow_id pending scheduled running oldest_pending_at"
SINK = "id target ok_at failing_since last_error pending dead"
UNFINISHED = "workflow_id fingerprint runs registered survives problems workers"
AUDIT = "id created_at actor command target run_id reason before after idempotency_key"
REPORT = "bulk done skipped failed items"
CALL = """id run_id stage_id attempt topic call_type model provider input_tokens output_tokens cached_tokens cost
latency_ms status error reused prompt response created_at"""
EXPLANATION = "run_id code summary since until facts next"

DOC = ("run", "document-processor", "--input", '{"url": "doc.md"}')
LISTS = [
    (("ls",), RUN),
    (("ls", "--filter", "status:ok,failed", "--sort", "created_at", "--limit", "2"), RUN),
    (("ls", "--status", "failed", "--workflow", "document-processor", "--since", "1h"), RUN),
    (("ls", "--search", "missing.md"), RUN),
    (("ls", "--count-by", "status"), "status runs"),
    (("ls", "--count-by", "workflow"), "workflow runs"),
    (("ls", "--count-by", "code"), "code runs"),
    (("events", "{ok}"), EVENT),
    (("logs",), LINE),
    (("logs", "{prefix}", "--level", "info", "--tail", "all"), LINE),
    (("logs", "--filter", "status:failed", "--since", "1h", "--tail", "3"), LINE),
    (("logs", "--stage", "extract-text", "--tail", "5"), LINE),
    (("logs", "{failed}", "--search", "missing.md"), LINE),
    (("failures",), CAUSE),
    (("failures", "--filter", "wf:document-processor"), CAUSE),
    (("dlq", "ls"), EVENT),
    (("dlq", "ls", "--run", "{dead_run}", "--limit", "1"), EVENT),
    (("workflows",), WORKFLOW),
    (("workflows", "check"), UNFINISHED),
    (("queue",), QUEUE),
    (("sinks",), SINK),
    (("audit",), AUDIT),
    (("audit", "{cancelled}"), AUDIT),
    (("costs", "--by", "model"), "key calls runs failed reused input_tokens output_tokens cost wasted unpriced"),
    (("costs", "--by", "workflow,stage,day", "--since", "1h"), "key calls cost"),
    (("costs", "--by", "topic", "--since", "1h", "--compare", "previous"), "key previous_cost change"),
    (("ai", "ls"), CALL),
    (("ai", "ls", "{ok}"), CALL),
    (("models",), "input output"),
    (("doctor",), "check level message"),
    (("doctor", "--fsck"), "check level message"),
]
DOCUMENTS = [
    (("status",), OVERVIEW),
    ((), OVERVIEW),
    (("show", "{ok}"), DETAIL),
    (("show", "{prefix}"), DETAIL),
    (("explain", "{failed}"), EXPLANATION),
    (("explain", "{queued}"), EXPLANATION),
    (("dlq", "show", "{letter}"), EVENT),
    (("db", "check"), "found needed ok"),
    (("db", "stats"), "database schema bytes free_bytes log_bytes tables"),
    (("db", "prune", "--older-than", "30d", "--dry-run"), "runs"),
    (("sinks", "test", "journal"), "id taken"),
    (("cancel", "{queued}", "--dry-run"), REPORT),
    (("retry", "--filter", "status:failed", "--dry-run"), REPORT),
    (("rerun", "{ok}", "--from", "keywords", "--dry-run"), REPORT),
    (("dlq", "replay", "--all", "--dry-run"), REPORT),
    (("dlq", "discard", "{letter}", "--reason", "x", "--dry-run"), REPORT),
]
CODES = [
    (("show", "{nobody}"), 3),
    (("explain", "{nobody}"), 3),
    (("events", "{nobody}"), 3),
    (("logs", "{nobody}"), 3),
    (("wait", "{nobody}"), 3),
    (("cancel", "{nobody}"), 3),
    (("retry", "{nobody}"), 3),
    (("rerun", "{nobody}", "--from", "x"), 3),
    (("poll", "{nobody}"), 3),
    (("note", "{nobody}", "x"), 3),
    (("audit", "{nobody}"), 3),
    (("dlq", "show", "nobody"), 3),
    (("dlq", "replay", "nobody"), 3),
    (("dlq", "ls", "--run", "{nobody}"), 3),
    (("sinks", "test", "nowhere"), 3),
    (("pause", "nowhere"), 3),
    (("run", "nowhere"), 3),
    (("give-up", "{ok}", "--stage", "nowhere", "--reason", "x"), 3),
    (("cancel", "{ok}"), 4),
    (("retry", "{ok}"), 4),
    (("rerun", "{queued}", "--from", "keywords"), 4),
    (("wait", "{failed}"), 1),
    (("wait", "{cancelled}"), 1),
    (("wait", "{ok}"), 0),
    (("wait", "{queued}", "--timeout", "10ms"), 124),
    (("cancel", "{cancelled}"), 0),
    (("cancel", "--filter", "status:queued"), 2),
    (("cancel",), 2),
    (("dlq", "replay"), 2),
    (("dlq", "replay", "--all"), 2),
    (("dlq", "replay", "{letter}", "--rate", "often"), 2),
    (("dlq", "replay", "--all", "--yes", "--max-failures", "some"), 2),
    (("dlq", "discard", "{letter}", "--reason", "x"), 2),
    (("db", "prune", "--older-than", "0s"), 2),
    (("serve", "--port", "0"), 2),
    (("workflows", "chekc"), 2),
    (("ls", "--limit", "0"), 2),
    (("ls", "--filter", "nope:1"), 2),
]
WRITES = [
    DOC,
    ("cancel", "{queued}"),
    ("retry", "{failed}"),
    ("rerun", "{ok}", "--from", "keywords"),
    ("poll", "{waiting}"),
    ("give-up", "{waiting}", "--stage", "digest", "--reason", "x"),
    ("pause", "document-processor"),
    ("resume", "document-processor"),
    ("note", "{ok}", "x"),
    ("dlq", "replay", "--all", "--yes"),
    ("dlq", "discard", "{letter}", "--reason", "x", "--yes"),
    ("db", "prune", "--older-than", "0s", "--yes"),
    ("db", "upgrade"),
    ("dispatch", '{"type": "lease.reapStale", "stale_threshold": "PT1M"}'),
    ("sinks", "test", "journal"),
    ("worker", "--once"),
    ("demo",),
]


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def there(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with world(request.param, tmp_path_factory.mktemp(request.param)) as made:
        yield made


def words(line: tuple[str, ...]) -> str:
    return " ".join(line) or "(nothing)"


@pytest.mark.parametrize(("line", "keys"), LISTS, ids=[words(line) for line, _ in LISTS])
def test_a_list(there: World, line: tuple[str, ...], keys: str) -> None:
    answer = there.call(*there.filled(line), "--json")
    assert answer.code == 0, answer.err
    assert set(answer.json) == {"items", "next_cursor"}
    assert answer.json["items"], "nothing to look at"
    for item in answer.json["items"]:
        assert set(keys.split()) <= set(item), set(keys.split()) - set(item)


@pytest.mark.parametrize(("line", "keys"), DOCUMENTS, ids=[words(line) for line, _ in DOCUMENTS])
def test_a_document(there: World, line: tuple[str, ...], keys: str) -> None:
    answer = there.call(*there.filled(line), "--json")
    assert answer.code == 0, answer.err
    assert set(keys.split()) <= set(answer.json), set(keys.split()) - set(answer.json)


@pytest.mark.parametrize(("line", "code"), CODES, ids=[words(line) for line, _ in CODES])
def test_an_exit_code(there: World, line: tuple[str, ...], code: int) -> None:
    answer = there.call(*there.filled(line), "--json")
    assert answer.code == code, answer
    if code not in (0, 1):
        last = answer.err.splitlines()[-1]
        assert last.startswith("wfconsole: ")
        assert "Traceback" not in answer.err


@pytest.mark.parametrize("line", WRITES, ids=words)
def test_read_only_binds(there: World, line: tuple[str, ...]) -> None:
    assert there.call(*there.filled(line), "--read-only").code == 4


@pytest.mark.parametrize(("line", "_"), [*LISTS, *DOCUMENTS], ids=[words(line) for line, _ in [*LISTS, *DOCUMENTS]])
def test_for_a_person_too(there: World, line: tuple[str, ...], _: str) -> None:
    answer = there.call(*there.filled(line))
    assert answer.code == 0, answer.err
    assert answer.out


def test_a_run_is_printed_whole_and_with_its_stages(there: World) -> None:
    run = there.call("show", there.names["ok"], "--json").json
    for stage in run["stages"]:
        assert set(STAGE.split()) == set(stage)
    assert run["created_at"].endswith("Z")
    created = there.call(*DOC, "--json", "--key", "table", "--set-config", "keywords.delay_ms=1")
    assert (created.code, set(DETAIL.split()) <= set(created.json)) == (0, True)
    assert there.call(*DOC, "--key", "table", "--set-config", "keywords.delay_ms=1", "-q").out.strip() == str(
        created.json["id"]
    ), "the same key again is the same run"
    assert there.call(*DOC, "--key", "table", "--priority", "1").code == 4
    assert there.call("cancel", "@last", "--json").json["done"] == 1


def test_ids_alone(there: World) -> None:
    ids = there.call("ls", "-q").out.split()
    assert there.names["ok"] in ids
    assert all(len(one) == 20 for one in ids)
    first = there.call("ls", "--limit", "1", "--json").json
    second = there.call("ls", "--limit", "1", "--cursor", first["next_cursor"], "--json").json
    assert [first["items"][0]["id"], second["items"][0]["id"]] == ids[:2]
    assert "more exist" in there.call("ls", "--limit", "1").err


def test_a_followed_log_is_a_stream_of_objects(there: World) -> None:
    answer = there.call("logs", "-f", there.names["ok"], "--json")
    assert answer.code == 0
    lines = records(answer.out)
    assert lines
    assert all(set(LINE.split()) == set(line) for line in lines)
    later = there.call("logs", "-f", there.names["ok"], "--json", "--until", "2001-01-01")
    assert (later.code, later.out) == (0, "")


def test_reports_and_keys(there: World) -> None:
    report = there.call("report", there.names["failed"])
    assert report.code == 0
    assert "missing.md" in report.out
    assert there.call("report", there.names["nobody"]).code == 3
    assert there.call("keys", "--check").code == 0
    assert there.call("costs", "reprice", there.names["ok"], "--model", "nonsense").code == 2
    call_id = there.call("ai", "ls", there.names["ok"], "--json").json["items"][0]["id"]
    assert set(CALL.split()) <= set(there.call("ai", "show", call_id, "--json").json)
    assert there.call("ai", "show", "nobody").code == 3


def test_operators_answers(there: World) -> None:
    for words, target in [
        (("pause", "flaky-import", "--reason", "x"), "flaky-import"),
        (("resume", "flaky-import"), "flaky-import"),
        (("note", there.names["ok"], "seen"), there.names["ok"]),
    ]:
        report = there.call(*words, "--json").json
        assert set(report) == set(REPORT.split()), words
        assert (report["done"], report["skipped"], report["failed"]) == (1, 0, 0)
        assert report["items"] == [{"id": target, "result": "done", "reason": None}]
    assert set(there.call("poll", there.names["waiting"], "--json").json) == set(REPORT.split())
    dispatched = there.call("dispatch", '{"type": "workflow.resume", "workflow_id": "flaky-import"}')
    assert dispatched.json == {"paused": False}


def test_dead_letters_by_id_end_as_something(there: World) -> None:
    report = there.call("dlq", "replay", there.names["other_letter"], "--json", "--key", "again").json
    assert (report["bulk"], report["done"], report["items"][0]["reason"]) == ("again", 1, "still pending")
    assert "no live worker delivers" in there.call("dlq", "replay", there.names["letter"]).err


def test_filters_find_what_a_bulk_changed(there: World) -> None:
    ids = [there.call(*DOC, "--json", "--key", f"bulk{number}").json["id"] for number in range(3)]
    wanted = ("--filter", "key:bulk0,bulk1,bulk2", "--yes", "--canary", "1", "--rate", "100/s", "--json")
    report = there.call("cancel", *wanted, "--max-failures", "10%").json
    assert (report["done"], {item["id"] for item in report["items"]}) == (3, set(ids))
    assert sorted(there.call("ls", "-q", "--filter", f"bulk:{report['bulk']}").out.split()) == sorted(ids)


def test_a_deploy_that_would_break_runs(there: World, tmp_path: Path) -> None:
    module = there.folder / "next_release.py"
    module.write_text(
        "from pydantic import BaseModel\n"
        "from engine import NoConfig, StageContext, WorkflowBuilder, stage\n"
        "class Url(BaseModel):\n    url: str\n"
        "@stage(id='other', name='Other')\n"
        "async def other(ctx: StageContext[Url, NoConfig]) -> Url:\n    return ctx.input\n"
        "flow = WorkflowBuilder('document-processor', 'Other', input=Url).pipe(other).build()\n"
    )
    answer = there.call("workflows", "check", "--workflows", "next_release", "--json")
    assert answer.code == 4
    broken = {view["workflow_id"]: view for view in answer.json["items"] if not view["survives"]}
    assert any("is gone" in problem for problem in broken["document-processor"]["problems"])
    assert broken["batch-digest"]["problems"] == ["no workflow of this id is registered"]
    assert "would wait for ever or fail" in there.call("workflows", "check", "--workflows", "next_release").err
    assert there.call("workflows", "check").code == 0


def test_roles(there: World) -> None:
    answer = there.call("db", "roles", "--json")
    if there.url.startswith("sqlite"):
        assert (answer.code, "permissions" in answer.err) == (2, True)
    else:
        assert answer.code == 0
        assert 'CREATE ROLE "wfconsole_reader"' in answer.json["sql"]
        assert 'CREATE ROLE "x""y_writer"' in there.call("db", "roles", "--prefix", 'x"y').out


def test_roles_can_do_what_they_are_for(there: World) -> None:
    if there.url.startswith("sqlite"):
        return
    prefix = f"r{uuid.uuid4().hex[:8]}"
    script = there.call("db", "roles", "--prefix", prefix).out
    with psycopg.connect(there.url, autocommit=True) as owner:
        owner.execute(script)
        owner.execute(script)
    try:
        writer, reader = (there.url.replace("//wfconsole@", f"//{prefix}_{kind}@") for kind in ("writer", "reader"))
        assert there.call("ls", "-q", "--db", reader, "--read-only").out == there.call("ls", "-q").out
        assert there.call("pause", "flaky-import", "--db", reader).code == 5
        assert there.call("pause", "flaky-import", "--db", writer).code == 0
        assert there.call("resume", "flaky-import", "--db", writer).code == 0
        assert there.call("worker", "--once", "--db", writer).code == 0
        with psycopg.connect(writer) as connection, pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("DROP TABLE workflow_runs")
    finally:
        with psycopg.connect(there.url, autocommit=True) as owner:
            for kind in ("writer", "reader"):
                owner.execute(f'DROP OWNED BY "{prefix}_{kind}"; DROP ROLE "{prefix}_{kind}"')


def test_why_something_was_retried_or_rerun_is_kept(there: World) -> None:
    answer = there.call("rerun", there.names["ok"], "--from", "report", "--reason", "a new template", "--json")
    assert set(answer.json) == {"run_id", "from_stage_id", "deleted_stages"}
    told = [(row["command"], row["run_id"]) for row in there.call("audit", there.names["ok"], "--json").json["items"]]
    assert ("run.rerunFrom", there.names["ok"]) in told or ("run.rerun", there.names["ok"]) in told
    assert there.call("report", there.names["ok"]).out.count("a new template") >= 1
