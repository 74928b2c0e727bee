"""Statements are compiled once a process, not once for every engine that a test opens: a third of what they cost."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Engine

_make = Engine.__init__


class _Compiled(dict[Any, Any]):
    """Known by the kind of database, not by the engine: the same statement reads the same on each of a kind."""

    def get(self, key: Any, default: Any = None) -> Any:
        return super().get(_of_its_kind(key), default)

    def __setitem__(self, key: Any, value: Any) -> None:
        super().__setitem__(_of_its_kind(key), value)


def _of_its_kind(key: Any) -> Any:
    dialect, *statement = key
    return (type(dialect), dialect.server_version_info, *statement)


_compiled = _Compiled()


def _made(self: Engine, *arguments: Any, **options: Any) -> None:
    _make(self, *arguments, **options)
    if self._compiled_cache is not None:
        self._compiled_cache = _compiled


def compile_once() -> None:
    """From now on, for every engine of this process."""
    Engine.__init__ = _made  # type: ignore[method-assign]
