"""The key bindings: what each is called in `[keys]`, and whether a remapping holds."""

from __future__ import annotations

from wfconsole.actions import ACTIONS
from wfconsole.cli.exits import DONE, USAGE
from wfconsole.cli.output import talk
from wfconsole.cli.session import Session
from wfconsole.keymap import key_of, problems_of


def keys(session: Session) -> int:
    """List the bindings; with `--check` exit 2 when the settings' map names what is not there, or clashes."""
    remapped = session.settings.keys
    problems = problems_of(remapped)
    if session.arguments.check:
        for problem in problems:
            talk(problem)
        if not problems:
            session.out.line(f"{len(ACTIONS)} bindings, {len(remapped)} of them remapped: no clash")
        return USAGE if problems else DONE
    rows = [(action.id, key_of(action, remapped), " ".join(sorted(action.places)), action.help) for action in ACTIONS]
    if session.out.as_json:
        names = ("id", "key", "places", "help")
        session.out.document({"items": [dict(zip(names, row, strict=True)) for row in rows], "next_cursor": None})
    else:
        session.out.table(("ID", "KEY", "PLACES", "DOES"), [tuple(row) for row in rows])
    return DONE
