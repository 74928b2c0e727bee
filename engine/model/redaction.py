"""Keeping secrets out of what is written down: by shape, by the name of a field, and by exact value.

It stands where words are written: log lines, errors, events, annotations, audit rows. Inputs, outputs, configs and
stage storage are the user's data and stay as they are.
"""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Iterable, Mapping
from urllib.parse import quote, urlsplit

from engine.model.json import Json, clean_text

REDACTED = "[redacted]"
SHORTEST = 6
"""Characters of the shortest value that is looked for: shorter ones would be found in ordinary words."""

_SHAPES = re.compile(
    r"""
      (?P<url>\b[a-z][a-z0-9+.-]*://[^\s/:@'"]*:)[^\s@'"]+(?=@)                        # scheme://user:password@host
    | (?P<scheme>\b(?:bearer|basic|token)\s+)(?=[A-Za-z0-9._~+/=-]*[0-9._~+/=-])[A-Za-z0-9._~+/=-]{8,}
    | (?P<header>\b(?:authorization|proxy-authorization|x-api-key|api-key|cookie|set-cookie)["']?\s*[:=]\s*["']?)
      [^\s"',;]+(?:\s+[A-Za-z0-9._~+/=-]{8,})?
    | (?P<name>\b(?:password|passwd|pwd|secret|api[_-]?key|access[_-]?key|client[_-]?secret|private[_-]?key
      |auth[_-]?token|access[_-]?token|refresh[_-]?token)["']?\s*[:=]\s*["']?)[^\s"',;&]{3,}
    | \bsk-[A-Za-z0-9_-]{16,} | \bAIza[A-Za-z0-9_-]{30,} | \bgh[pousr]_[A-Za-z0-9]{20,} | \bgithub_pat_[A-Za-z0-9_]{20,}
    | \bxox[abeoprs]-[A-Za-z0-9-]{10,} | \b(?:AKIA|ASIA)[A-Z0-9]{16}\b | \bwhsec_[A-Za-z0-9+/=_-]{16,}
    | \bhf_[A-Za-z0-9]{20,} | \bglpat-[A-Za-z0-9_-]{16,}
    | \beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*
    | -----BEGIN\ [A-Z ]*PRIVATE\ KEY-----[\s\S]*?(?:-----END\ [A-Z ]*PRIVATE\ KEY-----|\Z)
    """,
    re.IGNORECASE | re.VERBOSE,
)
_SIGNS = (
    *("://", "bearer ", "basic ", "token ", "authorization", "cookie", "passw", "pwd", "secret", "private key"),
    *("api-key", "api_key", "apikey", "access-key", "access_key", "accesskey", "-token", "_token", "oken="),
    *("private-key", "private_key", "privatekey", "authtoken", "accesstoken", "refreshtoken"),
    *("sk-", "aiza", "ghp_", "gho_", "ghu_", "ghs_", "ghr_", "github_pat_", "xox", "akia", "asia", "whsec_", "hf_"),
    *("glpat-", "eyj"),
)
"""Without one of these no shape fits: looking for plain words is ten times faster than the pattern."""
_SECRET_NAME = re.compile(
    r"(?:^|[_.-])(?:password|passwd|passphrase|pwd|secret|secrets|api_?key|access_?key|secret_?key|private_?key|client_?secret"
    r"|authorization|cookie|set_cookie|credentials?|dsn|(?:access|auth|refresh|bearer|id|api|session|csrf)_?token)$"
    r"|^token$"
)
_SECRET_VARIABLE = re.compile(r"(?:KEY|TOKEN|SECRET|PASSWORD|PASSWD|DSN|CREDENTIALS?)$")


class Redactor:
    """Finds secrets in text and JSON; knows the exact values it was told. Any thread may use it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._values: set[str] = set()
        self._exact: re.Pattern[str] | None = None

    def know(self, values: Iterable[str]) -> None:
        """Never write these: each as it is and as in a URL. Values shorter than `SHORTEST` are left."""
        with self._lock:
            for value in values:
                if len(value) >= SHORTEST:
                    self._values |= {value, quote(value, safe="")}
            if self._values:
                longest_first = sorted(self._values, key=len, reverse=True)
                self._exact = re.compile("|".join(map(re.escape, longest_first)))

    def text(self, text: str) -> str:
        """The text without secrets; the same text when there are none."""
        if self._exact is not None:
            text = self._exact.sub(REDACTED, text)
        plain = text.lower()
        return _SHAPES.sub(_replaced, text) if any(sign in plain for sign in _SIGNS) else text

    def json(self, value: Json) -> Json:
        """A copy without secrets: texts by shape and value, and all text under a name that says secret."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, Mapping):
            return {key: self._under(str(key), one) for key, one in value.items()}
        if isinstance(value, list | tuple):
            return [self.json(one) for one in value]
        return value

    def _under(self, name: str, value: Json) -> Json:
        if not is_secret_name(name):
            return self.json(value)
        if isinstance(value, str):
            return REDACTED if value else value
        if isinstance(value, Mapping):
            return {key: self._under(name, one) for key, one in value.items()}
        if isinstance(value, list | tuple):
            return [self._under(name, one) for one in value]
        return value


def is_secret_name(name: str) -> bool:
    """`api_key`, `X-Api-Key`, `clientSecret`, …; but not `input_tokens` or `idempotency_key`."""
    plain = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower().replace("-", "_").replace(" ", "_")
    return bool(_SECRET_NAME.search(plain))


def _replaced(match: re.Match[str]) -> str:
    kept = next((group for group in match.groups() if group), "")
    return f"{kept}{REDACTED}"


def secrets_of_environment(environment: Mapping[str, str] = os.environ) -> list[str]:
    """The values of variables named like secrets, and the passwords of addresses."""
    found = [value for name, value in environment.items() if _SECRET_VARIABLE.search(name) and len(value) >= 8]
    return found + [password for value in environment.values() if (password := password_of(value))]


def password_of(address: str) -> str | None:
    """The password in `scheme://user:password@host`, if it has one."""
    if "://" not in address or "@" not in address:
        return None
    try:
        return urlsplit(address).password
    except ValueError:
        return None


REDACTOR = Redactor()
"""The process's own: what one engine was told to hide, no other may write."""


def redact_text(text: str) -> str:
    return REDACTOR.text(text)


def redact_json(value: Json) -> Json:
    return REDACTOR.json(value)


def fit_to_write(text: str) -> str:
    """Text from outside as it may be written down: storable on both databases, and without secrets."""
    return REDACTOR.text(clean_text(text))
