"""What a provider's refusal means: each status and each provider's way of saying it, as one of our errors."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from engine.errors import AIAuthError, AIBadRequest, AIError, AIRateLimited, AIUnavailable, UnknownModel
from engine.model.json import Json, clean_text, loads
from engine.model.redaction import REDACTED, fit_to_write

MOST_SAID = 500
_MISSING_MODEL = (
    "model_not_found",
    "model_not_available",
    "is not found for api version",
    '"model: ',
    "try pulling it",
)
_BAD_KEY = ("api_key_invalid", "api key not valid", "invalid_api_key", "invalid x-api-key")
_OVERLOADED = ("overloaded_error", "api_error", "server_error", "timeout_error")
_FOR_LATER = frozenset({408, 425})


def error_for(provider: str, model: str, status: int, said: str, body: bytes, retry_after: float | None) -> AIError:
    """The error of an HTTP answer that is no success. `said` holds no secrets any more."""
    shown = body.decode(errors="replace").lower()
    if status in (401, 403) or (status == 400 and any(sign in shown for sign in _BAD_KEY)):
        kind: type[AIError] = AIAuthError
    elif status == 404 and any(sign in shown for sign in _MISSING_MODEL):
        return UnknownModel(f"{provider}/{model}", said=said)
    elif status == 429:
        kind = AIRateLimited
    elif status >= 500 or status in _FOR_LATER:
        kind = AIUnavailable
    else:
        kind = AIBadRequest
    return kind(said, provider=provider, status=status, retry_after=retry_after)


def error_within(provider: str, found: Json) -> AIError:
    """The error that arrived inside a stream or a batch, where a status would have been too late."""
    said = fit_to_write(_message(found) or "an error without a word")[:MOST_SAID]
    kind = _word(found, "type") or _word(found, "status") or ""
    code = found.get("code") if isinstance(found, Mapping) else None
    if kind == "rate_limit_error" or code in (429, "rate_limit_exceeded"):
        return AIRateLimited(said, provider=provider)
    if kind in _OVERLOADED or (isinstance(code, int) and code >= 500):
        return AIUnavailable(said, provider=provider)
    return AIBadRequest(said, provider=provider)


def said_by(body: bytes) -> str:
    """The provider's own sentence, wherever it keeps it; otherwise the beginning of the body."""
    try:
        found = loads(body)
    except ValueError:
        found = None
    said = _message(found) if found is not None else ""
    return said or " ".join(body.decode(errors="replace").split())


def without_secrets(said: str, secrets: Iterable[str]) -> str:
    for secret in secrets:
        said = said.replace(secret, REDACTED)
    return fit_to_write(clean_text(said))[:MOST_SAID]


def _message(found: Json) -> str:
    if isinstance(found, list) and found:
        return _message(found[0])
    if isinstance(found, str):
        return found
    if not isinstance(found, Mapping):
        return ""
    for name in ("error", "message", "detail"):
        if name in found and (said := _message(found[name])):
            return said
    return ""


def _word(found: Json, name: str) -> str | None:
    value = found.get(name) if isinstance(found, Mapping) else None
    return value.lower() if isinstance(value, str) else None
