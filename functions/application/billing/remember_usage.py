"""A meter that is asked the same question once: two plans rated for the same usage measure it together."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from functions.application.ports.usage import UsageMeter
from functions.domain.billing.usage_question import UsageQuestion
from functions.domain.catalog.pricing import Group, Needs
from functions.domain.metering.cells.level_times import LevelTimes


class RememberedUsage:
    """Remembers answers as long as it lives: for one customer, so that it stays small."""

    def __init__(self, meter: UsageMeter) -> None:
        self._meter = meter
        self._usage: dict[Any, tuple[Decimal, dict[int, int]]] = {}
        self._parts: dict[Any, Mapping[Group, Decimal]] = {}
        self._levels: dict[Any, LevelTimes] = {}

    def usage(self, question: UsageQuestion) -> tuple[Decimal, dict[int, int]]:
        key = question.key
        if key not in self._usage:
            self._usage[key] = self._meter.usage(question)
        return self._usage[key]

    def only_grows(self, tenant: str, meter: str) -> bool:
        return self._meter.only_grows(tenant, meter)

    def adds_up(self, tenant: str, meter: str) -> bool:
        return self._meter.adds_up(tenant, meter)

    def parts(self, question: UsageQuestion, needs: Needs) -> Mapping[Group, Decimal]:
        key = (question.key, needs)
        if key not in self._parts:
            self._parts[key] = self._meter.parts(question, needs)
        return self._parts[key]

    def levels(self, question: UsageQuestion) -> LevelTimes:
        key = question.key
        if key not in self._levels:
            self._levels[key] = self._meter.levels(question)
        return self._levels[key]
