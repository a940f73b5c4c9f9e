"""What must fit together in plans and add-ons; each problem has the path of its field and says what would be right."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from functions.domain.catalog.entitlement_template import MeteredEntitlement
from functions.domain.catalog.phase import PlanPhase
from functions.domain.catalog.pricing import FlatPrice, MatrixPrice
from functions.domain.catalog.rate_card import Card
from functions.domain.catalog.tax import TaxConfig
from functions.domain.errors import FieldError, InvalidInput
from functions.domain.metering.cells.aggregation import Aggregation
from functions.domain.money import MAX_AMOUNT_MINOR, Money, is_collectable
from functions.domain.period import LONGEST_MONTHS, Cadence, add_months

# A daily rate card on a monthly plan; more lines of one card on an invoice help nobody.
MAX_PERIODS_PER_BILL = 31
# Shorter periods would close faster than the run that bills them starts.
SHORTEST_BILLING = timedelta(hours=1)
# A plan is one item of at most 400 KB, and a subscription copies it with its features into another one.
MAX_RATE_CARDS_OF_PLAN = 300
MAX_NAMED_PROBLEMS = 5  # in the sentence; the list has all
_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class MeterFacts:
    """What a meter measures and what its usage can be cut by."""

    slug: str
    aggregation: Aggregation
    dimensions: tuple[str, ...]


def refuse(problems: Sequence[FieldError], code: str = "invalid_plan") -> None:
    if problems:
        named = "; ".join(f"{problem.field}: {problem.message}" for problem in problems[:MAX_NAMED_PROBLEMS])
        more = len(problems) - MAX_NAMED_PROBLEMS
        detail = f"{named}; and {more} more" if more > 0 else named
        raise InvalidInput(detail, code=code, fields=problems)


def currency_problems(currency: str) -> list[FieldError]:
    if is_collectable(currency):
        return []
    message = f"no gateway collects {currency}: choose another currency, such as USD or EUR"
    return [FieldError("currency", "currency_not_collectable", message)]


def tax_problems(cards: Sequence[Card], where: str) -> list[FieldError]:
    """A tenant that configures a tax would expect it on the invoice."""
    return [tax_problem(f"{where}[{c}].taxConfig") for c, card in enumerate(cards) if says_tax(card.tax_config)]


def says_tax(config: TaxConfig | None) -> bool:
    return config is not None and config != TaxConfig()


def tax_problem(field: str) -> FieldError:
    message = (
        "is not supported yet: invoices are sent without tax and none is computed at the gateway. Leave it out, and "
        "charge what tax is due outside of the plan"
    )
    return FieldError(field, "tax_not_supported", message)


def phase_tax_problems(phases: Sequence[PlanPhase]) -> list[FieldError]:
    return [
        problem
        for p, phase in enumerate(phases)
        for problem in tax_problems(phase.rate_cards, f"phases[{p}].rateCards")
    ]


def phase_problems(phases: Sequence[PlanPhase], billing: str) -> list[FieldError]:
    if problems := _length_problems(phases):
        return problems
    if Cadence.parse(billing).after(_EPOCH, 1) < _EPOCH + SHORTEST_BILLING:
        problems.append(FieldError("billingCadence", "cadence_too_short", "the shortest billing cadence is PT1H"))
    last = len(phases) - 1
    for p, phase in enumerate(phases):
        where = f"phases[{p}]"
        if phase.key in {each.key for each in phases[:p]}:
            problems.append(FieldError(f"{where}.key", "duplicate_key", f"{phase.key!r} names two phases"))
        if p == last and phase.duration is not None:
            message = "the last phase goes on until the subscription ends: its duration must be null"
            problems.append(FieldError(f"{where}.duration", "last_phase_has_duration", message))
        if p != last and phase.duration is None:
            message = "only the last phase may be null; say how long this one lasts, for example P1M"
            problems.append(FieldError(f"{where}.duration", "phase_without_duration", message))
        problems += card_problems(phase.rate_cards, f"{where}.rateCards", billing)
    return problems


def _length_problems(phases: Sequence[PlanPhase]) -> list[FieldError]:
    problems = []
    cards = sum(len(phase.rate_cards) for phase in phases)
    if cards > MAX_RATE_CARDS_OF_PLAN:
        message = f"all phases together may have {MAX_RATE_CARDS_OF_PLAN} rate cards, not {cards}"
        problems.append(FieldError("phases", "too_many_rate_cards", message))
    durations = [Cadence.parse(phase.duration) for phase in phases if phase.duration is not None]
    months = sum(each.months for each in durations)
    rest = sum((each.rest for each in durations), timedelta())
    if months > LONGEST_MONTHS or add_months(_EPOCH, months) + rest > add_months(_EPOCH, LONGEST_MONTHS):
        message = f"all durations together must not be longer than {LONGEST_MONTHS // 12} years"
        problems.append(FieldError("phases", "phases_too_long", message))
    return problems


def card_problems(cards: Sequence[Card], where: str, billing: str | None) -> list[FieldError]:
    """What is wrong within and between rate cards that are sold together; `billing` is None for an add-on's."""
    problems = []
    for c, card in enumerate(cards):
        here = f"{where}[{c}]"
        if card.key in {each.key for each in cards[:c]}:
            problems.append(FieldError(f"{here}.key", "duplicate_key", f"{card.key!r} names two rate cards"))
        if card.feature_key is not None and card.key != card.feature_key:
            message = f"the key of a rate card with a feature is the feature's: {card.feature_key!r}, not {card.key!r}"
            problems.append(FieldError(f"{here}.key", "rate_card_key_feature_key_mismatch", message))
        if card.feature_key is None and card.is_metered:
            message = "a usage price needs the feature it measures; name its key"
            problems.append(FieldError(f"{here}.featureKey", "feature_required", message))
        if card.feature_key is None and card.entitlement_template is not None:
            message = "an entitlement is to a feature; name the feature's key or leave out the template"
            problems.append(FieldError(f"{here}.featureKey", "feature_required", message))
        if card.billing_cadence is not None and billing is not None:
            problems += cadence_problems(f"{here}.billingCadence", card.billing_cadence, billing)
    return problems


def cadence_problems(where: str, cadence: str, billing: str) -> list[FieldError]:
    if not are_compatible(cadence, billing):
        message = f"{cadence} is neither a multiple nor a part of the plan's {billing}"
        return [FieldError(where, "cadence_not_aligned", message)]
    if Cadence.parse(cadence).after(_EPOCH, MAX_PERIODS_PER_BILL) < Cadence.parse(billing).after(_EPOCH, 1):
        message = f"{cadence} gives more than {MAX_PERIODS_PER_BILL} lines in one billing period of {billing}"
        return [FieldError(where, "cadence_too_short", message)]
    return []


def longer_usage_problems(cards: Sequence[Card], where: str, billing: str) -> list[FieldError]:
    """Usage-based cards that are billed less often than the plan, beside a commitment over the plan's usage."""
    end = Cadence.parse(billing).after(_EPOCH, 1)
    message = f"with a commitment over the plan, usage must be billed at least once in each billing period of {billing}"
    return [
        FieldError(f"{where}[{c}].billingCadence", "cadence_too_long", message)
        for c, card in enumerate(cards)
        if card.is_metered and card.billing_cadence and Cadence.parse(card.billing_cadence).after(_EPOCH, 1) > end
    ]


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


def amount_problems(cards: Sequence[Card], where: str, currency: str) -> list[FieldError]:
    """Fees that no invoice could ever say; what usage costs is known only when it was used."""
    message = f"a flat price can be at most {Money(MAX_AMOUNT_MINOR, currency).major:,f} {currency}"
    return [
        FieldError(f"{where}[{c}].price.amount", "amount_too_large", message)
        for c, card in enumerate(cards)
        if isinstance(card.price, FlatPrice) and Money.rounded(card.price.amount, currency).minor > MAX_AMOUNT_MINOR
    ]


def feature_problems(cards: Sequence[Card], where: str, has_meter: Mapping[str, bool]) -> list[FieldError]:
    """`has_meter` names the features that exist and are not archived, each with whether a meter measures it."""
    problems = []
    for c, card in enumerate(cards):
        if card.feature_key is None:
            continue
        here = f"{where}[{c}]"
        if card.feature_key not in has_meter:
            message = f"There is no active feature {card.feature_key!r}; create it first."
            problems.append(FieldError(f"{here}.featureKey", "unknown_feature", message))
        elif not has_meter[card.feature_key] and card.is_metered:
            message = f"Feature {card.feature_key!r} has no meter, so its usage cannot be priced."
            problems.append(FieldError(f"{here}.featureKey", "feature_without_meter", message))
        elif not has_meter[card.feature_key] and isinstance(card.entitlement_template, MeteredEntitlement):
            message = f"Feature {card.feature_key!r} has no meter; its entitlement can be static or boolean."
            problems.append(FieldError(f"{here}.entitlementTemplate", "feature_without_meter", message))
    return problems


def features_to_look_into(cards: Sequence[Card]) -> list[str]:
    """The features whose meters must be such as a price needs them, by key."""
    prices = [(card.feature_key, card.price) for card in cards]
    return sorted({key for key, price in prices if key and price and (price.needs or price.is_share_of_value)})


def meter_problems(cards: Sequence[Card], where: str, meters: Mapping[str, MeterFacts]) -> list[FieldError]:
    """Prices that could not be applied to what the meter of their feature measures; `meters` is by feature key."""
    problems = []
    for c, card in enumerate(cards):
        price, meter = card.price, meters.get(card.feature_key or "")
        if price is None or meter is None:
            continue
        here, kind = f"{where}[{c}].price", meter.aggregation
        if price.is_share_of_value and kind in (Aggregation.COUNT, Aggregation.UNIQUE_COUNT):
            message = (
                f"a {price.type} price takes a part of a value, and meter {meter.slug!r} is a {kind}; "
                "use a feature whose meter is the SUM of a value, such as $.cost"
            )
            problems.append(FieldError(f"{here}.type", "meter_without_value", message))
        elif price.needs.levels and not kind.is_level:
            message = (
                f"needs to know for how long each unit was there, and meter {meter.slug!r} is a {kind}; use a feature "
                f"whose meter is a {Aggregation.TIME_WEIGHTED_SUM}, or leave prorated out"
            )
            problems.append(FieldError(f"{here}.prorated", "meter_without_level", message))
        elif price.needs and not kind.is_divisible:
            message = (
                f"a {price.type} price needs the parts of the usage, and meter {meter.slug!r} is a {kind}, whose parts "
                "do not add up; use a feature whose meter is a SUM or COUNT, or a TIME_WEIGHTED_SUM"
            )
            problems.append(FieldError(f"{here}.type", "meter_not_additive", message))
        for d, name in enumerate(price.needs.dimensions):
            if name not in meter.dimensions:
                has = ", ".join(meter.dimensions) or "none"
                message = f"meter {meter.slug!r} has no groupBy {name!r}; it has {has}. Add it there or use another"
                path = f"dimensions[{d}]" if isinstance(price, MatrixPrice) else "eventDimension"
                problems.append(FieldError(f"{here}.{path}", "dimension_not_found", message))
    return problems
