"""What the costs place asks, and the sheet it paints: rows of one level, the period before, the days and the month."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta, tzinfo
from decimal import Decimal
from typing import TYPE_CHECKING, NamedTuple

from engine.inspector import AICallView, CostRow, PageRequest, RunFilter
from wfconsole.costing import Sum, days, month_of, total

if TYPE_CHECKING:
    from engine.inspector import Inspector

LEVELS = ("day", "workflow", "stage", "model", "topic")
"""From the widest to the narrowest; `enter` goes down, past what is fixed already."""
CALLS = "call"
"""Below them all: the calls themselves."""
MOST_CALLS = 500
USUAL_DAYS = 30
NO_KEY = "-"
"""What stands for calls without a value."""
EVERY_RUN = RunFilter()


@dataclass(frozen=True, slots=True)
class CostQuestion:
    """Which calls, and by what: `path` fixes a value for each level gone down, in that order."""

    level: str = "day"
    path: tuple[tuple[str, str], ...] = ()
    since: datetime | None = None
    until: datetime | None = None
    filter: RunFilter = EVERY_RUN
    compare: bool = False

    @property
    def shown_level(self) -> str:
        """A day has no counterpart in the period before: compared, days are shown by workflow."""
        return "workflow" if self.compare and self.level == "day" else self.level

    def below(self, key: str) -> CostQuestion | None:
        """The question one level down, of that row; None where there is nothing below."""
        if self.level == CALLS:
            return None
        fixed = {name for name, _ in self.path} | {self.shown_level}
        here = LEVELS.index(self.shown_level)
        deeper = next((level for level in (*LEVELS[here:], *LEVELS[1:here]) if level not in fixed), CALLS)
        return replace(self, level=deeper, path=(*self.path, (self.shown_level, key)))

    def above(self) -> CostQuestion | None:
        """The question one level up; None at the top. What is compared with the day before ends with its day."""
        if not self.path:
            return None
        level = self.path[-1][0]
        return replace(self, level=level, path=self.path[:-1], compare=self.compare and level != "day")

    def compared(self, key: str | None, today: str) -> CostQuestion:
        """Against the period before, or no longer so. From a day that is over, that day against the one before."""
        if self.level == "day" and not self.compare and key is not None and key != today:
            day = self.below(key)
            return self if day is None else replace(day, compare=True)
        return replace(self, compare=not self.compare)

    def turned(self) -> CostQuestion:
        """The same at the top, by the next level."""
        top = self.path[0][0] if self.path else self.level
        return replace(self, path=(), level=LEVELS[(LEVELS.index(top) + 1) % len(LEVELS)])

    def fixed(self, name: str) -> str | None:
        """The value the path fixes; None where it fixes none, or calls without one."""
        value = dict(self.path).get(name)
        return None if value == NO_KEY else value

    def period(self, now: datetime, zone: tzinfo) -> tuple[datetime, datetime]:
        """The instants it is about: the day gone into, else since and until, else the last 30 days."""
        end = self.until or now
        start = self.since or days(now - timedelta(days=USUAL_DAYS - 1), now, zone)[-1][1].replace(
            hour=0, minute=0, second=0, microsecond=0
        )
        day = self.fixed("day")
        if day is not None:
            found = [one for one in days(start, end, zone) if one[0].isoformat() == day]
            start, end = found[0][1:] if found else (end, end)
        return start, max(start, end)


@dataclass(frozen=True, slots=True)
class SheetRow:
    key: str
    sum: Sum
    before: Sum | None = None


@dataclass(frozen=True, slots=True)
class CostSheet:
    """The answer. `trend` holds a cost a day, the oldest first."""

    question: CostQuestion
    rows: tuple[SheetRow, ...]
    total: Sum
    before: Sum | None
    trend: tuple[Decimal, ...]
    today: Sum
    month: Sum
    start: datetime
    end: datetime
    calls: tuple[AICallView, ...] = ()
    """At the lowest level, the newest first, at most 500."""
    budgets: tuple[Budget, ...] = ()


class Budget(NamedTuple):
    """What may be spent in a day (UTC), and what of it is."""

    name: str
    spent: Decimal
    limit: Decimal


@dataclass(slots=True)
class CostReader:
    """Asks the inspector. Days that are over are asked for once. `day` and `workflow` are the budgets of a day."""

    zone: tzinfo
    day: Decimal | None = None
    workflow: Decimal | None = None
    _days: dict[tuple[RunFilter, date], Sum] = field(default_factory=dict)

    async def read(self, inspector: Inspector, question: CostQuestion, now: datetime) -> CostSheet:
        start, end = question.period(now, self.zone)
        level = question.shown_level
        whole = total(await self._rows(inspector, question, "workflow", start, end))
        before: Sum | None = None
        calls: tuple[AICallView, ...] = ()
        rows: tuple[SheetRow, ...] = ()
        if level == CALLS:
            calls = await self._calls(inspector, question, start, end)
        elif level == "day":
            rows = tuple([SheetRow(str(day), one) for day, one in await self._by_day(inspector, question, now)])
        else:
            rows = _sheet_rows(await self._rows(inspector, question, level, start, end))
        if question.compare and level != CALLS:
            earlier = (start - (end - start), start)
            before = total(await self._rows(inspector, question, "workflow", *earlier))
            rows = _compared(rows, _sheet_rows(await self._rows(inspector, question, level, *earlier)))
        trend = await self._trend(inspector, question, now)
        month_start, _ = month_of(now, self.zone)
        month = total((await inspector.costs("workflow", since=month_start, filter=question.filter)).items)
        costs = tuple(one.cost for one in trend)
        budgets = await self._budgets(inspector, now)
        return CostSheet(question, rows, whole, before, costs, trend[-1], month, start, end, calls, budgets)

    async def _calls(
        self, inspector: Inspector, question: CostQuestion, since: datetime, until: datetime
    ) -> tuple[AICallView, ...]:
        """The calls themselves; the filter of runs is not asked for here, the path says enough."""
        found = await inspector.ai_calls(
            workflow_id=question.fixed("workflow"),
            stage_id=question.fixed("stage"),
            model=question.fixed("model"),
            topic=question.fixed("topic"),
            since=since,
            until=until,
            brief=True,
            page=PageRequest(limit=MOST_CALLS),
        )
        wanted = [(name, key) for name, key in question.path if name != "day"]
        return tuple(call for call in found.items if all(_key(call, name) == key for name, key in wanted))

    async def _budgets(self, inspector: Inspector, now: datetime) -> tuple[Budget, ...]:
        if self.day is None and self.workflow is None:
            return ()
        midnight = now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
        rows = list((await inspector.costs("workflow", since=midnight)).items)
        found = [Budget("today", total(rows).cost, self.day)] if self.day is not None else []
        if self.workflow is not None:
            found += [Budget(row.keys[0], row.cost, self.workflow) for row in rows[:3]]
        return tuple(found)

    async def _rows(
        self, inspector: Inspector, question: CostQuestion, level: str, since: datetime, until: datetime
    ) -> list[CostRow]:
        """The rows of one level under the path; with the workflow beside it so that no run counts twice."""
        fixed = [(name, key) for name, key in question.path if name != "day"]
        names = [name for name, _ in fixed]
        keys = names if level in names else [*names, level]
        found = await inspector.costs(",".join(keys), since=since, until=until, filter=question.filter)
        wanted = [key for _, key in fixed]
        return [row for row in found.items if row.keys[: len(wanted)] == wanted]

    async def _by_day(self, inspector: Inspector, question: CostQuestion, now: datetime) -> list[tuple[date, Sum]]:
        start, end = question.period(now, self.zone)
        return [
            (day, await self._day(inspector, question.filter, day, since, until, now))
            for day, since, until in days(start, end, self.zone)
        ]

    async def _trend(self, inspector: Inspector, question: CostQuestion, now: datetime) -> list[Sum]:
        span = days(now - timedelta(days=USUAL_DAYS - 1), now, self.zone)
        return [
            await self._day(inspector, question.filter, day, since, until, now) for day, since, until in reversed(span)
        ]

    async def _day(
        self,
        inspector: Inspector,
        wanted: RunFilter,
        day: date,
        since: datetime,
        until: datetime,
        now: datetime,
    ) -> Sum:
        over = until < now - timedelta(minutes=5)
        known = self._days.get((wanted, day)) if over else None
        if known is None:
            known = total((await inspector.costs("workflow", since=since, until=until, filter=wanted)).items)
            if over and since.astimezone(self.zone).hour == 0:
                self._days[wanted, day] = known
        return known


def _key(call: AICallView, name: str) -> str:
    fields = {"workflow": call.workflow_id, "stage": call.stage_id, "model": call.model, "topic": call.topic}
    value = fields[name]
    return NO_KEY if value is None else value


def _sheet_rows(rows: Sequence[CostRow]) -> tuple[SheetRow, ...]:
    return tuple(SheetRow(row.keys[-1], total([row])) for row in rows)


def _compared(now: Sequence[SheetRow], before: Sequence[SheetRow]) -> tuple[SheetRow, ...]:
    """Both periods side by side, the largest change first."""
    earlier = {row.key: row.sum for row in before}
    later = {row.key: row.sum for row in now}
    rows = [SheetRow(key, later.get(key, Sum()), earlier.get(key, Sum())) for key in {**later, **earlier}]
    return tuple(sorted(rows, key=lambda row: (-abs(row.sum.cost - (row.before or Sum()).cost), row.key)))
