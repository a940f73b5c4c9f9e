"""Time-of-day price: a unit price for bands of hours of the week in a time zone, and one for the hours between them."""

from datetime import datetime
from functools import lru_cache
from itertools import product
from typing import Annotated, ClassVar, Literal, Self
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, Field, model_validator

from functions.domain.catalog.pricing.commitment import CommittedPrice
from functions.domain.catalog.pricing.price import Amount, Charge, Group, LineUsage, Needs, priced_parts
from functions.domain.catalog.pricing.problems import refuse, wrong
from functions.domain.period import known_zone
from functions.domain.wire import Name, WireModel

Weekday = Literal["MON", "TUE", "WED", "THU", "FRI", "SAT", "SUN"]
WEEK: tuple[Weekday, ...] = ("MON", "TUE", "WED", "THU", "FRI", "SAT", "SUN")
MAX_BANDS = 24


class Band(WireModel):
    """The hours from `from_hour` up to `to_hour` (24 is midnight) of the named days, priced per unit."""

    name: Name
    days: Annotated[tuple[Weekday, ...], Field(min_length=1)] = WEEK
    from_hour: Annotated[int, Field(ge=0, le=23)]
    to_hour: Annotated[int, Field(ge=1, le=24)]
    amount: Amount


class TimeOfDayPrice(CommittedPrice):
    """Hours are those of the wall clock in `time_zone`; the day that has 25 of them has one hour of 2 o'clock twice."""

    title: ClassVar[str] = "Time of day"
    type: Literal["time_of_day"]
    time_zone: Annotated[str, Field(max_length=64), AfterValidator(known_zone)]
    bands: Annotated[tuple[Band, ...], Field(max_length=MAX_BANDS)]
    default_amount: Amount

    @model_validator(mode="after")
    def _bands_do_not_overlap(self) -> Self:
        problems = []
        taken = dict[tuple[Weekday, int], int]()
        for i, band in enumerate(self.bands):
            if band.from_hour >= band.to_hour:
                message = f"must be later than fromHour {band.from_hour}; a band over midnight is two bands"
                problems.append(wrong("bands", i, "toHour", code="empty_band", message=message))
            for hour in _hours(band):
                if (first := taken.setdefault(hour, i)) != i:
                    message = f"overlaps bands[{first}] on {hour[0]} at {hour[1]}:00; an hour has one price"
                    problems.append(wrong("bands", i, code="overlapping_bands", message=message))
                    break
        refuse(problems)
        return self

    @property
    def needs(self) -> Needs:
        return Needs(time_zone=self.time_zone)

    def _charges(self, usage: LineUsage) -> list[Charge]:
        zone = self.time_zone
        number = {(WEEK.index(day), hour): i for i, band in enumerate(self.bands) for day, hour in _hours(band)}

        def band_of(group: Group) -> int | None:
            assert group.hour is not None, group
            return number.get(_local(zone, group.hour))

        bands = [(band.name, band.amount) for band in self.bands]
        return priced_parts("time-of-day", bands, self.default_amount, usage, band_of)


@lru_cache(maxsize=20_000)  # two years and more: the invoices of a run are about the same hours
def _local(time_zone: str, hour: datetime) -> tuple[int, int]:
    """(day of the week, hour of the day) there."""
    local = hour.astimezone(ZoneInfo(time_zone))
    return local.weekday(), local.hour


def _hours(band: Band) -> list[tuple[Weekday, int]]:
    return list(product(band.days, range(band.from_hour, band.to_hour)))
