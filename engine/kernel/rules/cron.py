"""When a recurring schedule fires next."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from engine.errors import InvalidInput, Problem


def next_firing(expression: str, zone: str, after: datetime) -> datetime | None:
    """The first moment after `after` (both aware) that the cron expression names in that time zone, in UTC.

    An hour that daylight saving skips or repeats is treated as Debian's cron does. None: never. Raises `InvalidInput`.
    """
    from cronsim import CronSim, CronSimError

    try:
        here = after.astimezone(ZoneInfo(zone))
    except (KeyError, ValueError, OSError) as error:
        raise InvalidInput([Problem("zone", f"{zone!r} is no time zone")]) from error
    try:
        found = next(CronSim(expression, here))
    except CronSimError as error:
        raise InvalidInput([Problem("cron", f"{expression!r}: {error}")]) from error
    except StopIteration:
        return None
    return found.astimezone(UTC)
