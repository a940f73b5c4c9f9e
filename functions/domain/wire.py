"""Building blocks of models whose JSON is the public API: camelCase names, exact decimals, bounded texts and keys."""

import re
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer, StringConstraints
from pydantic.alias_generators import to_camel
from pydantic_core import PydanticCustomError

from functions.domain.errors import InvalidInput
from functions.domain.period import Cadence

NUMERIC = re.compile(r"-?[0-9]+(\.[0-9]+)?")
# Prices of 18 integer and 18 fraction digits times a 38-digit quantity stay inside the 192 digits of `money.EXACT`.
MAX_INTEGER_DIGITS = 18
MAX_FRACTION_DIGITS = 18
# What OpenMeter allows for keys, names and descriptions; metadata is bounded so that one item stays small.
MAX_METADATA_KEYS = 50
MAX_METADATA_CHARACTERS = 500
_RFC_3339 = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]+)?([Zz]|[+-][0-9]{2}:[0-9]{2})"
)
MAX_INSTANT_CHARACTERS = 64  # nobody measures finer
# Beyond these years only mistakes are found, and time zone arithmetic runs off the calendar.
FIRST_YEAR, LAST_YEAR = 1970, 2200
NOT_RFC_3339 = "must be an RFC 3339 instant with its time zone, such as 2026-01-01T00:00:00Z"


class WireModel(BaseModel):
    """Frozen, camelCase in JSON; a field it does not know is refused rather than ignored."""

    # Built when it is first used: a cold start needs a few of a room's models.
    model_config = ConfigDict(
        alias_generator=to_camel, populate_by_name=True, frozen=True, extra="forbid", defer_build=True
    )


class SnakeModel(WireModel):
    """As a WireModel, under its own names in JSON: the third version of OpenMeter's API has no camelCase."""

    model_config = ConfigDict(alias_generator=None)


# A text such as "off" is no yes or no: whoever sends it may mean the other one.
Flag = Annotated[bool, Field(strict=True)]


def _numeric(value: Any) -> Decimal:
    if isinstance(value, bool | float) or not isinstance(value, str | int | Decimal):
        raise ValueError('must be a decimal in a string, for example "0.0025"')
    text = f"{value:f}" if isinstance(value, Decimal) else str(value)
    if len(text) > MAX_INTEGER_DIGITS + MAX_FRACTION_DIGITS + 2 or not NUMERIC.fullmatch(text):
        raise ValueError(
            'must be a decimal in a string such as "0.0025", at most 18 digits on either side of the point'
        )
    integer, _, fraction = text.lstrip("-").partition(".")
    if len(integer) > MAX_INTEGER_DIGITS or len(fraction) > MAX_FRACTION_DIGITS:
        raise ValueError("has more than 18 digits before or after the decimal point")
    return Decimal(text)


def plain(value: Decimal) -> str:
    """The decimal without an exponent, as money and quantities travel: 0.0000025, not 2.5E-6."""
    return f"{value:f}"


def checked(check: Callable[[str], object], text: str) -> str:
    """For validators: the text itself, its refusal by a business rule as the kind of error a model understands."""
    try:
        check(text)
    except InvalidInput as error:
        raise ValueError(error.detail) from error
    return text


def _cadence(text: str) -> str:
    return checked(Cadence.parse, text)


def rfc3339(value: Any) -> datetime:
    """The instant that a text names, in UTC; raises ValueError for anything else but an instant itself.

    Numbers, dates alone and the other spellings of ISO 8601 are none: 20260101 is a day to one reader and a second of
    1970 to another.
    """
    if isinstance(value, str) and len(value) <= MAX_INSTANT_CHARACTERS and _RFC_3339.fullmatch(value):
        try:
            value = datetime.fromisoformat(value.upper())
        except ValueError:
            value = None  # no such day or hour
    if not isinstance(value, datetime) or value.tzinfo is None:
        raise PydanticCustomError("invalid_format", NOT_RFC_3339)
    return in_calendar(value)


def _whole_second(value: datetime) -> datetime:
    return value.replace(microsecond=0) if value.microsecond else value


def in_calendar(value: datetime) -> datetime:
    """The instant in UTC; raises ValueError when its year is none of ours there."""
    if FIRST_YEAR <= value.year < LAST_YEAR:
        value = value if value.tzinfo is UTC else value.astimezone(UTC)
        if FIRST_YEAR <= value.year < LAST_YEAR:
            return value
    raise ValueError(f"must lie between the years {FIRST_YEAR} and {LAST_YEAR}")


def _bounded_metadata(value: dict[str, str] | None) -> dict[str, str] | None:
    if value and (
        len(value) > MAX_METADATA_KEYS
        or any(len(text) > MAX_METADATA_CHARACTERS for kv in value.items() for text in kv)
    ):
        raise ValueError(f"may hold {MAX_METADATA_KEYS} keys and {MAX_METADATA_CHARACTERS} characters in each text")
    return value


def _not_empty(values: Any) -> Any:
    if isinstance(values, list | tuple) and not values:
        raise ValueError("must not be empty; name one at least, or leave it out to ask for all")
    return values


def _not_yet(value: Any) -> None:
    if value not in (None, {}, []):
        raise ValueError("is not supported yet; leave it out")


Numeric = Annotated[Decimal, BeforeValidator(_numeric), PlainSerializer(plain, return_type=str, when_used="json")]
# What was measured or computed, of any number of digits; nobody types it in.
Exact = Annotated[Decimal, PlainSerializer(plain, return_type=str, when_used="json")]
Key = Annotated[str, StringConstraints(min_length=1, max_length=64, pattern=r"^[a-z0-9]+(?:_[a-z0-9]+)*$")]
Name = Annotated[str, StringConstraints(min_length=1, max_length=256)]
Description = Annotated[str, StringConstraints(max_length=1024)]
CurrencyCode = Annotated[str, StringConstraints(pattern=r"^[A-Z]{3}$")]
Duration = Annotated[str, StringConstraints(max_length=32), AfterValidator(_cadence)]
# Whole seconds: an instant inside a second would let two periods differ by less than any event can tell.
Instant = Annotated[datetime, BeforeValidator(rfc3339), AfterValidator(_whole_second)]
# To the fraction, where that decides which whole seconds lie inside a bound.
ExactInstant = Annotated[datetime, BeforeValidator(rfc3339)]
Metadata = Annotated[dict[str, str] | None, AfterValidator(_bounded_metadata)]
# A list that narrows: nobody who says none of them means all of them.
NotEmpty = BeforeValidator(_not_empty)
# A field of the public API that would change amounts; refusing it is safer than ignoring it.
NotYet = Annotated[None, BeforeValidator(_not_yet), Field(exclude=True)]
