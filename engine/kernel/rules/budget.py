"""Whether a call may still be paid."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Literal

Kind = Literal["run", "stage", "workflow", "day"]


@dataclass(frozen=True, slots=True)
class Account:
    """One budget a call is paid from."""

    kind: Kind
    scope: str
    """In words: `run abc`, `stage extract`, `workflow news today`, `today`."""
    limit: Decimal
    spent: Decimal

    @property
    def is_spent(self) -> bool:
        return self.spent >= self.limit

    def is_near(self, warn: float) -> bool:
        return self.spent >= self.limit * Decimal(str(warn))


def first_spent(accounts: Iterable[Account]) -> Account | None:
    """The one that refuses the call, the narrowest first."""
    return next((account for account in accounts if account.is_spent), None)


def midnight(now: datetime) -> datetime:
    """When the day began."""
    return now.replace(hour=0, minute=0, second=0, microsecond=0)


def again_at(account: Account, now: datetime) -> datetime | None:
    """When there is money again by itself; None: when somebody allows more."""
    return midnight(now) + timedelta(days=1) if account.kind in ("workflow", "day") else None
