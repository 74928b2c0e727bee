"""What operators type: poll, give up, pause, note, failures, audit, bulk, prune, fsck."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest
from cli_user import Cli

DOC = ("run", "document-processor", "--input", '{"url": "doc.md"}')
MISSING = ("run", "document-processor", "--input", '{"url": "missing.md"}')
BATCH = ("run", "batch-digest", "--input", '{"path": "."}')
NOBODY = "0000000000000000000z"


def created(cli: Cli, line: tuple[str, ...] = DOC, *more: str) -> str:
    answer = cli(*line, "--json", *more)
    return str(answer.json["id"])


def test_pause_and_resume(cli: Cli) -> None:
    assert cli("pause", "document-processor", "--reason", "down").code == 0
    run_id = created(cli)
    assert cli("explain", run_id, "--json").json["code"] == "paused"
    assert [one["paused"] for one in cli("workflows", "--json").json["items"] if one["id"] == "document-processor"] == [
        True
    ]
    assert cli("worker", "--once").code == 0
    assert cli("show", run_id, "--json").json["status"] == "PENDING"
    assert cli("resume", "document-processor", "--json").json["items"][0]["id"] == "document-processor"
    assert cli("worker", "--once").code == 0
    assert cli("show", run_id, "--json").json["status"] == "COMPLETED"
    assert cli("pause", "nowhere").code == 3
    assert [row["command"] for row in cli("audit", "--json").json["items"]] == ["workflow.resume", "workflow.pause"]


def test_notes_and_the_audit_log(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WFCONSOLE_ACTOR", "ann")
    run_id = created(cli)
    assert cli("note", run_id, "looked at it").code == 0
    assert cli("cancel", run_id, "--reason", "wrong file").code == 0
    rows = cli("audit", run_id[:10], "--json").json["items"]
    assert [(row["actor"], row["command"], row["reason"]) for row in rows] == [
        ("ann", "run.cancel", "wrong file"),
        ("ann", "run.annotate", None),
    ]
    assert "wrong file" in cli("audit").out
    assert cli("audit", "--actor", "bob", "--json").json["items"] == []
    assert cli("audit", NOBODY).code == 3


def test_failures_by_cause(cli: Cli) -> None:
    for number in range(3):
        assert cli(*MISSING, "--wait", "--key", str(number)).code == 1
    cli(*DOC, "--wait")
    (cause,) = cli("failures", "--json").json["items"]
    assert (cause["runs"], cause["workflow_id"], "missing.md" in cause["example"]) == (3, "document-processor", True)
    assert "document-processor" in cli("failures").out
    assert cli("ls", "--filter", f"fp:{cause['fingerprint']}", "-q").out.count("\n") == 3
    assert cli("failures", "--filter", "wf:other", "--json").json["items"] == []


def test_a_bulk_acts_on_the_frozen_set_and_can_be_found_again(cli: Cli) -> None:
    ids = [created(cli, DOC, "--key", str(number)) for number in range(4)]
    assert cli("cancel", "--filter", "status:queued").code == 2, "nobody can be asked: --yes"
    dry = cli("cancel", "--filter", "status:queued", "--dry-run", "--json").json
    assert [item["reason"].startswith("would stop it") for item in dry["items"]] == [True] * 4
    told = cli("cancel", "--filter", "status:queued", "--dry-run")
    assert "would stop it" in told.out
    assert (told.err.strip(), "skipped" in told.out) == ("nothing was done", False)
    assert cli("show", ids[0], "--json").json["status"] == "PENDING"
    report = cli("cancel", "--filter", "status:queued", "--yes", "--rate", "100/s", "--json").json
    assert (report["done"], {item["id"] for item in report["items"]}) == (4, set(ids))
    created(cli, DOC, "--key", "later")
    found = cli("ls", "--filter", f"bulk:{report['bulk']}", "-q").out.split()
    assert sorted(found) == sorted(ids)
    again = cli("cancel", *ids, "--key", report["bulk"], "--json").json
    assert again["done"] == 4, "the same bulk again harms nothing"
    assert len(cli("audit", "--json").json["items"]) == 4


def test_a_bulk_stops_when_too_many_fail(cli: Cli) -> None:
    ids = [created(cli, DOC, "--key", str(number)) for number in range(3)]
    answer = cli("retry", *ids, "--max-failures", "1", "--json")
    assert answer.code == 6
    assert [item["result"] for item in answer.json["items"]] == ["failed", "failed", "skipped"]
    for wrong in (("--rate", "often"), ("--max-failures", "some"), ("--canary", "-1")):
        assert cli("retry", *ids, *wrong).code == 2
    assert cli("cancel").code == 2
    assert cli("cancel", ids[0], "--filter", "status:queued").code == 2


def test_polling_and_giving_up(cli: Cli) -> None:
    run_id = created(cli, BATCH)
    assert cli("worker", "--once").code == 0
    shown = cli("show", run_id, "--json").json
    waiting = [stage["stage_id"] for stage in shown["stages"] if stage["status"] == "SUSPENDED"]
    assert waiting, shown["stages"]
    assert cli("poll", run_id).code == 0
    lost = ("give-up", run_id, "--stage", waiting[0], "--reason", "the provider lost it", "--json")
    report = cli(*lost).json
    assert report["items"] == [{"id": run_id, "result": "done", "reason": None}]
    assert (report["done"], report["skipped"], report["failed"]) == (1, 0, 0)
    report = cli(*lost).json
    assert report["items"] == [{"id": run_id, "result": "skipped", "reason": "it had failed already"}]
    run = cli("show", run_id, "--json").json
    assert (run["status"], run["error_code"]) == ("FAILED", "GIVEN_UP")
    assert cli("poll", run_id).code == 4
    assert cli("give-up", run_id, "--stage", "nowhere", "--reason", "x").code == 3


def test_pruning(cli: Cli) -> None:
    cli(*DOC, "--wait")
    kept = created(cli, DOC, "--key", "kept")
    assert cli("db", "prune", "--older-than", "0s").code == 2
    assert cli("db", "prune", "--older-than", "0s", "--dry-run", "--json").json["runs"] == 1
    assert cli("db", "prune", "--older-than", "30d", "--yes", "--json").json["runs"] == 0
    assert cli("db", "prune", "--older-than", "0s", "--yes", "--json").json["runs"] == 1
    assert cli("ls", "-q").out.split() == [kept]


def test_fsck(cli: Cli, here: Path) -> None:
    cli(*DOC, "--wait")
    found = {item["check"]: item for item in cli("doctor", "--fsck", "--json").json["items"]}
    assert found["fsck"]["level"] == "ok"
    with sqlite3.connect(here / "runs.db") as connection:
        connection.execute("UPDATE workflow_runs SET last_sequence = 99")
    connection.close()
    answer = cli("doctor", "--fsck", "--json")
    assert answer.code == 5
    found = {item["check"]: item for item in answer.json["items"]}
    assert "a run knows its last event" in found["fsck"]["message"]


def test_sinks(cli: Cli, here: Path) -> None:
    assert cli("sinks", "--json").json["items"] == []
    (here / "wfconsole.toml").write_text('[sinks.journal]\ntype = "log"\n')
    cli(*DOC)
    assert cli("worker", "--once").code == 0
    sinks = {one["id"]: one for one in cli("sinks", "--json").json["items"]}
    sink = sinks["journal"]
    assert (sink["pending"], sink["dead"], sink["failing_since"]) == (0, 0, None)
    assert "journal" in cli("sinks").out
    assert cli("sinks", "test", "journal").code == 0
    assert cli("sinks", "test", "nowhere").code == 3
    (here / "wfconsole.toml").write_text('[sinks.hook]\ntype = "webhook"\nurl = "https://h/"\nsecret_env = "NOT_SET"\n')
    answer = cli("worker", "--once")
    assert answer.code == 2
    assert "NOT_SET" in answer.err
