"""What changes of a subscription are asked with; shared by the routes that make them and those that look ahead."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from functions.application.ports.subscriptions import Subscriptions
from functions.application.subscriptions.change_subscription import Changed, change_subscription, migrate_subscription
from functions.domain.subscriptions.subscribe import SubscriptionTerms
from functions.domain.subscriptions.subscription import Subscription
from functions.handlers.edge import http
from functions.handlers.edge.http import Answer, Request
from functions.handlers.subscriptions.subscription_body import SubscriptionChange, SubscriptionMigrate
from functions.handlers.subscriptions.subscription_json import shown
from functions.handlers.wiring import base, catalog, subscriptions


def change_of(body: SubscriptionChange) -> tuple[Any, ...]:
    """The verb and what it is asked."""
    verb = partial(change_subscription, plan_addons=catalog.plan_addons_of(), drop_addons=body.drop_addons)
    return verb, body.choice, body.timing, body.terms


def migration_of(asked: SubscriptionMigrate | None) -> tuple[Any, ...]:
    """The verb and what it is asked."""
    body = asked or SubscriptionMigrate()
    terms = SubscriptionTerms(anchor=body.billing_anchor, starting_phase=body.starting_phase)
    verb = partial(migrate_subscription, plan_addons=catalog.plan_addons_of(), drop_addons=body.drop_addons)
    return verb, body.target_version, body.timing, terms


def changed(request: Request[Any], subscription_id: str, verb: Callable[..., Subscription], *asked: Any) -> Answer:
    """The answer of one verb that changes one subscription."""
    subscription = verb(
        request.tenant,
        subscription_id,
        *asked,
        subscriptions=subscriptions.subscriptions(),
        clock=base.clock(),
    )
    return http.ok(shown(subscription, base.clock().now()))


def replace_in(
    store: Subscriptions,
    request: Request[Any],
    subscription_id: str,
    verb: Callable[..., Changed],
    asked: Sequence[Any],
) -> Changed:
    """One verb that puts another subscription in the place of one, done in this store or in a copy of it."""
    return verb(
        request.tenant,
        subscription_id,
        *asked,
        catalogue=subscriptions.catalogue(),
        subscriptions=store,
        clock=base.clock(),
        new_id=base.new_ulid,
    )
