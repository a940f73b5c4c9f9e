from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from functions.domain.entitlements.allowance import Reset
from functions.domain.entitlements.usage_period import MIN_USAGE_PERIOD, ManualReset, UsagePeriods
from functions.domain.errors import InvalidInput
from functions.domain.period import Cadence, Period
from tests.domain.builders import at


def periods(*resets: ManualReset, cadence: str = "P1M", anchor: str = "2026-01-31", start: str = "") -> UsagePeriods:
    return UsagePeriods(Cadence.parse(cadence), at(anchor), at(start or anchor), resets)


def by_hand(day: str, *, retains_anchor: bool = False, preserves: bool | None = None) -> ManualReset:
    return ManualReset(at(day), retains_anchor, preserves)


def span(start: str, end: str) -> Period:
    return Period(at(start), at(end))


@pytest.mark.parametrize(
    ("anchor", "expected"),
    [
        ("2026-01-29", span("2026-02-28", "2026-03-29")),
        ("2026-01-30", span("2026-02-28", "2026-03-30")),
        ("2026-01-31", span("2026-02-28", "2026-03-31")),
    ],
)
def test_a_period_from_the_end_of_a_month_does_not_drift(anchor: str, expected: Period) -> None:
    assert periods(anchor=anchor).at(at("2026-03-10")) == expected


def test_a_boundary_belongs_to_the_period_that_it_begins() -> None:
    assert periods().at(at("2026-02-28")) == span("2026-02-28", "2026-03-31")
    assert periods().at(at("2026-02-27T23:59")) == span("2026-01-31", "2026-02-28")


def test_the_first_period_is_shown_from_the_boundary_before_its_measuring() -> None:
    measured = periods(anchor="2026-01-01", start="2026-01-10T12:00")

    assert measured.at(at("2026-01-11")) == span("2026-01-01", "2026-02-01")
    assert measured.boundaries(at("2025-01-01"), at("2026-03-01")) == (at("2026-02-01"), at("2026-03-01"))


def test_a_reset_by_hand_begins_a_period_that_is_counted_from_it() -> None:
    reset = periods(by_hand("2026-03-10"))

    assert reset.at(at("2026-03-09")) == span("2026-02-28", "2026-03-10")
    assert reset.at(at("2026-03-10")) == span("2026-03-10", "2026-04-10")
    assert reset.at(at("2026-04-10")) == span("2026-04-10", "2026-05-10")


def test_a_reset_that_retains_the_anchor_begins_a_short_period() -> None:
    reset = periods(by_hand("2026-03-10", retains_anchor=True))

    assert reset.at(at("2026-03-09")) == span("2026-02-28", "2026-03-10")
    assert reset.at(at("2026-03-10")) == span("2026-03-10", "2026-03-31")
    assert reset.at(at("2026-03-31")) == span("2026-03-31", "2026-04-30")


def test_a_later_reset_retains_the_anchor_of_the_one_before() -> None:
    reset = periods(by_hand("2026-03-10"), by_hand("2026-03-20", retains_anchor=True))

    assert reset.at(at("2026-03-15")) == span("2026-03-10", "2026-03-20")
    assert reset.at(at("2026-03-25")) == span("2026-03-20", "2026-04-10")


def test_boundaries_follow_the_anchor_in_force() -> None:
    reset = periods(by_hand("2026-02-10", retains_anchor=True), by_hand("2026-03-10"))

    found = reset.boundaries(at("2026-01-31"), at("2026-05-10"))

    assert found == tuple(at(day) for day in ("2026-02-28", "2026-04-10", "2026-05-10"))
    assert reset.boundaries(at("2026-04-10"), at("2026-05-09")) == ()


def test_resets_are_those_by_themselves_and_those_by_hand() -> None:
    reset = periods(by_hand("2026-02-10", retains_anchor=True), by_hand("2026-03-10", preserves=True))

    assert reset.all_resets(at("2026-01-31"), at("2026-04-10"), preserves_overage=False) == (
        Reset(at("2026-02-10"), False),
        Reset(at("2026-02-28"), False),
        Reset(at("2026-03-10"), True),
        Reset(at("2026-04-10"), False),
    )


def test_a_reset_by_hand_at_a_boundary_counts_once() -> None:
    for retains in (True, False):
        reset = periods(by_hand("2026-02-28", retains_anchor=retains, preserves=False))
        resets = reset.all_resets(at("2026-01-31"), at("2026-03-01"), preserves_overage=True)
        assert resets == (Reset(at("2026-02-28"), False),)


def test_too_many_usage_periods_at_once_are_refused() -> None:
    with pytest.raises(InvalidInput, match="shorter time"):
        periods(cadence="PT1H").boundaries(at("2026-01-31"), at("2028-01-31"))


MINUTES = st.integers(1, 60 * 24 * 100).map(lambda minutes: at("2026-01-31") + timedelta(minutes=minutes))


@given(
    resets=st.dictionaries(MINUTES, st.booleans(), max_size=5),
    cadence=st.sampled_from(["P1M", "P1W", "P10D", "P1Y"]),
    now=MINUTES,
)
def test_usage_periods_follow_each_other_and_begin_at_their_resets(
    resets: dict[datetime, bool], cadence: str, now: datetime
) -> None:
    some = periods(*(ManualReset(reset, resets[reset]) for reset in sorted(resets)), cadence=cadence)
    period = some.at(now)

    begins = {some.starts_at, *(reset.at for reset in some.all_resets(some.starts_at, now, preserves_overage=True))}
    assert period.start == max(begin for begin in begins if begin <= now)
    assert some.at(period.end).start == period.end
    assert some.at(period.end - timedelta(microseconds=1)) == period


def test_the_shortest_usage_period_is_an_hour() -> None:
    assert timedelta(hours=1) == MIN_USAGE_PERIOD
