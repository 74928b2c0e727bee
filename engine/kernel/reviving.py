"""The next life of a run that was over."""

from __future__ import annotations

from typing import Any

from engine.kernel.scene import Scene
from engine.model.records import RunRecord
from engine.model.status import RunStatus


def revive(scene: Scene, run: RunRecord, **fields: Any) -> None:
    """The run goes on: what it ended with is gone from the row. Money spent stays counted."""
    scene.changes.update_run(
        run.id,
        status=RunStatus.RUNNING,
        started_at=scene.work.now,
        completed_at=None,
        output=None,
        error=None,
        error_code=None,
        error_fingerprint=None,
        failed_stage=None,
        hand_offs=0,
        **fields,
    )
