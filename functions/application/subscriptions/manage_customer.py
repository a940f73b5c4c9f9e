"""Create, replace and delete customers; a key or subject belongs to one customer at a time."""

from typing import Any, Protocol

from functions.application.ports.clock import Clock
from functions.application.ports.stored import Taken
from functions.application.ports.subscriptions import Customers, Subscriptions
from functions.application.retry import decide_again_when_stale
from functions.application.subscriptions.find_customer import find_active_customer
from functions.domain.errors import Conflict, FieldError
from functions.domain.subscriptions.customer import Customer, CustomerCreate


class NewId(Protocol):
    def __call__(self) -> str: ...


def create_customer(
    tenant: str, create: CustomerCreate, *, customers: Customers, clock: Clock, new_id: NewId
) -> Customer:
    """Raises Conflict when the key or a subject belongs to another customer."""
    now = clock.now()
    customer = Customer(**_asked(create), id=new_id(), created_at=now, updated_at=now)
    try:
        customers.save(tenant, None, customer)
    except Taken as taken:
        raise _conflict(taken) from taken
    return customer


def replace_customer(
    tenant: str, id_or_key: str, create: CustomerCreate, *, customers: Customers, clock: Clock
) -> Customer:
    """Raises NotFound, and Conflict when the key or a subject belongs to another customer."""

    def decide() -> Customer:
        before = find_active_customer(tenant, id_or_key, customers=customers)
        after = Customer(
            **_asked(create), id=before.record.id, created_at=before.record.created_at, updated_at=clock.now()
        )
        try:
            customers.save(tenant, before, after)
        except Taken as taken:
            raise _conflict(taken) from taken
        return after

    return decide_again_when_stale(decide)


def delete_customer(
    tenant: str, id_or_key: str, *, customers: Customers, subscriptions: Subscriptions, clock: Clock
) -> None:
    """Raises NotFound, and Conflict while a subscription runs; the record stays, its key and subjects are free."""

    def decide() -> None:
        before = find_active_customer(tenant, id_or_key, customers=customers)
        now = clock.now().replace(microsecond=0)
        tenures = subscriptions.tenures(tenant, before.record.id)
        if any(not each.is_over(now) for each in tenures.tenures):
            raise Conflict(
                f"Customer {before.record.id} has an active subscription; cancel it first.",
                code="customer_has_active_subscription",
            )
        after = before.record.model_copy(update={"deleted_at": now, "updated_at": now})
        customers.delete(tenant, before, after, tenures)

    decide_again_when_stale(decide)


def _asked(create: CustomerCreate) -> dict[str, Any]:
    return {name: getattr(create, name) for name in CustomerCreate.model_fields}


def _conflict(taken: Taken) -> Conflict:
    message = (
        f"{taken.value[:100]!r} belongs to another customer, whom GET customers?subjects= finds: "
        "take it from them first."
    )
    return Conflict(message, code="customer_already_exists", fields=[FieldError(taken.field, "in_use", message)])
