"""Business days: the Federal Reserve's, in Pacific time, which is the time of every cut-off."""

from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

BUSINESS_ZONE = ZoneInfo("America/Los_Angeles")
SATURDAY = 5
# Many things are due on few days.
KEPT = 500


@lru_cache(KEPT)
def pacific(moment: datetime) -> datetime:
    return moment.astimezone(BUSINESS_ZONE)


@lru_cache(KEPT)
def at(day: date, hour: int) -> datetime:
    """A Pacific hour of a day, in UTC: an hour is the same on the wall before and after a change."""
    return datetime.combine(day, time(hour), BUSINESS_ZONE).astimezone(UTC)


def is_business_day(day: date) -> bool:
    return day.weekday() < SATURDAY and day not in _holidays(day.year)


@lru_cache(KEPT)
def next_business_day(day: date, count: int = 1) -> date:
    """The day that is `count` business days later; 0 is the day itself, whatever day it is."""
    for _ in range(count):
        day += timedelta(days=1)
        while not is_business_day(day):
            day += timedelta(days=1)
    return day


@lru_cache(200)
def _holidays(year: int) -> frozenset[date]:
    """Of this year alone; a bank holiday on a Saturday is not kept on the Friday before."""
    import holidays

    return frozenset(holidays.financial_holidays("XFED", years=year))
