"""Ids: their form, their order, their chances."""

from __future__ import annotations

import re
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest

from engine.model.ids import ALPHABET, LENGTH, is_run_id, new_id, new_run_id, new_token


def test_ids_are_twenty_characters_without_look_alikes() -> None:
    assert len(set(ALPHABET)) == 32
    assert not set("ilou") & set(ALPHABET)
    assert list(ALPHABET) == sorted(ALPHABET), "text order is number order"
    form = re.compile(f"[{ALPHABET}]{{{LENGTH}}}")
    assert LENGTH == 20
    assert all(form.fullmatch(make()) for make in (new_id, new_run_id) for _ in range(1000))


def test_no_two_are_alike_on_any_thread() -> None:
    with ThreadPoolExecutor(8) as pool:
        made = [one for part in pool.map(lambda _: [new_id() for _ in range(2000)], range(8)) for one in part]
    assert len(set(made)) == len(made)
    assert len({new_run_id() for _ in range(10_000)}) == 10_000
    assert len({new_token() for _ in range(10_000)}) == 10_000


def test_ids_grow_with_time(monkeypatch: pytest.MonkeyPatch) -> None:
    now = time.time_ns()
    made = []
    for step in (0, 1_000, 1_000_000, 10**9, 10**15):
        monkeypatch.setattr(time, "time_ns", lambda moment=now + step: moment)
        made.append(new_id())
    assert made == sorted(made)
    assert len({one[:10] for one in made[-2:]}) == 2, "the time stands before the chance"


def test_ids_fit_for_two_centuries(monkeypatch: pytest.MonkeyPatch) -> None:
    far = int((2200 - 1970) * 365.25 * 86400 * 10**9)
    monkeypatch.setattr(time, "time_ns", lambda: far)
    later = new_id()
    monkeypatch.undo()
    assert len(later) == LENGTH
    assert later > new_id()


def test_a_short_prefix_tells_runs_apart() -> None:
    """Run ids are typed by people: chance begins with the first character."""
    firsts = Counter(new_run_id()[0] for _ in range(6400))
    assert set(firsts) == set(ALPHABET)
    assert max(firsts.values()) < 2 * 6400 / 32


def test_what_is_no_run_id() -> None:
    good = new_run_id()
    assert is_run_id(good)
    for bad in [
        "",
        good[:-1],
        good + "0",
        good.upper().replace("0", "A")[:19] + "A",
        good[:-1] + "l",
        f"{good}\n",
        " " + good,
    ]:
        assert not is_run_id(bad), bad


def test_tokens_cannot_be_guessed() -> None:
    assert re.fullmatch("[0-9a-f]{32}", new_token())
