"""Create, change, publish, archive and delete add-ons; published versions never change."""

from datetime import datetime

from functions.application.catalog.check_features import card_feature_problems
from functions.application.catalog.manage_versions import VersionedStore
from functions.application.ports.catalog import Addons, MeteredFeatures
from functions.application.ports.clock import Clock
from functions.application.ports.stored import NewId
from functions.domain.catalog.addon import INVALID, Addon, AddonCreate, AddonReplaceUpdate
from functions.domain.catalog.validation import currency_problems, refuse, tax_problems


def versioned_addons(addons: Addons, clock: Clock) -> VersionedStore[Addon]:
    return VersionedStore(addons, "add-on", clock)


def create_addon(
    tenant: str, draft: AddonCreate, *, addons: Addons, features: MeteredFeatures, clock: Clock, new_id: NewId
) -> Addon:
    """Raises InvalidInput for unknown features, a tax, a refused currency; Conflict when it has a draft."""
    refuse([*currency_problems(draft.currency), *tax_problems(draft.rate_cards, "rateCards")], INVALID)
    check_addon_features(tenant, draft, features)
    values = {name: getattr(draft, name) for name in AddonCreate.model_fields}

    def make(version: int, now: datetime) -> Addon:
        return Addon(**values, id=new_id(), version=version, created_at=now, updated_at=now)

    return versioned_addons(addons, clock).draft(tenant, draft.key, make)


def update_addon(
    tenant: str, addon_id: str, update: AddonReplaceUpdate, *, addons: Addons, features: MeteredFeatures, clock: Clock
) -> Addon:
    refuse(tax_problems(update.rate_cards, "rateCards"), INVALID)
    check_addon_features(tenant, update, features)
    return versioned_addons(addons, clock).revise(tenant, addon_id, lambda addon, now: addon.revised(update, now))


def publish_addon(tenant: str, addon_id: str, *, addons: Addons, features: MeteredFeatures, clock: Clock) -> Addon:
    """The draft becomes the active version at once; the version that was active until now is archived."""
    versions = versioned_addons(addons, clock)
    return versions.publish(tenant, addon_id, lambda addon: check_addon_features(tenant, addon, features))


def archive_addon(tenant: str, addon_id: str, *, addons: Addons, clock: Clock) -> Addon:
    """Nobody can buy it any more; subscriptions that have it keep it."""
    return versioned_addons(addons, clock).archive(tenant, addon_id)


def delete_addon(tenant: str, addon_id: str, *, addons: Addons, clock: Clock) -> None:
    versioned_addons(addons, clock).delete(tenant, addon_id)


def check_addon_features(tenant: str, update: AddonReplaceUpdate, features: MeteredFeatures) -> None:
    refuse(card_feature_problems(tenant, update.rate_cards, "rateCards", features), INVALID)
