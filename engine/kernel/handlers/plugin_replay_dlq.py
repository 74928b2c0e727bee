"""`plugin.replayDLQ`: dead letters are due again, with a fresh budget, oldest first."""

from __future__ import annotations

from engine.commands import ReplayDeadLetters, ReplayDeadLettersResult
from engine.kernel.audit import note
from engine.kernel.scene import Scene


def handle(command: ReplayDeadLetters, scene: Scene) -> ReplayDeadLettersResult:
    if command.run_id is not None:
        scene.locked_run(command.run_id)
    outbox = scene.work.outbox
    dead = outbox.dead(command.max_events, command.event_ids, command.run_id)
    outbox.save([event._replace(dead_at=None, retry_count=0, next_attempt_at=None) for event in dead])
    outbox.forget_failures([event.id for event in dead])
    outbox.wake(sorted({event.run_id for event in dead}))
    if dead:
        target = command.run_id or (dead[0].id if len(dead) == 1 else f"{len(dead)} events")
        note(scene, command, target=target, run_id=command.run_id, after={"events": [event.id for event in dead]})
        scene.work.announce()
    return ReplayDeadLettersResult(replayed=len(dead))
