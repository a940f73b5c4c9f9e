"""What a flood costs that the gateway's throttles let through, by route: a day of requests without a key, as answered.

Requests above a throttle are not charged, though throttles are targets and no ceilings (API Gateway's developer guide,
"Throttle requests to your HTTP APIs").
"""

import base64
import json
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from functions import names
from functions.adapters.stripe.credentials import StripeCredentials
from functions.handlers import http_api
from functions.handlers.access import http_authorize
from functions.handlers.billing import webhook_stripe
from functions.handlers.metering import http_ingest
from functions.handlers.wiring import billing
from tests.bench import assumptions as assume
from tests.bench.load import read_payload
from tests.bench.rates import SPAN_START
from tests.bench.stand import Measured, Stand
from tests.bench.tally import Tally
from tests.bench.timing import best

if TYPE_CHECKING:
    from tests.bench.deployed import Deployed

DAY_SECONDS = 86_400
LEAST_BILLED_SECONDS = 0.001  # Lambda rounds up to a millisecond
RUNS = 50
DOCUMENT = "/api/v1/openapi.json"
WEBHOOK = "/api/v1/apps/stripe/stripe/webhook"
DOCUMENT_ROUTE, WEBHOOK_ROUTE = f"GET {DOCUMENT}", "POST /api/v1/apps/{id}/stripe/webhook"
HEALTH_ROUTE, EVERY_OTHER = f"GET {names.HEALTH_PATH}", ""


class _Credentials:
    def get(self) -> StripeCredentials:
        return StripeCredentials("sk_bench", ("whsec_bench",))


def measure(endpoint: str, deployed: "Deployed") -> dict[str, dict[str, float]]:
    """Row -> requests a second, ms of the function, bytes of the answer, dollars a day by what they are for."""
    stand = Stand(endpoint, 8, SPAN_START)
    billing.stripe_credentials = lambda: _Credentials()  # type: ignore[assignment]
    first = stand.invoke(http_api.handler, _payload("GET", DOCUMENT, {"accept-encoding": "gzip"}))
    tag = {"accept-encoding": "gzip", "if-none-match": first.answer["headers"]["ETag"]}
    signature = {"content-type": "application/json", "stripe-signature": f"t={SPAN_START},v1={'0' * 64}"}
    asked = {
        "openapi.json, plain": (DOCUMENT_ROUTE, "http_api", http_api.handler, _payload("GET", DOCUMENT)),
        "openapi.json, gzip": (
            DOCUMENT_ROUTE,
            "http_api",
            http_api.handler,
            _payload("GET", DOCUMENT, {"accept-encoding": "gzip"}),
        ),
        "openapi.json, 304": (DOCUMENT_ROUTE, "http_api", http_api.handler, _payload("GET", DOCUMENT, tag)),
        "healthz": (HEALTH_ROUTE, "http_api", http_api.handler, _payload("GET", names.HEALTH_PATH)),
        "Stripe's webhook, unsigned": (
            WEBHOOK_ROUTE,
            "webhook_stripe",
            webhook_stripe.handler,
            _payload("POST", WEBHOOK, signature, "{}"),
        ),
        "events, no key": (
            EVERY_OTHER,
            "http_ingest",
            http_ingest.handler,
            _payload("POST", "/api/v1/events", body="{}"),
        ),
        "any other route, no key": (EVERY_OTHER, "http_api", http_api.handler, _payload("GET", "/api/v1/meters")),
    }
    rows = {}
    for name, (route, function, handler, payload) in asked.items():
        measured = _typical(stand, handler, payload)
        bill = _request(deployed, function, measured, asks_key=route == EVERY_OTHER)
        rate = deployed.throttles[route]
        usd = Tally(bill.times(rate * DAY_SECONDS).usd())
        rows[name] = {
            "requests_per_second": rate,
            "ms": round(_seconds(deployed, function, measured) * 1e3, 2),
            "bytes": _bytes(measured.answer),
            "usd_gateway": round(usd.total("http_requests"), 2),
            "usd_lambda": round(usd.total("lambda_requests") + usd.total("lambda_gb_seconds"), 2),
            "usd_transfer": round(usd.total("egress_bytes"), 2),
            "usd_logs": round(usd.total("log_bytes"), 2),
            "usd_a_day": round(sum(usd.values()), 2),
        }
    stand.drop()
    return rows


def _payload(method: str, path: str, headers: Mapping[str, str] | None = None, body: str = "") -> dict[str, Any]:
    payload = read_payload(path, "")
    payload["requestContext"]["http"]["method"] = method
    del payload["requestContext"]["authorizer"]
    payload["headers"] = {"host": "bench", **(headers or {})}
    return payload | ({"body": body} if body else {})


def _typical(stand: Stand, handler: Any, payload: Mapping[str, Any]) -> Measured:
    """The one that took least: a flood finds everything warm."""
    return min((stand.invoke(handler, payload) for _ in range(RUNS)), key=lambda each: each.cpu_seconds)


def _request(deployed: "Deployed", function: str, measured: Measured, *, asks_key: bool) -> Tally:
    memory = deployed.memory_mb
    bill = Tally({"http_requests": 1, "lambda_requests.route": 1})
    bill["lambda_gb_seconds.route"] = _seconds(deployed, function, measured) * memory[function] / 1024
    bill["egress_bytes"] = _bytes(measured.answer) + assume.RESPONSE_BYTES
    bill["log_bytes"] = deployed.access_log_bytes + measured.log_bytes
    if asks_key:
        seconds = assume.AUTHORIZER_CPU_SECONDS * max(1.0, assume.ONE_VCPU_MB / memory["http_authorize"])
        bill["lambda_requests.auth"] = 1
        bill["lambda_gb_seconds.auth"] = seconds * memory["http_authorize"] / 1024
        assert http_authorize.handler({"headers": {}}, None) == http_authorize.NOBODY
    return bill


def _seconds(deployed: "Deployed", function: str, measured: Measured) -> float:
    """The handler, and the runtime that writes its answer as JSON."""
    written = best(RUNS, lambda: measured.answer, json.dumps)
    stretched = (measured.cpu_seconds + written) * max(1.0, assume.ONE_VCPU_MB / deployed.memory_mb[function])
    return max(LEAST_BILLED_SECONDS, stretched)


def _bytes(answer: Mapping[str, Any]) -> int:
    body = str(answer.get("body") or "")
    return len(base64.b64decode(body)) if answer.get("isBase64Encoded") else len(body.encode())


def main() -> int:
    from infra.local.dynamodb_local import dynamodb_local
    from tests.bench.deployed import read_dev

    with dynamodb_local() as endpoint:
        print(json.dumps(measure(endpoint, read_dev()), indent=2))
    return 0


if __name__ == "__main__":
    sys.exit(main())
