"""Messages between the parts of the console; snapshots are declared by the screens that paint them."""

from __future__ import annotations

from textual.message import Message

from wfconsole.tui.feed import Pulse


class PulseChanged(Message):
    """The connection came, went, or is tried again."""

    def __init__(self, pulse: Pulse) -> None:
        super().__init__()
        self.pulse = pulse
