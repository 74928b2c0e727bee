"""The one door between the two faces and the engine: reads are the inspector's, writes are commands."""

from __future__ import annotations

from types import TracebackType
from typing import TypeVar

from engine.bootstrap import Engine, display_url, open_engine
from engine.commands import Command
from engine.definition.registry import Loaded, load_workflows
from engine.definition.workflow import Workflow
from engine.inspector import Inspector
from wfconsole.settings import Settings

R = TypeVar("R")


class Gateway:
    """An opened engine without a worker of its own, as the console and the command line use it.

    `async with Gateway(settings) as gateway`. Raises the engine's errors: `StoreUnavailable`, `ReadOnly`, …
    Without `definitions` no workflow module is loaded: most questions and commands need none.
    """

    def __init__(self, settings: Settings, *, definitions: bool = True) -> None:
        self.settings = settings
        loaded = load_workflows(settings.workflows) if definitions else Loaded((), ())
        self.workflows: dict[str, Workflow] = {workflow.id: workflow for workflow in loaded.workflows}
        self._opening = open_engine(
            settings.database,
            workflows=loaded.workflows,
            plugins=loaded.plugins,
            read_only=settings.read_only,
        )
        self.engine: Engine

    async def __aenter__(self) -> Gateway:
        self.engine = await self._opening.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._opening.__aexit__(kind, error, trace)

    @property
    def inspector(self) -> Inspector:
        return self.engine.inspector

    @property
    def read_only(self) -> bool:
        return self.settings.read_only

    @property
    def database(self) -> str:
        """The database's address, fit to show: never a password."""
        return display_url(self.settings.database)

    async def send(self, command: Command[R]) -> R:
        """Carry out a command; `ReadOnly` when the database was opened for reading only."""
        return await self.engine.dispatch(command)

    async def changed(self, timeout: float) -> bool:
        """Wait until something was committed, by any process: True; or for `timeout` seconds: False."""
        return await self.engine.changed(timeout)
