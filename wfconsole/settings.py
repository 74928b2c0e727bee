"""Settings of the console and the command line: one frozen model, merged from files, environment and flags.

Order, each overriding the one before: the user's config file, the project's file, `WFCONSOLE_*`, flags. A
profile's values count where the profile was chosen: `--profile prod` beats `WFCONSOLE_DB`, `--db` beats both.
"""

from __future__ import annotations

import difflib
import os
import tomllib
from collections.abc import Callable, Mapping
from datetime import datetime, tzinfo
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal
from zoneinfo import ZoneInfo

import platformdirs
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

APP = "wfconsole"
MEMORY_URLS = frozenset({"sqlite://", "sqlite:///", "sqlite:///:memory:"})
_SQLITE_FILE = "sqlite:///"
_TABLES = frozenset({"profiles", "keys", "sinks", "providers", "budgets", "blobs", "ai"})
_TRUE, _FALSE = frozenset({"1", "true", "yes", "on"}), frozenset({"", "0", "false", "no", "off"})


class SettingsError(ValueError):
    """The settings can't be used; the message is one line and says where."""


class BlobSettings(BaseModel):
    """What `[blobs]` may say: where large payloads and artifacts lie, if not with the database."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    url: str | None = None
    """`s3://bucket/prefix`, `gs://…`, `az://container/…` or `file:///folder`."""

    @field_validator("url")
    @classmethod
    def _shared(cls, url: str | None) -> str | None:
        if url is not None and url.startswith("memory:"):
            raise ValueError("blobs in memory are seen by one process only; use s3://, gs://, az:// or file:///")
        return url or None


class Profile(BaseModel):
    """What `[profiles.NAME]` may say; what is left out falls back to the settings around it."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    db: str | None = Field(default=None, repr=False)
    workflows: tuple[str, ...] | None = None
    read_only: bool | None = None
    colour: str | None = None
    confirm: Literal["ask", "typed"] | None = None
    blobs: BlobSettings | None = None


class SinkSettings(BaseModel):
    """What `[sinks.NAME]` may say. Secrets and headers with keys come from environment variables, by their names."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    type: Literal["webhook", "log"]
    url: str = Field(default="", repr=False)
    secret_env: str | tuple[str, ...] = ()
    """The variables that hold the signing secrets."""
    header_env: dict[str, str] = {}
    """Header name to the variable that holds its value."""
    on: tuple[str, ...] | None = None
    timeout: float = Field(default=10.0, gt=0, le=30)
    max_retries: int = Field(default=3, ge=1)
    allow_private: bool = False


class BudgetSettings(BaseModel):
    """What `[budgets]` may say: US dollars. `workflow` and `day` are a day's (UTC)."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    run: Decimal | None = Field(default=None, ge=0)
    stage: Decimal | None = Field(default=None, ge=0)
    workflow: Decimal | None = Field(default=None, ge=0)
    day: Decimal | None = Field(default=None, ge=0)
    warn: float = Field(default=0.8, gt=0, le=1)
    on_exceeded: Literal["fail", "suspend"] = "fail"


class AISettings(BaseModel):
    """What `[ai]` may say: how much of AI calls is written down, for how long, and whether answers are used again."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    recording: Literal["full", "redacted", "metadata"] = "redacted"
    cache: Literal["off", "run", "global"] = "off"
    keep_texts: str | None = None
    """`30d`: `db prune` drops prompts and answers that are older; tokens and money stay."""


class Settings(BaseModel):
    """Everything that can be set. Constructible directly; `load` merges the sources."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    db: str | None = Field(default=None, repr=False)
    """A database URL; None is the file in the user's data directory."""
    workflows: tuple[str, ...] = ()
    """`MODULE` or `MODULE:ATTR`; none at all means the sample workflows."""
    profile: str | None = None
    profiles: dict[str, Profile] = {}
    read_only: bool = False
    no_worker: bool = False
    theme: str | None = None
    ascii: bool = False
    no_color: bool = False
    colour: str | None = None
    """The accent of the console's header, so that two databases are told apart."""
    tz: str = "local"
    """`local`, `utc` or a zone of the IANA database."""
    confirm: Literal["ask", "typed"] = "ask"
    actor: str | None = None
    demo: bool = False
    keys: dict[str, str] = {}
    blobs: BlobSettings = BlobSettings()
    sinks: dict[str, SinkSettings] = {}
    providers: dict[str, Any] = Field(default={}, repr=False)
    budgets: BudgetSettings = BudgetSettings()
    ai: AISettings = AISettings()

    @field_validator("tz")
    @classmethod
    def _known_zone(cls, name: str) -> str:
        _zone(name)
        return name

    @property
    def database(self) -> str:
        """The database's URL. The default's directory is made, unless read-only."""
        if self.db is not None:
            return self.db
        folder = platformdirs.user_data_path(APP, appauthor=False)
        if not self.read_only:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        return f"{_SQLITE_FILE}{folder / f'{APP}.db'}"

    @property
    def in_memory(self) -> bool:
        return self.database in MEMORY_URLS

    @property
    def database_file(self) -> Path | None:
        """The SQLite file; None for a database in memory or on a server."""
        url = self.database
        if url in MEMORY_URLS or not url.startswith(_SQLITE_FILE):
            return None
        return Path(url.removeprefix(_SQLITE_FILE).partition("?")[0])

    @property
    def zone(self) -> tzinfo:
        return _zone(self.tz)

    @classmethod
    def load(
        cls,
        overrides: Mapping[str, object] | None = None,
        cwd: Path | None = None,
        environ: Mapping[str, str] | None = None,
    ) -> Settings:
        """Merge all sources. `overrides`: flags by field name, and `config`, a file in the project's place.

        Raises `SettingsError` for a missing file, no TOML, an unknown name or profile, a wrong value.
        """
        environ = os.environ if environ is None else environ
        flags = dict(overrides or {})
        explicit = flags.pop("config", None) or environ.get("WFCONSOLE_CONFIG") or None
        folder = cwd or Path.cwd()
        layers = [
            ("", _user_file()),
            ("", _named_file(folder / str(explicit)) if explicit else _project_file(folder)),
            ("environment", _from_environment(environ)),
            ("command line", flags),
        ]
        merged: dict[str, Any] = {}
        for source, values in layers:
            where = str(values.pop("__file__", source))
            _check(values, where)
            _merge(merged, values, where)
        return _validated(merged, "settings")


def _merge(merged: dict[str, Any], values: Mapping[str, Any], where: str) -> None:
    for name, value in values.items():
        if name in _TABLES and isinstance(value, Mapping):
            merged[name] = {**merged.get(name, {}), **value}
    chosen = values.get("profile")
    if chosen is not None:
        profiles: dict[str, Any] = merged.get("profiles", {})
        if chosen not in profiles:
            known = ", ".join(sorted(profiles)) or "none"
            raise SettingsError(f"{where}: unknown profile {chosen!r}; profiles are: {known}")
        merged.update(profiles[chosen])
    merged.update({name: value for name, value in values.items() if name not in _TABLES})


def _check(values: dict[str, Any], where: str) -> None:
    for name in values:
        if name not in Settings.model_fields:
            nearest = difflib.get_close_matches(name, Settings.model_fields, n=1, cutoff=0.0)[0]
            raise SettingsError(f"{where}: unknown setting {name!r}; did you mean {nearest!r}?")
    _validated(values, where)


def _validated(values: Mapping[str, Any], where: str) -> Settings:
    try:
        return Settings.model_validate(values)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        path = ".".join(str(part) for part in first["loc"])
        raise SettingsError(f"{where}: {path}: {first['msg'].removeprefix('Value error, ')}") from error


def _user_file() -> dict[str, Any]:
    path = platformdirs.user_config_path(APP, appauthor=False) / "config.toml"
    return _named_file(path) if path.is_file() else {}


def _project_file(folder: Path) -> dict[str, Any]:
    for place in (folder, *folder.parents):
        own, project = place / f"{APP}.toml", place / "pyproject.toml"
        if own.is_file():
            return _named_file(own)
        if project.is_file():
            table = _read_toml(project).get("tool", {}).get(APP)
            if table is not None:
                return _anchored(table, project)
    return {}


def _named_file(path: Path) -> dict[str, Any]:
    return _anchored(_read_toml(path), path)


def _read_toml(path: Path) -> dict[str, Any]:
    try:
        with path.open("rb") as file:
            return tomllib.load(file)
    except OSError as error:
        raise SettingsError(f"{path}: {error.strerror or error}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path}: not valid TOML: {' '.join(str(error).split())}") from error


def _anchored(table: Any, path: Path) -> dict[str, Any]:
    """The table with relative database files taken from the file's own folder."""
    if not isinstance(table, dict):
        raise SettingsError(f"{path}: [tool.{APP}] has to be a table")
    values: dict[str, Any] = {**table, "__file__": path}
    _rewrite(values, path.parent)
    profiles = values.get("profiles")
    if isinstance(profiles, dict):
        values["profiles"] = {
            name: _rewrite(dict(profile), path.parent) if isinstance(profile, dict) else profile
            for name, profile in profiles.items()
        }
    return values


def _rewrite(values: dict[str, Any], folder: Path) -> dict[str, Any]:
    url = values.get("db")
    if isinstance(url, str) and url.startswith(_SQLITE_FILE) and url not in MEMORY_URLS:
        values["db"] = f"{_SQLITE_FILE}{folder / Path(url.removeprefix(_SQLITE_FILE)).expanduser()}"
    if isinstance(values.get("workflows"), str):
        values["workflows"] = [values["workflows"]]
    return values


def _from_environment(environ: Mapping[str, str]) -> dict[str, Any]:
    readers: dict[str, Callable[[str, str], object]] = {
        "db": _text,
        "blobs": lambda _, text: {"url": text},
        "workflows": lambda _, text: [part.strip() for part in text.split(",") if part.strip()],
        "profile": _text,
        "theme": _text,
        "actor": _text,
        "tz": _text,
        "read_only": _truth,
        "no_worker": _truth,
        "ascii": _truth,
    }
    values: dict[str, Any] = {}
    for field, read in readers.items():
        name = f"WFCONSOLE_{field.upper()}"
        if environ.get(name):
            values[field] = read(name, environ[name])
    if environ.get("NO_COLOR"):
        values["no_color"] = True
    return values


def _text(_: str, text: str) -> str:
    return text


def _truth(name: str, text: str) -> bool:
    word = text.strip().lower()
    if word not in _TRUE | _FALSE:
        raise SettingsError(f"{name}: {text!r} is neither yes nor no; use 1 or 0")
    return word in _TRUE


def _zone(name: str) -> tzinfo:
    if name.lower() == "local":
        return _local_zone()
    try:
        return ZoneInfo("UTC" if name.lower() == "utc" else name)
    except (OSError, ValueError, KeyError) as error:
        raise ValueError(f"unknown time zone {name!r}; use local, utc or a name such as Europe/Berlin") from error


def _local_zone() -> tzinfo:
    """The machine's zone by name where it can be found, so that other dates get their own offset."""
    name = os.environ.get("TZ", "").removeprefix(":")
    if not name:
        _, found, name = os.path.realpath("/etc/localtime").partition("/zoneinfo/")
        name = name if found else ""
    try:
        return ZoneInfo(name) if name else _fixed_offset()
    except (OSError, ValueError, KeyError):
        return _fixed_offset()


def _fixed_offset() -> tzinfo:
    offset = datetime.now().astimezone().tzinfo
    assert offset is not None
    return offset
