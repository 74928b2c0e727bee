"""Deferred and recurring commands: due rows in the database, fired by whoever looks after them first."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from datetime import datetime
from typing import Any

from engine.commands import Command, parse_command
from engine.errors import EngineError, InvalidInput, Problem, StoreUnavailable
from engine.kernel.rules.cron import next_firing
from engine.model.ids import new_id
from engine.model.json import Json, dumps, loads
from engine.model.records import ScheduleRecord
from engine.model.redaction import fit_to_write
from engine.ports.persistence import Persistence
from engine.ports.work import UnitOfWork

AT_ONCE = 100

CarryOut = Callable[[UnitOfWork, Command[Any], str, str | None], Any]
"""(work, command, actor, idempotency key): carry a command out inside an open transaction."""


class DatabaseScheduler:
    """`engine.ports.scheduler.Scheduler` in the database: it outlives every process, and fires each moment once.

    A command and its schedule's next moment are one transaction. Whatever a recurring schedule missed while nobody
    ran is made up for by one firing.
    """

    def __init__(self, persistence: Persistence, carry_out: CarryOut, schedulable: Collection[str], actor: str) -> None:
        """`schedulable`: wire names of the commands that are one transaction."""
        self._persistence = persistence
        self._carry_out = carry_out
        self._schedulable = schedulable
        self._actor = actor

    async def schedule(self, command: Command[Any] | Mapping[str, Json], at: datetime) -> str:
        """Once, at that time. Raises `InvalidInput` for what is no command, or none that can be put off."""
        wire = self._checked(command)
        due = _aware(at)
        schedule_id = new_id()

        def add(work: UnitOfWork) -> str:
            work.schedules.put(ScheduleRecord(schedule_id, dumps(wire), self._actor, due, work.now))
            work.announce()
            return schedule_id

        return await self._persistence.transact(add)

    async def schedule_cron(
        self, schedule_id: str, expression: str, command: Command[Any] | Mapping[str, Json], *, zone: str = "UTC"
    ) -> datetime | None:
        """Again and again, when the cron expression says; the next time. The same again changes nothing.

        Each firing of `run.create` has the idempotency key `<schedule_id>@<moment>`. Raises `InvalidInput`.
        """
        wire = dumps(self._checked(command))
        if not schedule_id:
            raise InvalidInput([Problem("schedule_id", "a recurring schedule needs an id")])

        def put(work: UnitOfWork) -> datetime | None:
            there = work.schedules.lock(schedule_id)
            due = next_firing(expression, zone, work.now)
            same = there is not None and (there.command, there.cron, there.zone) == (wire, expression, zone)
            if there is not None and same and there.due_at is not None:
                return there.due_at
            created = work.now if there is None else there.created_at
            fired = 0 if there is None else there.fired
            record = ScheduleRecord(schedule_id, wire, self._actor, due, created, expression, zone, fired=fired)
            work.schedules.put(record)
            work.announce()
            return due

        return await self._persistence.transact(put)

    async def cancel(self, schedule_id: str) -> bool:
        def end(work: UnitOfWork) -> bool:
            there = work.schedules.lock(schedule_id)
            if there is None or there.due_at is None:
                return False
            work.schedules.put(there._replace(due_at=None))
            return True

        return await self._persistence.transact(end)

    async def fire_due(self, limit: int = AT_ONCE) -> int:
        """Carry out what is due; how many. Safe with any number of processes at it."""
        fired = 0
        for schedule_id in await self._persistence.transact(lambda work: work.schedules.due(limit)):
            fired += await self._fire(schedule_id)
        return fired

    async def _fire(self, schedule_id: str) -> bool:
        try:
            return await self._persistence.transact(lambda work: self._carry_out_due(work, schedule_id))
        except StoreUnavailable:
            raise
        except EngineError as error:
            told = fit_to_write(str(error))
            return await self._persistence.transact(lambda work: _move_on(work, schedule_id, told))

    def _carry_out_due(self, work: UnitOfWork, schedule_id: str) -> bool:
        there = work.schedules.take_due(schedule_id)
        if there is None or there.due_at is None:
            return False
        wire = loads(there.command)
        if there.cron is not None and wire["type"] == "run.create":
            wire["idempotency_key"] = f"{schedule_id}@{there.due_at.isoformat()}"
        command = parse_command(wire)
        self._carry_out(work, command, there.actor, getattr(command, "idempotency_key", None))
        return _move_on(work, schedule_id, None)

    def _checked(self, command: Command[Any] | Mapping[str, Json]) -> dict[str, Json]:
        """The wire form of a command that can be put off."""
        known = command if isinstance(command, Command) else parse_command(command)
        if known.type not in self._schedulable:
            there = ", ".join(sorted(self._schedulable))
            raise InvalidInput([Problem("type", f"{known.type} can't be scheduled; these can: {there}")])
        plain: dict[str, Json] = loads(dumps(known.model_dump(mode="json")))
        return {"type": known.type, **plain}


def _move_on(work: UnitOfWork, schedule_id: str, error: str | None) -> bool:
    """To the next moment, or to its end; False where somebody else did so."""
    there = work.schedules.take_due(schedule_id)
    if there is None:
        return False
    due = None if there.cron is None else next_firing(there.cron, there.zone or "UTC", work.now)
    work.schedules.put(there._replace(due_at=due, last_fired_at=work.now, fired=there.fired + 1, last_error=error))
    return True


def _aware(at: datetime) -> datetime:
    if at.tzinfo is None:
        raise InvalidInput([Problem("at", "an instant needs its zone")])
    return at
