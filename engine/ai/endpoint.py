"""Where a provider is reached: its address, its key, its limits. Keys are read when a call is made and kept nowhere."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from engine.ai.cost import ModelPrices
from engine.ai.pace import CALLS_AT_ONCE, Limits
from engine.errors import AIAuthError, AIBadRequest

TIMEOUT = 600.0
RETRIES = 3


class ProviderSettings(BaseModel):
    """What `[providers.NAME]` of the settings may say; a name of one's own is taken for an OpenAI-compatible server.

    `api_key_env` names the variable that holds the key. `header_env`: header name to the variable with its value.
    `timeout` is seconds of silence. `structured_output` says how the server is asked for an object; `prices` are US
    dollars for a million tokens, by the model's name.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    api: Literal["openai", "anthropic", "google"] | None = None
    base_url: str | None = None
    api_key_env: str | None = None
    header_env: dict[str, str] = {}
    timeout: float = Field(default=TIMEOUT, gt=0)
    max_retries: int = Field(default=RETRIES, ge=0, le=10)
    concurrency: int | None = Field(default=CALLS_AT_ONCE, gt=0)
    requests_per_minute: int | None = Field(default=None, gt=0)
    tokens_per_minute: int | None = Field(default=None, gt=0)
    structured_output: Literal["json_schema", "json_object", "prompt"] = "json_schema"
    prices: dict[str, ModelPrices] = {}

    @property
    def limits(self) -> Limits:
        return Limits(self.concurrency, self.requests_per_minute, self.tokens_per_minute)


class Endpoint:
    """One provider's address. `keys` and `urls` are the customary variables, the first that is set counts."""

    def __init__(
        self,
        provider: str,
        settings: ProviderSettings,
        *,
        default_url: str = "",
        keys: tuple[str, ...] = (),
        urls: tuple[str, ...] = (),
    ) -> None:
        self.provider = provider
        self.settings = settings
        self._default_url = default_url
        self._keys = (settings.api_key_env,) if settings.api_key_env else keys
        self._urls = urls

    def __repr__(self) -> str:
        return f"<Endpoint {self.provider}>"

    @property
    def base_url(self) -> str:
        """Without a slash at its end."""
        address = self.settings.base_url or _first(self._urls, os.environ) or self._default_url
        if not address.startswith(("http://", "https://")):
            raise AIBadRequest(f"no address: give [providers.{self.provider}] a base_url", provider=self.provider)
        return address.rstrip("/")

    def key(self) -> str | None:
        """Read now. Raises `AIAuthError` where none is set and the address is the provider's own."""
        found = _first(self._keys, os.environ)
        if found is None and (self.settings.api_key_env or self.base_url == self._default_url):
            raise AIAuthError(f"no API key: set {' or '.join(self._keys)}", provider=self.provider)
        return found

    def headers(self) -> dict[str, str]:
        """Those of the settings."""
        return {name: os.environ.get(variable, "") for name, variable in self.settings.header_env.items()}

    def secrets(self) -> list[str]:
        """The values that no error text may hold."""
        return [value for value in (_first(self._keys, os.environ), *self.headers().values()) if value]


def _first(names: tuple[str, ...], environment: Mapping[str, str]) -> str | None:
    return next((value for name in names if (value := environment.get(name, "").strip())), None)
