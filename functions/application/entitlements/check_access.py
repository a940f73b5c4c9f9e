"""May this customer use this feature, now or at another time, and how much of it is left."""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime

from functions.application.entitlements.find_entitlement import EntitlementPorts, Found, require_present
from functions.application.entitlements.measure_phases import PhaseUsage
from functions.application.entitlements.read_balance import BalanceHistory, BalanceReader, LateUsage
from functions.application.ports.entitlements import EntitledChange, EntitledCustomer
from functions.application.ports.stored import Stale
from functions.application.ports.usage import PhasedMeasuring
from functions.domain.entitlements.engine import Value
from functions.domain.entitlements.entitlement import ClosedPeriod, Entitled, Entitlement
from functions.domain.errors import InvalidInput
from functions.domain.metering.values.windows import WindowSize


@dataclass(frozen=True)
class Access:
    """`entitlement` is None where there is none at the time; `value` is of metered ones, as of `as_of`."""

    entitlement: Entitlement | None
    value: Value | None = None
    as_of: datetime | None = None

    @property
    def is_granted(self) -> bool:
        if self.entitlement is None:
            return False
        return self.value is None or self.entitlement.is_soft_limit or self.value.balance > 0


NO_ACCESS = Access(None)


class AccessChecker:
    """Answers about one customer; what several answers read of the ledger is read once."""

    def __init__(
        self, tenant: str, customer: EntitledCustomer, ports: EntitlementPorts, usage: PhasedMeasuring
    ) -> None:
        require_present(customer)
        self._tenant = tenant
        self._customer = customer
        self._entitlements = ports.entitlements
        self._usage = usage.reading_once(tenant)
        self._now = ports.now()

    def of_feature(self, feature_key: str, at: datetime | None = None) -> Access:
        entitled = self._entitlements.entitled(self._tenant, self._customer.id, feature_key)
        return self.of_entitled(entitled, at)

    def of_entitled(self, entitled: Entitled, at: datetime | None = None) -> Access:
        active = entitled.at(self._now if at is None else at)
        return NO_ACCESS if active is None else self._of(Found(entitled, active), at)

    def of_one(self, found: Found, at: datetime | None = None) -> Access:
        """Of an entitlement by its id: no access while it is not active."""
        is_active = found.entitlement.is_active_at(self._now if at is None else at)
        return self._of(found, at) if is_active else NO_ACCESS

    def of_all(self) -> Mapping[str, Access]:
        """By feature key, of those features that there is an entitlement to now."""
        every = self._entitlements.of_customer(self._tenant, self._customer.id)
        found = {each.feature_key: self.of_entitled(each) for each in every}
        return {key: each for key, each in found.items() if each.entitlement is not None}

    def history(
        self, found: Found, start: datetime | None, end: datetime | None, size: WindowSize, time_zone: str
    ) -> BalanceHistory:
        if not found.entitlement.is_metered:
            message = (
                f"Entitlement {found.entitlement.id} is {found.entitlement.type}; only metered ones have a history."
            )
            raise InvalidInput(message, code="entitlement_not_metered")
        return self._balance(found).history(found.entitlement, start, end, size, time_zone)

    def late(self, found: Found) -> list[LateUsage]:
        return self._balance(found).late(found.entitlement) if found.entitlement.is_metered else []

    def _of(self, found: Found, at: datetime | None) -> Access:
        if not found.entitlement.is_metered:
            return Access(found.entitlement)
        told = self._balance(found).value(found.entitlement, at)
        if told.closed is not None:
            self._close(found, told.closed)
        return Access(found.entitlement, told.value, self._now)

    def _close(self, found: Found, period: ClosedPeriod) -> None:
        """Whoever meets it keeps it; who is overtaken leaves it to the next."""
        after = found.entitled.with_changed(found.entitlement.with_closed(period))
        with suppress(Stale):
            self._entitlements.save(self._tenant, EntitledChange(found.entitled, after))

    def _balance(self, found: Found) -> BalanceReader:
        usage = PhaseUsage(self._tenant, found.entitlement.feature, self._customer.held, self._usage)
        return BalanceReader(found.entitled, usage, self._now)
