"""What an invoice line is measured by: one meter's total for a customer's subjects, and up to where it was counted."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Protocol

from functions.application.query_usage import UsageReader
from functions.domain.errors import NotFound
from functions.domain.metering.meter import MeterSet
from functions.domain.metering.usage import UsageQuery
from functions.domain.period import Period


class MeterSets(Protocol):
    def meter_set(self, tenant: str) -> MeterSet: ...


class MeasuredUsage:
    """Reads the ledger's counters, which a billing run has closed before."""

    def __init__(self, reader: UsageReader, meters: MeterSets) -> None:
        self._reader = reader
        self._meters = meters

    def usage(
        self,
        tenant: str,
        meter: str,
        subjects: Sequence[str],
        filters: Mapping[str, Sequence[str]],
        period: Period,
    ) -> tuple[Decimal, dict[int, int]]:
        found = next((each for each in self._meters.meter_set(tenant).meters if each.slug == meter), None)
        if found is None:
            raise NotFound(f"There is no meter {meter!r} to bill by.", code="meter_not_found")
        if period.start == period.end:
            return Decimal(0), {}
        query = UsageQuery(
            tenant,
            found,
            period.start,
            period.end,
            subjects=tuple(subjects),
            filters={name: tuple(values) for name, values in filters.items()},
        )
        # Before the counters: what they contain may be more than these commits, never less.
        lanes = self._reader.applied(tenant, query.subjects)
        return self._reader.total(query), lanes
