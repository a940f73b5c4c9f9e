"""What the catalogue's and subscriptions' answers look like."""

from typing import Any, Literal

from pydantic import Field

from functions.domain.catalog.addon import Addon
from functions.domain.catalog.coupon import Coupon, CouponTerms
from functions.domain.catalog.plan import Alignment, Plan, PlanStatus, ProRating
from functions.domain.catalog.plan_addon import PlanAddonReplaceUpdate
from functions.domain.catalog.pricing import AnyPrice
from functions.domain.catalog.pricing.commitment import SpendCommitment
from functions.domain.catalog.rate_card import RateCard
from functions.domain.subscriptions.addons import AddonReference
from functions.domain.subscriptions.subscription import PlanReference, SubscriptionStatus
from functions.domain.wire import Instant
from functions.handlers.openapi.answers import OpenShown, Shown, ShownClaim, ShownPeriod


class ShownPlan(Plan):
    shown_status: PlanStatus = Field(alias="status")
    validation_errors: list[dict[str, Any]]


class ShownAddon(Addon):
    shown_status: PlanStatus = Field(alias="status")
    validation_errors: list[dict[str, Any]]


class ShownPlanAddon(PlanAddonReplaceUpdate):
    created_at: Instant
    updated_at: Instant
    deleted_at: Instant | None = None
    addon: ShownAddon
    validation_errors: list[dict[str, Any]]


class ShownCoupon(Coupon):
    version: None = Field(default=None, exclude=True)  # type: ignore[assignment]


class ShownAppliedCoupon(CouponTerms):
    id: str
    status: Literal["active", "used_up", "removed"]
    customer_id: str
    subscription_id: str | None = None
    coupon_id: str
    applied_at: Instant
    applied_by: str
    invoice_count: int
    last_invoice_id: str | None = None
    removed_at: Instant | None = None
    removed_by: str | None = None


class AddonSegment(Shown):
    active_from: Instant
    active_to: Instant | None = None
    quantity: int


class AddonCard(Shown):
    rate_card: RateCard
    affected_subscription_item_ids: list[str]


class Sold(Shown):
    """What a subscription and each of its add-ons say of themselves."""

    id: str
    name: str
    description: str | None = None
    metadata: dict[str, str] | None = None
    created_at: Instant
    updated_at: Instant
    active_from: Instant
    active_to: Instant | None = None


class ShownSubscriptionAddon(Sold):
    addon: AddonReference
    quantity_at: Instant
    quantity: int
    timeline: list[AddonSegment]
    subscription_id: str
    rate_cards: list[AddonCard]


class ShownSubscription(Sold):
    alignment: Alignment | None = None
    status: SubscriptionStatus
    customer_id: str
    plan: PlanReference | None = None
    currency: str
    cost_basis_mode: Literal["dynamic"]
    cost_basis_pins: list[dict[str, Any]]
    billing_cadence: str
    pro_rating_config: ProRating
    billing_anchor: Instant
    time_zone: str
    settlement_mode: str
    commitment: SpendCommitment | None = None


class ShownItem(OpenShown):
    id: str
    key: str
    name: str
    active_from: Instant
    active_to: Instant | None = None
    currency: str | None = None
    feature_key: str | None = None
    billing_cadence: str | None
    price: AnyPrice | None


class ShownPhase(OpenShown):
    id: str
    key: str
    name: str
    active_from: Instant
    active_to: Instant | None = None
    items: list[ShownItem]
    item_timelines: dict[str, list[ShownItem]]


class ExpandedAlignment(Alignment):
    current_aligned_billing_period: ShownPeriod | None = None


class ExpandedSubscription(ShownSubscription):
    alignment: ExpandedAlignment
    phases: list[ShownPhase]
    claims: list[ShownClaim] | None = None


class ChangedSubscription(Shown):
    """The subscription that ends, and the one in its place."""

    current: ShownSubscription
    following: ExpandedSubscription = Field(alias="next")
