"""A meter that is asked the same question once: two plans rated for the same usage measure it together."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from functions.application.ports.usage import UsageMeter
from functions.domain.catalog.feature import GroupFilter
from functions.domain.catalog.pricing import Group, Needs
from functions.domain.metering.cells.level_times import LevelTimes
from functions.domain.metering.values.holding import Holding
from functions.domain.period import Period


class RememberedUsage:
    """Remembers answers as long as it lives: for one customer, so that it stays small."""

    def __init__(self, meter: UsageMeter) -> None:
        self._meter = meter
        self._usage: dict[Any, tuple[Decimal, dict[int, int]]] = {}
        self._parts: dict[Any, Mapping[Group, Decimal]] = {}
        self._levels: dict[Any, LevelTimes] = {}

    def usage(
        self, tenant: str, meter: str, held: Sequence[Holding], filters: Mapping[str, GroupFilter], period: Period
    ) -> tuple[Decimal, dict[int, int]]:
        key = _key(tenant, meter, held, filters, period)
        if key not in self._usage:
            self._usage[key] = self._meter.usage(tenant, meter, held, filters, period)
        return self._usage[key]

    def only_grows(self, tenant: str, meter: str) -> bool:
        return self._meter.only_grows(tenant, meter)

    def adds_up(self, tenant: str, meter: str) -> bool:
        return self._meter.adds_up(tenant, meter)

    def parts(
        self,
        tenant: str,
        meter: str,
        held: Sequence[Holding],
        filters: Mapping[str, GroupFilter],
        period: Period,
        needs: Needs,
    ) -> Mapping[Group, Decimal]:
        key = (_key(tenant, meter, held, filters, period), needs)
        if key not in self._parts:
            self._parts[key] = self._meter.parts(tenant, meter, held, filters, period, needs)
        return self._parts[key]

    def levels(
        self, tenant: str, meter: str, held: Sequence[Holding], filters: Mapping[str, GroupFilter], period: Period
    ) -> LevelTimes:
        key = _key(tenant, meter, held, filters, period)
        if key not in self._levels:
            self._levels[key] = self._meter.levels(tenant, meter, held, filters, period)
        return self._levels[key]


def _key(
    tenant: str, meter: str, held: Sequence[Holding], filters: Mapping[str, GroupFilter], period: Period
) -> tuple[Any, ...]:
    return tenant, meter, tuple(held), repr(sorted(filters.items())), period
