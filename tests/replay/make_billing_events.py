"""Payloads of billing: the schedule, the steps of the workflow, Stripe's webhooks."""

import json
from collections.abc import Iterator
from typing import Any

from tests.replay.billing_seeds import CUSTOMER, ENDED, INVOICE, INVOICE_IN_SHILLINGS, RUN
from tests.replay.make_scenario import Made, http_request, scheduled
from tests.replay.world import TENANT

SUBSCRIBED = ["ledger", "subscription"]
INVOICED = [*SUBSCRIBED, "invoice"]
PUSHED = [*INVOICED, "pushed"]
WHO = {"tenant": TENANT, "customer_id": CUSTOMER, "run_id": RUN}
NOBODY = "01JBXR00000000000000NB0DY0"


def scenarios() -> Iterator[Made]:
    yield from schedule()
    yield from reconcile()
    yield from lanes()
    yield from list_due()
    yield from issue()
    yield from push()
    yield from record_failure()
    yield from webhook()


def schedule() -> Iterator[Made]:
    started = {"log": {"message": "looked for due periods"}}
    nothing = {"payload": {"run_id": None}}
    yield Made("schedule_billing", "happy", scheduled("Billing"), [started], SUBSCRIBED)
    yield Made("schedule_billing", "duplicate", scheduled("Billing"), [started, started], SUBSCRIBED)
    yield Made("schedule_billing", "nothing_due", scheduled("Billing"), [nothing], ["ledger"])
    yield Made("schedule_billing", "another_runs", scheduled("Billing"), [nothing], [*SUBSCRIBED, "turn_taken"])
    # The schedule's input says nothing, so nothing in it can be wrong.
    yield Made("schedule_billing", "bad_input", {"detail": 7}, [nothing], ["ledger"])


def reconcile() -> Iterator[Made]:
    looked = {"payload": {"found": 0, "done": True}, "log": {"message": "billed periods looked at again"}}
    yield Made("schedule_reconcile", "happy", scheduled("Reconcile"), [looked], INVOICED)
    yield Made("schedule_reconcile", "duplicate", scheduled("Reconcile"), [looked, looked], INVOICED)
    # A replay has less time than the function keeps for one turn: what came late and what is due have one each.
    once = {"payload": {"customers": 2, "found": 0, "done": False}}
    never_again = {"payload": {"customers": 0, "found": 0, "done": True}}
    yield Made("schedule_reconcile", "late", scheduled("Reconcile"), [once, never_again], [*INVOICED, "late"])
    # The schedule's input says nothing, so nothing in it can be wrong.
    yield Made("schedule_reconcile", "bad_input", {"detail": 7}, [looked], ["ledger"])


def lanes() -> Iterator[Made]:
    run = {"run_id": RUN, "as_of": ENDED.isoformat()}
    closed = {"payload": {"marker": RUN, "lanes": 2, "counted": 0, "polls": 0, "is_done": False}}
    yield Made("workflow_close_lanes", "happy", run, [closed], ["ledger"])
    yield Made("workflow_close_lanes", "duplicate", run, [closed, closed], ["ledger"])
    odd = {"run_id": "x" * 300, "as_of": "never"}
    yield Made("workflow_close_lanes", "bad_input", odd, [{"payload": {"marker": "x" * 300}}], ["ledger"])

    asked = {"marker": RUN, "lanes": 2, "counted": 0, "polls": 3, "is_done": False}
    waiting = {"payload": {"marker": RUN, "counted": 0, "polls": 4, "is_done": False}}
    yield Made("workflow_count_lanes", "happy", asked, [waiting], ["ledger"])
    yield Made("workflow_count_lanes", "duplicate", asked, [waiting, waiting], ["ledger"])
    unknown = asked | {"marker": "a run that never was", "polls": 299}
    still = {"payload": {"counted": 0, "polls": 300, "is_done": False}}
    yield Made("workflow_count_lanes", "bad_input", unknown, [still], ["ledger"])


def list_due() -> Iterator[Made]:
    run = {"run_id": RUN, "as_of": ENDED.isoformat(), "lanes": {"is_done": True}}
    item = {"tenant": TENANT, "customer_id": CUSTOMER, "invoice_ids": [], "progressive": False}
    found = {"payload": {"items": [item], "count": 1, "has_next": True}}
    yield Made("workflow_list_due", "happy", run, [found], SUBSCRIBED)
    yield Made("workflow_list_due", "duplicate", run, [found, found], SUBSCRIBED)
    first_page = {"payload": {"count": 500, "cursor": "due:1/2", "has_next": True}}
    yield Made("workflow_list_due", "many", run, [first_page], ["ledger", "many_due"])
    second = run | {"page": {"cursor": "due:1/2"}}
    last_of_due = {"payload": {"items": [item], "count": 1, "cursor": "unpushed:", "has_next": True}}
    yield Made("workflow_list_due", "second_page", second, [last_of_due], ["ledger", "planned"])
    one = run | {"tenant": TENANT, "customer_ids": [CUSTOMER]}
    only = {"payload": {"items": [item], "count": 1, "cursor": None, "has_next": False}}
    yield Made("workflow_list_due", "one_customer", one, [only], SUBSCRIBED)
    stranger = run | {"tenant": TENANT, "customer_ids": [NOBODY]}
    yield Made("workflow_list_due", "bad_input", stranger, [{"payload": {"items": [], "count": 0}}], SUBSCRIBED)


def issue() -> Iterator[Made]:
    due = WHO | {"as_of": ENDED.isoformat(), "invoice_ids": [], "progressive": False}
    issued = {"payload": {"invoice_ids": [INVOICE], "has_more": False}, "log": {"message": "invoices issued"}}
    again = {"payload": {"invoice_ids": [], "has_more": False}}
    yield Made("workflow_issue_invoice", "happy", due, [issued], SUBSCRIBED)
    yield Made("workflow_issue_invoice", "duplicate", due, [issued, again], SUBSCRIBED)
    # Nothing is owed before the month has ended.
    too_early = due | {"as_of": "2026-09-15T00:00:00+00:00"}
    yield Made("workflow_issue_invoice", "bad_input", too_early, [again], SUBSCRIBED)


def push() -> Iterator[Made]:
    asked = WHO | {"invoice_id": INVOICE}
    open_there = {"payload": {"invoice_id": INVOICE, "status": "open", "failure_code": None}}
    yield Made("workflow_push_invoice", "happy", asked, [open_there], INVOICED)
    yield Made("workflow_push_invoice", "duplicate", asked, [open_there, open_there], INVOICED)
    in_shillings = WHO | {"invoice_id": INVOICE_IN_SHILLINGS}
    refused = {"payload": {"invoice_id": INVOICE_IN_SHILLINGS, "status": "push_failed", "gateway_invoice": None}}
    seeds = ["ledger", "subscription_in_shillings", "invoice"]
    yield Made("workflow_push_invoice", "bad_input", in_shillings, [refused], seeds)


def record_failure() -> Iterator[Made]:
    failed = WHO | {
        "invoice_ids": [],
        "error": {"Error": "NotFound", "Cause": json.dumps({"errorMessage": "There is no meter 'tokens' to bill by."})},
    }
    done: dict[str, Any] = {"invoice_ids": [], "has_more": False}
    recorded = {"payload": done, "log": {"message": "customer not billed", "code": "NotFound"}}
    counted = {"payload": done, "log": {"BillingCustomersFailed": 1}}
    yield Made("workflow_record_failure", "happy", failed, [recorded])
    yield Made("workflow_record_failure", "duplicate", failed, [recorded, counted])
    wordless = WHO | {"error": {"Cause": "{not json"}, "invoice_id": INVOICE, "invoice_ids": [INVOICE]}
    unknown = {"payload": {"invoice_ids": [INVOICE]}, "log": {"code": "InternalError", "step": "push"}}
    yield Made("workflow_record_failure", "bad_input", wordless, [unknown])


def webhook() -> Iterator[Made]:
    event = {
        "id": "evt_1SPaid000000000000000001",
        "object": "event",
        "type": "invoice.paid",
        "created": int(ENDED.timestamp()),
        "data": {
            "object": {
                "id": "in_1SPaid000000000000000001",
                "object": "invoice",
                "metadata": {"tenant": TENANT, "invoice_id": INVOICE, "run_id": RUN},
            }
        },
    }
    route = "POST /api/v1/apps/{id}/stripe/webhook"
    path = "/api/v1/apps/stripe/stripe/webhook"
    # The signature is as old as this file; replays sign anew.
    old = {
        "stripe-signature": "t=1790812800,v1=" + "0" * 64,
        "user-agent": "Stripe/1.0 (+https://stripe.com/docs/webhooks)",
    }
    request = http_request("POST", path, json.dumps(event), headers=old, path_parameters={"id": "stripe"}, route=route)
    del request["requestContext"]["authorizer"], request["headers"]["authorization"]
    seeds = [*PUSHED, "paid", "signed"]
    settled = {"payload": {"statusCode": 200, "body": {"received": True, "result": "recorded"}}}
    known = {"payload": {"statusCode": 200, "body": {"received": True, "result": "duplicate"}}}
    yield Made("webhook_stripe", "happy", request, [settled], seeds)
    yield Made("webhook_stripe", "duplicate", request, [settled, known], seeds)
    refused = {"payload": {"statusCode": 400, "body": {"status": 400}}, "log": {"code": "invalid_signature"}}
    yield Made("webhook_stripe", "bad_input", request, [refused], PUSHED)
