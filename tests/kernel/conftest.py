"""Every driver a test makes is closed after it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from engine import Workflow
from kernel_driver import Driver

Drive = Callable[..., Driver]


@pytest.fixture
async def drive() -> AsyncIterator[Drive]:
    """`drive(workflow, …)`: a driver of a fresh kernel in memory."""
    made: list[Driver] = []

    def make(*workflows: Workflow, **options: Any) -> Driver:
        made.append(Driver.of(*workflows, **options))
        return made[-1]

    yield make
    for driver in made:
        await driver.kernel.close()
