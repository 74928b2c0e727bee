"""Rules for what a rerun or a retry takes away and keeps."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from engine.kernel.rules.rerun import earlier_groups_done, to_delete, to_retry
from engine.model.records import StageRecord
from engine.model.status import StageStatus

_WORDS = {"C": StageStatus.COMPLETED, "F": StageStatus.FAILED, "X": StageStatus.CANCELLED, "P": StageStatus.PENDING}


def stages(*groups: str) -> list[StageRecord]:
    """`"CF"` is a group of a completed and a failed stage, named `1.1` and `1.2` when it is the first."""
    return [
        StageRecord(
            id=f"{group}.{place}",
            run_id="r",
            stage_id=f"{group}.{place}",
            name="",
            group_no=group,
            number=place,
            status=_WORDS[letter],
            generation=0,
            queued_at=datetime(2025, 1, 1, tzinfo=UTC),
        )
        for group, letters in enumerate(groups, 1)
        for place, letter in enumerate(letters, 1)
    ]


def ids(found: list[StageRecord]) -> list[str]:
    return [stage.stage_id for stage in found]


@pytest.mark.parametrize(
    ("groups", "from_group", "gone"),
    [
        (["C", "CC", "C"], 1, ["1.1", "2.1", "2.2", "3.1"]),
        (["C", "CC", "C"], 2, ["2.1", "2.2", "3.1"]),
        (["C", "CF"], 2, ["2.1", "2.2"]),
        (["C"], 2, []),
        ([], 1, []),
    ],
)
def test_to_delete(groups: list[str], from_group: int, gone: list[str]) -> None:
    assert ids(to_delete(stages(*groups), from_group)) == gone


@pytest.mark.parametrize(
    ("groups", "from_group", "done"),
    [
        ([], 1, True),
        (["F"], 1, True),
        (["C", "F"], 2, True),
        (["C", "CC", "F"], 3, True),
        (["F"], 2, False),
        (["CF"], 2, False),
        (["CX", "C"], 2, False),
        (["C"], 3, False),
        ([], 2, False),
        (["C", "CP"], 3, False),
    ],
)
def test_earlier_groups_done(groups: list[str], from_group: int, done: bool) -> None:
    assert earlier_groups_done(stages(*groups), from_group) is done


@pytest.mark.parametrize(
    ("groups", "group", "again"),
    [
        (["C", "CFC"], 2, ["2.2"]),
        (["FXC"], 1, ["1.1", "1.2"]),
        (["CC"], 1, []),
        (["F", "C"], 2, []),
        ([], 0, []),
    ],
)
def test_to_retry(groups: list[str], group: int, again: list[str]) -> None:
    assert ids(to_retry(stages(*groups), group)) == again
