"""Every driver a test makes is closed after it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
from kernel_driver import Drive, Driver

from engine import Workflow


@pytest.fixture
async def drive() -> AsyncIterator[Drive]:
    """`drive(workflow, …)`: a driver of a fresh kernel, in memory unless a `path` is given."""
    made: list[Driver] = []

    def make(*workflows: Workflow, **options: Any) -> Driver:
        made.append(Driver.of(*workflows, **options))
        return made[-1]

    yield make
    for driver in made:
        await driver.close()
