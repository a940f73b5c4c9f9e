"""Routes that look ahead at a change of a subscription; editing is one of them, as it has a dry run."""

from collections.abc import Callable, Sequence
from datetime import datetime
from functools import partial
from typing import Any

from functions.application.billing.preview_deed import Deed, preview_deed
from functions.application.ports.subscriptions import Subscriptions
from functions.application.subscriptions.change_subscription import Changed
from functions.application.subscriptions.edit_subscription import edit_subscription
from functions.domain.subscriptions.subscription import Subscription
from functions.handlers.billing.deed_json import deed_shown
from functions.handlers.edge import http
from functions.handlers.edge.http import Answer, Request
from functions.handlers.edge.in_path import SubscriptionId
from functions.handlers.edge.query_model import RouteQuery, flag
from functions.handlers.edge.routes import Routes
from functions.handlers.subscriptions.subscription_body import SubscriptionChange, SubscriptionEdit, SubscriptionMigrate
from functions.handlers.subscriptions.subscription_verbs import change_of, changed, migration_of, replace_in
from functions.handlers.wiring import base, billing, catalog
from functions.names import SCOPE_ADMIN, SCOPE_READ

routes = Routes()


class EditQuery(RouteQuery):
    dry_run = flag("Change nothing; answer what would be invoiced, as `change/preview` does.")


@routes.patch(
    "/api/v1/subscriptions/<subscription_id>",
    "Edit a subscription",
    scope=SCOPE_ADMIN,
    answers="OneOf[Subscription, SubscriptionChangePreview]",
)
def edit(request: Request[EditQuery], subscription_id: SubscriptionId, body: SubscriptionEdit) -> Answer:
    edit_with = partial(edit_subscription, features=catalog.metered_features(), new_id=base.new_ulid)
    if request.query.dry_run:
        return _preview_of_edit(request, subscription_id, edit_with, body)
    return changed(request, subscription_id, edit_with, body.customizations, body.timing)


@routes.post(
    "/api/v1/subscriptions/<subscription_id>/change/preview",
    "Preview a change of plan with its amounts",
    scope=SCOPE_READ,
    answers="SubscriptionChangePreview",
)
def preview_change(request: Request, subscription_id: SubscriptionId, body: SubscriptionChange) -> Answer:
    return _preview_of_replacement(request, subscription_id, *change_of(body))


@routes.post(
    "/api/v1/subscriptions/<subscription_id>/migrate/preview",
    "Preview a migration with its amounts",
    scope=SCOPE_READ,
    answers="SubscriptionChangePreview",
)
def preview_migration(request: Request, subscription_id: SubscriptionId, body: SubscriptionMigrate | None) -> Answer:
    return _preview_of_replacement(request, subscription_id, *migration_of(body))


def _preview_of_replacement(
    request: Request[Any], subscription_id: str, verb: Callable[..., Changed], *asked: Any
) -> Answer:
    def deed(copies: Subscriptions) -> tuple[Sequence[Subscription], datetime]:
        replaced = replace_in(copies, request, subscription_id, verb, asked)
        return [replaced.current, replaced.following], replaced.following.active_from

    return _preview(request, subscription_id, deed)


def _preview_of_edit(
    request: Request[Any], subscription_id: str, verb: Callable[..., Subscription], body: SubscriptionEdit
) -> Answer:
    def deed(copies: Subscriptions) -> tuple[Sequence[Subscription], datetime]:
        asked = (subscription_id, body.customizations, body.timing)
        after = verb(request.tenant, *asked, subscriptions=copies, clock=base.clock())
        return [after], after.effective_time(body.timing, after.updated_at)

    return _preview(request, subscription_id, deed)


def _preview(request: Request[Any], subscription_id: str, deed: Deed) -> Answer:
    ports = billing.deed_preview_ports()
    return http.ok(deed_shown(preview_deed(request.tenant, subscription_id, deed, ports=ports)))
