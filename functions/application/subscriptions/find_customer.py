"""Find customers by id or key; which customers match what is known of them, and the orders of their list."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from functions.application.ports.stored import Stored
from functions.application.ports.subscriptions import BilledCustomers, Customers
from functions.domain.billing.invoice import BilledCustomer
from functions.domain.errors import NotFound
from functions.domain.subscriptions.customer import Customer

CUSTOMER_ORDERS: dict[str, Callable[[Customer], Any]] = {
    "id": lambda customer: customer.id,
    "name": lambda customer: customer.name,
    "createdAt": lambda customer: customer.created_at,
}


@dataclass(frozen=True)
class CustomerFilter:
    """Parts of names, in upper or lower case; None asks for nothing."""

    key: str | None = None
    name: str | None = None
    primary_email: str | None = None
    subject: str | None = None

    @property
    def parts(self) -> tuple[str, ...]:
        asked = (self.key, self.name, self.primary_email, self.subject)
        return tuple(part for part in asked if part is not None)

    @property
    def asks(self) -> bool:
        return bool(self.parts)

    def matches(self, customer: Customer) -> bool:
        asked = ((self.key, customer.key), (self.name, customer.name), (self.primary_email, customer.primary_email))
        if not all(part is None or part.lower() in (text or "").lower() for part, text in asked):
            return False
        subject = self.subject
        return subject is None or any(subject.lower() in each.lower() for each in customer.usage_subjects)


def customers_named(
    tenant: str, customer_keys: Sequence[str], subjects: Sequence[str], *, customers: Customers
) -> list[Customer]:
    """Who has one of the keys now, and one of the subjects; where none of either is given, any will do."""
    asked = [customers.ids_of_keys(tenant, customer_keys)] if customer_keys else []
    asked += [customers.ids_of_subjects(tenant, subjects)] if subjects else []
    found = customers.many(tenant, sorted(set.intersection(*asked))) if asked else []
    return [each for each in found if not each.is_deleted]


def find_customer(tenant: str, id_or_key: str, *, customers: Customers) -> Stored[Customer]:
    """By id also when deleted, by key only when not; raises NotFound."""
    found = customers.get(tenant, id_or_key) or customers.by_key(tenant, id_or_key)
    if found is None:
        raise customer_not_found(id_or_key)
    return found


def find_billed_customer(tenant: str, id_or_key: str, *, customers: BilledCustomers) -> BilledCustomer:
    """By id also when deleted, by key only when not; raises NotFound."""
    found = customers.billed(tenant, id_or_key) or customers.find(tenant, id_or_key)
    if found is None:
        raise customer_not_found(id_or_key)
    return found


def ids_of_customers(tenant: str, ids_or_keys: Sequence[str], *, customers: Customers) -> list[str]:
    """Each id once, in this order; raises NotFound as `find_customer` does."""
    asked = list(dict.fromkeys(ids_or_keys))
    known = {customer.id for customer in customers.many(tenant, asked)}
    ids = (each if each in known else find_customer(tenant, each, customers=customers).record.id for each in asked)
    return list(dict.fromkeys(ids))


def customer_not_found(id_or_key: str) -> NotFound:
    return NotFound(f"There is no customer {id_or_key[:100]!r}.", code="customer_not_found")


def find_active_customer(tenant: str, id_or_key: str, *, customers: Customers) -> Stored[Customer]:
    found = find_customer(tenant, id_or_key, customers=customers)
    if found.record.is_deleted:
        raise NotFound(f"Customer {id_or_key[:100]!r} was deleted.", code="customer_not_found")
    return found
