"""The offsets of a zone, as the databases are told them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.model.zones import offsets_of

NOW = datetime(2026, 11, 23, 12, 4, tzinfo=UTC)
NAMES = ("UTC", "Europe/Berlin", "America/St_Johns", "Asia/Kathmandu", "Australia/Lord_Howe", "Africa/Casablanca")


def test_a_change_of_clocks_is_known_to_the_second() -> None:
    offsets = offsets_of(ZoneInfo("Europe/Berlin"), NOW)
    assert (int(datetime(2026, 3, 29, 1, tzinfo=UTC).timestamp()), 7200) in offsets
    assert (int(datetime(2026, 10, 25, 1, tzinfo=UTC).timestamp()), 3600) in offsets
    assert offsets_of(UTC, NOW) == ((946684800, 0),)
    assert offsets_of(timezone(timedelta(hours=-3)), NOW) == ((946684800, -10800),)


@pytest.mark.parametrize("name", NAMES)
@given(at=st.integers(946_684_800, 1_798_675_200))
def test_every_instant_has_the_offset_of_its_zone(name: str, at: int) -> None:
    zone, instant = ZoneInfo(name), datetime.fromtimestamp(at, UTC)
    offset = next(east for start, east in reversed(offsets_of(zone, NOW)) if at >= start)
    assert timedelta(seconds=offset) == instant.astimezone(zone).utcoffset()
