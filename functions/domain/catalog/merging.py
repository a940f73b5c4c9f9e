"""One rate card of a plan and those that add-ons put on top of it: which go together, and what comes of them."""

from collections.abc import Sequence
from decimal import Decimal

from functions.domain.catalog.discount import Discounts, PercentageDiscount, UsageDiscount
from functions.domain.catalog.entitlement_template import EntitlementTemplate, MeteredEntitlement, StaticEntitlement
from functions.domain.catalog.pricing import FlatPrice
from functions.domain.catalog.rate_card import Card
from functions.domain.catalog.validation import amount_problems
from functions.domain.money import EXACT
from functions.domain.wire import MAX_INTEGER_DIGITS


def why_not(base: Card, addition: Card) -> str | None:
    """What keeps two rate cards of one key from being merged; None when nothing does."""
    if base.type != addition.type:
        return f"is {addition.type} where the plan has {base.type}"
    if base.billing_cadence != addition.billing_cadence:
        return f"is billed every {addition.billing_cadence} where the plan has {base.billing_cadence}"
    prices = [price for price in (base.price, addition.price) if price is not None]
    if len(prices) > 1 and not all(isinstance(price, FlatPrice) for price in prices):
        return "has a price, as the plan has, and only flat prices can be summed"
    if len({price.payment_term for price in prices if isinstance(price, FlatPrice)}) > 1:
        return "is paid at another end of the period than the plan's"
    templates = [each for each in (base.entitlement_template, addition.entitlement_template) if each is not None]
    if len({each.type for each in templates}) > 1:
        return "has another kind of entitlement than the plan"
    if len(templates) > 1 and isinstance(templates[0], StaticEntitlement):
        return "has a static entitlement, as the plan has, and two configurations cannot be one"
    return None


def merged(base: Card | None, additions: Sequence[tuple[Card, int]]) -> Card | None:
    """The base card with every addition so many times: flat prices, allowances and free units are summed.

    Without a base the first addition takes its place. None when there is nothing.
    """
    card = base
    for addition, times in additions:
        if times:
            more = _times(addition, times)
            card = more if card is None else _sum(card, more)
    return card


def why_too_much(card: Card, currency: str) -> str | None:
    """What no invoice can charge, or no allowance be, of a card that add-ons were merged into; None when all can."""
    if problems := amount_problems([card], "", currency):
        return problems[0].message
    sums = [card.discounts.usage.quantity] if card.discounts and card.discounts.usage else []
    if isinstance(card.entitlement_template, MeteredEntitlement) and card.entitlement_template.issue_after_reset:
        sums.append(card.entitlement_template.issue_after_reset)
    if any(each.adjusted() >= MAX_INTEGER_DIGITS for each in sums):
        return f"allowances and free units can have at most {MAX_INTEGER_DIGITS} digits"
    return None


def _times(card: Card, times: int) -> Card:
    update: dict[str, object] = {}
    if isinstance(card.price, FlatPrice):
        update["price"] = card.price.model_copy(update={"amount": EXACT.multiply(card.price.amount, Decimal(times))})
    template = card.entitlement_template
    if isinstance(template, MeteredEntitlement) and template.issue_after_reset is not None:
        allowance = EXACT.multiply(template.issue_after_reset, Decimal(times))
        update["entitlement_template"] = template.model_copy(update={"issue_after_reset": allowance})
    return card.model_copy(update=update)


def _sum(card: Card, more: Card) -> Card:
    if _percentage(card) != _percentage(more) and card.price and more.price:
        card, more = _net(card), _net(more)
    price = card.price or more.price
    if isinstance(card.price, FlatPrice) and isinstance(more.price, FlatPrice):
        price = card.price.model_copy(update={"amount": EXACT.add(card.price.amount, more.price.amount)})
    return card.model_copy(
        update={
            "price": price,
            "entitlement_template": _template(card.entitlement_template, more.entitlement_template),
            "discounts": _discounts(card, more),
        }
    )


def _percentage(card: Card) -> PercentageDiscount | None:
    return card.discounts.percentage if card.discounts else None


def _net(card: Card) -> Card:
    """The flat price less its percentage: of a sum each part keeps its own."""
    discounts = card.discounts
    if discounts is None or discounts.percentage is None or not isinstance(card.price, FlatPrice):
        return card
    left = EXACT.subtract(1, discounts.percentage.percentage.scaleb(-2, EXACT))
    price = card.price.model_copy(update={"amount": EXACT.multiply(card.price.amount, left)})
    return card.model_copy(update={"price": price, "discounts": _of(None, discounts.usage)})


def _template(one: EntitlementTemplate | None, other: EntitlementTemplate | None) -> EntitlementTemplate | None:
    if isinstance(one, MeteredEntitlement) and isinstance(other, MeteredEntitlement):
        allowances = [each.issue_after_reset for each in (one, other) if each.issue_after_reset is not None]
        total = EXACT.add(*allowances) if len(allowances) > 1 else next(iter(allowances), None)
        soft = one.is_soft_limit or other.is_soft_limit
        return one.model_copy(update={"issue_after_reset": total, "is_soft_limit": soft})
    return one or other


def _discounts(card: Card, more: Card) -> Discounts | None:
    """Free units are summed; there is one percentage at most, beside the price (`_net`)."""
    usages = [each.discounts.usage for each in (card, more) if each.discounts and each.discounts.usage]
    usage = UsageDiscount(quantity=EXACT.add(*(each.quantity for each in usages))) if len(usages) > 1 else None
    return _of(_percentage(card) or _percentage(more), usage or next(iter(usages), None))


def _of(percentage: PercentageDiscount | None, usage: UsageDiscount | None) -> Discounts | None:
    return Discounts(percentage=percentage, usage=usage) if percentage or usage else None
