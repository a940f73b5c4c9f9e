"""Routes of subscriptions: subscribe, look, cancel."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Annotated, Any, Literal

from aws_lambda_powertools.event_handler.api_gateway import Router
from pydantic import Field

from functions.application.cancel_subscription import cancel_subscription
from functions.application.create_subscription import SubscriptionWish, create_subscription
from functions.domain.catalog.plan import Alignment
from functions.domain.errors import InvalidInput, NotFound
from functions.domain.subscriptions.subscription import Subscription, SubscriptionStatus
from functions.domain.wire import Description, Instant, Key, Metadata, Name, NotYet, WireModel
from functions.handlers import http, json_body, settings, wiring, wiring_billing
from functions.handlers.http import Answer
from functions.handlers.query_string import refused
from functions.handlers.subscription_json import expanded, shown
from functions.names import SCOPE_ADMIN, SCOPE_READ

router = Router()  # type: ignore[no-untyped-call]

Timing = Literal["immediate", "next_billing_cycle"] | Instant


class PlanChoice(WireModel):
    key: Key
    version: Annotated[int, Field(ge=1)] | None = None


class SubscriptionCreate(WireModel):
    plan: PlanChoice
    custom_plan: NotYet = None
    customer_id: str | None = None
    customer_key: str | None = None
    timing: Timing = "immediate"
    billing_anchor: Instant | None = None
    starting_phase: str | None = None
    name: Name | None = None
    description: Description | None = None
    metadata: Metadata = None
    # The plan's own decide; sent by the SDKs all the same.
    alignment: Alignment | None = None
    settlement_mode: Literal["credit_then_invoice"] | None = None
    cost_basis_mode: Literal["dynamic"] | None = None


class CancelRequest(WireModel):
    timing: Timing = "immediate"


@router.post("/api/v1/subscriptions")
def create() -> Answer:
    request = http.Request(router.current_event, SCOPE_ADMIN)
    body = request.body(SubscriptionCreate)
    customer = body.customer_id or body.customer_key
    if not customer:
        raise InvalidInput("Name the customer: send customerId or customerKey.")
    wish = SubscriptionWish(
        plan_key=body.plan.key,
        plan_version=body.plan.version,
        customer=customer,
        timing=body.timing,
        billing_anchor=body.billing_anchor,
        starting_phase=body.starting_phase,
        name=body.name,
        description=body.description,
        metadata=body.metadata,
    )
    subscription = create_subscription(
        request.tenant,
        wish,
        accept_past=timedelta(days=settings.accept_past_days()),
        plans=wiring_billing.plans(),
        subscriptions=wiring_billing.subscriptions(),
        customers=wiring_billing.billed_customers(),
        features=wiring_billing.metered_features(),
        clock=wiring.clock(),
        new_id=wiring.new_ulid,
    )
    return http.created(shown(subscription, wiring.clock().now()))


@router.get("/api/v1/subscriptions/<subscription_id>")
def get(subscription_id: str) -> Answer:
    request = http.Request(router.current_event, SCOPE_READ)
    found = wiring_billing.subscriptions().get(request.tenant, http.path_value(subscription_id))
    if found is None:
        raise NotFound(f"There is no subscription {subscription_id!r}.", code="subscription_not_found")
    return http.ok(expanded(found, request.query.instant("at") or wiring.clock().now()))


@router.post("/api/v1/subscriptions/<subscription_id>/cancel")
def cancel(subscription_id: str) -> Answer:
    request = http.Request(router.current_event, SCOPE_ADMIN)
    has_body = json_body.body_bytes(router.current_event.raw_event).strip()
    timing = request.body(CancelRequest).timing if has_body else "immediate"
    subscription = cancel_subscription(
        request.tenant,
        http.path_value(subscription_id),
        timing,
        subscriptions=wiring_billing.subscriptions(),
        clock=wiring.clock(),
    )
    return http.ok(shown(subscription, wiring.clock().now()))


@router.get("/api/v1/customers/<id_or_key>/subscriptions")
def list_of_customer(id_or_key: str) -> Answer:
    request = http.Request(router.current_event, SCOPE_READ)
    now = wiring.clock().now()
    customer = wiring_billing.billed_customers().find(request.tenant, http.path_value(id_or_key))
    if customer is None:
        raise NotFound(f"There is no customer {id_or_key!r}.", code="customer_not_found")
    statuses = set(request.query.texts("status"))
    if statuses - {status.value for status in SubscriptionStatus}:
        raise refused("status", f"is one of {', '.join(SubscriptionStatus)}.")
    order = (
        _by_end
        if request.query.choice("orderBy", ("activeFrom", "activeTo"), "activeFrom") == "activeTo"
        else _by_start
    )
    found = sorted(
        (
            each
            for each in wiring_billing.subscriptions().of_customer(request.tenant, customer.id)
            if not statuses or each.status(now) in statuses
        ),
        key=order,
        reverse=request.query.is_descending(),
    )
    return http.ok(http.page_of(found, request.query.page(), lambda each: shown(each, now)))


def _by_start(subscription: Subscription) -> tuple[datetime, str]:
    return subscription.active_from, subscription.id


def _by_end(subscription: Subscription) -> tuple[bool, datetime, str]:
    """Those without an end come last."""
    return subscription.active_to is None, subscription.active_to or subscription.active_from, subscription.id


ORDERS: dict[str, Callable[[Subscription], Any]] = {"activeFrom": _by_start, "activeTo": _by_end}
