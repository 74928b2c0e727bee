"""A yard of workers for every test that wants one."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from gated_workflows import WORKFLOWS
from worker_yard import Yard

from engine.bootstrap import Engine, open_engine


@pytest.fixture
def yard(tmp_path: Path) -> Iterator[Yard]:
    made = Yard(tmp_path)
    yield made
    made.close()


@pytest.fixture
async def desk(yard: Yard) -> AsyncIterator[Engine]:
    """An engine of this process on the yard's database: it gives orders and reads, and executes nothing."""
    async with open_engine(yard.url, workflows=WORKFLOWS) as engine:
        yield engine
