"""Archive a feature: its key is free again, what was sold with it stays."""

from functions.application.find_feature import find_feature
from functions.application.ports.clock import Clock
from functions.application.ports.registry import Features
from functions.application.retry import decide_again_when_stale
from functions.domain.errors import NotFound


def archive_feature(tenant: str, id_or_key: str, *, features: Features, clock: Clock) -> None:
    """Raises NotFound for a feature that does not exist or was archived before."""
    decide_again_when_stale(lambda: _archive(tenant, id_or_key, features, clock))


def _archive(tenant: str, id_or_key: str, features: Features, clock: Clock) -> None:
    feature = find_feature(tenant, id_or_key, features=features)
    if feature.is_archived:
        raise NotFound(f"Feature {feature.key!r} is archived already.", code="feature_not_found")
    now = clock.now().replace(microsecond=0)
    features.archive(tenant, feature.model_copy(update={"archived_at": now, "updated_at": now}))
