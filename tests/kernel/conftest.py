"""Every driver a test makes is closed after it. Each test runs on SQLite and on Postgres."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from kernel_driver import Drive, Driver

from engine import Workflow


@pytest.fixture(params=["sqlite", "postgres"])
def database(request: pytest.FixtureRequest) -> Callable[[Path | None], str]:
    """The address of the database that goes by a path: the same for the same path, always a fresh one for None."""
    if request.param == "sqlite":
        return lambda path: "sqlite://" if path is None else f"sqlite:///{path}"
    make: Callable[[], str] = request.getfixturevalue("reused_postgres")
    named: dict[Path, str] = {}

    def address(path: Path | None) -> str:
        if path is None:
            return make()
        if path not in named:
            named[path] = make()
        return named[path]

    return address


@pytest.fixture
async def drive(database: Callable[[Path | None], str]) -> AsyncIterator[Drive]:
    """`drive(workflow, …)`: a driver of a fresh kernel; with a `path` one that shares its database with others."""
    made: list[Driver] = []

    def make(*workflows: Workflow, path: Path | None = None, **options: Any) -> Driver:
        made.append(Driver.of(*workflows, url=database(path), path=path, **options))
        return made[-1]

    yield make
    for driver in made:
        await driver.close()
