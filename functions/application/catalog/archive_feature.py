"""Archive a feature that nobody sells: its key is free again, what was sold with it stays."""

from collections.abc import Callable

from functions.application.catalog.find_feature import find_feature
from functions.application.catalog.published_rate_cards import published_rate_cards
from functions.application.ports.catalog import Addons, Features, Plans
from functions.application.ports.clock import Clock
from functions.application.retry import decide_again_when_stale
from functions.domain.catalog.feature import Feature
from functions.domain.errors import Conflict, NotFound

MAX_NAMED = 5


def archive_feature(
    tenant: str,
    id_or_key: str,
    *,
    features: Features,
    plans: Plans,
    addons: Addons,
    require_unsubscribed: Callable[[str, Feature], None],
    clock: Clock,
) -> None:
    """Raises NotFound for a feature that does not exist or was archived before, Conflict while anybody sells it.

    `require_unsubscribed` raises Conflict while a subscription of the tenant sells the feature.
    """

    def archive() -> None:
        counts = plans.sale_counts(tenant)
        feature = find_feature(tenant, id_or_key, features=features)
        if feature.is_archived:
            raise NotFound(f"Feature {feature.key!r} is archived already.", code="feature_not_found")
        _require_unsold(tenant, feature.key, plans, addons, clock)
        require_unsubscribed(tenant, feature)
        now = clock.now().replace(microsecond=0)
        features.archive(tenant, feature.model_copy(update={"archived_at": now, "updated_at": now}), counts)

    decide_again_when_stale(archive)


def _require_unsold(tenant: str, key: str, plans: Plans, addons: Addons, clock: Clock) -> None:
    sold = published_rate_cards(tenant, plans, addons, clock)
    selling = list(dict.fromkeys(label for label, card in sold if card.feature_key == key))
    if selling:
        more = f" and {len(selling) - MAX_NAMED} more" if len(selling) > MAX_NAMED else ""
        message = f"Feature {key!r} is sold by {', '.join(selling[:MAX_NAMED])}{more}; archive those first."
        raise Conflict(message, code="feature_in_use")
