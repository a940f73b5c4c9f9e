"""A meter as it is kept: which events it counts, the value it takes from them and the dimensions it keeps."""

from collections.abc import Iterable, Iterator
from decimal import Decimal
from typing import Any

import msgspec

from functions.domain.metering.cells.aggregation import Aggregation
from functions.domain.metering.values.filters import patterns_of
from functions.domain.metering.values.json_path import parse_path

MAX_METERS = 500  # the whole set is read with every batch
MAX_METERS_PER_TYPE = 50  # one event must fit into one commit with all it touches
MAX_GROUP_BY = 10
# Of all meters of one event type together, because each event is put through all of them: paths that search (wildcards,
# slices, filters, descent), each counted once, and the characters of patterns ($like and its kin).
MAX_SEARCHES_PER_TYPE = 5
MAX_PATTERNS_PER_TYPE = 1_024
DEFAULT_PERCENTILE = Decimal(95)


class FormerGroupBy(msgspec.Struct, frozen=True, array_like=True):
    """The dimensions a meter had in the versions of the meter set below `until`."""

    until: int
    group_by: dict[str, str]


class Meter(msgspec.Struct, frozen=True, omit_defaults=True):
    """`group_by` maps a dimension to a JSONPath, `event_filter` a JSONPath to a condition of `filters`; an event counts
    when all conditions hold. `since` is the version of the meter set that first held it, `former` its dimensions before
    they were changed, oldest first. `event_from` (epoch second) is where its history begins that is counted from the
    archive, `history_since` the version of the meter set that first said so.
    """

    id: str
    slug: str
    event_type: str
    aggregation: Aggregation
    value_property: str | None = None
    group_by: dict[str, str] = {}
    since: int = 0
    percentile: Decimal | None = None
    event_filter: dict[str, dict[str, Any]] = {}
    former: tuple[FormerGroupBy, ...] = ()
    event_from: int | None = None
    history_since: int = 0

    def paths(self) -> Iterator[str]:
        """All it looks for in an event of today."""
        yield from self.group_by.values()
        yield from self.event_filter
        if self.value_property:
            yield self.value_property

    def is_history(self, meter_version: int, second: int) -> bool:
        """Is an event that was decided under this version of the meter set part of the meter's history?"""
        return meter_version < self.since and self.event_from is not None and second >= self.event_from

    def counts_version(self, meter_version: int, second: int) -> bool:
        """Is such an event the meter's, in its counters or in its history?"""
        return meter_version >= self.since or self.is_history(meter_version, second)


class MeterSet(msgspec.Struct, frozen=True):
    """All meters of a tenant under one version that only rises."""

    version: int
    meters: tuple[Meter, ...] = ()

    def encode(self) -> bytes:
        return msgspec.msgpack.encode(self)

    @classmethod
    def decode(cls, body: bytes) -> "MeterSet":
        return msgspec.msgpack.decode(body, type=cls)


def searches(meters: Iterable[Meter]) -> set[str]:
    """The paths of the meters that are more than names and indexes, in their normal form."""
    steps = (parse_path(path) for meter in meters for path in meter.paths())
    return {path for path in steps if isinstance(path, str)}


def pattern_characters(meters: Iterable[Meter]) -> int:
    conditions = (condition for meter in meters for condition in meter.event_filter.values())
    return sum(len(pattern) for condition in conditions for pattern in patterns_of(condition))


def is_same_path(left: str, right: str) -> bool:
    """Written differently, perhaps: $.a and $['a']."""
    return left == right or parse_path(left) == parse_path(right)


def code_family(meter_id: str, dimensions: Iterable[str]) -> str:
    return " ".join((meter_id, *sorted(dimensions)))
