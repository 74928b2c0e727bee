"""Eight situations of an operator's life, and a stranger's first minutes: the keys, and how each has to end."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import situations
from player import Player
from pseudo_terminal import ROOT
from situations import World

from engine.inspector import RunStatus

ALL_WORKFLOWS = "story_flows:EVERYTHING"


@dataclass(frozen=True, slots=True)
class Story:
    """`play` prepares a folder, plays, and asserts the end. Whole: to the last of many runs, however long."""

    number: int
    name: str
    title: str
    situation: str
    limit: int
    play: Callable[[Path, bool], Player]

    @property
    def file(self) -> str:
        return f"{self.number}-{self.name}.md"


def console(world: World, *more: str, workflows: str = ALL_WORKFLOWS, tz: str = "utc") -> Player:
    words = ("--db", world.url, "--workflows", workflows, "--tz", tz, "--theme", "dark", *more)
    return Player(world.folder, words)


# -- 1 -------------------------------------------------------------------------------------------


def _ten_past_two(now: datetime) -> tuple[datetime, str]:
    """The last time it was ten past the hour, at least a quarter of one ago; and a zone where that was 02:10."""
    since = now.replace(minute=10, second=5, microsecond=0)
    while since > now - timedelta(minutes=15):
        since -= timedelta(hours=1)
    west = (since.hour - 2 + 12) % 24 - 12
    return since, f"Etc/GMT{west:+d}" if west else "utc"


def rate_limited(folder: Path, whole: bool) -> Player:
    world = World(folder)
    since, zone = _ten_past_two(world.now)
    asyncio.run(situations.rate_limited(world, 200, since))
    with console(world, tz=zone) as player:
        player.see("200 × AIRateLimited embed since 02:10 (v)", "The header says what happens, and which key to press.")
        player.press("v", until="failed by cause", said="The views.")
        player.press("f", until="1 cause", said="One cause: 200 runs, the stage, since when, what it wasted.")
        player.press("enter", until="rate limit reached", said="Its runs. The panel says why: the provider's answer.")
        player.press("-", until="1 cause", said="Back to the cause.")
        player.press("F", until="canary 1, 20/min, stop 10%", said="All 200, and what that means: a canary, slowly.")
        player.press("tab", "tab", until="type 200", said="More than 50 are confirmed by typing their number.")
        player.press("2", "0", "0", "enter", until="retry: ", said="Under way: first the canary alone.")
        player.see("3 done, 0 skipped, 0 failed", "It passed, so the others follow, one every three seconds.")
        if whole:
            player.see("200 done, 0 skipped, 0 failed", "Ten minutes later: all of them.", patience=900.0)
        player.press("tab", "enter", until="bulk:", said="Exactly these runs, to see for oneself.")
        bulk = player.terminal.text.partition("bulk:")[2].split()[0]
        done = asyncio.run(situations.statuses(world, bulk=(bulk,), status=("COMPLETED",)))
        assert len(done) >= (200 if whole else 3)
        assert not asyncio.run(situations.statuses(world, bulk=(bulk,), status=("FAILED",)))
    return player


# -- 2 -------------------------------------------------------------------------------------------


def stuck(folder: Path, whole: bool) -> Player:
    world = World(folder)
    run_id = asyncio.run(situations.nobody_knows_it(world))
    with console(world, workflows="story_flows:summarise_docs") as player:
        player.see("sort-mail", "The list is full of what went well.")
        player.press("v", until="needs attention", said="The views.")
        player.press("n", until="1 of 16", said="One run needs attention, and the panel says why.")
        player.press("a", until="know the workflow", said="In one line, with the facts, and what to do about it.")
        assert player.shows("No live worker knows sort-mail", run_id[:8], "wfconsole worker")
    return player


# -- 3 -------------------------------------------------------------------------------------------


def cost_doubled(folder: Path, whole: bool) -> Player:
    world = World(folder)
    asyncio.run(situations.cost_doubled(world))
    yesterday = f"{world.now - timedelta(days=1):%Y-%m-%d}"
    with console(world) as player:
        player.see("● live", "All runs went well. And yet.")
        player.press("3", until=yesterday, said="Yesterday's bar is twice as long as those before it.")
        player.press("j", until=f"▸  {yesterday}", said="On yesterday.")
        player.press("d", until="vs the day before", said="Against the day before: one workflow, by its price.")
        player.press("enter", until="▸  draft", said="Its stage.")
        player.press("enter", until="▸  openai/gpt-4o ", said="Its model: another than the day before.")
        player.press("enter", until="by topic", said="Its topics, a run each.")
        player.press("enter", until="Write a long draft", said="The call, with its prompt.")
        player.press("enter", until="response", said="The whole call.")
        assert player.shows("openai/gpt-4o", "9,000 in", "Write a long draft", "wfconsole ai show")
    return player


# -- 4 -------------------------------------------------------------------------------------------


class _Receiver(ThreadingHTTPServer):
    """Takes webhooks once it is `up`; until then its address refuses every connection."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Taking, bind_and_activate=False)
        self.taken: list[str] = []
        self.server_bind()
        self.address = f"http://127.0.0.1:{self.server_address[1]}/hook"

    @contextmanager
    def up(self) -> Iterator[None]:
        self.server_activate()
        Thread(target=self.serve_forever, daemon=True).start()
        yield
        self.shutdown()
        self.server_close()


class _Taking(BaseHTTPRequestHandler):
    server: _Receiver

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["content-length"]))
        self.server.taken.append(self.headers["webhook-id"])
        self.send_response(204)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        return


def webhook_down(folder: Path, whole: bool) -> Player:
    world, letters = World(folder), 24
    receiver = _Receiver()
    says = ('type = "webhook"', f'url = "{receiver.address}"', 'on = ["workflow:completed"]', "allow_private = true")
    (folder / "wfconsole.toml").write_text("\n".join(("[sinks.orders]", *says)))
    asyncio.run(situations.webhook_down(world, receiver.address, letters))
    with receiver.up(), console(world) as player:
        player.see(f"dead letters {letters}", "The receiver is up again. What it missed stands in the counts.")
        player.press("4", until=f"{letters} with 1 cause", said="One cause, one sink, all its events.")
        player.press("P", until="canary 1, 20/min, stop 10%", said="All of the cause; more than 20 go behind a canary.")
        player.press("y", until="replaying", said="First one alone: it counts once it is delivered.")
        player.see(f"{letters} delivered", "All of them, delivered and not merely sent.", patience=150.0)
        assert len(set(receiver.taken)) == letters
        assert asyncio.run(situations.dead_letters(world)) == 0
    return player


# -- 5 -------------------------------------------------------------------------------------------


def batch_waits(folder: Path, whole: bool) -> Player:
    world = World(folder)
    (run_id,) = asyncio.run(situations.batch_waits(world))
    with console(world) as player:
        player.see("it is given up in", "It waits since yesterday; the panel says for what, and until when.")
        player.press("u", until="Due at once: transcribe", said="Ask the provider now instead of in four hours.")
        player.press("y", until="5h 59m", said="Asked: it has not begun, says the last log line.")
        player.press(
            "U", until="no result of batch_8812 after 20h", said="Give it up: what goes on over there, and a reason."
        )
        player.press("y", until="✗ failed", said="Failed, with that reason; and the same as a command.")
        assert asyncio.run(situations.statuses(world, ids=(run_id,))) == [RunStatus.FAILED]
        assert asyncio.run(situations.polls(world, run_id)) == 4
    return player


# -- 6 -------------------------------------------------------------------------------------------


def changed_workflow(folder: Path, whole: bool) -> Player:
    world = World(folder)
    ids = asyncio.run(situations.batch_waits(world, runs=3))
    next_release = "story_flows:NEXT_RELEASE"
    with console(world, "--no-worker", workflows=next_release) as player:
        player.see("◫ waiting 3", "The console on the next release, beside the database; it starts no worker.")
        player.press("6", until="stage transcribe is gone", said="Three runs would not survive: which, and why.")
        assert player.shows("3 unfinished runs would not survive these definitions")
    check = [sys.executable, "-m", "wfconsole", "--db", world.url, "--workflows", next_release, "workflows", "check"]
    path = {"PYTHONPATH": f"{ROOT}:{Path(__file__).parent}", "HOME": str(folder), "STORY_WORLD": str(folder)}
    done = subprocess.run(check, capture_output=True, text=True, env=path, cwd=folder, check=False)
    assert done.returncode == 4, done.stdout + done.stderr
    assert set(asyncio.run(situations.statuses(world, ids=tuple(ids)))) == {RunStatus.RUNNING}
    return player


# -- 7 -------------------------------------------------------------------------------------------


def rerun_one(folder: Path, whole: bool) -> Player:
    world = World(folder)
    run_id = asyncio.run(situations.one_document(world))
    with console(world) as player:
        player.see("✓ embed", "The document under the cursor: its third stage has to run again.")
        player.press("R", until="Runs again: publish", said="Rerun: from where, what is reused, what it will cost.")
        player.press("k", until="Runs again: embed, publish", said="From the third stage.")
        player.press("e", until='"overlap": 5', said="Its config; the cursor stands behind the first value.")
        player.press("backspace", "8", until="embed.overlap = 8 (was 5)", said="Checked while it is typed.")
        player.press("escape", until="> embed", said="Out of the editor.")
        player.press("y", until="--set-config embed.overlap=8", said="Started; the same as a command.")
        player.see("✓ ok", "Through again.")
        assert asyncio.run(situations.rerun_with(world, run_id, "embed")) == ({"overlap": 8}, {"chunk": 1, "embed": 2})
    return player


# -- 8 -------------------------------------------------------------------------------------------


def handed_over(folder: Path, whole: bool) -> Player:
    world = World(folder)
    ids = asyncio.run(situations.incident(world))
    with console(world) as player:
        player.see("✗ failed 3", "The shift ends; three runs failed, one was retried in vain.")
        player.press("*", until="3 ◆", said="All of them.")
        player.press("Y", until="a redacted hand-over in Markdown", said="What can be taken out.")
        player.press("r", until=lambda: player.copied(), said="The report, on its way to the terminal's clipboard.")
        report = player.copied()
        assert all(run_id in report for run_id in ids)
        assert "the quota of the key is used up" in report
        assert "run.retry" in report.partition("## What operators did")[2]
        (folder / "report.md").write_text(report)
    return player


# -- the stranger --------------------------------------------------------------------------------


def _first_minutes(folder: Path, whole: bool) -> Player:
    with Player(folder, ("demo", "--tz", "utc", "--theme", "dark")) as player:
        player.see("some failed: v, then f shows why", "Everything happens by itself; a line says what to try.")
        player.press("v", until="failed by cause", said="The views.")
        player.press("f", until="2 causes", said="Two causes, and the next keys.")
        _go_to(player, "of 120")
        player.press(
            "enter", until="validate-rows.strict", said="Its run. The panel tells the whole error, advice included."
        )
        player.press("enter", until="validate-rows#1", said="Where it failed, the error, its log.")
        player.press("a", until="rerun from validate-rows", said="Why, and what to do: the error names a setting.")
        player.press("R", until="Runs again: validate-rows, load-rows", said="What runs again, what is kept.")
        player.press("e", until='"strict": true', said="The settings of the stages that run again.")
        strict = ("down", "down", "down", "end", *["backspace"] * 4, *"false")
        player.press(*strict, until="validate-rows.strict = false (was true)", said="Bad rows shall be left out.")
        player.press("escape", until="> validate-rows", said="Out of the editor.")
        player.press("y", until="✓ load-rows", said="It runs again, before one's eyes, and passes.")
        player.press("escape", until="wf:", said="Back to the list.")
        player.press("-", until="1 cause", said="And to the causes: one is left.")
        player.press("F", until="Retry 1 run", said="That one failed too often; now it is simply retried.")
        player.press("y", until=lambda: _imported(folder, "stock-north.csv"), said="And passes.")
    return player


def _go_to(player: Player, example: str) -> None:
    """Down to the cause with this example."""
    for _ in range(3):
        if any("▸" in line[:4] and example in line for line in player.terminal.text.split("\n")):
            return
        player.press("j", until="2 causes", said="On to the next one.")
    raise AssertionError(player.terminal.text)


def _imported(folder: Path, source: str) -> list[RunStatus]:
    """The completed imports of this file; the demonstration goes on to make others."""
    (database,) = folder.glob("wfconsole-demo-*/demo.db")
    world = World(database.parent, database.name)
    wanted = {"workflow_id": ("flaky-import",), "status": ("COMPLETED",), "text": (source,)}
    return asyncio.run(situations.statuses(world, **wanted))


def _story(number: int, play: Callable[[Path, bool], Player], limit: int, title: str, situation: str) -> Story:
    return Story(number, play.__name__.replace("_", "-"), title, situation, limit, play)


STORIES = (
    _story(
        1, rate_limited, 15, "200 runs failed with 429 since 02:10",
        "Since 02:10 the provider refuses every call: 200 runs have failed. The quota was raised a minute ago.",
    ),
    _story(
        2, stuck, 3, "One run is stuck: why?",
        "A mail that somebody asks for was begun 47 minutes ago and does not move. Everything else goes well.",
    ),
    _story(
        3, cost_doubled, 8, "Yesterday's cost doubled",
        "Yesterday cost twice as much as the days before, with as many runs. Which workflow, stage, model, prompt?",
    ),
    _story(
        4, webhook_down, 8, "A webhook was down",
        "For half an hour nobody answered at the address of a sink: 24 events became dead letters. It is up again.",
    ),
    _story(
        5, batch_waits, 5, "A batch waits for 20 hours",
        "A stage handed a batch in 20 hours ago and asks every six hours. The provider has not begun with it.",
    ),
    _story(
        6, changed_workflow, 5, "A changed workflow under suspended runs",
        "Three runs wait for a batch of a stage that the next release no longer has. It is about to be deployed.",
    ),
    _story(
        7, rerun_one, 10, "One document again, from its third stage, with another value",
        "A document went through an hour ago with too little overlap. Its third stage has to run again with more.",
    ),
    _story(
        8, handed_over, 4, "An incident is handed over",
        "Three runs failed, one was retried in vain, and a note says what is known. Somebody else takes over.",
    ),
    Story(
        9, "first-minutes", "A stranger's first minutes",
        "Somebody types `wfconsole demo` and knows nothing. Each step is suggested by what stands on the screen.",
        40, _first_minutes,
    ),
)  # fmt: skip
