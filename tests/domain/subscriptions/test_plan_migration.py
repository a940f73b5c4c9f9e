"""What recurring fees come to, and how a migration counts."""

from datetime import timedelta
from typing import Any

import pytest

from functions.domain.money import Money
from functions.domain.subscriptions.plan_migration import (
    MAX_FAILURES,
    MAX_MESSAGE_CHARACTERS,
    STALLED_AFTER,
    Fees,
    MigratedSubscription,
    MigrationStatus,
    PlanMigration,
    ResultStatus,
    recurring_fees,
)
from tests.domain.builders import at, flat, phase, plan, subscription, unit

NOON = at("2026-05-11T12:00")


def fees(*cards: dict[str, Any], billing: str = "P1M", **changed: Any) -> Money | None:
    of = subscription(plan(phase(*cards), **changed), "2026-05-01")
    return recurring_fees(of, NOON, billing)


@pytest.mark.parametrize(
    ("cards", "billing", "cents"),
    [
        ([flat("31")], "P1M", 3_100),
        ([flat("31"), flat("5", key="more"), unit("0.01")], "P1M", 3_600),
        ([flat("31"), flat("500", key="set_up", cadence=None)], "P1M", 3_100),
        ([flat("31")], "P1Y", 37_200),
        ([flat("100", cadence="P1Y")], "P1M", 833),
        ([flat("100", cadence="P1Y"), flat("100", key="b", cadence="P1Y")], "P1M", 1_667),
        ([flat("10", term="in_arrears")], "P3M", 3_000),
        ([flat("19.99") | {"discounts": {"percentage": {"percentage": 15}}}], "P1M", 1_699),
        ([flat("19.99") | {"discounts": {"percentage": {"percentage": 100}}}], "P1M", 0),
        ([unit("0.01")], "P1M", 0),
    ],
)
def test_fees_are_those_of_one_billing_period(cards: list[dict[str, Any]], billing: str, cents: int) -> None:
    assert fees(*cards, billing=billing) == Money(cents, "USD")


def test_weeks_and_days_go_together_and_months_do_not_go_with_them() -> None:
    weekly = {"billingCadence": "P1W"}
    assert fees(flat("7", cadence="P1W"), billing="P2W", **weekly) == Money(1_400, "USD")
    assert fees(flat("1", cadence="P1D"), billing="P1W", **weekly) == Money(700, "USD")
    assert fees(flat("7", cadence="P1W"), billing="P1M", **weekly) is None


def test_the_phase_of_the_instant_counts_with_any_end() -> None:
    phases = [phase(flat("5"), key="intro", duration="P1M"), phase(flat("31"))]
    of = subscription(plan(*phases), "2026-05-01")
    ended = of.model_copy(update={"active_to": NOON})
    assert recurring_fees(ended, NOON, "P1M") == Money(500, "USD")
    assert recurring_fees(ended, at("2026-06-01"), "P1M") == Money(3_100, "USD")


def test_an_amount_without_cents_stays_whole() -> None:
    assert fees(flat("1000", cadence="P1Y"), currency="JPY") == Money(83, "JPY")


def result(number: int, **changed: Any) -> MigratedSubscription:
    ids: dict[str, Any] = {"subscription_id": f"01SUB{number:04d}", "customer_id": "01CUSTOMER"}
    return MigratedSubscription(**ids | {"from_version": 1, "currency": "USD"} | changed)


def migration() -> PlanMigration:
    return PlanMigration(
        id="01MIGRATION", plan_key="pro", to_version=2, dry_run=False, started_at=NOON, updated_at=NOON
    )


def test_sums_are_those_of_what_is_done() -> None:
    done = {"status": ResultStatus.DONE}
    results = [
        result(1, **done, fees=Fees(before_minor=100, after_minor=150)),
        result(2, **done, fees=Fees(before_minor=10, after_minor=5)),
        result(3, **done),
        result(4, **done, currency="JPY", fees=Fees(before_minor=7, after_minor=7)),
        result(5).refused("conflict", "No."),
    ]
    after = migration().worked(results[:2], NOON).worked(results[2:], NOON)
    assert (after.done, after.failed, after.worked_to) == (4, 1, "01SUB0005")
    sums = {currency: (each.before_minor, each.after_minor, each.compared) for currency, each in after.amounts.items()}
    assert sums == {"USD": (110, 155, 2), "JPY": (7, 7, 1)}
    assert PlanMigration.model_validate_json(after.model_dump_json()) == after


def test_the_first_failures_are_kept_in_short_words() -> None:
    failed = [result(number).refused("conflict", "x" * 10_000) for number in range(MAX_FAILURES + 5)]
    after = migration().worked(failed[:3], NOON).worked(failed[3:], NOON)
    assert (after.failed, [each.subscription_id for each in after.failures]) == (
        MAX_FAILURES + 5,
        [each.subscription_id for each in failed[:MAX_FAILURES]],
    )
    assert {len(each.message or "") for each in after.failures} == {MAX_MESSAGE_CHARACTERS}


def test_one_that_is_silent_for_too_long_has_failed_until_it_is_resumed() -> None:
    late = NOON + STALLED_AFTER + timedelta(seconds=1)
    silent = migration()
    assert silent.status_at(NOON + STALLED_AFTER) is MigrationStatus.RUNNING
    assert silent.status_at(late) is MigrationStatus.FAILED
    resumed = silent.resumed(late)
    assert (resumed.status_at(late), resumed.run_id) == (MigrationStatus.RUNNING, "migration-01MIGRATION-2")
    assert resumed.ended(None, late).status_at(late + STALLED_AFTER * 2) is MigrationStatus.DONE


def test_only_older_versions_of_the_plan_that_have_not_ended_are_concerned() -> None:
    of = subscription(plan(phase(flat("31"))), "2026-05-01")
    assert of.plan is not None
    assert migration().concerns(of, NOON)
    same = of.model_copy(update={"plan": of.plan.model_copy(update={"version": 2})})
    other = of.model_copy(update={"plan": of.plan.model_copy(update={"key": "other"})})
    own, ended = of.model_copy(update={"plan": None}), of.model_copy(update={"active_to": NOON})
    assert [migration().concerns(each, NOON) for each in (same, other, own, ended)] == [False] * 4
