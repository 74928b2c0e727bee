"""What every tab of a run is: it reads what it wants besides the run, and paints a look at the run."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, tzinfo
from typing import TYPE_CHECKING, ClassVar

from textual.containers import Vertical
from textual.message import Message

from engine.inspector import EventView, RunDetail
from wfconsole.formatting import TimeMode

if TYPE_CHECKING:
    from wfconsole.gateway import Gateway


@dataclass(frozen=True, slots=True)
class RunLook:
    """A run as it is shown: now, or right after the event `past` (its sequence).

    `events` is its whole history; `now` is the time up to which things last, in the past that of the event.
    """

    run: RunDetail
    events: Sequence[EventView]
    now: datetime
    zone: tzinfo
    mode: TimeMode
    past: int | None = None


class RunPane(Vertical):
    """A tab. `read` runs in the feed and only while the tab is visible; its answer is given to `take`."""

    WANTS_EVENTS: ClassVar[bool] = False
    MAIN: ClassVar[str] = ""
    """Selector of the widget that has the focus when the tab is opened."""

    class Says(Message):
        """A sentence for the reader, about something this tab did."""

        def __init__(self, text: str, *, problem: bool = False) -> None:
            super().__init__()
            self.text, self.problem = text, problem

    class Wants(Message):
        """This tab looks at something else: it wants to be asked again."""

    class Reads(Message):
        """A long text to read; `content` is what is saved of it, where that is not the text itself."""

        def __init__(self, title: str, text: str, file_name: str, content: bytes | None = None) -> None:
            super().__init__()
            self.title, self.text, self.file_name, self.content = title, text, file_name, content

    def __init__(self, run_id: str, source: Callable[[], Gateway], *, ascii_only: bool) -> None:
        """`source` gives the gateway as it is connected now; raises `StoreUnavailable`."""
        super().__init__(classes="run-pane")
        self.run_id, self.source, self.ascii_only = run_id, source, ascii_only

    async def read(self, gateway: Gateway, news: bool) -> object:
        """What this tab shows besides the run and its events. Raises the engine's errors."""
        return None

    def take(self, found: object) -> None:
        """Keep what `read` gave; `paint` comes next."""

    def paint(self, look: RunLook) -> None:
        """Show the run."""

    def enter(self) -> None:
        """The tab was opened: the focus goes to its main widget."""
        self.query_one(self.MAIN).focus()

    def focus_stage(self, stage_id: str) -> None:
        """The reader comes from this stage."""

    def step_back(self) -> bool:
        """Undo one thing of this tab; False when there is nothing to undo."""
        return False

    def earlier(self, by: int) -> bool:
        """`[` and `]`: an earlier (-1) or later (1) one of what the tab shows; False leaves it to the run's events."""
        return False

    def stage_under_cursor(self) -> str | None:
        """The stage that actions begin with."""
        return None

    def attempt_under_cursor(self) -> tuple[str, int] | None:
        """The stage and attempt looked at, where the tab shows attempts."""
        return None

    def copied(self) -> str:
        """What `y` copies; empty leaves it to the run."""
        return ""

    async def export(self) -> str | None:
        """Write what stands under the cursor to a file and give its path; None when there is nothing to write."""
        return None
