from datetime import datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from functions.domain.errors import Conflict, InvalidInput
from functions.domain.subscriptions.subscription import BillablePeriod, Subscription, SubscriptionStatus
from tests.domain.builders import at, edit, flat, phase, plan, subscription, unit

USAGE_ONLY = plan(phase(unit()))
STARTS = st.datetimes(at("2020-01-01").replace(tzinfo=None), at("2028-12-31").replace(tzinfo=None))


def boundaries(of: Subscription, count: int) -> list[datetime]:
    """The next instants at which something is owed, billing each before looking for the following one."""
    found: list[datetime] = []
    while len(found) < count and (due := of.next_due_at()) is not None:
        found.append(due)
        of = of.billed(due, due)
    return found


def billed(of: Subscription, until: datetime) -> list[BillablePeriod]:
    """Every billable period that is owed up to `until`."""
    billables = []
    while (due := of.next_due_at()) is not None and due <= until:
        billables += of.billables_due_at(due)
        of = of.billed(due, due)
    return billables


def spans(billables: list[BillablePeriod], key: str) -> list[tuple[str, str]]:
    return [(f"{each.period.start:%m-%d}", f"{each.period.end:%m-%d}") for each in billables if each.item.key == key]


def test_usage_is_owed_at_the_end_of_each_period_and_a_fee_in_advance_at_its_start() -> None:
    of = subscription(plan(), "2026-01-15")

    assert boundaries(of, 3) == [at("2026-01-15"), at("2026-02-15"), at("2026-03-15")]
    assert [each.item.key for each in of.billables_due_at(at("2026-01-15"))] == ["fee"]
    assert [(each.item.key, each.index) for each in of.billables_due_at(at("2026-02-15"))] == [
        ("fee", 1),
        ("tokens", 0),
    ]


def test_without_fees_in_advance_nothing_is_owed_before_a_period_has_ended() -> None:
    assert boundaries(subscription(USAGE_ONLY, "2026-01-15"), 2) == [at("2026-02-15"), at("2026-03-15")]


def test_the_31st_does_not_drift() -> None:
    of = subscription(USAGE_ONLY, "2026-01-31")

    assert boundaries(of, 4) == [at("2026-02-28"), at("2026-03-31"), at("2026-04-30"), at("2026-05-31")]


def test_a_leap_day_comes_back_every_fourth_year() -> None:
    of = subscription(plan(phase(unit(cadence="P1Y")), billingCadence="P1Y"), "2024-02-29")

    assert boundaries(of, 4) == [at("2025-02-28"), at("2026-02-28"), at("2027-02-28"), at("2028-02-29")]


@pytest.mark.parametrize(
    ("cadence", "expected"),
    [
        ("P1W", ["2026-03-27", "2026-04-03"]),
        ("P3M", ["2026-06-20", "2026-09-20"]),
        ("P1Y", ["2027-03-20", "2028-03-20"]),
        ("PT6H", ["2026-03-20T06:00:00", "2026-03-20T12:00:00"]),
    ],
)
def test_every_cadence_counts_from_the_start(cadence: str, expected: list[str]) -> None:
    of = subscription(plan(phase(unit(cadence=cadence)), billingCadence=cadence), "2026-03-20")

    assert boundaries(of, 2) == [at(each) for each in expected]


def test_an_anchor_cuts_the_first_period() -> None:
    of = subscription(plan(), "2026-01-20", anchor="2025-06-01")
    first = of.billables_due_at(at("2026-01-20"))[0]

    assert (first.full.start, first.full.end) == (at("2026-01-01"), at("2026-02-01"))
    assert (first.period.start, first.period.end) == (at("2026-01-20"), at("2026-02-01"))
    assert boundaries(of, 3) == [at("2026-01-20"), at("2026-02-01"), at("2026-03-01")]
    assert of.normalized_anchor == at("2026-01-01")


def test_an_anchor_in_the_future_counts_backwards() -> None:
    of = subscription(USAGE_ONLY, "2026-01-20", anchor="2026-05-31")

    assert boundaries(of, 3) == [at("2026-01-31"), at("2026-02-28"), at("2026-03-31")]


def test_a_fee_in_arrears_is_owed_at_the_end() -> None:
    of = subscription(plan(phase(flat(term="in_arrears"))), "2026-01-15")

    assert boundaries(of, 1) == [at("2026-02-15")]


def test_a_one_time_fee_in_advance_is_owed_once() -> None:
    of = subscription(plan(phase(flat(cadence=None, key="setup"))), "2026-01-15")

    assert boundaries(of, 5) == [at("2026-01-15")]


def test_a_one_time_fee_in_arrears_waits_for_the_end() -> None:
    of = subscription(plan(phase(flat(cadence=None, key="exit", term="in_arrears"))), "2026-01-15")

    assert boundaries(of, 5) == []
    assert boundaries(of.cancelled(at("2026-02-20"), at("2026-02-20")), 5) == [at("2026-02-20")]


def test_yearly_and_monthly_cards_share_an_invoice() -> None:
    of = subscription(plan(phase(flat("100", key="year", cadence="P1Y"), unit())), "2026-01-15")

    assert [each.item.key for each in of.billables_due_at(at("2026-01-15"))] == ["year"]
    assert [each.item.key for each in of.billables_due_at(at("2026-02-15"))] == ["tokens"]
    assert [each.item.key for each in of.billables_due_at(at("2027-01-15"))] == ["year", "tokens"]


def test_monthly_usage_of_a_quarterly_plan_comes_together_at_the_quarter() -> None:
    of = subscription(plan(phase(unit(cadence="P1M")), billingCadence="P3M"), "2026-01-31")

    assert boundaries(of, 1) == [at("2026-04-30")]
    due = of.billables_due_at(at("2026-04-30"))
    assert spans(due, "tokens") == [("01-31", "02-28"), ("02-28", "03-31"), ("03-31", "04-30")]
    assert [each.index for each in due] == [0, 1, 2]


def test_monthly_fees_of_a_quarterly_plan_are_all_owed_at_its_start() -> None:
    of = subscription(plan(phase(flat(cadence="P1M")), billingCadence="P3M"), "2026-01-15")

    assert [each.index for each in of.billables_due_at(at("2026-01-15"))] == [0, 1, 2]
    assert boundaries(of, 2) == [at("2026-01-15"), at("2026-04-15")]


def test_phases_follow_each_other_and_their_durations_do_not_drift() -> None:
    of = subscription(
        plan(phase(unit(), key="trial", duration="P1M"), phase(unit(), key="ramp", duration="P1M"), phase(flat())),
        "2026-01-31",
    )

    assert [(each.starts_at, each.ends_at) for each in of.phases] == [
        (at("2026-01-31"), at("2026-02-28")),
        (at("2026-02-28"), at("2026-03-31")),
        (at("2026-03-31"), None),
    ]


def test_a_phase_that_ends_inside_a_billing_period_is_billed_at_the_end_of_it() -> None:
    of = subscription(plan(phase(unit(), key="trial", duration="P10D"), phase(unit())), "2026-01-01")

    assert boundaries(of, 1) == [at("2026-02-01")]
    assert spans(of.billables_due_at(at("2026-02-01")), "tokens") == [("01-01", "01-11"), ("01-11", "02-01")]


def test_the_starting_phase_skips_the_ones_before_it() -> None:
    of = subscription(plan(phase(key="trial", duration="P1M"), phase(flat())), "2026-01-01", starting_phase="main")

    assert [(each.key, each.starts_at) for each in of.phases] == [("main", at("2026-01-01"))]
    with pytest.raises(InvalidInput, match="has no phase 'gold'; it has main"):
        subscription(plan(), "2026-01-01", starting_phase="gold")


def test_only_an_active_plan_can_be_subscribed_to() -> None:
    archived = plan(effectiveTo="2026-01-01T00:00:00Z")

    with pytest.raises(InvalidInput, match="is archived"):
        subscription(archived, "2026-01-01")


def test_the_status_follows_from_time() -> None:
    of = subscription(plan(), "2026-02-01")
    ending = of.cancelled(at("2026-03-01"), at("2026-02-10"))

    assert of.status(at("2026-01-31")) is SubscriptionStatus.SCHEDULED
    assert of.status(at("2026-02-01")) is SubscriptionStatus.ACTIVE
    assert ending.status(at("2026-02-28")) is SubscriptionStatus.CANCELED
    assert ending.status(at("2026-03-01")) is SubscriptionStatus.INACTIVE


def test_cancelling_cuts_the_running_period_owes_its_usage_and_credits_back_the_fee_at_once() -> None:
    of = subscription(plan(), "2026-01-15").billed(at("2026-02-15"), at("2026-02-15"))
    ended = of.cancelled(at("2026-02-20"), at("2026-02-20"))

    due = ended.billables_due_at(at("2026-02-20"))
    assert boundaries(ended, 5) == [at("2026-02-20")]
    assert spans(due, "tokens") == [("02-15", "02-20")]
    assert spans(due, "fee") == [("02-20", "03-15")]
    assert [each.is_credit for each in due] == [True, False]
    assert [each.name for each in due] == ["period[1]/credit[20260220T000000Z]", "period[1]"]


def test_without_proration_nothing_is_credited_back_and_the_rest_of_a_paid_period_is_free() -> None:
    unprorated = plan(phase(flat(), key="a", duration="P45D"), phase(), proRatingConfig={"enabled": False})
    of = subscription(unprorated, "2026-01-01").billed(at("2026-02-01"), at("2026-02-01"))

    assert of.cancelled(at("2026-02-10"), at("2026-02-10")).next_due_at() is None
    stretched = edit(of, {"op": "stretch_phase", "phaseKey": "a", "extendBy": "P30D"}, at="2026-02-05")
    assert boundaries(stretched, 2) == [at("2026-03-01")]


def test_cancelling_at_the_end_of_the_period_adds_no_further_fee() -> None:
    of = subscription(plan(), "2026-01-15")
    ended = of.cancelled(of.effective_time("next_billing_cycle", at("2026-01-20")), at("2026-01-20"))

    assert ended.active_to == at("2026-02-15")
    assert [each.item.key for each in ended.billables_due_at(at("2026-02-15"))] == ["tokens"]


def test_a_scheduled_subscription_cancelled_before_it_starts_owes_nothing() -> None:
    of = subscription(plan(), "2026-03-01").cancelled(at("2026-02-01"), at("2026-02-01"))

    assert (of.active_from, of.active_to, of.next_due_at()) == (at("2026-03-01"), at("2026-03-01"), None)


def test_it_can_end_with_its_trial_and_with_its_year() -> None:
    trial = phase(key="trial", duration="P14D")
    yearly = phase(flat("1200", key="contract", cadence="P1Y"), unit())
    of = subscription(plan(trial, yearly), "2026-01-15")
    assert of.effective_time("end_of_phase", at("2026-01-20")) == at("2026-01-29")
    with pytest.raises(InvalidInput, match="has no end; use end_of_term"):
        of.effective_time("end_of_phase", at("2026-03-20"))

    assert of.effective_time("end_of_term", at("2026-03-20")) == at("2027-01-15")
    assert of.effective_time("end_of_term", at("2027-03-20")) == at("2028-01-15")
    assert subscription(plan(phase(unit())), "2026-01-15").effective_time("end_of_term", at("2026-01-20")) == at(
        "2026-02-15"
    )


def test_an_end_that_is_set_can_be_put_off() -> None:
    of = subscription(plan(), "2026-01-15").cancelled(at("2026-02-15"), at("2026-01-20"))

    later = of.effective_time(at("2026-04-15"), at("2026-01-20"))
    assert of.cancelled(later, at("2026-01-20")).active_to == at("2026-04-15")
    assert of.effective_time("next_billing_cycle", at("2026-02-01")) == at("2026-02-15")


def test_a_cancellation_time_must_be_the_end_of_a_period() -> None:
    of = subscription(plan(), "2026-01-15")

    assert of.effective_time(at("2026-03-15"), at("2026-01-20")) == at("2026-03-15")
    with pytest.raises(InvalidInput, match="ends 2026-03-15"):
        of.effective_time(at("2026-03-01"), at("2026-01-20"))
    with pytest.raises(InvalidInput, match="in the past"):
        of.effective_time(at("2026-01-16"), at("2026-01-20"))


def test_what_is_billed_or_ended_cannot_be_cancelled_away() -> None:
    of = subscription(plan(), "2026-01-15").billed(at("2026-03-15"), at("2026-03-15"))

    with pytest.raises(Conflict, match="billed until"):
        of.cancelled(at("2026-03-01"), at("2026-03-01"))
    ended = of.cancelled(at("2026-03-20"), at("2026-03-20"))
    with pytest.raises(Conflict, match="ended at"):
        ended.cancelled(at("2026-03-21"), at("2026-03-21"))


@given(
    STARTS,
    st.sampled_from(["P1M", "P3M", "P1Y"]),
    st.sampled_from(["P1M", "P3M", "P1Y"]),
    st.integers(0, 800),
    st.integers(1, 900),
)
def test_every_instant_of_usage_is_billed_exactly_once(
    start: datetime, billing: str, card: str, anchor: int, days: int
) -> None:
    text, day = start.replace(microsecond=0).isoformat(), timedelta(days=1)
    of = subscription(
        plan(phase(unit(cadence=card)), billingCadence=billing), text, anchor=(start - anchor * day).isoformat()[:19]
    )
    end = of.active_from + days * day

    billables = billed(of.cancelled(end, end), end)

    assert billables[0].period.start == of.active_from
    assert billables[-1].period.end == end
    assert all(one.period.end == other.period.start for one, other in pairwise(billables))
    assert [each.index for each in billables] == list(range(len(billables)))


@given(STARTS, st.integers(1, 900), st.integers(0, 400))
def test_cancelling_after_any_number_of_bills_loses_and_repeats_nothing(start: datetime, days: int, bills: int) -> None:
    of = subscription(
        plan(phase(unit(), key="trial", duration="P45D"), phase(unit(), flat(term="in_arrears"))),
        start.replace(microsecond=0).isoformat(),
    )
    end = of.active_from + timedelta(days=days)
    before = []
    for _ in range(bills % 30):
        due = of.next_due_at()
        if due is None or due > end:
            break
        before += of.billables_due_at(due)
        of = of.billed(due, due)

    billables = before + billed(of.cancelled(end, end), end)

    for key in ("tokens", "fee"):
        periods = sorted(each.period for each in billables if each.item.key == key)
        assert all(one.end == other.start for one, other in pairwise(periods))
        assert not periods or periods[-1].end == end
