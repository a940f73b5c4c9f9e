"""Find a feature by its id or key; the orders of their list."""

from collections.abc import Callable
from typing import Any

from functions.application.ports.catalog import Features
from functions.domain.catalog.feature import Feature
from functions.domain.errors import NotFound

FEATURE_ORDERS: dict[str, Callable[[Feature], Any]] = {
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
