"""Profiles every thread of a process, one after the other by name: a worker's time lies in its loop and its writer."""

from __future__ import annotations

import cProfile
import io
import pstats
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

SHOWN = 60


@contextmanager
def profiled_threads(out: Path) -> Iterator[None]:
    """While this is open, threads that begin are profiled by their own CPU time; the reports go to `out`."""
    profiles: list[tuple[str, cProfile.Profile]] = []
    run: Callable[[threading.Thread], Any] = threading.Thread.run

    def profiled_run(thread: threading.Thread) -> None:
        profile = cProfile.Profile(time.thread_time)
        profiles.append((thread.name, profile))
        profile.runcall(run, thread)

    threading.Thread.run = profiled_run  # type: ignore[method-assign]
    main = cProfile.Profile(time.thread_time)
    main.enable()
    try:
        yield
    finally:
        main.disable()
        threading.Thread.run = run  # type: ignore[method-assign]
        out.write_text("".join(_report(name, profile) for name, profile in [("main", main), *profiles]))


def _report(name: str, profile: cProfile.Profile) -> str:
    text = io.StringIO()
    text.write(f"== {name}\n")
    try:
        stats = pstats.Stats(profile, stream=text)
    except TypeError:
        return f"== {name}: nothing ran\n"
    stats.sort_stats("tottime").print_stats(SHOWN)
    stats.sort_stats("cumulative").print_stats(SHOWN)
    return text.getvalue()
