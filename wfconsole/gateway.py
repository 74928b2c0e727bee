"""The one door between the two faces and the engine: reads are the inspector's, writes are commands."""

from __future__ import annotations

import os
from types import TracebackType
from typing import TYPE_CHECKING, TypeVar

from pydantic import ValidationError

from engine import Budgets
from engine.bootstrap import Engine, display_url, open_engine
from engine.commands import Command
from engine.definition.registry import Loaded, load_workflows
from engine.definition.workflow import Workflow
from engine.inspector import Inspector
from wfconsole.settings import Settings, SettingsError, SinkSettings

if TYPE_CHECKING:
    from engine.ai import ProviderSettings
    from engine.bootstrap import EventSink

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
            blob_store=settings.blobs.url,
            event_sink=configured_sinks(settings) if definitions else (),
            actor=settings.actor,
            providers=configured_providers(settings) if definitions else None,
            budgets=Budgets(**settings.budgets.model_dump()),
            ai_recording=settings.ai.recording,
            ai_cache=settings.ai.cache,
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


def configured_providers(settings: Settings) -> dict[str, ProviderSettings] | None:
    """The providers of `[providers]`, None without any. Raises `SettingsError` for what they can't say."""
    if not settings.providers:
        return None
    from engine.ai import ProviderSettings

    try:
        return {name: ProviderSettings.model_validate(one) for name, one in settings.providers.items()}
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        path = ".".join(str(part) for part in first["loc"])
        raise SettingsError(f"[providers]: {path}: {first['msg']}") from error


def configured_sinks(settings: Settings) -> list[EventSink]:
    """The sinks of `[sinks]`. Raises `SettingsError` for a variable that isn't set, `EngineError` for a wrong URL."""
    return [_sink(name, one) for name, one in settings.sinks.items()]


def _sink(name: str, one: SinkSettings) -> EventSink:
    from engine.sinks import LogSink, WebhookSink

    if one.type == "log":
        return LogSink(name)
    secrets = (one.secret_env,) if isinstance(one.secret_env, str) else one.secret_env
    return WebhookSink(
        name,
        one.url,
        secrets=[_variable(name, variable) for variable in secrets],
        headers={header: _variable(name, variable) for header, variable in one.header_env.items()},
        on=one.on,
        timeout=one.timeout,
        max_retries=one.max_retries,
        allow_private=one.allow_private,
    )


def _variable(sink: str, name: str) -> str:
    value = os.environ.get(name)
    if not value:
        raise SettingsError(f"[sinks.{sink}] names the environment variable {name}, which isn't set")
    return value
