from datetime import timedelta

import pytest

from functions.adapters.dynamo.billing.turn_store import DynamoBillingTurns
from functions.application.billing.invoice_now import request_invoices, requested_invoices
from functions.application.billing.list_due import list_due_customers
from functions.application.billing.record_failure import record_failure
from functions.application.billing.start_billing import start_billing
from functions.application.ports.billing import BillingRun, BillingTurn
from functions.application.step_failure import INTERNAL, TIMED_OUT, StepFailure
from functions.domain.billing.invoice import InvoiceRecord
from functions.domain.billing.invoice_request import InvoiceRequest
from functions.domain.errors import InvalidInput, NotFound, Unavailable, Unbillable
from tests.application.billing.world import ACME, TENANT, World
from tests.domain.builders import at, phase, unit

HOUR = timedelta(hours=1)


def start(world: World, collection: timedelta = HOUR) -> BillingRun | None:
    turns = DynamoBillingTurns(world.table)
    return start_billing(collection, index=world.index, runs=world.runs, turns=turns, clock=world.clock)


def ask(
    world: World, as_of: str | None = None, customer_id: str = ACME, *, progressive: bool = False
) -> InvoiceRequest:
    return request_invoices(
        TENANT,
        customer_id,
        at(as_of) if as_of else None,
        progressive=progressive,
        customers=world.customers,
        subscriptions=world.subscriptions,
        requests=world.requests,
        runs=world.runs,
        clock=world.clock,
        new_id=world.new_id,
    )


def answer(world: World, request: InvoiceRequest) -> list[InvoiceRecord] | None:
    return requested_invoices(
        TENANT,
        request,
        subscriptions=world.subscriptions,
        invoices=world.invoices,
        requests=world.requests,
        failures=world.failures,
    )


def test_a_run_starts_only_when_the_collection_interval_is_over(world: World) -> None:
    world.plan(phase(unit()))
    world.subscribe(start="2026-04-01")

    world.clock.time = at("2026-05-01T00:59:59")
    assert start(world) is None
    world.clock.time = at("2026-05-01T01:00:00")
    run = start(world)
    assert run is not None
    assert run.to_input() == {"run_id": "schedule-20260501T0100", "as_of": "2026-05-01T00:00:00+00:00"}
    assert world.runs.started == [run]


def test_two_deliveries_of_one_schedule_start_one_run(world: World) -> None:
    world.plan(phase(unit()))
    world.subscribe(start="2026-04-01")
    world.clock.time = at("2026-05-01T01:02:00")
    start(world)
    world.clock.time = at("2026-05-01T01:14:59")
    start(world)
    assert [run.run_id for run in world.runs.started] == ["schedule-20260501T0100"]

    world.clock.time = at("2026-05-01T01:15:00")
    start(world)
    assert [run.run_id for run in world.runs.started] == ["schedule-20260501T0100", "schedule-20260501T0115"]


def test_no_run_begins_while_the_one_before_works(world: World) -> None:
    world.plan(phase(unit()))
    world.subscribe(start="2026-04-01")
    world.clock.time = at("2026-05-01T01:02:00")
    first = start(world)
    assert first is not None
    world.runs.working.add(first.run_id)
    for later in ("2026-05-01T01:15:00", "2026-05-01T03:30:00"):
        world.clock.time = at(later)
        assert start(world) is None
    world.runs.working.clear()
    assert start(world) is not None
    assert len(world.runs.started) == 2


def test_of_two_runs_that_are_asked_for_at_once_one_works(world: World) -> None:
    """Both have looked before either has taken its turn."""
    world.plan(phase(unit()))
    world.subscribe(start="2026-04-01")
    world.clock.time = at("2026-05-01T01:14:59")
    turns = DynamoBillingTurns(world.table)
    seen = turns.last()
    assert turns.take(BillingTurn("schedule-a", world.clock.now()), seen)
    assert not turns.take(BillingTurn("schedule-b", world.clock.now()), seen)
    assert turns.take(BillingTurn("schedule-a", world.clock.now()), seen), "sent again by the client's library"
    assert turns.last() == BillingTurn("schedule-a", world.clock.now())


def test_a_run_that_took_its_turn_and_was_never_started_holds_up_nobody_for_long(world: World) -> None:
    world.plan(phase(unit()))
    world.subscribe(start="2026-04-01")
    world.clock.time = at("2026-05-01T01:02:00")
    DynamoBillingTurns(world.table).take(BillingTurn("schedule-lost", at("2026-05-01T01:00:00")), None)
    assert start(world) is None, "Step Functions may not know of it yet"
    world.clock.time = at("2026-05-01T01:15:00")
    assert start(world) is not None


def test_an_invoice_that_waits_for_its_push_starts_a_run_too(world: World) -> None:
    world.plan(phase(unit()))
    world.subscribe(start="2026-04-01")
    world.issue()

    assert start(world) is None
    world.clock.time = at("2026-05-01T00:10:00")
    assert start(world) is not None


def test_invoice_now_starts_a_run_for_one_customer_and_answers_its_invoices(world: World) -> None:
    world.plan(phase(unit("0.01")))
    world.subscribe(start="2026-04-01")

    request = ask(world)
    assert answer(world, request) is None
    assert world.runs.started[0].to_input() == {
        "run_id": request.run_id,
        "as_of": "2026-05-01T00:00:00+00:00",
        "tenant": TENANT,
        "customer_ids": [ACME],
    }
    world.issue(run_id=request.run_id)

    answered = answer(world, request)
    assert answered is not None
    assert [(each.invoice.total_minor, len(each.invoice.lines)) for each in answered] == [(3000, 1)]


def test_a_progressive_request_runs_for_usage_so_far_and_waits_for_it(world: World) -> None:
    world.plan(phase(unit("0.01")))
    world.subscribe(start="2026-04-21")

    request = ask(world, progressive=True)
    assert answer(world, request) is None
    (run,) = world.runs.started
    assert run.to_input()["progressive"] is True
    due = list_due_customers(TENANT, [ACME], run.as_of, subscriptions=world.subscriptions, progressive=True)
    assert [each.customer_id for each in due.items] == [ACME]
    assert list_due_customers(TENANT, [ACME], run.as_of, subscriptions=world.subscriptions).items == []
    world.issue(run_id=request.run_id, progressive=True)

    answered = answer(world, request)
    assert answered is not None
    assert [each.invoice.total_minor for each in answered] == [1000]
    due = list_due_customers(TENANT, [ACME], run.as_of, subscriptions=world.subscriptions, progressive=True)
    assert due.items == []


def test_a_progressive_request_does_not_join_a_run_that_bills_ended_periods_only(world: World) -> None:
    world.plan(phase(unit("0.01")))
    world.subscribe(start="2026-04-01")
    first = ask(world)
    world.clock.time = at("2026-05-01T00:00:30")

    second = ask(world, progressive=True)

    assert (first.run_id != second.run_id, second.first_due_at) == (True, at("2026-05-01"))
    assert ask(world, progressive=True) == second
    assert ask(world) == second, "it bills what has ended as well"
    assert ask(world, "2026-05-01T00:00:10", progressive=True).run_id != second.run_id


def test_a_period_that_has_not_ended_has_no_lines(world: World) -> None:
    world.plan(phase(unit()))
    world.subscribe(start="2026-04-02")

    with pytest.raises(InvalidInput) as refused:
        ask(world)
    assert refused.value.code == "invoice_create_no_lines"
    assert world.runs.started == []


def test_asking_again_while_it_works_joins_the_same_run(world: World) -> None:
    world.plan(phase(unit()))
    world.subscribe(start="2026-04-01")

    first = ask(world)
    world.clock.time = at("2026-05-01T00:00:30")

    assert ask(world) == first
    assert len(world.runs.started) == 1


def test_asking_again_after_a_timeout_answers_what_was_issued_meanwhile_and_then_nothing_more(world: World) -> None:
    world.plan(phase(unit()))
    world.subscribe(start="2026-04-01")
    first = ask(world)
    world.issue(run_id=first.run_id)
    world.clock.time = at("2026-05-01T00:05:00")

    answered = answer(world, ask(world))

    assert answered is not None
    assert len(answered) == 1
    with pytest.raises(InvalidInput) as refused:
        ask(world)
    assert refused.value.code == "invoice_create_no_lines"


def test_the_same_instant_asked_for_twice_gives_the_same_invoices(world: World) -> None:
    world.plan(phase(unit()))
    world.subscribe(start="2026-04-01")
    request = ask(world, "2026-05-01")
    world.issue(run_id=request.run_id)

    once, twice = (answer(world, ask(world, "2026-05-01")) for _ in range(2))

    assert once is not None
    assert once == twice


def test_a_run_that_was_lost_is_started_again(world: World) -> None:
    world.plan(phase(unit()))
    world.subscribe(start="2026-04-01")
    ask(world)
    world.clock.time = at("2026-05-01T00:03:00")
    ask(world)

    assert len({run.run_id for run in world.runs.started}) == 2


def test_the_reason_of_a_failed_run_is_told(world: World) -> None:
    world.plan(phase(unit()))
    world.subscribe(start="2026-04-01")
    request = ask(world)
    error = {"Error": "NotFound", "Cause": '{"errorMessage": "There is no meter.", "errorType": "NotFound"}'}
    record_failure(TENANT, ACME, None, request.run_id, error, failures=world.failures, clock=world.clock)

    with pytest.raises(Unavailable, match=r"There is no meter\."):
        answer(world, request)


def test_a_run_that_failed_for_good_is_not_to_be_tried_again(world: World) -> None:
    world.plan(phase(unit()))
    world.subscribe(start="2026-04-01")
    request = ask(world)
    error = {
        "Error": "Unbillable",
        "Cause": '{"errorMessage": "An invoice can be at most 1.", "errorType": "Unbillable"}',
    }
    record_failure(TENANT, ACME, None, request.run_id, error, failures=world.failures, clock=world.clock)

    with pytest.raises(Unbillable, match=r"An invoice can be at most 1\."):
        answer(world, request)


def test_the_future_and_unknown_customers_are_refused(world: World) -> None:
    with pytest.raises(InvalidInput, match="future"):
        ask(world, "2026-05-02")
    with pytest.raises(NotFound):
        ask(world, customer_id="01JNJBJDYNJBJDYNJBJDYNJBJD")


@pytest.mark.parametrize(
    ("error", "told"),
    [
        ({"Error": "States.Timeout", "Cause": "arn:aws:lambda"}, TIMED_OUT),
        ({"Error": "Unavailable", "Cause": '{"errorMessage": "Try again."}'}, StepFailure("Unavailable", "Try again.")),
        ({"Error": "LanesNotCounted", "Cause": "Not yet."}, StepFailure("LanesNotCounted", "Not yet.")),
        ({"Error": "NotFound", "Cause": "x" * 5000}, StepFailure("NotFound", "x" * 1000)),
        ({"Error": "NotFound", "Cause": '{"errorType": "NotFound"}'}, INTERNAL),
        ({"Error": "KeyError", "Cause": '{"errorMessage": "\'card 4242\'"}'}, INTERNAL),
        ({"Error": "ClientError", "Cause": '{"errorMessage": "arn:aws:dynamodb:..."}'}, INTERNAL),
        ({"Error": "InternalError", "Cause": '{"errorMessage": "whatever"}'}, INTERNAL),
        ({"Error": "Lambda.Unknown", "Cause": "The cause could not be determined"}, INTERNAL),
        ({"Cause": "[" * 100_000}, INTERNAL),
        ({}, INTERNAL),
    ],
)
def test_a_failure_is_told_in_our_words_and_never_in_those_of_an_exception(
    world: World, error: dict[str, str], told: StepFailure
) -> None:
    failure = record_failure(TENANT, ACME, None, "run-1", error, failures=world.failures, clock=world.clock)

    assert StepFailure(failure.code, failure.message) == told


def test_a_failure_counts_its_attempts_and_is_gone_once_the_customer_is_billed(world: World) -> None:
    world.plan(phase(unit()))
    world.subscribe(start="2026-04-01")
    for _ in range(2):
        record_failure(TENANT, ACME, None, "run-1", {"Error": "X"}, failures=world.failures, clock=world.clock)
    assert [each.attempts for each in world.failures.all(TENANT)] == [2]

    world.issue()
    assert list(world.failures.all(TENANT)) == []
