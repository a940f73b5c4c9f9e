"""All that one customer may use now."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from functions.application.entitlements.check_access import Access, AccessChecker
from functions.application.entitlements.find_entitlement import EntitlementPorts, customer_of_key
from functions.application.ports.usage import PhasedMeasuring
from functions.domain.entitlements.entitlement import Entitled
from functions.domain.errors import NotFound, TooLarge

# Metered values of one answer: each is some reads of the ledger and some milliseconds of computing.
MAX_METERED = 200
NAME_FEATURES = "name the features that you need in feature.keys"


@dataclass(frozen=True)
class AccessPorts:
    """`usage` is for one request: what its answers read of the ledger is bounded together."""

    entitlements: EntitlementPorts
    usage: PhasedMeasuring


def list_access(tenant: str, id_or_key: str, *, ports: AccessPorts) -> Mapping[str, Access]:
    """By feature key, of those features that there is an entitlement to now.

    Raises NotFound also for a customer who was deleted, and TooLarge beyond MAX_METERED.
    """
    customer = customer_of_key(tenant, id_or_key, ports.entitlements.customers)
    if customer.is_deleted:
        raise NotFound(f"Customer {customer.id} was deleted.", code="customer_not_found")
    every = ports.entitlements.entitlements.of_customer(tenant, customer.id)
    metered = active_metered(every, ports.entitlements.now())
    if metered > MAX_METERED:
        message = f"Customer {customer.id} has {metered} metered entitlements, more than {MAX_METERED}"
        raise TooLarge(f"{message}: ask by POST, and {NAME_FEATURES}.")
    checker = AccessChecker(tenant, customer, ports.entitlements, ports.usage)
    found = {each.feature_key: checker.of_entitled(each) for each in every}
    return {key: each for key, each in found.items() if each.entitlement is not None}


def active_metered(every: Iterable[Entitled], now: datetime) -> int:
    active = (each.at(now) for each in every)
    return sum(each.is_metered for each in active if each is not None)
