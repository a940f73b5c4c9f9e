"""The lane and the day an operator names."""

from datetime import date

from functions.domain.errors import InvalidInput
from functions.handlers import settings


def lane_of(lane: object) -> int:
    if type(lane) is not int or not 0 <= lane < settings.lanes():
        raise InvalidInput(f"lane is a number from 0 to {settings.lanes() - 1}.")
    return lane


def day_of(text: object, today: date) -> date:
    if text is None:
        return today
    try:
        return date.fromisoformat(str(text))
    except ValueError:
        raise InvalidInput("day is a date such as 2026-11-23.") from None
