"""The stories are played on a real terminal: none needs more keys than it may, and each reaches its end."""

from __future__ import annotations

from pathlib import Path

import pytest
from stories import STORIES, Story

SHORT = ("stuck", "changed-workflow")
"""Played with every run of the tests; the others with the slow ones."""


@pytest.mark.timeout(400)
@pytest.mark.parametrize(
    "story",
    [pytest.param(story, id=story.name, marks=() if story.name in SHORT else pytest.mark.slow) for story in STORIES],
)
def test_a_story_ends_well_within_its_keys(story: Story, tmp_path: Path) -> None:
    assert story.play(tmp_path, False).keys <= story.limit
