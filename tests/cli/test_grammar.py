"""The grammar: options before and after, values with dashes, one line for every mistake."""

from __future__ import annotations

import pytest

from wfconsole.cli.exits import UsageError
from wfconsole.cli.grammar import parse


def test_global_options_count_before_and_after_the_command() -> None:
    before = parse(["--db", "sqlite:///a", "--json", "--read-only", "ls"])
    after = parse(["ls", "--db", "sqlite:///a", "--json", "--read-only"])
    assert (before.db, before.json, before.read_only) == (after.db, after.json, after.read_only)


def test_a_later_option_wins_and_workflows_add_up() -> None:
    found = parse(["--db", "a", "--workflows", "m", "dlq", "--workflows", "n:x", "ls", "--workflows", "o", "--db", "b"])
    assert found.db == "b"
    assert found.workflows == ["m", "n:x", "o"]


def test_options_that_were_not_given_leave_no_trace() -> None:
    assert not {"db", "read_only", "theme", "tz"} & vars(parse(["ls"])).keys()


def test_values_may_begin_with_a_dash() -> None:
    assert parse(["ls", "--sort", "-created_at", "--filter", "-status:ok wf:x"]).filter == "-status:ok wf:x"
    assert parse(["run", "w", "--input", "-"]).input == "-"


def test_the_worker_has_two_names() -> None:
    assert parse(["worker"]).handler == parse(["--headless", "worker"]).handler == "worker:work"


def test_alone_it_is_the_console() -> None:
    found = parse(["--run", "7f3a", "--tab", "logs", "--filter", "status:failed"])
    assert found.handler == "console:open_console"
    assert (found.open_run, found.open_tab, found.open_filter) == ("7f3a", "logs", "status:failed")


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (["lss"], "did you mean 'ls'"),
        (["nothing-like-it-at-all"], "there are: run"),
        (["dlq", "replya"], "did you mean 'replay'"),
        (["ls", "--limti", "3"], "unrecognized arguments: --limti"),
        (["ls", "--lim", "3"], "unrecognized arguments: --lim"),
        (["ls", "--limit", "many"], "invalid int value"),
        (["run"], "WORKFLOW"),
        (["rerun", "x"], "--from"),
        (["run", "w", "--at", "02:10", "--in", "2h"], "not allowed with"),
        (["--headless"], "--headless goes with the worker"),
        (["--headless", "ls"], "--headless goes with the worker"),
        (["--filter", "x", "ls"], "put it after the command"),
        (["dlq", "discard", "x"], "--reason"),
    ],
)
def test_a_mistake_is_one_line(line: list[str], said: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse(line)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "line", [["--help"], ["ls", "--help"], ["dlq", "replay", "--help"], ["--version"], ["ls", "--version"]]
)
def test_help_and_version_print_and_leave(line: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        parse(line)
    assert left.value.code == 0
    assert "wfconsole" in capsys.readouterr().out
