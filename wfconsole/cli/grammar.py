"""The grammar of the command line: parsers only; the function a `handler` names does the work."""

from __future__ import annotations

import argparse
import difflib
from collections.abc import Sequence
from typing import Any, NoReturn

from wfconsole.cli.exits import UsageError

# Their values may begin with a dash (`--sort -created_at`), which argparse takes for an option.
_DASHED_VALUES = frozenset({"--filter", "--sort", "--search", "--reason", "--cursor"})
SCALARS = ("db", "config", "profile", "theme", "tz")
SWITCHES = ("read_only", "no_worker", "no_color", "ascii")


class Parser(argparse.ArgumentParser):
    """argparse that raises `UsageError` with one line instead of printing its usage."""

    def error(self, message: str) -> NoReturn:
        raise UsageError(f"{_nearest(message)} (see `{self.prog} --help`)")


class _Version(argparse.Action):
    def __call__(self, parser: argparse.ArgumentParser, *rest: object) -> NoReturn:
        from importlib.metadata import PackageNotFoundError, version

        try:
            print(f"wfconsole {version('wfconsole')}")
        except PackageNotFoundError:
            print("wfconsole (run from its sources, not installed)")
        parser.exit()


class Family:
    """The subcommands of one parser."""

    def __init__(self, parser: Parser, depth: int) -> None:
        self._depth = depth
        self._choices = parser.add_subparsers(metavar="COMMAND", parser_class=Parser)

    def add(self, name: str, handler: str, summary: str) -> Parser:
        """A command; `handler` is `module:function` in this package."""
        parser = self._choices.add_parser(name, help=summary, description=summary, allow_abbrev=False)
        parser.set_defaults(handler=handler)
        add_globals(parser, self._depth)
        return parser


def parse(argv: Sequence[str]) -> argparse.Namespace:
    """The parsed command line; `handler` names who carries it out. Raises `UsageError`; help exits 0."""
    arguments = build_parser().parse_args(_join_dashed(argv))
    arguments.workflows = [item for depth in range(3) for item in getattr(arguments, f"workflows_{depth}", ())]
    arguments.json = getattr(arguments, "json", False)
    if arguments.headless and arguments.handler != "worker:work":
        raise UsageError("--headless goes with the worker: `wfconsole --headless worker`")
    opens = ("place", "filter", "run", "stage", "tab")
    given = [name for name in opens if getattr(arguments, f"open_{name}") is not None]
    if given and arguments.handler != "console:open_console":
        raise UsageError(f"--{given[0]} before a command opens the console there; put it after the command")
    return arguments


def add_globals(parser: argparse.ArgumentParser, depth: int) -> None:
    """The options that every command takes, before or after its name: left out, they leave no trace."""
    group = parser.add_argument_group("everywhere")

    def option(name: str, **kwargs: Any) -> None:
        group.add_argument(f"--{name.replace('_', '-')}", default=argparse.SUPPRESS, **kwargs)

    option("db", metavar="URL", help="sqlite:///FILE or postgresql://USER:PASSWORD@HOST:PORT/NAME")
    # A nested parser's list would replace its parent's: each depth keeps its own.
    option(
        "workflows",
        action="append",
        metavar="MODULE[:ATTR]",
        dest=f"workflows_{depth}",
        help="where workflows and plugins are; repeatable",
    )
    option("config", metavar="FILE", help="settings file, in place of the project's")
    option("profile", metavar="NAME", help="a [profiles.NAME] of the settings")
    option("json", action="store_true", help="print JSON")
    option("read_only", action="store_true", help="change nothing")
    option("no_worker", action="store_true", help="execute nothing in or beside this process")
    option("no_color", action="store_true", help="no colours (NO_COLOR works too)")
    option("ascii", action="store_true", help="plain ASCII in place of glyphs")
    option("theme", metavar="NAME", help="the console's theme")
    option("tz", metavar="ZONE", help="local, utc or a name such as Europe/Berlin")
    group.add_argument("--version", action=_Version, nargs=0, default=argparse.SUPPRESS, help="print the version")


def build_parser() -> Parser:
    """The whole grammar."""
    parser = Parser(
        prog="wfconsole",
        description="Watch and steer durable workflows. Without a command: the interactive console.",
        allow_abbrev=False,
    )
    parser.set_defaults(handler="console:open_console")
    add_globals(parser, 0)
    parser.add_argument("--headless", action="store_true", help="no screen: `wfconsole --headless worker`")
    for name, metavar in (
        ("place", "NAME"),
        ("filter", "EXPR"),
        ("run", "ID"),
        ("stage", "ID"),
        ("tab", "NAME"),
    ):
        parser.add_argument(f"--{name}", dest=f"open_{name}", metavar=metavar, help="open the console there")
    commands = Family(parser, 1)
    _run_commands(commands)
    _action_commands(commands)
    _place_commands(commands)
    _money_commands(commands)
    _upkeep_commands(commands)
    return parser


def _run_commands(commands: Family) -> None:
    run = commands.add("run", "start:start", "create a run")
    run.add_argument("workflow", metavar="WORKFLOW")
    run.add_argument("--input", metavar="JSON|@FILE|-", help="the run's input; without it {}")
    _set_config(run)
    run.add_argument("--priority", type=int, default=5, metavar="N", help="higher first; 5 by default")
    run.add_argument("--key", metavar="KEY", help="idempotency key: the same key again is the same run")
    when = run.add_mutually_exclusive_group()
    when.add_argument("--at", metavar="TIME", help="start not before: 02:10, 2026-11-23 or RFC 3339")
    when.add_argument("--in", dest="delay", metavar="DURATION", help="start not before, from now: 2h")
    run.add_argument("--wait", action="store_true", help="wait for its end; execute it here if no worker takes it")
    run.add_argument("--follow", action="store_true", help="print its log while waiting")
    run.add_argument("--timeout", metavar="DURATION", help="stop waiting after; exit code 124")
    run.add_argument("-q", "--quiet", action="store_true", help="print the run's id only")

    ls = commands.add("ls", "runs:ls", "list runs")
    ls.add_argument("--filter", metavar="EXPR", help="e.g. 'status:failed wf:summarise since:24h cost:>0.05'")
    ls.add_argument("--status", metavar="WORD[,WORD]")
    ls.add_argument("--workflow", metavar="ID[,ID]")
    ls.add_argument("--since", metavar="TIME", help="created since: 2h, 02:10, 2026-11-23")
    ls.add_argument("--search", metavar="TEXT", help="in id, key, input and error")
    ls.add_argument("--sort", metavar="FIELD", default="-created_at", help="a field, `-` before it for descending")
    ls.add_argument("--limit", type=int, default=50, metavar="N")
    ls.add_argument("--cursor", metavar="CURSOR", help="the next_cursor of the page before")
    ls.add_argument("-q", "--quiet", action="store_true", help="full ids only")
    ls.add_argument("--count-by", choices=("status", "workflow", "code"))

    commands.add("show", "runs:show", "one run, whole").add_argument("run", metavar="RUN")
    commands.add("explain", "runs:explain", "why a run is where it is").add_argument("run", metavar="RUN")
    commands.add("events", "streams:events", "a run's history in order").add_argument("run", metavar="RUN")
    commands.add("status", "runs:status", "the overview")
    wait = commands.add("wait", "waiting:wait", "wait until runs have ended")
    wait.add_argument("runs", nargs="+", metavar="RUN")
    wait.add_argument("--timeout", metavar="DURATION", help="stop waiting after; exit code 124")

    logs = commands.add("logs", "streams:logs", "log lines of some runs, or of all")
    logs.add_argument("runs", nargs="*", metavar="RUN")
    logs.add_argument("-f", "--follow", action="store_true", help="go on as lines come; ends with the runs named")
    logs.add_argument("--stage", metavar="ID")
    logs.add_argument("--level", metavar="LEVEL", help="debug, info, warn or error, and above")
    logs.add_argument("--since", metavar="TIME")
    logs.add_argument("--until", metavar="TIME")
    logs.add_argument("--search", metavar="TEXT")
    logs.add_argument("--filter", metavar="EXPR", help="the lines of runs that match")
    logs.add_argument("--tail", metavar="N|all", help="the last N lines; 200 without -f")


def _action_commands(commands: Family) -> None:
    for name, summary in (
        ("cancel", "cancel runs"),
        ("retry", "run the failed stages of failed runs again"),
        ("rerun", "run again from a stage on"),
        ("poll", "poll waiting stages now, or skip a backoff"),
    ):
        parser = commands.add(name, f"actions:{name}", summary)
        parser.add_argument("runs", nargs="*", metavar="RUN", help="ids, @last, or - for ids on standard input")
        parser.add_argument("--filter", metavar="EXPR", help="every run that matches; needs --yes without a terminal")
        _bulk(parser)
        parser.add_argument("--key", metavar="KEY", help="idempotency key; of several runs: KEY/ID each")
        parser.add_argument("--yes", action="store_true", help="don't ask")
        parser.add_argument("--wait", action="store_true", help="wait for their end")
        parser.add_argument("--timeout", metavar="DURATION", help="stop waiting after; exit code 124")
        if name != "poll":
            parser.add_argument("--reason", metavar="TEXT", help="kept with the action")
        if name == "rerun":
            parser.add_argument("--from", dest="from_stage", required=True, metavar="STAGE")
            parser.add_argument("--reuse-ai", action="store_true", help="answer equal AI calls from the former attempt")
            _set_config(parser)
    _operator_commands(commands)


def _cause(parser: Parser) -> None:
    parser.add_argument("--cause", metavar="FINGERPRINT", help="those with this cause")
    parser.add_argument("--sink", metavar="ID", help="those of this sink")


def _bulk(parser: Parser) -> None:
    parser.add_argument("--dry-run", action="store_true", help="show the consequences, change nothing")
    parser.add_argument("--canary", type=int, default=0, metavar="N", help="N first; the rest if those end well")
    parser.add_argument("--rate", metavar="N/min", help="no faster than that")
    parser.add_argument("--max-failures", metavar="N|N%", help="stop when more fail")


def _operator_commands(commands: Family) -> None:
    give_up = commands.add("give-up", "operators:give_up", "fail a waiting stage")
    give_up.add_argument("run", metavar="RUN")
    give_up.add_argument("--stage", required=True, metavar="ID")
    give_up.add_argument("--reason", required=True, metavar="TEXT")
    give_up.add_argument("--yes", action="store_true", help="don't ask")
    for name, summary in (("pause", "claim nothing new of a workflow"), ("resume", "end a pause")):
        parser = commands.add(name, f"operators:{name}", summary)
        parser.add_argument("workflow", metavar="WORKFLOW")
        parser.add_argument("--reason", metavar="TEXT")
    note = commands.add("note", "operators:note", "an annotation by hand")
    note.add_argument("run", metavar="RUN")
    note.add_argument("text", metavar="TEXT")
    report = commands.add("report", "reporting:report", "a hand-over of runs as Markdown, without secrets")
    report.add_argument("runs", nargs="+", metavar="RUN")
    failures = commands.add("failures", "operators:failures", "failed runs grouped by cause")
    failures.add_argument("--filter", metavar="EXPR", help="of runs that match")
    audit = commands.add("audit", "operators:audit", "who did what")
    audit.add_argument("run", nargs="?", metavar="RUN")
    audit.add_argument("--actor", metavar="NAME")
    audit.add_argument("--limit", type=int, default=50, metavar="N")
    audit.add_argument("--cursor", metavar="CURSOR")


def _money_commands(commands: Family) -> None:
    """What AI calls cost, and what they may."""
    costs = commands.add("costs", "costs:costs", "tokens and money")
    costs.add_argument("--by", default="workflow", metavar="model|workflow|stage|topic|run|day[,…]")
    costs.add_argument("--since", metavar="TIME")
    costs.add_argument("--until", metavar="TIME")
    costs.add_argument("--filter", metavar="EXPR", help="of runs that match")
    costs.add_argument("--compare", choices=("previous",), help="beside the period before, as long as --since's")
    reprice = Family(costs, 2).add("reprice", "costs:reprice", "what a run would have cost on another model")
    reprice.add_argument("run", metavar="RUN")
    reprice.add_argument("--model", required=True, metavar="PROVIDER/MODEL")

    ai = Family(_group(commands, "ai", "AI calls"), 2)
    listing = ai.add("ls", "ai:ls", "list AI calls, the newest first")
    listing.add_argument("run", nargs="?", metavar="RUN")
    listing.add_argument("--stage", metavar="ID")
    listing.add_argument("--model", metavar="PROVIDER/MODEL")
    listing.add_argument("--status", metavar="open|ok|error|interrupted")
    listing.add_argument("--topic", metavar="TOPIC", help="it and all below it")
    listing.add_argument("--since", metavar="TIME")
    listing.add_argument("--until", metavar="TIME")
    listing.add_argument("--limit", type=int, default=50, metavar="N")
    listing.add_argument("--cursor", metavar="CURSOR", help="the next_cursor of the page before")
    ai.add("show", "ai:show", "one AI call, whole").add_argument("call", metavar="CALL")
    models = commands.add("models", "ai:models", "known models with their prices")
    models.add_argument("search", nargs="?", metavar="TEXT", help="in the name")
    budget = commands.add("budget", "ai:budget", "what a run may spend on AI calls; without an amount, what it has")
    budget.add_argument("run", metavar="RUN")
    budget.add_argument("amount", nargs="?", metavar="DOLLARS|none")
    budget.add_argument("--stage", metavar="ID", help="one of its stages")
    budget.add_argument("--reason", metavar="TEXT")
    budget.add_argument("--key", metavar="KEY", help="idempotency key")


def _place_commands(commands: Family) -> None:
    dlq = Family(_group(commands, "dlq", "dead letters: events no sink would take"), 2)
    listing = dlq.add("ls", "dlq:ls", "list dead letters")
    listing.add_argument("--run", metavar="RUN")
    _cause(listing)
    listing.add_argument("--limit", type=int, default=50, metavar="N")
    listing.add_argument("--cursor", metavar="CURSOR")
    dlq.add("show", "dlq:show", "one dead letter, whole").add_argument("event", metavar="ID")
    replay = dlq.add("replay", "dlq:replay", "deliver again")
    replay.add_argument("events", nargs="*", metavar="ID", help="ids, or - for ids on standard input")
    replay.add_argument("--all", action="store_true", help="every dead letter; needs --yes without a terminal")
    replay.add_argument("--run", metavar="RUN", help="those of one run")
    _cause(replay)
    _bulk(replay)
    replay.add_argument("--wait", action="store_true", help="until each is delivered or dead again")
    replay.add_argument("--timeout", metavar="DURATION", help="how long to follow them; 5s where a worker is alive")
    discard = dlq.add("discard", "dlq:discard", "close for good; needs --yes without a terminal")
    discard.add_argument("events", nargs="+", metavar="ID")
    discard.add_argument("--reason", required=True, metavar="TEXT")
    discard.add_argument("--dry-run", action="store_true", help="show what would be closed, change nothing")
    for parser in (replay, discard):
        parser.add_argument("--key", metavar="KEY", help="idempotency key")
        parser.add_argument("--yes", action="store_true", help="don't ask")

    workflows = Family(commands.add("workflows", "places:workflows", "what is registered"), 2)
    workflows.add("check", "places:check", "would unfinished runs survive these definitions? 4 if not")
    commands.add("workers", "places:workers", "who is alive")
    commands.add("queue", "places:queue", "what waits")
    sinks = commands.add("sinks", "operators:sinks", "where events go")
    testing = Family(sinks, 2).add("test", "operators:test_sink", "send a test event to a configured sink")
    testing.add_argument("sink", metavar="ID")


def _upkeep_commands(commands: Family) -> None:
    dispatch = commands.add("dispatch", "dispatch:dispatch", "any command by its wire form")
    dispatch.add_argument("command", metavar="JSON|@FILE|-", help='e.g. {"type": "run.cancel", "run_id": "…"}')
    worker = commands.add("worker", "worker:work", "execute runs, without a screen")
    worker.add_argument("--concurrency", type=int, default=8, metavar="N")
    worker.add_argument("--worker-id", metavar="ID")
    worker.add_argument("--lease", default="60s", metavar="DURATION", help="renewed every quarter")
    worker.add_argument("--drain", default="30s", metavar="DURATION", help="how long SIGTERM waits for stages")
    worker.add_argument("--once", action="store_true", help="drain what is due, then exit")
    worker.add_argument("--until-stdin-closes", action="store_true", help=argparse.SUPPRESS)
    db = Family(_group(commands, "db", "the schema and its upkeep"), 2)
    db.add("upgrade", "database:upgrade", "create or upgrade the schema")
    db.add("check", "database:check", "does the schema fit this program?")
    db.add("stats", "database:stats", "how large it is, table by table")
    roles = db.add("roles", "database:roles", "SQL for a writing and a reading role of a Postgres")
    roles.add_argument("--prefix", default="wfconsole", metavar="NAME", help="of the roles' names")
    prune = db.add("prune", "database:prune", "remove old runs with everything of theirs")
    prune.add_argument("--older-than", metavar="DURATION", help="ended that long ago: 30d")
    prune.add_argument("--texts-older-than", metavar="DURATION", help="drop prompts and answers, keep their money")
    prune.add_argument("--keep-failed", action="store_true", help="leave FAILED runs")
    prune.add_argument("--dry-run", action="store_true", help="only count")
    prune.add_argument("--yes", action="store_true", help="don't ask")
    commands.add("demo", "demonstration:demo", "the console on a scratch database that really executes")
    serve = commands.add("serve", "serving:serve", "the console in a browser (extra `serve`)")
    serve.add_argument("--host", default="localhost", metavar="HOST")
    serve.add_argument("--port", type=int, default=8000, metavar="N")
    serve.add_argument("--public-url", metavar="URL", help="where browsers reach it, behind a proxy")
    keys = commands.add("keys", "keys:keys", "the console's key bindings")
    keys.add_argument("--check", action="store_true", help="does the map in [keys] hold? exit 2 if not")
    doctor = commands.add("doctor", "doctor:doctor", "check the set-up")
    doctor.add_argument("--fsck", action="store_true", help="check everything in the database and its blobs, too")


def _group(commands: Family, name: str, summary: str) -> Parser:
    parser = commands.add(name, "main:missing_subcommand", summary)
    parser.set_defaults(group=name)
    return parser


def _set_config(parser: Parser) -> None:
    parser.add_argument("--set-config", action="append", default=[], metavar="STAGE.FIELD=VALUE", help="repeatable")


def _join_dashed(argv: Sequence[str]) -> list[str]:
    joined: list[str] = []
    rest = iter(argv)
    for word in rest:
        if word == "--":
            return [*joined, word, *rest]
        value = next(rest, None) if word in _DASHED_VALUES else None
        if value is None:
            joined.append(word)
        elif value.startswith("-") and not value.startswith("--"):
            joined.append(f"{word}={value}")
        else:
            joined += [word, value]
    return joined


def _nearest(message: str) -> str:
    """argparse lists every choice; one line with the nearest says more."""
    before, found, after = message.partition("invalid choice: ")
    if not found:
        return message
    wrong, _, listed = after.partition(" (choose from ")
    wrong = wrong.strip("'")
    choices = [choice.strip(" '") for choice in listed.rstrip(")").split(",")]
    near = difflib.get_close_matches(wrong, choices, n=1, cutoff=0.5)
    subject = before.removeprefix("argument ").removesuffix(": ")
    named = "command" if subject == "COMMAND" else subject
    hint = f"did you mean {near[0]!r}?" if near else f"there are: {', '.join(choices)}"
    return f"unknown {named} {wrong!r}; {hint}"
