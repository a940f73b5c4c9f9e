"""Routes that look ahead at a change of a subscription; editing is one of them, as it has a dry run."""

from collections.abc import Callable, Sequence
from datetime import datetime
from functools import partial
from typing import Any

from aws_lambda_powertools.event_handler.api_gateway import Router

from functions.application.billing.preview_deed import Deed, preview_deed
from functions.application.ports.billing import Subscriptions
from functions.application.subscriptions.change_subscription import Changed
from functions.application.subscriptions.edit_subscription import edit_subscription
from functions.domain.subscriptions.subscription import Subscription
from functions.handlers.billing.deed_json import deed_shown
from functions.handlers.edge import http
from functions.handlers.edge.http import Answer
from functions.handlers.subscriptions.subscription_body import SubscriptionEdit
from functions.handlers.subscriptions.subscription_verbs import change_of, changed, migration_of, replace_in
from functions.handlers.wiring import base, billing, catalog
from functions.names import SCOPE_ADMIN, SCOPE_READ

router = Router()  # type: ignore[no-untyped-call]


@router.patch("/api/v1/subscriptions/<subscription_id>")
def edit(subscription_id: str) -> Answer:
    request = http.Request(router.current_event, SCOPE_ADMIN)
    body = request.body(SubscriptionEdit)
    edit_with = partial(edit_subscription, features=catalog.metered_features(), new_id=base.new_ulid)
    if request.query.flag("dryRun"):
        return _preview_of_edit(request, subscription_id, edit_with, body)
    return changed(request, subscription_id, edit_with, body.customizations, body.timing)


@router.post("/api/v1/subscriptions/<subscription_id>/change/preview")
def preview_change(subscription_id: str) -> Answer:
    request = http.Request(router.current_event, SCOPE_READ)
    return _preview_of_replacement(request, subscription_id, *change_of(request))


@router.post("/api/v1/subscriptions/<subscription_id>/migrate/preview")
def preview_migration(subscription_id: str) -> Answer:
    request = http.Request(router.current_event, SCOPE_READ)
    return _preview_of_replacement(request, subscription_id, *migration_of(request))


def _preview_of_replacement(
    request: http.Request, subscription_id: str, verb: Callable[..., Changed], *asked: Any
) -> Answer:
    def deed(copies: Subscriptions) -> tuple[Sequence[Subscription], datetime]:
        replaced = replace_in(copies, request, subscription_id, verb, asked)
        return [replaced.current, replaced.following], replaced.following.active_from

    return _preview(request, subscription_id, deed)


def _preview_of_edit(
    request: http.Request, subscription_id: str, verb: Callable[..., Subscription], body: SubscriptionEdit
) -> Answer:
    def deed(copies: Subscriptions) -> tuple[Sequence[Subscription], datetime]:
        asked = (http.path_value(subscription_id), body.customizations, body.timing)
        after = verb(request.tenant, *asked, subscriptions=copies, clock=base.clock())
        return [after], after.effective_time(body.timing, after.updated_at)

    return _preview(request, subscription_id, deed)


def _preview(request: http.Request, subscription_id: str, deed: Deed) -> Answer:
    ports = billing.deed_preview_ports()
    return http.ok(deed_shown(preview_deed(request.tenant, http.path_value(subscription_id), deed, ports)))
