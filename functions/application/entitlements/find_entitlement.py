"""Find who is entitled, and to what: customers by id or key, entitlements by id or by the feature's key."""

from dataclasses import dataclass
from datetime import datetime

from functions.application.ports.catalog import Features
from functions.application.ports.clock import Clock
from functions.application.ports.entitlements import EntitledCustomer, EntitledCustomers, Entitlements
from functions.application.ports.stored import NewId
from functions.domain.entitlements.entitlement import Entitled, Entitlement
from functions.domain.errors import NotFound, PreconditionFailed


@dataclass(frozen=True)
class EntitlementPorts:
    entitlements: Entitlements
    customers: EntitledCustomers
    features: Features
    clock: Clock
    new_id: NewId

    def now(self) -> datetime:
        return self.clock.now().replace(microsecond=0)


@dataclass(frozen=True)
class Found:
    """An entitlement with all others of its customer and feature."""

    entitled: Entitled
    entitlement: Entitlement


def customer_of_key(tenant: str, id_or_key: str, customers: EntitledCustomers) -> EntitledCustomer:
    """By id also when deleted; raises NotFound."""
    found = customers.entitled(tenant, id_or_key)
    if found is None:
        raise NotFound(f"There is no customer {id_or_key[:100]!r}.", code="customer_not_found")
    return found


def customer_of_subject(tenant: str, subject: str, customers: EntitledCustomers) -> EntitledCustomer:
    """Who has the subject now; raises NotFound."""
    found = customers.entitled_by_subject(tenant, subject)
    if found is None:
        message = f"Subject {subject[:100]!r} is no customer's; name it in a customer's usageAttribution."
        raise NotFound(message, code="customer_not_found")
    return found


def require_present(customer: EntitledCustomer) -> None:
    """Raises PreconditionFailed: nobody can use anything for a customer who was deleted."""
    if customer.is_deleted:
        raise PreconditionFailed(f"Customer {customer.id} was deleted.", code="customer_deleted")


def find_entitlement(
    tenant: str, customer: EntitledCustomer, id_or_feature_key: str, *, ports: EntitlementPorts
) -> Found:
    """By the feature's key the one that is active now, by id any; raises NotFound."""
    entitled = ports.entitlements.entitled(tenant, customer.id, id_or_feature_key)
    active = entitled.at(ports.now())
    if active is not None:
        return Found(entitled, active)
    found = ports.entitlements.get(tenant, id_or_feature_key)
    if found is None or found.customer_id != customer.id:
        raise entitlement_not_found(customer, id_or_feature_key)
    return with_others(tenant, found, ports.entitlements)


def with_others(tenant: str, entitlement: Entitlement, entitlements: Entitlements) -> Found:
    """As it is kept with the others of its feature; one that is too old for that stands alone."""
    entitled = entitlements.entitled(tenant, entitlement.customer_id, entitlement.feature.key)
    return Found(entitled, entitled.by_id(entitlement.id) or entitlement)


def entitlement_not_found(customer: EntitledCustomer, id_or_feature_key: str) -> NotFound:
    message = f"Customer {customer.id} has no entitlement {id_or_feature_key[:100]!r}, by id or feature key."
    return NotFound(message, code="entitlement_not_found")
