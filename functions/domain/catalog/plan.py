"""A plan: versioned offer of phases with rate cards; the models are also its shapes in the API."""

import json
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, model_validator

from functions.domain.catalog.pricing import AnyPrice, FlatPrice
from functions.domain.errors import Conflict, FieldError, InvalidInput
from functions.domain.invoicing.document import MAX_AMOUNT_MINOR
from functions.domain.money import Money, minor_digits
from functions.domain.period import LONGEST_MONTHS, Cadence, add_months
from functions.domain.wire import (
    CurrencyCode,
    Description,
    Duration,
    Instant,
    Key,
    Metadata,
    Name,
    NotYet,
    WireModel,
)

# Every rate card can become a line of the same invoice; gateways take 250 lines.
MAX_RATE_CARDS = 100
MAX_PHASES = 50
# A plan is one item of at most 400 KB, and a subscription copies it with its features into another one.
MAX_RATE_CARDS_OF_PLAN = 300
MAX_PLAN_BYTES = 200_000
# A daily rate card on a monthly plan; more lines of one card on an invoice help nobody.
MAX_PERIODS_PER_BILL = 31
# Shorter periods would close faster than the run that bills them starts.
SHORTEST_BILLING = timedelta(hours=1)
_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)


class PlanStatus(StrEnum):
    DRAFT = "draft"
    ACTIVE = "active"
    ARCHIVED = "archived"
    SCHEDULED = "scheduled"


def _iso_currency(code: str) -> str:
    try:
        minor_digits(code)
    except InvalidInput as error:
        raise ValueError(error.detail) from error
    return code


class _RateCard(WireModel):
    key: Key
    name: Name
    description: Description | None = None
    metadata: Metadata = None
    feature_key: Key | None = None
    entitlement_template: NotYet = None
    tax_config: NotYet = None
    discounts: NotYet = None


class FlatFeeCard(_RateCard):
    """A recurring fee, or a one-time fee when the cadence is null."""

    type: Literal["flat_fee"]
    billing_cadence: Duration | None
    price: FlatPrice | None

    @property
    def is_metered(self) -> bool:
        return False


class UsageBasedCard(_RateCard):
    """A price on what a feature's meter measured in each period of its cadence."""

    type: Literal["usage_based"]
    billing_cadence: Duration
    price: AnyPrice | None

    @property
    def is_metered(self) -> bool:
        return self.price is not None and not self.price.is_flat


RateCard = Annotated[FlatFeeCard | UsageBasedCard, Field(discriminator="type")]


class PlanPhase(WireModel):
    key: Key
    name: Name
    description: Description | None = None
    metadata: Metadata = None
    duration: Duration | None
    rate_cards: Annotated[tuple[RateCard, ...], Field(max_length=MAX_RATE_CARDS)]


class ProRating(WireModel):
    enabled: bool = True
    mode: Literal["prorate_prices"] = "prorate_prices"


class Alignment(WireModel):
    billables_must_align: bool = True


class PlanOffer(WireModel):
    """What may still change while the plan is a draft: everything but its key and currency."""

    name: Name
    description: Description | None = None
    metadata: Metadata = None
    alignment: Alignment | None = None
    billing_cadence: Duration
    pro_rating_config: ProRating = ProRating()
    settlement_mode: Literal["credit_then_invoice"] = "credit_then_invoice"
    phases: Annotated[tuple[PlanPhase, ...], Field(min_length=1, max_length=MAX_PHASES)]

    @model_validator(mode="after")
    def _phases_fit_together(self) -> "PlanOffer":
        # Not a ValueError: it passes through pydantic with the path of every field that is wrong.
        _refuse(_offer_problems(self))
        return self


class PlanDraft(PlanOffer):
    """A plan as its author sends it."""

    key: Key
    currency: Annotated[CurrencyCode, AfterValidator(_iso_currency)] = "USD"

    @model_validator(mode="after")
    def _amounts_fit_an_invoice(self) -> "PlanDraft":
        _refuse(_amount_problems(self, self.currency))
        return self


class Plan(PlanDraft):
    """One version of a plan; its status follows from its effective times and is never stored."""

    id: str
    version: int
    created_at: Instant
    updated_at: Instant
    deleted_at: Instant | None = None
    effective_from: Instant | None = None
    effective_to: Instant | None = None

    def status(self, now: datetime) -> PlanStatus:
        if self.effective_from is None:
            return PlanStatus.DRAFT
        if self.effective_to is not None and self.effective_to <= now:
            return PlanStatus.ARCHIVED
        return PlanStatus.ACTIVE if self.effective_from <= now else PlanStatus.SCHEDULED

    @property
    def is_draft(self) -> bool:
        return self.effective_from is None and self.deleted_at is None

    def revised(self, offer: PlanOffer, now: datetime) -> "Plan":
        self._require_draft("changed")
        _refuse(_amount_problems(offer, self.currency))
        return self.model_copy(update={**_fields(offer), "updated_at": now})

    def published(self, now: datetime) -> "Plan":
        self._require_draft("published")
        return self.model_copy(update={"effective_from": now, "updated_at": now})

    def archived(self, now: datetime) -> "Plan":
        if self.status(now) is not PlanStatus.ACTIVE:
            raise Conflict(f"Only an active plan can be archived; {self.label} is {self.status(now)}.")
        return self.model_copy(update={"effective_to": now, "updated_at": now})

    def deleted(self, now: datetime) -> "Plan":
        self._require_draft("deleted")
        return self.model_copy(update={"deleted_at": now, "updated_at": now})

    @property
    def label(self) -> str:
        return f"{self.key} version {self.version}"

    def _require_draft(self, what: str) -> None:
        if not self.is_draft:
            raise Conflict(f"Only a draft can be {what}; {self.label} is published. Create a new version instead.")

    def to_wire(self, now: datetime) -> dict[str, Any]:
        """The public shape: absent optionals are left out, what is required but empty stays null."""
        wire: dict[str, Any] = json.loads(self.model_dump_json(by_alias=True))
        return without_nulls(wire) | {
            "status": self.status(now).value,
            "validationErrors": [],
            "phases": [phase_to_wire(phase) for phase in wire["phases"]],
        }


def without_nulls(wire: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in wire.items() if value is not None}


def phase_to_wire(phase: dict[str, Any]) -> dict[str, Any]:
    cards = [
        without_nulls(card) | {"billingCadence": card["billingCadence"], "price": card["price"]}
        for card in phase["rateCards"]
    ]
    return without_nulls(phase) | {"duration": phase["duration"], "rateCards": cards}


def _fields(offer: PlanOffer) -> dict[str, Any]:
    return {name: getattr(offer, name) for name in PlanOffer.model_fields}


def _offer_problems(offer: PlanOffer) -> list[FieldError]:
    """What is wrong between the parts of an offer, each with its path and what would be right."""
    problems = _size_problems(offer)
    if problems:
        return problems
    if Cadence.parse(offer.billing_cadence).after(_EPOCH, 1) < _EPOCH + SHORTEST_BILLING:
        problems.append(FieldError("billingCadence", "cadence_too_short", "the shortest billing cadence is PT1H"))
    last = len(offer.phases) - 1
    for p, phase in enumerate(offer.phases):
        where = f"phases[{p}]"
        if phase.key in {each.key for each in offer.phases[:p]}:
            problems.append(FieldError(f"{where}.key", "duplicate_key", f"{phase.key!r} names two phases"))
        if p == last and phase.duration is not None:
            problems.append(FieldError(f"{where}.duration", "last_phase_has_duration", "the last phase must be null"))
        if p != last and phase.duration is None:
            problems.append(FieldError(f"{where}.duration", "phase_without_duration", "only the last may be null"))
        problems += _card_problems(offer, phase, where)
    return problems


def _size_problems(offer: PlanOffer) -> list[FieldError]:
    """What would not fit the store or the calendar, whatever else is right."""
    problems = []
    cards = sum(len(phase.rate_cards) for phase in offer.phases)
    if cards > MAX_RATE_CARDS_OF_PLAN:
        message = f"all phases together may have {MAX_RATE_CARDS_OF_PLAN} rate cards, not {cards}"
        problems.append(FieldError("phases", "too_many_rate_cards", message))
    elif (size := len(offer.model_dump_json().encode())) > MAX_PLAN_BYTES:
        message = f"the plan has {size} bytes of JSON, at most {MAX_PLAN_BYTES} are allowed; shorten texts and metadata"
        problems.append(FieldError("phases", "plan_too_large", message))
    durations = [Cadence.parse(phase.duration) for phase in offer.phases if phase.duration is not None]
    months = sum(each.months for each in durations)
    rest = sum((each.rest for each in durations), timedelta())
    if months > LONGEST_MONTHS or add_months(_EPOCH, months) + rest > add_months(_EPOCH, LONGEST_MONTHS):
        message = f"all durations together must not be longer than {LONGEST_MONTHS // 12} years"
        problems.append(FieldError("phases", "phases_too_long", message))
    return problems


def _amount_problems(offer: PlanOffer, currency: str) -> list[FieldError]:
    """Fees that no invoice could ever say; what usage costs is known only when it was used."""
    message = f"a flat price can be at most {Money(MAX_AMOUNT_MINOR, currency).major:,f} {currency}"
    return [
        FieldError(f"phases[{p}].rateCards[{c}].price.amount", "amount_too_large", message)
        for p, phase in enumerate(offer.phases)
        for c, card in enumerate(phase.rate_cards)
        if isinstance(card.price, FlatPrice) and Money.rounded(card.price.amount, currency).minor > MAX_AMOUNT_MINOR
    ]


def _card_problems(offer: PlanOffer, phase: PlanPhase, where: str) -> list[FieldError]:
    problems = []
    for c, card in enumerate(phase.rate_cards):
        here = f"{where}.rateCards[{c}]"
        if card.key in {each.key for each in phase.rate_cards[:c]}:
            problems.append(FieldError(f"{here}.key", "duplicate_key", f"{card.key!r} names two rate cards"))
        if card.billing_cadence is not None:
            problems += _cadence_problems(f"{here}.billingCadence", card.billing_cadence, offer.billing_cadence)
        if card.is_metered and card.feature_key is None:
            problems.append(FieldError(f"{here}.featureKey", "feature_required", "a usage price needs a feature"))
    return problems


def _cadence_problems(where: str, cadence: str, billing: str) -> list[FieldError]:
    if not are_compatible(cadence, billing):
        message = f"{cadence} is neither a multiple nor a part of the plan's {billing}"
        return [FieldError(where, "cadence_not_aligned", message)]
    if Cadence.parse(cadence).after(_EPOCH, MAX_PERIODS_PER_BILL) < Cadence.parse(billing).after(_EPOCH, 1):
        message = f"{cadence} gives more than {MAX_PERIODS_PER_BILL} lines in one billing period of {billing}"
        return [FieldError(where, "cadence_too_short", message)]
    return []


def are_compatible(one: str, other: str) -> bool:
    """Whether one cadence is a whole number of the other, so that their periods end together."""
    a, b = Cadence.parse(one), Cadence.parse(other)
    if a == b:
        return True
    if not a.rest and not b.rest:
        return a.months % b.months == 0 or b.months % a.months == 0
    if not a.months and not b.months:
        return not a.rest % b.rest or not b.rest % a.rest
    return False


def require_features(offer: PlanOffer, with_meter: dict[str, bool]) -> None:
    """Every feature a card names must exist and, under a usage price, have a meter; raises InvalidInput."""
    problems = []
    for p, phase in enumerate(offer.phases):
        for c, card in enumerate(phase.rate_cards):
            here = f"phases[{p}].rateCards[{c}].featureKey"
            if card.feature_key is None:
                continue
            if card.feature_key not in with_meter:
                message = f"There is no active feature {card.feature_key!r}; create it first."
                problems.append(FieldError(here, "unknown_feature", message))
            elif card.is_metered and not with_meter[card.feature_key]:
                message = f"Feature {card.feature_key!r} has no meter, so its usage cannot be priced."
                problems.append(FieldError(here, "feature_without_meter", message))
    _refuse(problems)


def _refuse(problems: list[FieldError]) -> None:
    if problems:
        detail = "; ".join(f"{problem.field}: {problem.message}" for problem in problems)
        raise InvalidInput(detail, code="invalid_plan", fields=problems)
