"""What the commands print, on a real database."""

from __future__ import annotations

import json
import tempfile
import time
from pathlib import Path

import pytest
from cli_user import Cli
from contract_world import hasty_deliveries

DOC = ("run", "document-processor", "--input", '{"url": "doc.md"}')
FAILING = ("run", "flaky-import", "--set-config", "validate-rows.bad_rows=2")


def test_run_takes_its_input_from_a_file_and_remembers_the_run(cli: Cli, here: Path) -> None:
    (here / "in.json").write_text('{"url": "doc.md"}')
    run_id = cli("run", "document-processor", "--input", "@in.json", "-q").out.strip()
    assert cli("show", "@last", "--json").json["id"] == run_id
    assert cli("show", run_id[:6], "--json").json["input"] == {"url": "doc.md"}


def test_last_is_kept_for_each_profile(cli: Cli, here: Path) -> None:
    (here / "wfconsole.toml").write_text("[profiles.a]\n[profiles.b]\n")
    first = cli(*DOC, "-q", "--profile", "a").out.strip()
    cli(*DOC, "-q", "--profile", "b")
    assert cli("show", "@last", "--profile", "a", "--json").json["id"] == first
    assert cli("show", "@last").code == 3


def test_run_passes_on_config_priority_and_start(cli: Cli) -> None:
    detail = cli(
        *DOC, "--set-config", "keywords.top=3", "--priority", "9", "--key", "doc:1", "--in", "2h", "--json"
    ).json
    assert detail["config"]["keywords"]["top"] == 3
    assert (detail["priority"], detail["idempotency_key"], detail["status"]) == (9, "doc:1", "PENDING")
    cli("worker", "--once")
    assert cli("show", "@last", "--json").json["status"] == "PENDING"


def test_run_in_memory_lives_as_long_as_the_command(cli: Cli) -> None:
    answer = cli("--db", "sqlite://", *DOC, "--wait", "--json")
    assert (answer.code, answer.json["status"]) == (0, "COMPLETED")


def test_follow_prints_log_lines_then_the_run(cli: Cli) -> None:
    answer = cli(*DOC, "--follow", "--json")
    assert answer.code == 0
    records = [json.loads(line) for line in answer.out.splitlines()]
    assert records[-1]["status"] == "COMPLETED"
    lines = records[:-1]
    assert {"extract-text", "report"} <= {line["stage_id"] for line in lines}
    stored = cli("logs", "@last", "--tail", "all", "--json").json["items"]
    assert [line["id"] for line in lines] == [line["id"] for line in stored]


def test_run_wait_executes_its_own_run_only(cli: Cli) -> None:
    other = cli(*FAILING, "--wait", "--json").json["id"]
    cli("rerun", other, "--from", "validate-rows", "--set-config", "validate-rows.strict=false")
    third = cli(*DOC, "-q").out.strip()
    assert cli(*DOC, "--wait").code == 0
    left = {stage["stage_id"]: stage["status"] for stage in cli("show", other, "--json").json["stages"]}
    assert left["validate-rows"] == "PENDING"
    assert cli("show", third, "--json").json["status"] == "PENDING"
    cli("worker", "--once")
    assert cli("wait", other, third).code == 0


def test_a_worker_executes_what_waits(cli: Cli) -> None:
    cli(*DOC)
    cli(*FAILING)
    assert cli("worker", "--once").code == 0
    counted = cli("ls", "--count-by", "status", "--json").json["items"]
    assert {item["status"]: item["runs"] for item in counted} == {"FAILED": 1, "COMPLETED": 1}


def test_ls_filters_pages_and_counts(cli: Cli) -> None:
    for _ in range(3):
        cli(*DOC)
    cli(*FAILING)
    first = cli("ls", "--limit", "2", "--json")
    assert "more exist" in first.err
    rest = cli("ls", "--limit", "2", "--cursor", first.json["next_cursor"], "--json")
    ids = [run["id"] for run in first.json["items"] + rest.json["items"]]
    assert ids == cli("ls", "-q").out.split()
    assert len(set(ids)) == 4
    assert len(cli("ls", "-q", "--workflow", "flaky-import").out.split()) == 1
    assert len(cli("ls", "-q", "--filter", "-wf:flaky-import", "--status", "queued").out.split()) == 3
    assert cli("ls", "-q", "--status", "failed").out == ""
    assert (
        cli("ls", "-q", "--since", "1h", "--search", "DOC.MD").out.split()
        == cli("ls", "-q", "--filter", 'doc.md since:"1h"').out.split()
    )
    assert cli("ls", "--count-by", "workflow", "--json").json["items"][0] == {
        "workflow": "document-processor",
        "runs": 3,
    }


def test_an_ambiguous_prefix_names_its_candidates(cli: Cli) -> None:
    for _ in range(33):
        cli(*DOC)
    ids = cli("ls", "-q").out.split()
    first = next(run_id[0] for run_id in ids if sum(other[0] == run_id[0] for other in ids) > 1)
    answer = cli("cancel", first)
    assert answer.code == 2
    assert all(run_id in answer.err for run_id in ids if run_id[0] == first)


def test_a_failed_run_is_explained_and_rerun(cli: Cli) -> None:
    assert cli(*FAILING, "--wait").code == 1
    why = cli("explain", "@last", "--json").json
    assert (why["code"], bool(why["summary"])) == ("failed", True)
    answer = cli("rerun", "@last", "--from", "validate-rows", "--set-config", "validate-rows.strict=false", "--json")
    assert answer.json["deleted_stages"] == ["validate-rows"]
    cli("worker", "--once")
    assert cli("wait", "@last", "--timeout", "5s").code == 0
    events = cli("events", "@last", "--json").json["items"]
    assert [event["sequence"] for event in events] == list(range(1, len(events) + 1))
    assert {"workflow:created", "stage:failed", "run:rerun", "workflow:completed"} <= {
        event["type"] for event in events
    }


def test_failed_stages_are_retried(cli: Cli) -> None:
    cli("run", "flaky-import", "--set-config", "validate-rows.fail_times=3", "--wait")
    assert cli("show", "@last", "--json").json["status"] == "FAILED"
    report = cli("retry", "@last", "--json").json
    assert (report["done"], report["failed"]) == (1, 0)
    cli("worker", "--once")
    assert cli("wait", "@last", "--timeout", "20s").code == 0


def dead_letters(cli: Cli, number: int) -> list[dict[str, str]]:
    """Once so many deliveries have been given up."""
    deadline = time.monotonic() + 30
    with hasty_deliveries():
        while True:
            cli("worker", "--once")
            dead: list[dict[str, str]] = cli("dlq", "ls", "--json").json["items"]
            if len(dead) == number:
                return dead
            assert time.monotonic() < deadline, dead


def test_dead_letters_are_listed_replayed_and_discarded(cli: Cli, here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    inbox = here / "inbox"
    monkeypatch.setenv("WFCONSOLE_SAMPLE_INBOX", str(inbox))
    cli(*DOC)
    cli("run", "flaky-import")
    dead = dead_letters(cli, 2)
    assert {event["delivery"] for event in dead} == {"dead"}
    assert "inbox" in cli("dlq", "show", dead[0]["id"], "--json").json["last_error"]
    inbox.mkdir()
    assert cli("dlq", "replay", dead[0]["id"], "--json").json["done"] == 1
    cli("worker", "--once")
    assert dead[0]["id"] in (inbox / "notifications.jsonl").read_text()
    assert cli("dlq", "discard", dead[1]["id"], "--reason", "not needed", "--yes", "--json").json["done"] == 1
    assert cli("dlq", "ls", "--json").json["items"] == []


def test_the_small_places(cli: Cli) -> None:
    cli(*DOC)
    assert {view["id"] for view in cli("workflows", "--json").json["items"]} == {
        "document-processor",
        "batch-digest",
        "flaky-import",
        "ticket-triage",
        "bulk-classify",
    }
    assert cli("queue", "--json").json["items"][0]["pending"] == 1
    assert cli("workers", "--json").json["items"] == []
    assert cli("costs", "--by", "model,workflow", "--json").json == {"items": [], "next_cursor": None}
    assert cli("status", "--json").json["counts"]["PENDING"] == 1
    assert cli("db", "check", "--json").json["ok"] is True
    assert cli("db", "upgrade").code == 0


def test_alone_without_a_terminal_it_prints_the_overview(cli: Cli) -> None:
    assert cli().out == cli("status").out
    assert "queued" in cli().out


TABLES = ["ls", "show @last", "events @last", "logs", "explain @last", "status", "queue", "workflows"]


@pytest.mark.parametrize("line", [*TABLES, "workers", "costs", "dlq ls", "doctor"])
def test_every_table_prints_and_holds_nothing_a_terminal_obeys(cli: Cli, line: str) -> None:
    hostile = "\x1b]52;c;x\x07\u202e[/b]\x9b31m"
    cli("run", "flaky-import", "--input", json.dumps({"source": hostile}), "--key", "k\x1b[2J", "--wait")
    answer = cli(*line.split())
    assert answer.code == 0
    assert not any(char in answer.out + answer.err for char in "\x1b\x07\u202e\x9b")


def test_dispatch_takes_the_wire_form(cli: Cli) -> None:
    wire = {"type": "run.create", "idempotency_key": "w", "workflow_id": "flaky-import", "input": {}}
    run_id = cli("dispatch", json.dumps(wire)).json["run_id"]
    assert cli("dispatch", json.dumps({"type": "run.cancel", "run_id": run_id})).json == {"cancelled": True}


def test_doctor_finds_a_file_others_can_read(cli: Cli, here: Path) -> None:
    cli(*DOC)
    assert (here / "runs.db").stat().st_mode & 0o777 == 0o600
    findings = {found["check"]: found for found in cli("doctor", "--json").json["items"]}
    assert findings["permissions"]["level"] == "ok"
    assert findings["workers"]["level"] == "warning"
    (here / "runs.db").chmod(0o644)
    again = cli("doctor", "--json")
    assert {found["check"]: found for found in again.json["items"]}["permissions"]["level"] == "warning"
    assert again.code == 0


def test_doctor_says_what_is_broken(cli: Cli, here: Path) -> None:
    (here / "bad.py").write_text("raise RuntimeError('half written')\n")
    answer = cli("doctor", "--workflows", "bad", "--json")
    assert answer.code == 2
    assert "half written" in answer.out
    (here / "text.db").write_text("no database at all " * 100)
    assert cli("doctor", "--db", f"sqlite:///{here / 'text.db'}").code == 5


def test_demo_without_a_terminal_executes_and_prints_the_overview(
    cli: Cli, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WFCONSOLE_SAMPLE_INBOX", "")
    monkeypatch.setattr(tempfile, "tempdir", str(here))
    answer = cli("demo", "--json")
    assert answer.code == 0, answer.err
    counts = answer.json["counts"]
    assert counts["COMPLETED"] >= 3
    assert counts["FAILED"] == 2
    assert counts["PENDING"] == counts["RUNNING"] == 0
    assert answer.json["dead_letters"] >= 1
    assert "wfconsole --db sqlite:///" in answer.err
