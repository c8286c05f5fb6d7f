"""Months as Flux counts them, in UTC."""

from __future__ import annotations

from calendar import monthrange
from datetime import UTC, datetime


def month_at_or_before(moment: datetime, step: int) -> datetime:
    """``date.truncate`` to so many months: they count from January 1970."""
    moment = moment.astimezone(UTC)
    number = (moment.year - 1970) * 12 + moment.month - 1
    year, month = divmod(number - number % step, 12)
    return datetime(1970 + year, month + 1, 1, tzinfo=UTC)


def add_months(moment: datetime, months: int) -> datetime:
    """``date.add``: the same day of another month, or that month's last one when it has fewer days."""
    year, month = divmod(moment.year * 12 + moment.month - 1 + months, 12)
    return moment.replace(year=year, month=month + 1, day=min(moment.day, monthrange(year, month + 1)[1]))
