"""`wfconsole` and `python -m wfconsole`: the one place that knows both faces."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from wfconsole.cli.session import Place
    from wfconsole.settings import Settings


def main() -> NoReturn:
    """Run the command line on `sys.argv` and exit with its code (contract: 0, 1, 2, 3, 4, 5, 6, 124, 130)."""
    from wfconsole.cli.main import run

    sys.exit(run(sys.argv[1:], screen=show))


def show(settings: Settings, place: Place) -> int:
    """Open the interactive console; its exit code once it was left. Only here is Textual loaded."""
    import gc

    from wfconsole.first_paint import opening

    # Loading makes many objects and no garbage: a quarter of the time is saved. The console turns it on again.
    gc.disable()
    with opening(settings):
        from wfconsole.tui.app import WorkflowConsole

    app = WorkflowConsole(
        settings, place=place.name, filter=place.filter, run=place.run, stage=place.stage, tab=place.tab
    )
    app.run()
    while app.next_settings is not None:
        app = WorkflowConsole(app.next_settings)
        app.run()
    return app.return_code or 0


if __name__ == "__main__":
    main()
