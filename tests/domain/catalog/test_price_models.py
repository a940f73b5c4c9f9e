from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from functions.domain.catalog.discount import Discounts
from functions.domain.catalog.pricing import AnyPrice, UnitConversion
from tests.domain.catalog.test_pricing import CARDS, GRADUATED, GRADUATED_SHARE, HOURS, MATRIX, SHARE, TIERS, VOLUME

PRICE: TypeAdapter[AnyPrice] = TypeAdapter(AnyPrice)


def wrong(model: Any, value: dict[str, Any]) -> list[tuple[str, str]]:
    """(path, sentence) of everything that is wrong."""
    with pytest.raises(ValidationError) as caught:
        model.validate_python(value) if isinstance(model, TypeAdapter) else model.model_validate(value)
    return [(".".join(map(str, each["loc"])), each["msg"]) for each in caught.value.errors()]


def tiers(*changed: dict[str, Any], mode: str = "graduated") -> dict[str, Any]:
    return {
        "type": "tiered",
        "mode": mode,
        "tiers": [{"unitPrice": {"type": "unit", "amount": "1"}} | each for each in changed],
    }


@pytest.mark.parametrize(
    ("price", "path", "right"),
    [
        ({"type": "surprise"}, "", "'flat', 'unit', 'tiered', 'dynamic', 'package'"),
        ({"type": "unit", "amount": "-1"}, "unit.amount", "greater than or equal to 0"),
        ({"type": "unit", "amount": "1e3"}, "unit.amount", "must be a decimal in a string"),
        ({"type": "unit", "amount": 0.1}, "unit.amount", "must be a decimal in a string"),
        ({"type": "unit", "amount": "NaN"}, "unit.amount", "must be a decimal in a string"),
        ({"type": "unit", "amount": "1" * 19}, "unit.amount", "18 digits"),
        ({"type": "unit", "amount": "0." + "1" * 19}, "unit.amount", "18 digits"),
        ({"type": "unit", "amount": "1", "surprise": 1}, "unit.surprise", "Extra inputs"),
        ({"type": "unit", "amount": "1", "minimumAmount": "-5"}, "unit.minimumAmount", "greater than or equal to 0"),
        (
            {"type": "unit", "amount": "1", "minimumAmount": "5", "maximumAmount": "4.99"},
            "unit.maximumAmount",
            "at least the minimumAmount 5",
        ),
        ({"type": "flat", "amount": "1", "paymentTerm": "later"}, "flat.paymentTerm", "in_advance"),
        ({"type": "flat", "amount": "1", "minimumAmount": "1"}, "flat.minimumAmount", "Extra inputs"),
        ({"type": "package", "amount": "1", "quantityPerPackage": "0"}, "package.quantityPerPackage", "greater than 0"),
        ({"type": "package", "amount": "1"}, "package.quantityPerPackage", "required"),
        ({"type": "dynamic", "multiplier": "-1"}, "dynamic.multiplier", "greater than or equal to 0"),
        (tiers(mode="volume"), "tiered.volume.tiers", "at least 1"),
        (tiers({}, mode="stairs"), "tiered", "'graduated', 'volume'"),
        (tiers({"upToAmount": "0"}, {}), "tiered.graduated.tiers.0.upToAmount", "greater than 0"),
        (tiers({"upToAmount": "5"}, {"upToAmount": "5"}, {}), "tiered.graduated.tiers.1.upToAmount", "greater than 5"),
        (
            tiers({"upToAmount": "5"}, {"upToAmount": "4"}, {}, mode="volume"),
            "tiered.volume.tiers.1.upToAmount",
            "greater than 5",
        ),
        (tiers({}, {}), "tiered.graduated.tiers.0.upToAmount", "required in every tier but the last"),
        (
            tiers({"upToAmount": "5"}, {"upToAmount": "9"}),
            "tiered.graduated.tiers.1.upToAmount",
            "left out of the last",
        ),
        (tiers({}) | {"prorated": "seconds"}, "tiered.graduated.prorated", "valid boolean"),
        ({"type": "unit", "amount": "1", "prorated": True}, "unit.prorated", "Extra inputs"),
        (tiers({"upToAmount": "5", "unitPrice": None}, {}), "tiered.graduated.tiers.0", "a unitPrice of 0"),
        (tiers(*[{"upToAmount": str(i + 1)} for i in range(100)], {}), "tiered.graduated.tiers", "at most 100"),
        (SHARE | {"rate": "1000.1"}, "percentage.rate", "less than or equal to 1000"),
        (SHARE | {"fixedFee": "1"}, "percentage.fixedFee", "needs eventDimension"),
        (SHARE | {"freeEvents": 1}, "percentage.freeEvents", "needs eventDimension"),
        (SHARE | {"freeAmount": "0", "minimumPerEvent": "1"}, "percentage.minimumPerEvent", "needs eventDimension"),
        (CARDS | {"freeAmount": "1", "minimumPerEvent": "1"}, "percentage.freeAmount", "must be left out"),
        (CARDS | {"freeEvents": 1, "maximumPerEvent": "1"}, "percentage.freeEvents", "must be left out"),
        (
            CARDS | {"minimumPerEvent": "2", "maximumPerEvent": "1"},
            "percentage.maximumPerEvent",
            "at least the minimumPerEvent 2",
        ),
        (
            GRADUATED_SHARE | {"tiers": [{"rate": "1"}, {"rate": "2"}]},
            "graduated_percentage.tiers.0.upToAmount",
            "required",
        ),
        (MATRIX | {"dimensions": ["model", "model"], "rows": []}, "matrix.dimensions", "each dimension once"),
        (MATRIX | {"dimensions": ["model"]}, "matrix.rows.0.values", "a value for each of model and for nothing else"),
        (MATRIX | {"rows": [MATRIX["rows"][0], MATRIX["rows"][0]]}, "matrix.rows.1.values", "must differ from rows[0]"),
        ({name: MATRIX[name] for name in MATRIX if name != "defaultAmount"}, "matrix.defaultAmount", "required"),
        (HOURS | {"timeZone": "Mars/Base"}, "time_of_day.timeZone", "UTC or Europe/Berlin"),
        (
            HOURS | {"bands": [HOURS["bands"][0], HOURS["bands"][0]]},
            "time_of_day.bands.1",
            "overlaps bands[0] on MON at 8:00",
        ),
        (
            HOURS | {"bands": [HOURS["bands"][0] | {"fromHour": 20}]},
            "time_of_day.bands.0.toHour",
            "later than fromHour 20",
        ),
        (HOURS | {"bands": [HOURS["bands"][0] | {"days": []}]}, "time_of_day.bands.0.days", "at least 1"),
    ],
)
def test_a_price_that_cannot_be_charged_is_refused_by_its_path_with_what_would_be_right(
    price: dict[str, Any], path: str, right: str
) -> None:
    found = wrong(PRICE, price)

    assert found[0][0] == path
    assert right in found[0][1]


def test_every_tier_that_is_wrong_is_named() -> None:
    paths = [path for path, _ in wrong(PRICE, tiers({"upToAmount": "5"}, {"upToAmount": "3"}, {"upToAmount": "4"}))]

    assert paths == [f"tiered.graduated.tiers.{i}.upToAmount" for i in (1, 2)]


@pytest.mark.parametrize(
    "price",
    [
        {"type": "flat", "amount": "1", "paymentTerm": "in_arrears"},
        {"type": "unit", "amount": "0.000000250000000001"},
        {"type": "unit", "amount": "1", "minimumAmount": "1.50", "maximumAmount": "1.50"},
        {"type": "package", "amount": "1", "quantityPerPackage": "0.5"},
        {"type": "dynamic", "multiplier": "1.20"},
        GRADUATED,
        VOLUME,
        GRADUATED_SHARE,
        MATRIX,
        {"type": "tiered", "mode": "volume", "tiers": [TIERS[-1]], "maximumAmount": "5"},
    ],
)
def test_a_price_goes_over_the_wire_and_back_without_losing_a_digit_or_gaining_a_field(price: dict[str, Any]) -> None:
    assert PRICE.dump_python(PRICE.validate_python(price), mode="json", by_alias=True) == price
    assert PRICE.validate_json(PRICE.dump_json(PRICE.validate_python(price))) == PRICE.validate_python(price)


def test_only_prices_of_one_quantity_take_a_usage_discount_and_only_those_that_add_up_are_split() -> None:
    told = {
        each["type"] + each.get("mode", ""): PRICE.validate_python(each)
        for each in (GRADUATED, VOLUME, SHARE, CARDS | {"type": "percentage"}, MATRIX, HOURS)
    }

    assert {name: (price.takes_usage_discount, price.is_splittable) for name, price in told.items()} == {
        "tieredgraduated": (True, True),
        "tieredvolume": (True, False),
        "percentage": (False, False),
        "matrix": (False, True),
        "time_of_day": (False, True),
    }


def test_percentages_are_numbers_and_stay_exact() -> None:
    discounts = Discounts.model_validate({"percentage": {"percentage": 33.333333}, "usage": {"quantity": "10.5"}})

    assert discounts.model_dump(mode="json", by_alias=True) == {
        "percentage": {"percentage": 33.333333},
        "usage": {"quantity": "10.5"},
    }
    assert Discounts.model_validate_json(discounts.model_dump_json()) == discounts


@pytest.mark.parametrize(
    ("discounts", "path", "right"),
    [
        ({"percentage": {"percentage": 100.1}}, "percentage.percentage", "less than or equal to 100"),
        ({"percentage": {"percentage": -1}}, "percentage.percentage", "greater than or equal to 0"),
        ({"percentage": {"percentage": "1.1234567"}}, "percentage.percentage", "6 decimal places"),
        ({"usage": {"quantity": "0"}}, "usage.quantity", "greater than 0"),
    ],
)
def test_a_discount_is_refused_by_its_path(discounts: dict[str, Any], path: str, right: str) -> None:
    found = wrong(Discounts, discounts)

    assert found[0][0] == path
    assert right in found[0][1]


@pytest.mark.parametrize(
    ("operation", "factor", "rounding", "precision", "quantity", "converted"),
    [
        ("divide", "1000000", "ceiling", 0, "7500001", "8"),
        ("divide", "1000000", "ceiling", 0, "8000000", "8"),
        ("divide", "1000000", "floor", 0, "7999999", "7"),
        ("divide", "1000000", "half_up", 0, "7500000", "8"),
        ("divide", "1000000", "half_up", 0, "7499999", "7"),
        ("divide", "1000000", "half_up", 2, "7495000", "7.5"),
        ("divide", "1000000", "none", 0, "7500001", "7.500001"),
        ("divide", "3", "none", 0, "1", "0.333333333333333333"),
        ("divide", "3", "none", 0, "9" * 38, "3" * 38),
        ("multiply", "0.001", "none", 0, "1", "0.001"),
        ("multiply", "1.5", "ceiling", 0, "1", "2"),
        ("multiply", "1.5", "ceiling", 0, "0", "0"),
        ("multiply", "123456789.123456789", "none", 0, "1" + "0" * 30, "123456789123456789" + "0" * 21),
    ],
)
def test_metered_units_become_priced_ones(
    operation: str, factor: str, rounding: str, precision: int, quantity: str, converted: str
) -> None:
    from decimal import Decimal

    values = {"operation": operation, "conversionFactor": factor, "rounding": rounding, "precision": precision}

    assert UnitConversion.model_validate(values).convert(Decimal(quantity)) == Decimal(converted)
