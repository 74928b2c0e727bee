"""Batches without a provider: fetched by whoever comes, from a folder nobody else may read."""

from __future__ import annotations

import os
import stat
import tempfile
import time
from pathlib import Path

import pytest

from engine.ai import create_ai_helper
from engine.ai.providers import offline_batches
from engine.errors import AIBadResponse
from engine.testing import CollectingAICallLog


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


async def test_what_one_helper_hands_in_another_fetches(folder: Path) -> None:
    first = create_ai_helper("one", CollectingAICallLog()).batch("offline/demo")
    status = await first.submit(["Classify as good or bad:\n\nIt is good.", "Summarise:\n\nA lamp. A rock."])
    log = CollectingAICallLog()
    second = create_ai_helper("two", log).batch("offline/demo")
    assert (await second.status(status.id)).status == "completed"
    items = await second.results(status.id)
    assert [item.text for item in items] == ["good", "A lamp. A rock."]
    assert [row.status for row in log.rows] == ["ok", "ok"]
    (made,) = folder.iterdir()
    assert stat.S_IMODE(made.stat().st_mode) == 0o700
    assert [stat.S_IMODE(one.stat().st_mode) for one in made.iterdir()] == [0o600]


@pytest.mark.parametrize("batch_id", ["offline-0000000000000000000z", "../../etc/passwd", "", "offline-../x", "\x00"])
async def test_what_is_not_there_is_gone(batch_id: str) -> None:
    batch = create_ai_helper("one", CollectingAICallLog()).batch("offline/demo")
    assert (await batch.status(batch_id)).status == "failed"
    with pytest.raises(AIBadResponse):
        offline_batches.fetched(batch_id)


def test_old_ones_are_forgotten(folder: Path) -> None:
    old = offline_batches.keep([])
    (made,) = folder.iterdir()
    past = time.time() - offline_batches.KEPT_SECONDS - 1
    os.utime(made / old, (past, past))
    new = offline_batches.keep([])
    assert (offline_batches.is_kept(old), offline_batches.is_kept(new)) == (False, True)


def test_a_folder_of_somebody_elses_making_is_refused(folder: Path) -> None:
    offline_batches.keep([])
    (made,) = folder.iterdir()
    made.chmod(0o777)
    with pytest.raises(PermissionError):
        offline_batches.keep([])
