"""`wfconsole report`: a hand-over that tells enough, gives no secret away and breaks nothing."""

from __future__ import annotations

import pytest
from cli_user import Cli

MISSING = ("run", "document-processor", "--input", '{"url": "missing.md"}', "--wait", "--json")


def test_r27_a_report_tells_the_whole_story(cli: Cli) -> None:
    run_id = cli(*MISSING).json["id"]
    cli("note", run_id, "asked the team")
    cli("retry", run_id)
    cli("worker", "--once")
    told = cli("report", run_id)
    assert told.code == 0
    for part in (
        f"failed ({run_id})",
        "**Why:** Failed",
        "missing.md",
        "## Attempts",
        "## Last log lines",
        "| extract",
    ):
        assert part in told.out, part
    assert "asked the team" in told.out
    assert "run.retryFailed" in told.out.replace("\\", "")
    assert f"wfconsole rerun {run_id}" in told.out


def test_r27_several_runs_are_told_once_each(cli: Cli) -> None:
    first, second = (cli(*MISSING, "--key", key).json["id"] for key in "ab")
    told = cli("report", first, second, first[:10]).out
    assert [told.count(f"({run_id})") for run_id in (first, second)] == [1, 1]
    assert cli("report", first, "--json").json["runs"] == [first]
    assert cli("report", "0000000000000000000z").code == 3


def test_r27_secrets_are_taken_out(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    secret = "hunter2hunter2"
    run_id = cli("run", "document-processor", "--input", f'{{"url": "missing-{secret}.md"}}', "--wait", "--json").json[
        "id"
    ]
    assert secret in cli("report", run_id).out
    monkeypatch.setenv("DEMO_API_KEY", secret)
    assert secret not in cli("report", run_id).out
    cli("note", run_id, "the key is sk-abcdefghijklmnopqrstuvwxyz0123 keep it")
    assert "sk-abcdef" not in cli("report", run_id).out
