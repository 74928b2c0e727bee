"""`dlq.discard`: close dead letters for good."""

from __future__ import annotations

from engine.commands import DiscardDeadLetters, DiscardDeadLettersResult
from engine.kernel.scene import Scene
from engine.model.json import clean_text


def handle(command: DiscardDeadLetters, scene: Scene) -> DiscardDeadLettersResult:
    discarded = scene.work.outbox.close(command.event_ids, clean_text(command.reason))
    scene.work.announce()
    return DiscardDeadLettersResult(discarded=discarded)
