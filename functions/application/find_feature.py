"""Find a feature by its id or key, or all of a tenant's features."""

from collections.abc import Callable, Collection
from typing import Any

from functions.application.ports.registry import Features
from functions.domain.catalog.feature import Feature
from functions.domain.errors import NotFound

ORDERS: dict[str, Callable[[Feature], Any]] = {
    "id": lambda feature: feature.id,
    "key": lambda feature: feature.key,
    "name": lambda feature: feature.name,
    "createdAt": lambda feature: feature.created_at,
    "updatedAt": lambda feature: feature.updated_at,
}


def find_feature(tenant: str, id_or_key: str, *, features: Features) -> Feature:
    """By id also when archived, by key only when not; raises NotFound."""
    found = features.get(tenant, id_or_key) or features.by_key(tenant, id_or_key)
    if found is None:
        raise NotFound(f"There is no feature {id_or_key[:100]!r}.", code="feature_not_found")
    return found


def list_features(
    tenant: str,
    *,
    features: Features,
    meter_slugs: Collection[str] = (),
    include_archived: bool = False,
    order_by: str = "createdAt",
    descending: bool = False,
) -> list[Feature]:
    found = (
        feature
        for feature in features.all(tenant)
        if (include_archived or not feature.is_archived) and (not meter_slugs or feature.meter_slug in meter_slugs)
    )
    return sorted(found, key=lambda feature: (ORDERS[order_by](feature), feature.id), reverse=descending)
