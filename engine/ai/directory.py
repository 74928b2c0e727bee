"""Which providers there are: the built-in ones, those of the settings, and those a program brings along."""

from __future__ import annotations

import difflib
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from engine.ai.cost import use_prices
from engine.ai.endpoint import Endpoint, ProviderSettings
from engine.errors import DefinitionError, UnknownModel
from engine.ports.ai_providers import AIProvider

OFFLINE = "offline"
_ADDRESSES: dict[str, tuple[str, tuple[str, ...], tuple[str, ...]]] = {
    "openai": ("https://api.openai.com/v1", ("OPENAI_API_KEY",), ("OPENAI_BASE_URL",)),
    "anthropic": ("https://api.anthropic.com", ("ANTHROPIC_API_KEY",), ("ANTHROPIC_BASE_URL",)),
    "google": (
        "https://generativelanguage.googleapis.com",
        ("GEMINI_API_KEY", "GOOGLE_API_KEY"),
        ("GEMINI_BASE_URL",),
    ),
}


@dataclass(frozen=True, slots=True)
class Found:
    """Whom to ask for a model, and by which name."""

    provider: str
    model: str
    adapter: AIProvider

    @property
    def id(self) -> str:
        return f"{self.provider}/{self.model}"


class Providers:
    """The providers of a process or of one engine, by name. Any thread may ask."""

    def __init__(
        self,
        settings: Mapping[str, ProviderSettings | Mapping[str, Any]] | None = None,
        *,
        everything: AIProvider | None = None,
    ) -> None:
        """`everything` answers for every model there is: for tests. Raises `pydantic.ValidationError`."""
        self._lock = threading.Lock()
        self._settings: dict[str, ProviderSettings] = {}
        self._adapters: dict[str, AIProvider] = {}
        self._everything = everything
        for name, one in (settings or {}).items():
            self.configure(name, one)

    def configure(self, name: str, settings: ProviderSettings | Mapping[str, Any]) -> None:
        """What `[providers.NAME]` says; its prices count for the whole process."""
        checked = ProviderSettings.model_validate(settings)
        with self._lock:
            self._settings[_checked(name)] = checked
            self._adapters.pop(name, None)
        use_prices({f"{name}/{model}": prices for model, prices in checked.prices.items()})

    def register(self, name: str, provider: AIProvider) -> None:
        """Ask this one for the models named `name/…`."""
        with self._lock:
            self._adapters[_checked(name)] = provider

    def names(self) -> list[str]:
        with self._lock:
            return list(dict.fromkeys([*_ADDRESSES, OFFLINE, *self._settings, *self._adapters]))

    def find(self, model: str) -> Found:
        """`provider/model` as it is, however new; the bare name of a known model too. Raises `UnknownModel`."""
        if not model.strip():
            raise UnknownModel(model)
        provider, slash, name = model.partition("/")
        if self._everything is not None:
            return Found(provider if slash else "test", name if slash else model, self._everything)
        names = self.names()
        if slash and provider in names and name:
            return Found(provider, name, self._adapter(provider))
        return self._by_bare_name(model, names)

    def _by_bare_name(self, model: str, names: list[str]) -> Found:
        from engine.ai.catalogue import near, provider_of

        provider, slash, name = model.partition("/")
        if slash:
            alike = [f"{one}/{name}" for one in difflib.get_close_matches(provider, names, 1, 0.6)]
            raise UnknownModel(
                model, alike or near(model, names), said=f"no provider {provider!r}, there are {', '.join(names)}"
            )
        known = provider_of(model, names)
        if known is None:
            raise UnknownModel(model, near(model, names))
        return Found(known, model, self._adapter(known))

    def _adapter(self, name: str) -> AIProvider:
        with self._lock:
            found = self._adapters.get(name)
            if found is None:
                found = self._adapters[name] = _made(name, self._settings.get(name, ProviderSettings()))
            return found


def _checked(name: str) -> str:
    if not name or "/" in name:
        raise DefinitionError(f"{name!r} is no name for a provider: it stands before the / of a model")
    return name


def _made(name: str, settings: ProviderSettings) -> AIProvider:
    """The adapter, imported now that it is needed."""
    if name == OFFLINE:
        from engine.ai.providers.offline import OfflineProvider

        return OfflineProvider()
    api = settings.api or (name if name in _ADDRESSES else "openai")
    # A name of one's own has its own address and key: never the customary ones of the provider it speaks like.
    url, keys, urls = _ADDRESSES.get(name, ("", (), ()))
    endpoint = Endpoint(name, settings, default_url=url, keys=keys, urls=urls)
    if api == "anthropic":
        from engine.ai.providers.anthropic import AnthropicProvider

        return AnthropicProvider(endpoint)
    if api == "google":
        from engine.ai.providers.google import GoogleProvider

        return GoogleProvider(endpoint)
    from engine.ai.providers.openai import OpenAIProvider

    return OpenAIProvider(endpoint)


PROVIDERS = Providers()
"""The process's own: what a helper uses that was given no others."""


def register_provider(name: str, provider: AIProvider | ProviderSettings | Mapping[str, Any]) -> None:
    """In this process, ask `provider` for the models named `name/…`: an adapter of one's own, or settings for a server
    that speaks as OpenAI does (`base_url`, `api_key_env`, …).
    """
    if isinstance(provider, ProviderSettings | Mapping):
        PROVIDERS.configure(name, provider)
    else:
        PROVIDERS.register(name, provider)
