"""Archive a feature that nobody sells: its key is free again, what was sold with it stays."""

from functions.application.catalog.find_feature import find_feature
from functions.application.catalog.for_sale import cards_for_sale
from functions.application.ports.billing import SellingSubscriptions
from functions.application.ports.catalog import Addons, Plans
from functions.application.ports.clock import Clock
from functions.application.ports.stored import Features
from functions.application.retry import decide_again_when_stale
from functions.application.subscriptions.held_by_subscriptions import Holders
from functions.domain.catalog.feature import Feature
from functions.domain.errors import Conflict, NotFound
from functions.domain.subscriptions.held import items_sold

MAX_NAMED = 5


def archive_feature(
    tenant: str,
    id_or_key: str,
    *,
    features: Features,
    plans: Plans,
    addons: Addons,
    subscriptions: SellingSubscriptions,
    clock: Clock,
) -> None:
    """Raises NotFound for a feature that does not exist or was archived before, Conflict while anybody sells it."""

    def archive() -> None:
        counts = plans.sale_counts(tenant)
        feature = find_feature(tenant, id_or_key, features=features)
        if feature.is_archived:
            raise NotFound(f"Feature {feature.key!r} is archived already.", code="feature_not_found")
        _require_unsold(tenant, feature.key, plans, addons, clock)
        _require_unsubscribed(tenant, feature, Holders(subscriptions, clock))
        now = clock.now().replace(microsecond=0)
        features.archive(tenant, feature.model_copy(update={"archived_at": now, "updated_at": now}), counts)

    decide_again_when_stale(archive)


def _require_unsold(tenant: str, key: str, plans: Plans, addons: Addons, clock: Clock) -> None:
    sold = cards_for_sale(tenant, plans, addons, clock)
    selling = list(dict.fromkeys(label for label, card in sold if card.feature_key == key))
    if selling:
        more = f" and {len(selling) - MAX_NAMED} more" if len(selling) > MAX_NAMED else ""
        message = f"Feature {key!r} is sold by {', '.join(selling[:MAX_NAMED])}{more}; archive those first."
        raise Conflict(message, code="feature_in_use")


def _require_unsubscribed(tenant: str, feature: Feature, holders: Holders) -> None:
    """A subscription keeps its copy of a plan that was archived or deleted, or that was made for it alone."""
    holding = holders.of(
        tenant, feature.id, items_sold, lambda item: item.feature is not None and item.feature.id == feature.id
    )
    if holding:
        who = holders.told(holding, "edit it so that it no longer sells the feature")
        raise Conflict(f"Feature {feature.key!r} is sold by {who}.", code="feature_in_use")
