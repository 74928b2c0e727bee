"""What people type about AI calls and money: costs, reprice, ai, models, budget, prune."""

from __future__ import annotations

import sqlite3
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cli_user import Cli

NOBODY = "0000000000000000000z"
FLOW = """
from pydantic import BaseModel
from engine import AIConfig, NoConfig, StageContext, WorkflowBuilder, stage

class Text(BaseModel):
    text: str = "A lamp. A rock."

class Settings(AIConfig):
    model: str = "offline/demo"

@stage(id="ask", config=Settings)
async def ask(ctx: StageContext[Text, Settings]) -> str:
    for _ in range(2):
        said = await ctx.ai.generate_text(ctx.config.model, ctx.input.text)
    return said.text

asking = WorkflowBuilder("asking", "Asking", input=Text).pipe(ask).build()
"""


@pytest.fixture
def asked(cli: Cli, here: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The id of a run that made two calls at demo prices."""
    (here / "asking_flow.py").write_text(FLOW)
    monkeypatch.syspath_prepend(here)
    monkeypatch.setenv("WFCONSOLE_WORKFLOWS", "asking_flow")
    answer = cli("run", "asking", "--wait", "--json")
    assert answer.code == 0, answer
    return str(answer.json["id"])


def test_costs_by_several_keys(cli: Cli, asked: str) -> None:
    (row,) = cli("costs", "--by", "model,stage", "--json").json["items"]
    assert (row["key"], row["calls"], row["runs"], row["unpriced"]) == ("offline/demo · ask", 2, 1, 0)
    run = cli("show", asked, "--json").json
    assert row["cost"] == pytest.approx(run["total_cost"])
    assert run["total_cost"] > 0
    assert isinstance(row["cost"], float)
    assert "offline/demo" in cli("costs", "--by", "model").out
    told = cli("costs", "--by", "model,stage", "--ascii").out
    assert "offline/demo . ask" in told
    assert told.isascii()
    assert cli("costs", "--by", "colour").code == 2
    assert cli("costs", "--filter", "wf:nothing", "--json").json["items"] == []
    assert cli("costs", "--until", "2020-01-01", "--json").json["items"] == []


def test_days_are_those_of_the_zone_and_the_table_says_which(cli: Cli, asked: str, here: Path) -> None:
    late = datetime(2026, 11, 22, 23, 30, tzinfo=UTC)
    connection = sqlite3.connect(here / "runs.db")
    connection.execute("UPDATE ai_calls SET created_at = ?", (int(late.timestamp()) * 1_000_000,))
    connection.commit()
    connection.close()
    for zone, day in (("utc", "2026-11-22"), ("Europe/Berlin", "2026-11-23"), ("America/New_York", "2026-11-22")):
        (row,) = cli("costs", "--by", "day", "--tz", zone, "--json").json["items"]
        assert row["key"] == day
        assert row["keys"] == [day]
        told = cli("costs", "--by", "workflow,day", "--tz", zone).out
        assert f"WORKFLOW,DAY ({'UTC' if zone == 'utc' else zone})" in told
        assert f"asking · {day}" in told
    compared = cli("costs", "--by", "day", "--since", "2026-11-20", "--compare", "previous", "--tz", "Europe/Berlin")
    assert "DAY (Europe/Berlin)" in compared.out
    assert "2026-11-23" in compared.out


def test_costs_beside_the_period_before(cli: Cli, asked: str, here: Path) -> None:
    (row,) = cli("costs", "--by", "run", "--since", "1h", "--compare", "previous", "--json").json["items"]
    assert (row["key"], row["previous_calls"], row["previous_cost"]) == (asked, 0, 0)
    assert row["change"] == row["cost"]
    connection = sqlite3.connect(here / "runs.db")
    connection.execute("UPDATE ai_calls SET created_at = created_at - 3600000000")
    connection.commit()
    connection.close()
    (row,) = cli("costs", "--by", "run", "--since", "1h", "--compare", "previous", "--json").json["items"]
    assert (row["calls"], row["previous_calls"], row["cost"]) == (0, 2, 0)
    assert row["change"] == -row["previous_cost"]
    assert "CHANGE" in cli("costs", "--since", "1h", "--compare", "previous").out
    assert cli("costs", "--compare", "previous").code == 2


def test_reprice(cli: Cli, asked: str) -> None:
    found = cli("costs", "reprice", asked[:10], "--model", "openai/gpt-4o-mini", "--json").json
    assert (found["run_id"], found["calls"], found["model"]) == (asked, 2, "openai/gpt-4o-mini")
    assert found["repriced"] > 0
    assert found["rows"][0]["stage_id"] == "ask"
    assert cli("costs", "reprice", asked, "--model", "openai/nobody-knows", "--json").json["repriced"] is None
    assert "?" in cli("costs", "reprice", asked, "--model", "openai/nobody-knows").out
    assert cli("costs", "reprice", asked, "--model", "bare").code == 2
    assert cli("costs", "reprice", NOBODY, "--model", "openai/gpt-4o").code == 3


def test_ai_ls_and_show(cli: Cli, asked: str) -> None:
    found = cli("ai", "ls", asked, "--json").json
    assert [(one["run_id"], one["stage_id"], one["status"]) for one in found["items"]] == [(asked, "ask", "ok")] * 2
    assert found["items"][0]["prompt"]
    assert len(cli("ai", "ls", "--status", "ok", "--topic", f"workflow.{asked}", "--json").json["items"]) == 2
    assert cli("ai", "ls", "--topic", f"workflow.{asked[:5]}", "--json").json["items"] == []
    assert cli("ai", "ls", "--model", "openai/none", "--json").json["items"] == []
    first = cli("ai", "ls", "--limit", "1", "--json").json
    second = cli("ai", "ls", "--limit", "1", "--cursor", first["next_cursor"], "--json").json
    assert {first["items"][0]["id"], second["items"][0]["id"]} == {one["id"] for one in found["items"]}
    assert "offline/demo" in cli("ai", "ls").out
    assert cli("ai", "ls", "--status", "odd").code == 2
    assert cli("ai", "ls", NOBODY).code == 3
    call = cli("ai", "show", found["items"][0]["id"])
    assert "A lamp. A rock." in call.out
    assert cli("ai", "show", "nothing").code == 3
    assert cli("ai").code == 2


def test_hostile_words_of_a_model_are_shown_as_words(cli: Cli, asked: str, here: Path) -> None:
    connection = sqlite3.connect(here / "runs.db")
    connection.execute("UPDATE ai_calls SET response = ?, prompt = ?", ("\x1b]0;gone\x07", "\x1b[2J\u202eevil"))
    connection.commit()
    connection.close()
    call_id = cli("ai", "ls", "--json").json["items"][0]["id"]
    for line in (("ai", "ls"), ("ai", "show", call_id), ("ai", "ls", "--json"), ("ai", "show", call_id, "--json")):
        out = cli(*line).out
        assert "\x1b" not in out, line
        assert "\u202e" not in out, line


def test_models(cli: Cli) -> None:
    found = cli("models", "gpt-4o-mini", "--json").json["items"]
    assert any(one["id"] == "openai/gpt-4o-mini" and one["input"] > 0 for one in found)
    assert "offline/extractive" in cli("models", "offline").out
    assert cli("models", "no such model").code == 0


def test_a_budget_stops_a_run_and_raising_it_goes_on(cli: Cli, asked: str, here: Path) -> None:
    (here / "wfconsole.toml").write_text('[budgets]\nrun = 0.0000001\non_exceeded = "fail"\n')
    refused = cli("run", "asking", "--wait", "--json")
    assert refused.code == 1
    run_id = refused.json["id"]
    assert refused.json["error_code"] == "BudgetExceeded"
    why = cli("explain", run_id, "--json").json
    assert why["code"] == "budget"
    assert f"wfconsole budget {run_id} AMOUNT" in [step["cli"] for step in why["next"]]
    assert len(cli("ai", "ls", run_id, "--json").json["items"]) == 1
    assert cli("budget", run_id, "--json").json["max_cost"] is None
    assert cli("budget", run_id, "lots").code == 2
    assert cli("budget", run_id, "-1").code == 2
    raised = cli("budget", run_id, "$1.50", "--reason", "needed", "--json").json
    assert (raised["max_cost"], raised["released"]) == (1.5, [])
    assert cli("budget", run_id, "--json").json["max_cost"] == 1.5
    assert cli("retry", run_id, "--yes").code == 0
    assert cli("worker", "--once").code == 0
    assert cli("show", run_id, "--json").json["status"] == "COMPLETED"
    assert cli("audit", run_id, "--json").json["items"][-1]["command"] == "run.setBudget"
    wire = f'{{"type": "run.setBudget", "run_id": "{run_id}", "max_cost": null}}'
    assert cli("dispatch", wire, "--json").json["max_cost"] is None
    assert cli("budget", NOBODY, "1").code == 3


def test_a_rerun_reuses_answers(cli: Cli, asked: str) -> None:
    before = cli("show", asked, "--json").json["total_cost"]
    assert cli("rerun", asked, "--from", "ask", "--reuse-ai", "--yes").code == 0
    assert cli("worker", "--once").code == 0
    rows = cli("ai", "ls", asked, "--json").json["items"]
    assert [row["reused"] for row in rows] == [True, True, False, False]
    assert cli("show", asked, "--json").json["total_cost"] == before


def test_words_are_forgotten_and_money_is_not(cli: Cli, asked: str, here: Path) -> None:
    assert cli("db", "prune").code == 2
    assert cli("db", "prune", "--texts-older-than", "30d", "--yes", "--json").json["texts"] == 0
    done = cli("db", "prune", "--texts-older-than", "0s", "--yes", "--json").json
    assert (done["texts"], done["runs"]) == (2, 0)
    rows = cli("ai", "ls", asked, "--json").json["items"]
    assert {(row["prompt"], row["response"]) for row in rows} == {(None, None)}
    assert cli("show", asked, "--json").json["total_cost"] > 0
    (here / "wfconsole.toml").write_text('[ai]\nkeep_texts = "soon"\n')
    assert cli("db", "prune", "--older-than", "30d", "--yes").code == 2


def test_wrong_settings_are_one_line(cli: Cli, here: Path) -> None:
    for text in ("[budgets]\nrun = -1\n", "[budgets]\nrnu = 1\n", '[ai]\nrecording = "some"\n'):
        (here / "wfconsole.toml").write_text(text)
        answer = cli("ls")
        assert (answer.code, answer.err.count("\n")) == (2, 1), answer
    (here / "wfconsole.toml").write_text("[providers.openai]\ntimeout = -1\n")
    answer = cli("worker", "--once")
    assert (answer.code, answer.err.count("\n")) == (2, 1), answer
