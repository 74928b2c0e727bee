"""`make stories`: play all stories to their end and write them to `docs/stories/`. Names narrow it to some."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from player import page
from stories import STORIES, Story

DOCS = Path(__file__).parents[2] / "docs" / "stories"


def tell(story: Story) -> str:
    """Play it and write its page; a line about it."""
    with tempfile.TemporaryDirectory(prefix="wfconsole-story-") as folder:
        player = story.play(Path(folder), True)
        (DOCS / story.file).write_text(page(f"{story.number}. {story.title}", story.situation, story.limit, player))
    return f"{story.file}: {player.keys} keys of {story.limit}"


def main(names: list[str]) -> None:
    DOCS.mkdir(parents=True, exist_ok=True)
    for story in [one for one in STORIES if not names or one.name in names]:
        print(tell(story), flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
