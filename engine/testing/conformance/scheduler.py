"""What `engine.ports.scheduler.Scheduler` promises, as far as it shows without waiting for a clock."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from engine.commands import CancelRun
from engine.errors import InvalidInput
from engine.ports.scheduler import Scheduler

FAR = datetime.now(UTC) + timedelta(days=365)
COMMAND = CancelRun(run_id="0" * 20)


class SchedulerPromises:
    """Needs the fixture `scheduler`: a `Scheduler` without schedules."""

    async def test_every_schedule_has_an_id_of_its_own(self, scheduler: Scheduler) -> None:
        ids = {await scheduler.schedule(COMMAND, FAR) for _ in range(5)}
        assert len(ids) == 5
        assert all(ids)

    async def test_a_wire_form_is_as_good_as_a_command(self, scheduler: Scheduler) -> None:
        name = await scheduler.schedule({"type": "run.cancel", "run_id": "0" * 20}, FAR)
        assert await scheduler.cancel(name)

    async def test_cancelling_says_whether_it_was_still_to_fire(self, scheduler: Scheduler) -> None:
        name, other = await scheduler.schedule(COMMAND, FAR), await scheduler.schedule(COMMAND, FAR)
        assert [await scheduler.cancel(name), await scheduler.cancel(name)] == [True, False]
        assert await scheduler.cancel(other)

    @pytest.mark.parametrize("name", ["", "nothing", "0" * 20])
    async def test_what_is_not_there_is_not_cancelled(self, scheduler: Scheduler, name: str) -> None:
        assert not await scheduler.cancel(name)

    @pytest.mark.parametrize("wrong", [{}, {"type": "run.explode"}, {"type": "run.cancel"}])
    async def test_what_is_no_command_is_refused_at_once(self, scheduler: Scheduler, wrong: dict[str, Any]) -> None:
        with pytest.raises(InvalidInput):
            await scheduler.schedule(wrong, FAR)
