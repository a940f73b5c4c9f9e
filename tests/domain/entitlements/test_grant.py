from datetime import timedelta
from decimal import Decimal
from itertools import pairwise, permutations

import pytest

from functions.domain.entitlements.grant import MAX_RECURRENCES, ExpirationUnit, Recurrence, expires_after
from functions.domain.errors import InvalidInput
from functions.domain.period import Cadence
from tests.domain.builders import at
from tests.domain.entitlements.builders import START, grant, hour

MONTHLY = Cadence.parse("P1M")


@pytest.mark.parametrize(
    ("anchor", "expected"),
    [
        ("2026-01-29", ["2026-02-28", "2026-03-29", "2026-04-29"]),
        ("2026-01-30", ["2026-02-28", "2026-03-30", "2026-04-30"]),
        ("2026-01-31", ["2026-02-28", "2026-03-31", "2026-04-30"]),
        ("2028-01-31", ["2028-02-29", "2028-03-31", "2028-04-30"]),
    ],
)
def test_a_recurrence_from_the_end_of_a_month_does_not_drift(anchor: str, expected: list[str]) -> None:
    recurrence = Recurrence(MONTHLY, at(anchor))

    assert list(recurrence.between(at(anchor), at(expected[-1]))) == [at(day) for day in expected]
    assert [recurrence.next_after(at(day)) for day in (anchor, *expected[:-1])] == [at(day) for day in expected]


def test_recurrences_are_counted_from_the_anchor_in_both_directions() -> None:
    recurrence = Recurrence(MONTHLY, at("2026-05-31"))

    assert list(recurrence.between(at("2026-01-31"), at("2026-04-01"))) == [at("2026-02-28"), at("2026-03-31")]


def test_the_first_at_an_instant_is_that_instant() -> None:
    recurrence = Recurrence(MONTHLY, at("2026-01-31"))

    assert recurrence.first_at_or_after(at("2026-02-28")) == at("2026-02-28")
    assert recurrence.first_at_or_after(at("2026-02-28T00:01")) == at("2026-03-31")
    assert recurrence.next_after(at("2026-02-28")) == at("2026-03-31")


def test_between_has_no_start_but_its_end() -> None:
    hourly = Recurrence(Cadence.parse("PT1H"), START)

    assert list(hourly.between(hour(1), hour(3))) == [hour(2), hour(3)]
    assert list(hourly.between(hour(1), hour(1))) == []
    assert list(hourly.between(hour(3), hour(1))) == []


def test_what_recurs_too_often_is_refused() -> None:
    minutely = Recurrence(Cadence.parse("PT1M"), START)
    most = START + timedelta(minutes=MAX_RECURRENCES)

    assert len(list(minutely.between(START, most))) == MAX_RECURRENCES
    with pytest.raises(InvalidInput, match="10,000 times"):
        list(minutely.between(START, most + timedelta(minutes=1)))


def test_a_recurrence_inside_a_minute_is_refused() -> None:
    with pytest.raises(InvalidInput, match="whole minutes"):
        Recurrence(Cadence.parse("PT90S"), START)


def test_a_grant_ends_where_it_expires_is_voided_or_is_deleted() -> None:
    for expires, voided, deleted in permutations([1, 2, 3]):
        assert grant(until=expires, voided=voided, deleted_at=hour(deleted)).ends_at == hour(1)
    assert grant(voided=2).ends_at == hour(2)
    assert grant().ends_at is None


def test_a_grant_is_active_from_its_effective_minute_to_before_its_end() -> None:
    some = grant(since=1, until=2)

    assert [some.is_active_at(hour(hours)) for hours in (0.99, 1, 1.99, 2)] == [False, True, True, False]
    assert not grant(since=2, voided=1).is_active_at(hour(1.5))


def test_a_grant_recurs_only_while_it_is_active() -> None:
    some = grant(since=12, until=48, every="P1D")

    assert [hours for hours in range(72) if some.recurs_at(hour(hours))] == [24]
    assert not grant().recurs_at(START)


def test_burn_order_is_priority_then_expiry_then_creation_then_id() -> None:
    in_order = [
        grant("z", priority=0),
        grant("y", until=10, created=3),
        grant("x", until=20, created=2),
        grant("w", created=1),
        grant("u", created=2),
        grant("v", created=2),
        grant("a", priority=2, until=1),
    ]
    for earlier, later in pairwise(in_order):
        assert earlier.burn_order < later.burn_order, (earlier.id, later.id)


def test_burn_order_knows_nothing_of_a_void() -> None:
    assert grant("a", until=20, voided=1).burn_order > grant("b", until=10).burn_order


@pytest.mark.parametrize(
    ("least", "most", "balance", "left"),
    [
        ("0", "0", "70", "0"),
        ("0", "100", "70", "70"),
        ("0", "50", "70", "50"),
        ("100", "100", "0", "100"),
        ("20", "100", "5", "20"),
        ("100", "50", "70", "50"),
    ],
)
def test_a_reset_leaves_no_less_than_the_least_and_never_more_than_the_most(
    least: str, most: str, balance: str, left: str
) -> None:
    assert grant(rollover=(least, most)).rolled(Decimal(balance)) == Decimal(left)


@pytest.mark.parametrize(
    ("since", "unit", "count", "expected"),
    [
        ("2026-01-31T10:05", "HOUR", 1, "2026-01-31T11:05"),
        ("2026-01-31", "DAY", 30, "2026-03-02"),
        ("2026-01-31", "WEEK", 2, "2026-02-14"),
        ("2026-01-31", "MONTH", 1, "2026-03-03"),
        ("2028-01-31", "MONTH", 1, "2028-03-02"),
        ("2026-01-30", "MONTH", 1, "2026-03-02"),
        ("2026-01-29", "MONTH", 1, "2026-03-01"),
        ("2026-01-28T23:59", "MONTH", 1, "2026-02-28T23:59"),
        ("2026-03-31", "MONTH", 1, "2026-05-01"),
        ("2026-12-31", "MONTH", 2, "2027-03-03"),
        ("2026-12-31", "MONTH", 12, "2027-12-31"),
        ("2028-02-29", "YEAR", 1, "2029-03-01"),
        ("2028-02-29", "YEAR", 4, "2032-02-29"),
        ("2026-01-31", "YEAR", 100, "2126-01-31"),
    ],
)
def test_days_that_a_month_does_not_have_run_over(since: str, unit: str, count: int, expected: str) -> None:
    assert expires_after(at(since), ExpirationUnit(unit), count) == at(expected)


@pytest.mark.parametrize("unit", ExpirationUnit)
def test_an_expiry_after_the_calendar_is_refused(unit: ExpirationUnit) -> None:
    with pytest.raises(InvalidInput, match="10000"):
        expires_after(START, unit, 4_294_967_295)
