from decimal import Decimal
from typing import Any

import pytest
from pydantic import ValidationError

from functions.domain.catalog.plan import Plan, PlanCreate, PlanReplaceUpdate, PlanStatus
from functions.domain.catalog.validation import are_compatible, feature_problems
from functions.domain.errors import Conflict, InvalidInput
from tests.domain.builders import at, draft, flat, phase, plan, unit


def make(**changed: Any) -> Plan:
    times = {"createdAt": at("2026-01-01"), "updatedAt": at("2026-01-01")}
    return Plan.model_validate(draft() | times | {"id": "01PLAN", "version": 1} | changed)


def test_the_status_follows_from_the_effective_times() -> None:
    fresh = make()
    published = fresh.published(at("2026-02-01"))
    archived = published.archived(at("2026-03-01"))

    assert fresh.status(at("2026-01-15")) is PlanStatus.DRAFT
    assert published.status(at("2026-01-31T23:59:59")) is PlanStatus.SCHEDULED
    assert published.status(at("2026-02-01")) is PlanStatus.ACTIVE
    assert archived.status(at("2026-02-28T23:59:59")) is PlanStatus.ACTIVE
    assert archived.status(at("2026-03-01")) is PlanStatus.ARCHIVED


def of_many_cards(count: int) -> list[dict[str, Any]]:
    """A plan of phases of at most 100 cards, as many as it takes."""
    keys = [f"card{n}" for n in range(count)]
    pages = [keys[n : n + 100] for n in range(0, count, 100)]
    last = len(pages) - 1
    return [
        phase(*(flat(key=key) for key in page), key=f"p{n}", duration=None if n == last else "P1M")
        for n, page in enumerate(pages)
    ]


def long_cards(count: int) -> list[dict[str, Any]]:
    return [flat(key=f"card{n}") | {"description": "\u20ac" * 1024, "metadata": {"k": "x" * 500}} for n in range(count)]


def entitled(template: dict[str, Any]) -> dict[str, Any]:
    return unit() | {"entitlementTemplate": template}


@pytest.mark.parametrize("change", ["published", "deleted"])
def test_a_published_plan_never_changes(change: str) -> None:
    published = make().published(at("2026-02-01"))

    with pytest.raises(Conflict, match="pro version 1 is published"):
        getattr(published, change)(at("2026-02-02"))
    with pytest.raises(Conflict):
        published.revised(
            PlanReplaceUpdate.model_validate({k: v for k, v in draft().items() if k not in ("key", "currency")}),
            at("2026-02-02"),
        )


def test_a_draft_takes_a_new_offer_and_keeps_its_key_and_currency() -> None:
    update = {"name": "Better", "billingCadence": "P1Y", "phases": [phase(flat("12", cadence="P1Y"))]}

    revised = make().revised(PlanReplaceUpdate.model_validate(update), at("2026-01-02"))

    assert (revised.key, revised.currency, revised.name, revised.billing_cadence) == ("pro", "USD", "Better", "P1Y")
    assert revised.updated_at == at("2026-01-02")


@pytest.mark.parametrize(
    ("body", "field", "code"),
    [
        (draft(phase(duration="P1M")), "phases[0].duration", "last_phase_has_duration"),
        (draft(phase(key="a"), phase(key="b")), "phases[0].duration", "phase_without_duration"),
        (draft(phase(key="a", duration="P1M"), phase(key="a")), "phases[1].key", "duplicate_key"),
        (draft(phase(flat(), flat())), "phases[0].rateCards[1].key", "duplicate_key"),
        (draft(phase(flat(cadence="P1W"))), "phases[0].rateCards[0].billingCadence", "cadence_not_aligned"),
        (
            draft(phase(flat(cadence="PT1H")), billingCadence="P2D"),
            "phases[0].rateCards[0].billingCadence",
            "cadence_too_short",
        ),
        (draft(billingCadence="PT1M"), "billingCadence", "cadence_too_short"),
        (draft(phase(unit() | {"featureKey": None})), "phases[0].rateCards[0].featureKey", "feature_required"),
        (
            draft(phase(entitled({"type": "boolean"}) | {"featureKey": None})),
            "phases[0].rateCards[0].featureKey",
            "feature_required",
        ),
        (
            draft(phase(unit() | {"key": "other"})),
            "phases[0].rateCards[0].key",
            "rate_card_key_feature_key_mismatch",
        ),
        (draft(*of_many_cards(301)), "phases", "too_many_rate_cards"),
        (draft(phase(*long_cards(60))), "phases", "plan_too_large"),
        (
            draft(phase(key="a", duration="P60Y"), phase(key="b", duration="P40Y1D"), phase()),
            "phases",
            "phases_too_long",
        ),
        (
            draft(phase(key="a", duration="P36525D"), phase(key="b", duration="PT1S"), phase()),
            "phases",
            "phases_too_long",
        ),
        (draft(phase(flat("10000000000"))), "phases[0].rateCards[0].price.amount", "amount_too_large"),
        (draft(phase(flat("999999999999999999"))), "phases[0].rateCards[0].price.amount", "amount_too_large"),
        (
            draft(phase(flat("1000000000000")), currency="JPY"),
            "phases[0].rateCards[0].price.amount",
            "amount_too_large",
        ),
    ],
)
def test_parts_that_do_not_fit_are_refused_with_the_path_of_the_field(
    body: dict[str, Any], field: str, code: str
) -> None:
    with pytest.raises(InvalidInput) as refused:
        PlanCreate.model_validate(body)

    assert (field, code) in [(problem.field, problem.code) for problem in refused.value.fields]


THOUSANDS = {"operation": "divide", "conversionFactor": "1000"}


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"currency": "XXQ"}, "ISO 4217"),
        ({"currency": "usd"}, "pattern"),
        ({"key": "Pro Plan"}, "pattern"),
        ({"billingCadence": "monthly"}, "ISO 8601"),
        ({"billingCadence": "P0D"}, "longer than zero"),
        ({"billingCadence": "PT1H0.5S"}, "whole seconds"),
        ({"billingCadence": "P7990Y"}, "must not be longer"),
        ({"phases": [phase(duration="P99999999999Y", key="a"), phase()]}, "longer"),
        ({"settlementMode": "credit_only"}, "no prepaid credits"),
        ({"phases": []}, "at least 1"),
        ({"phases": [phase(flat() | {"discounts": {"percentage": {"percentage": 101}}})]}, "less than or equal to 100"),
        ({"phases": [phase(flat() | {"discounts": {"usage": {"quantity": "1"}}})]}, "no units of this price are alike"),
        ({"phases": [phase(unit() | {"price": None, "discounts": {}})]}, "left out of a free rate card"),
        ({"phases": [phase(unit() | {"price": None, "unitConfig": THOUSANDS})]}, "this card prices no units"),
        ({"phases": [phase(flat() | {"taxConfig": {"behavior": "maybe"}})]}, "'inclusive' or 'exclusive'"),
        ({"phases": [phase(flat() | {"taxConfig": {"stripe": {"code": "1"}}})]}, "pattern"),
        (
            {"phases": [phase(flat() | {"entitlementTemplate": {"type": "unlimited"}})]},
            "'metered', 'static', 'boolean'",
        ),
        ({"phases": [phase(entitled({"type": "static", "config": "[]"}))]}, "JSON object"),
        ({"phases": [phase(entitled({"type": "static", "config": "{"}))]}, "JSON object"),
        ({"phases": [phase(entitled({"type": "metered", "issueAfterReset": -1}))]}, "greater than or equal to 0"),
        ({"phases": [phase(entitled({"type": "metered", "issueAfterResetPriority": 256}))]}, "255"),
        ({"metadata": {"k": "x" * 501}}, "500 characters"),
    ],
)
def test_what_cannot_be_billed_is_refused_in_words(change: dict[str, Any], named: str) -> None:
    with pytest.raises(ValidationError, match=named):
        PlanCreate.model_validate(draft() | change)


@pytest.mark.parametrize(
    ("one", "other", "fits"),
    [
        ("P1M", "P1M", True),
        ("P1Y", "P1M", True),
        ("P1M", "P3M", True),
        ("P2M", "P3M", False),
        ("P1D", "P1W", True),
        ("P1W", "P1M", False),
        ("P1D", "P1M", False),
        ("P1M1D", "P1M1D", True),
    ],
)
def test_cadences_fit_when_one_is_a_whole_number_of_the_other(one: str, other: str, fits: bool) -> None:
    assert are_compatible(one, other) is fits
    assert are_compatible(other, one) is fits


def test_every_feature_must_exist_and_have_a_meter_under_a_usage_price() -> None:
    limit = {"entitlementTemplate": {"type": "metered"}}
    cards = plan(
        phase(
            unit(),
            unit(key="support"),
            flat(key="gone") | {"featureKey": "gone"},
            flat(key="help") | {"featureKey": "help"} | limit,
            flat(key="chat") | {"featureKey": "chat", "entitlementTemplate": {"type": "boolean"}},
        )
    ).phases[0]

    problems = feature_problems(
        cards.rate_cards, "rateCards", {"tokens": True, "support": False, "help": False, "chat": False}
    )

    assert [(problem.field, problem.code) for problem in problems] == [
        ("rateCards[1].featureKey", "feature_without_meter"),
        ("rateCards[2].featureKey", "unknown_feature"),
        ("rateCards[3].entitlementTemplate", "feature_without_meter"),
    ]


def test_numbers_of_the_api_stay_exact_numbers_on_the_wire() -> None:
    limit = {"type": "metered", "issueAfterReset": Decimal("1000000.000000001"), "usagePeriod": "P1D"}
    tax = {"behavior": "exclusive", "stripe": {"code": "txcd_10000000"}}
    stored = Plan.model_validate_json(plan(phase(entitled(limit) | {"taxConfig": tax})).model_dump_json())

    card = stored.to_wire(at("2026-01-01"))["phases"][0]["rateCards"][0]

    assert card["entitlementTemplate"] == limit | {
        "isSoftLimit": False,
        "preserveOverageAtReset": False,
        "issueAfterResetPriority": 1,
    }
    assert card["taxConfig"] == tax


@pytest.mark.parametrize("currency", ["USD", "JPY", "KWD", "CLF"])
def test_every_currency_with_minor_units_can_be_sold_in(currency: str) -> None:
    assert PlanCreate.model_validate(draft(currency=currency)).currency == currency


def test_a_sentence_names_five_problems_and_counts_the_rest() -> None:
    with pytest.raises(InvalidInput) as refused:
        PlanCreate.model_validate(draft(phase(*(unit(key=f"k{n}") | {"featureKey": "x"} for n in range(7)))))

    assert refused.value.detail.endswith("; and 2 more")
    assert len(refused.value.fields) == 7


def test_the_wire_shape_keeps_what_is_required_though_it_is_null() -> None:
    wire = plan(phase(flat(cadence=None) | {"price": None})).to_wire(at("2026-01-01"))

    assert wire["status"] == "active"
    assert wire["phases"][0]["duration"] is None
    assert wire["phases"][0]["rateCards"][0]["billingCadence"] is None
    assert wire["phases"][0]["rateCards"][0]["price"] is None
    assert "description" not in wire
    assert "discounts" not in wire["phases"][0]["rateCards"][0]


def test_a_plan_at_its_bounds_is_taken() -> None:
    durations = (phase(key="a", duration="P50Y"), phase(key="b", duration="P50Y"))

    assert len(PlanCreate.model_validate(draft(*of_many_cards(300))).phases) == 3
    assert PlanCreate.model_validate(draft(*durations, phase(flat("9999999999.99"), unit("9" * 18)))).phases


def test_a_draft_is_not_revised_to_a_fee_that_no_invoice_can_say() -> None:
    update = {"name": "Dear", "billingCadence": "P1M", "phases": [phase(flat("10000000000"))]}

    with pytest.raises(InvalidInput, match=r"at most 9,999,999,999\.99 USD"):
        make().revised(PlanReplaceUpdate.model_validate(update), at("2026-01-02"))
