"""Payloads of the API: requests, the authorizer's questions, the deployment's custom resource."""

from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode

from tests.replay.billing_seeds import CUSTOMER
from tests.replay.key_seeds import KEY_ID, TOKEN
from tests.replay.make_scenario import ACCOUNT, AT, DAY, REGION, Made, http_request
from tests.replay.world import TENANT

RESOURCE = "tollbooth-bootstrap"
METER = {
    "slug": "tokens",
    "eventType": "prompt",
    "aggregation": "SUM",
    "valueProperty": "$.tokens",
    "groupBy": {"model": "$.model"},
}


def scenarios() -> Iterator[Made]:
    yield from api()
    yield from authorize()
    yield from bootstrap()


def api() -> Iterator[Made]:
    create = http_request("POST", "/api/v1/meters", METER)
    created = {"payload": {"statusCode": 201, "body": {"slug": "tokens", "aggregation": "SUM"}}}
    conflict = {"payload": {"statusCode": 409, "body": {"status": 409}}}
    yield Made("http_api", "happy", create, [created], ["ledger"])
    yield Made("http_api", "duplicate", create, [created, conflict], ["ledger"])
    nameless = http_request("POST", "/api/v1/meters", METER | {"slug": "Not A Slug", "aggregation": "MEDIAN"})
    refused = {"payload": {"statusCode": 400, "body": {"status": 400}}}
    yield Made("http_api", "bad_input", nameless, [refused], ["ledger"])
    unknown = http_request("GET", "/api/v1/no-such-thing", route="$default")
    yield Made("http_api", "unknown_route", unknown, [{"payload": {"statusCode": 404, "body": {"status": 404}}}])
    customer = {"name": "Acme Robotics", "key": "acme", "usageAttribution": {"subjectKeys": ["acme-app"]}}
    made = {"payload": {"statusCode": 201, "body": {"name": "Acme Robotics", "key": "acme"}}}
    taken = {"payload": {"statusCode": 409, "body": {"status": 409}}}
    yield Made("http_api", "create_customer", http_request("POST", "/api/v1/customers", customer), [made, taken])
    empty = {"payload": {"statusCode": 200, "body": {"items": [], "totalCount": 0}}}
    yield Made("http_api", "list_invoices", http_request("GET", "/api/v1/billing/invoices"), [empty])
    yield from rating()
    question = {"query": "usage", "meter": "tokens", "from": "2026-02-01T00:00:00Z", "to": "2026-01-01T00:00:00Z"}
    backwards = http_request("POST", "/api/v1/archive/queries", question)
    yield Made("http_api", "archive_query_bad_input", backwards, [refused], ["ledger", "meter"])
    query = http_request("GET", "/api/v1/meters/tokens/query", query="windowSize=DAY&groupBy=model")
    nothing_yet = {"payload": {"statusCode": 200, "body": {"data": []}}}
    none = {"payload": {"statusCode": 200, "body": {"items": []}}}
    no_event = http_request(
        "GET", "/api/v2/events", query="limit=10&filter=%7B%22subject%22%3A%7B%22%24eq%22%3A%22a%22%7D%7D"
    )
    yield Made("http_api", "list_events", no_event, [none], ["ledger", "meter"])
    asked = {"from": f"{DAY}T00:00:00Z", "to": f"{DAY}T23:59:59Z"}
    rejects = http_request("GET", "/api/v1/rejects", query=urlencode(asked))
    found = {"items": [{"code": "outside_acceptance_window", "event": {"type": "prompt"}}]}
    yield Made(
        "http_api", "list_rejects", rejects, [{"payload": {"statusCode": 200, "body": found}}], ["ledger", "reject"]
    )
    replay = http_request("POST", "/api/v1/rejects/replay", asked)
    answers = [
        {"payload": {"statusCode": 200, "body": {"replayed": sent, "alreadyReplayed": 1 - sent, "refused": []}}}
        for sent in (1, 0)
    ]
    yield Made("http_api", "replay_rejects", replay, answers, ["ledger", "reject"])
    still = [{"code": "unreadable_record"}]
    refused_again = {"payload": {"statusCode": 200, "body": {"replayed": 0, "alreadyReplayed": 0, "refused": still}}}
    yield Made("http_api", "replay_unreadable", replay, [refused_again], ["ledger", "unreadable"])
    yield Made("http_api", "query_meter", query, [nothing_yet], ["ledger", "meter"])
    sent = {"id": "req-1", "source": "gateway", "subject": "a", "time": f"{DAY}T12:00:00Z"}
    void = http_request("POST", "/api/v1/events/corrections", {"event": sent, "reason": "sent by a load test"})
    on_record = {"payload": {"statusCode": 202, "body": {"status": "requested", "event": sent, "requestedBy": KEY_ID}}}
    yield Made("http_api", "void_event", void, [on_record, on_record], ["ledger"])
    corrections = http_request("GET", "/api/v1/events/corrections", query="limit=10")
    yield Made("http_api", "list_corrections", corrections, [none], ["ledger"])


def rating() -> Iterator[Made]:
    """What costs are asked for without billing; the customer of the seeds has a plan over 49 dollars a month."""
    september = {"from": "2026-09-01T00:00:00Z", "to": "2026-10-01T00:00:00Z"}
    card = {"price": {"type": "unit", "amount": "0.0000025", "minimumAmount": "1"}}
    line = {"name": "Calls", "period": september, "invoiceAt": september["to"], "quantity": "1234567", "rateCard": card}
    path = f"/api/v1/billing/customers/{CUSTOMER}/invoices/simulate"
    simulate = http_request("POST", path, {"currency": "USD", "lines": [line]})
    priced = {"number": "INV-SIMULATED", "status": "draft", "totals": {"total": "3.09"}}
    seeds = ["ledger", "subscription"]
    yield Made("http_api", "simulate_invoice", simulate, [{"payload": {"statusCode": 200, "body": priced}}], seeds)
    backtest = http_request(
        "POST", "/api/v1/plans/basic/backtest", {"customers": ["acme-robotics", "nobody"], "periods": [september]}
    )
    compared = {
        "totals": {"oldAmount": "49.00", "newAmount": "49.00", "difference": "0.00", "compared": 1, "failed": 1},
        "failed": [{"customer": "nobody", "code": "customer_not_found"}],
    }
    yield Made("http_api", "backtest_plan", backtest, [{"payload": {"statusCode": 200, "body": compared}}], seeds)


def authorize() -> Iterator[Made]:
    allowed = {"payload": {"isAuthorized": True, "context": {"tenant": TENANT, "scopes": "admin", "key_id": KEY_ID}}}
    denied = {"payload": {"isAuthorized": False}}
    yield Made("http_authorize", "happy", asked(TOKEN), [allowed], ["key"])
    yield Made("http_authorize", "duplicate", asked(TOKEN), [allowed, allowed], ["key"])
    yield Made("http_authorize", "bad_input", asked(TOKEN[:-1] + "x"), [denied], ["key"])
    yield Made("http_authorize", "unknown_key", asked(TOKEN), [denied])
    yield Made("http_authorize", "not_a_key", asked("Ünïcode and\tspaces"), [denied])
    both, by_header = asked(TOKEN), asked(TOKEN)
    both["headers"]["x-api-key"] = by_header["headers"]["x-api-key"] = TOKEN
    del by_header["headers"]["authorization"]
    yield Made("http_authorize", "two_headers", both, [allowed], ["key"])
    yield Made("http_authorize", "api_key", by_header, [allowed], ["key"])


def asked(token: str) -> dict[str, Any]:
    """A Lambda authorizer of an HTTP API, payload 2.0."""
    arn = f"arn:aws:execute-api:{REGION}:{ACCOUNT}:0123456789/$default/GET/api/v1/meters"
    request = http_request("GET", "/api/v1/meters")
    del request["requestContext"]["authorizer"], request["isBase64Encoded"]
    request["headers"]["authorization"] = f"Bearer {token}"
    return request | {"type": "REQUEST", "routeArn": arn, "identitySource": None}


def bootstrap() -> Iterator[Made]:
    create = custom_resource("Create")
    done = {"payload": {"PhysicalResourceId": RESOURCE}, "told": {"Status": "SUCCESS", "PhysicalResourceId": RESOURCE}}
    yield Made("deploy_bootstrap", "happy", create, [done], ["cloudformation"])
    yield Made("deploy_bootstrap", "duplicate", create, [done, done], ["cloudformation"])
    update = custom_resource("Update", PhysicalResourceId=RESOURCE)
    refused = {"payload": {"PhysicalResourceId": RESOURCE}, "told": {"Status": "FAILED"}}
    yield Made("deploy_bootstrap", "bad_input", update, [refused], ["ledger_of_64_lanes", "cloudformation"])
    delete = custom_resource("Delete", PhysicalResourceId=RESOURCE)
    yield Made("deploy_bootstrap", "delete", delete, [done], ["ledger", "cloudformation"])


def custom_resource(kind: str, *, lanes: str = "2", **more: str) -> dict[str, Any]:
    """CloudFormation asks; the answer goes to ResponseURL, which replays replace by their own."""
    stack = f"arn:aws:cloudformation:{REGION}:{ACCOUNT}:stack/tollbooth-dev-api/{AT}"
    return {
        "RequestType": kind,
        "ServiceToken": f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:tollbooth-dev-api-DeployBootstrap",
        "ResponseURL": "http://127.0.0.1:9/custom-resource",
        "StackId": stack,
        "RequestId": "a1b2c3d4-0000-4000-8000-000000000002",
        "LogicalResourceId": "Bootstrap",
        "ResourceType": "AWS::CloudFormation::CustomResource",
        "ResourceProperties": {"ServiceToken": "ignored", "lanes": lanes},
        **more,
    }
