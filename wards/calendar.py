"""Swedish days off: public holidays, and the eves on which everybody is off in practice.

Source: the `holidays` package, checked against the dates of domain facts section 5.
"""

from datetime import date
from functools import lru_cache

import holidays

SATURDAY = 5


@lru_cache(maxsize=8)
def _sweden(year: int) -> holidays.HolidayBase:
    return holidays.country_holidays(
        "SE", years=year, categories=("public", "de_facto"), language="en_US"
    )


def holiday(day: date) -> str | None:
    """The name of the public holiday or de facto eve, None on any other day."""
    return _sweden(day.year).get(day)


def is_weekend(day: date) -> bool:
    """Saturday or Sunday."""
    return day.weekday() >= SATURDAY


def is_workday(day: date) -> bool:
    """Neither weekend nor holiday nor eve."""
    return not is_weekend(day) and holiday(day) is None
