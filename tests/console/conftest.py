"""What makes an app cheap: style sheets parsed once a process, and waits that end when there is nothing left to do."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
from textual.css.model import RuleSet
from textual.css.stylesheet import Stylesheet

_SOON_S = 1 / 50
_parse = Stylesheet._parse_rules
_parsed: dict[tuple[Any, ...], list[RuleSet]] = {}
_theme_at_hand: list[tuple[dict[str, str], frozenset[tuple[str, str]]]] = []


@pytest.fixture(scope="session", autouse=True)
def _quick_textual() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Stylesheet, "_parse_rules", _parse_once)
        for module in ("textual.app", "textual.pilot"):
            patch.setattr(f"{module}.wait_for_idle", _quiet)
        yield


def _parse_once(sheet: Stylesheet, css: str, *place: Any, **named: Any) -> list[RuleSet]:
    """The rules of a text depend on the text, where it stands and the theme's variables, not on the app."""
    key = (css, place, tuple(sorted(named.items())), _theme(sheet._variables))
    if key not in _parsed:
        _parsed[key] = _parse(sheet, css, *place, **named)
    return _parsed[key]


def _theme(variables: dict[str, str]) -> frozenset[tuple[str, str]]:
    """Textual makes a new dictionary for a change, so one that is known need not be read again."""
    if not _theme_at_hand or _theme_at_hand[0][0] is not variables:
        _theme_at_hand[:] = [(variables, frozenset(variables.items()))]
    return _theme_at_hand[0][1]


async def _quiet(min_sleep: float = 0.0, max_sleep: float = 1.0) -> None:
    """Until nothing can run, no thread works for the loop and no timer is due soon; at most `max_sleep` seconds.

    Textual's own sleeps 20 ms at least, and looks at the processor's time: on a busy machine it sees quiet too early.
    """
    loop: Any = asyncio.get_running_loop()
    end, empty = loop.time() + max_sleep, 0
    while empty < 3 and loop.time() < end:
        await asyncio.sleep(0)
        empty = 0 if loop._ready else empty + 1
        if empty < 3:
            continue
        if _threads_work(loop):
            empty = 0
            await _until(loop, loop.time() + 0.001)
        elif loop._scheduled and loop._scheduled[0].when() < loop.time() + _SOON_S:
            empty = 0
            await _until(loop, loop._scheduled[0].when())


async def _until(loop: asyncio.AbstractEventLoop, when: float) -> None:
    """Whatever is due at that moment of the loop's clock comes before what waits for it here."""
    reached = loop.create_future()
    loop.call_at(when, reached.set_result, None)
    await reached


def _threads_work(loop: Any) -> bool:
    pool = loop._default_executor
    return pool is not None and len(pool._threads) > pool._idle_semaphore._value
