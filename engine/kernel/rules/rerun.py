"""What a rerun or retry takes away and keeps."""

from __future__ import annotations

from collections.abc import Sequence

from engine.model.records import StageRecord
from engine.model.status import StageStatus


def to_delete(stages: Sequence[StageRecord], from_group: int) -> list[StageRecord]:
    """The stages of that group and of all later ones: siblings of the target run again too."""
    return [stage for stage in stages if stage.group_no >= from_group]


def earlier_groups_done(stages: Sequence[StageRecord], from_group: int) -> bool:
    """Every group before it was executed to its end: its outputs are there to go on from."""
    done = {stage.group_no for stage in stages if stage.status is StageStatus.COMPLETED}
    broken = {stage.group_no for stage in stages if stage.status is not StageStatus.COMPLETED}
    return all(group in done and group not in broken for group in range(1, from_group))


def to_retry(stages: Sequence[StageRecord], group: int) -> list[StageRecord]:
    """The stages of the current group that did not complete."""
    return [stage for stage in stages if stage.group_no == group and stage.status is not StageStatus.COMPLETED]
