"""`dlq.discard`: close dead letters for good."""

from __future__ import annotations

from engine.commands import DiscardDeadLetters, DiscardDeadLettersResult
from engine.kernel.audit import note
from engine.kernel.scene import Scene
from engine.model.redaction import fit_to_write


def handle(command: DiscardDeadLetters, scene: Scene) -> DiscardDeadLettersResult:
    discarded = scene.work.outbox.close(command.event_ids, fit_to_write(command.reason))
    if discarded:
        ids = command.event_ids
        target = ids[0] if len(ids) == 1 else f"{discarded} events"
        note(scene, command, target=target, after={"events": ids, "discarded": discarded})
    scene.work.announce()
    return DiscardDeadLettersResult(discarded=discarded)
