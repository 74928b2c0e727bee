"""The exit codes of the contract, each from a real command on a real database."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from cli_user import Cli

DOC = ("run", "document-processor", "--input", '{"url": "doc.md"}')
MISSING = ("run", "document-processor", "--input", '{"url": "missing.md"}')
NOBODY = "0000000000000000000z"


def created(cli: Cli, *more: str) -> str:
    return str(cli(*DOC, "--json", *more).json["id"])


def test_0_a_run_that_completes(cli: Cli) -> None:
    answer = cli(*DOC, "--wait", "--json")
    assert answer.code == 0, answer.err
    assert answer.json["status"] == "COMPLETED"
    assert any("lighthouse" in word.lower() for word in answer.json["output"]["keywords"])


def test_1_a_run_that_fails(cli: Cli) -> None:
    answer = cli(*MISSING, "--wait", "--json")
    assert answer.code == 1
    assert answer.json["status"] == "FAILED"
    assert "missing.md" in answer.json["error"]


def test_1_a_run_that_is_cancelled(cli: Cli) -> None:
    run_id = created(cli)
    assert cli("cancel", run_id).code == 0
    assert cli("wait", run_id).code == 1


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ('{"uri": "doc.md"}', "url"),
        ('{"url": 3}', "url"),
        ('{"url": ', "--input is no JSON"),
        ("@nowhere.json", "can't read nowhere.json"),
    ],
)
def test_2_an_input_that_does_not_fit_writes_nothing(cli: Cli, given: str, said: str) -> None:
    answer = cli("run", "document-processor", "--input", given, "--wait")
    assert (answer.code, answer.out) == (2, "")
    assert said in answer.err
    assert answer.err.count("\n") == 1
    assert cli("ls", "--json").json == {"items": [], "next_cursor": None}


@pytest.mark.parametrize(
    "line",
    [
        ("ls", "--filter", "stauts:failed"),
        ("ls", "--limit", "0"),
        ("ls", "--sort", "colour"),
        ("ls", "--cursor", "nonsense"),
        ("ls", "--tz", "Mars/Olympus"),
        ("ls", "--profile", "nowhere"),
        ("logs", "--level", "loud"),
        ("logs", "--tail", "some"),
        ("costs", "--by", "colour"),
        ("dispatch", "[]"),
        ("dispatch", '{"type": "run.nonsense"}'),
        ("run", "document-processor", "--set-config", "nonsense"),
        ("run", "document-processor", "--input", '{"url": "x"}', "--set-config", "keywords.nope=1"),
        ("run", "document-processor", "--timeout", "5m"),
        ("run", "document-processor", "--in", "soon"),
        ("--db", "sqlite://", "run", "document-processor"),
        ("--db", "sqlite://", "worker"),
        ("--db", "mysql://h/db", "ls"),
        ("dlq", "replay"),
        ("dlq", "replay", "--all"),
        ("dlq", "discard", "x", "--reason", "y"),
        ("db",),
        ("demo", "--db", "sqlite:///x.db"),
        ("--workflows", "no_such_module", "workflows"),
    ],
)
def test_2_wrong_usage_is_one_line(cli: Cli, line: tuple[str, ...]) -> None:
    answer = cli(*line)
    assert (answer.code, answer.out) == (2, "")
    assert answer.err.startswith("wfconsole: ")
    assert answer.err.count("\n") == 1


@pytest.mark.parametrize("command", ["show", "explain", "events", "wait", "logs", "cancel", "retry"])
@pytest.mark.parametrize("run_id", [NOBODY, "7f3a", "@last", "nonsense-ilou"])
def test_3_no_such_run(cli: Cli, command: str, run_id: str) -> None:
    answer = cli(command, run_id)
    assert (answer.code, answer.out) == (3, "")
    assert run_id in answer.err


def test_3_other_things_that_do_not_exist(cli: Cli) -> None:
    assert cli("run", "no-such-workflow").code == 3
    assert cli("rerun", NOBODY, "--from", "report").code == 3
    assert cli("dlq", "show", "nope").code == 3
    cli(*MISSING, "--wait")
    assert cli("rerun", "@last", "--from", "no-such-stage").code == 3


def test_4_moves_the_state_forbids(cli: Cli) -> None:
    run_id = created(cli)
    assert cli("rerun", run_id, "--from", "report").code == 4
    assert cli("retry", run_id).code == 4
    assert cli(*DOC, "--wait").code == 0
    assert cli("cancel", "@last").code == 4


def test_4_a_key_used_for_something_else(cli: Cli) -> None:
    assert cli(*DOC, "--key", "k1").code == 0
    assert cli(*DOC, "--key", "k1").code == 0
    assert cli(*MISSING, "--key", "k1").code == 4
    assert len(cli("ls", "-q").out.splitlines()) == 1


@pytest.mark.parametrize(
    "line",
    [
        DOC,
        ("cancel", NOBODY),
        ("dispatch", '{"type": "run.cancel", "run_id": "x"}'),
        ("worker",),
        ("demo",),
        ("db", "upgrade"),
        ("dlq", "replay", "--all", "--yes"),
    ],
)
def test_4_read_only_binds_everything_that_writes(cli: Cli, line: tuple[str, ...], here: Path) -> None:
    assert cli(*line, "--read-only").code == 4
    assert not (here / "runs.db").exists()


def test_5_a_database_that_cannot_be_used(cli: Cli, here: Path) -> None:
    (here / "text.db").write_text("this is no database, whatever its name says. " * 50)
    for url in (
        f"sqlite:///{here}/no/such/folder/x.db",
        f"sqlite:///{here / 'text.db'}",
        f"sqlite:///{here}",
    ):
        answer = cli("--db", url, "ls")
        assert (answer.code, answer.err.count("\n")) == (5, 1), (url, answer)


def test_6_some_done_some_not(cli: Cli) -> None:
    first, second = created(cli), created(cli)
    answer = cli("cancel", first, NOBODY, second, "--json")
    assert answer.code == 6
    report = answer.json
    assert (report["done"], report["skipped"], report["failed"]) == (2, 0, 1)
    assert {item["id"]: item["result"] for item in report["items"]} == {
        first: "done",
        second: "done",
        NOBODY: "failed",
    }


def test_cancelling_twice_is_no_error(cli: Cli) -> None:
    run_id = created(cli)
    assert cli("cancel", run_id).code == 0
    again = cli("cancel", run_id, "--json")
    assert (again.code, again.json["skipped"]) == (0, 1)


def test_124_a_wait_that_times_out(cli: Cli) -> None:
    run_id = created(cli)
    assert cli("wait", run_id, "--timeout", "10ms").code == 124
    answer = cli(*DOC, "--wait", "--no-worker", "--timeout", "10ms", "--json")
    assert (answer.code, answer.json["status"]) == (124, "PENDING")


def test_ids_on_standard_input_need_yes(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    run_id = created(cli)
    monkeypatch.setattr("sys.stdin", io.StringIO(f"{run_id}\n"))
    refused = cli("cancel", "-")
    assert (refused.code, "--yes" in refused.err) == (2, True)
    assert cli("cancel", "-", "--yes", "--wait").code == 0
    assert cli("show", run_id, "--json").json["status"] == "CANCELLED"
