"""Any JSON a caller may send is refused with the same typed error on both databases, or comes back equal."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from itertools import count
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine import CreateRun, EngineError, NoConfig, StageContext, WorkflowBuilder, stage
from engine.bootstrap import Engine, open_engine
from engine.hosts import ServerlessHost


@stage(id="same")
async def same(ctx: StageContext[Any, NoConfig]) -> Any:
    return ctx.input


ECHO = WorkflowBuilder("echo", "Echo", input=Any).pipe(same).build()

TEXTS = st.text(st.characters(exclude_categories=()), max_size=30)
LEAVES = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(-(2**200), 2**200)
    | st.floats()
    | TEXTS
    | st.sampled_from(["\x00", "\ud800", "\u202e", "'; DROP TABLE x; --", "@{}", "x" * 5000, "\U0001f600"])
)
VALUES = st.recursive(
    LEAVES,
    lambda inner: (
        st.lists(inner, max_size=5)
        | st.dictionaries(TEXTS, inner, max_size=5)
        | st.integers(95, 105).flatmap(lambda depth: inner.map(lambda value: nested(value, depth)))
    ),
    max_leaves=12,
)


def nested(value: Any, depth: int) -> Any:
    for _ in range(depth):
        value = [value]
    return value


async def verdict(engine: Engine, value: Any, key: str) -> tuple[str, Any]:
    """The kind of error, or what comes back as input and as output."""
    try:
        created = await engine.dispatch(CreateRun(idempotency_key=key, workflow_id="echo", input=value))
    except EngineError as error:
        return type(error).__name__, str(error)
    await ServerlessHost(engine.kernel, "w").process_available_jobs()
    run = await engine.inspector.run(created.run_id)
    return "taken", (run.input, run.output)


@pytest.mark.timeout(300)
def test_json_comes_back_equal_or_is_refused_alike(new_postgres: Callable[[], str]) -> None:
    numbers, refused, taken = count(), 0, 0
    with asyncio.Runner() as runner:

        async def opened(url: str) -> tuple[Any, Engine]:
            opening = open_engine(url, workflows=[ECHO])
            return opening, await opening.__aenter__()

        stores = [runner.run(opened(url)) for url in ("sqlite://", new_postgres())]

        @settings(max_examples=2000, deadline=None, suppress_health_check=list(HealthCheck))
        @given(VALUES)
        def agree(value: Any) -> None:
            nonlocal refused, taken
            key = f"k{next(numbers)}"
            lite, post = [runner.run(verdict(engine, value, key)) for _, engine in stores]
            assert lite == post
            if lite[0] == "taken":
                taken += 1
                assert lite[1] == (value, value)
            else:
                refused += 1
                assert lite[0] == "InvalidInput"

        agree()
        for opening, _ in stores:
            runner.run(opening.__aexit__(None, None, None))
    assert taken > 100
    assert refused > 100
