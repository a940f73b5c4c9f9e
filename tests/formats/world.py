"""A deployment in one process: the real handlers and adapters on DynamoDB Local and the emulator's S3.

The clock stands where it is set and ids count up. Stream, workflows and Athena are kept in memory, so that their bytes
and calls can be looked at; payments go to the stand-in for Stripe.
"""

import base64
import gzip
import json
import os
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from itertools import count
from pathlib import Path
from typing import Any

import pytest
import stripe

from functions import names
from functions.adapters.dynamo.subscriptions import entitlement_backfill_store
from functions.adapters.records import encode_record
from functions.adapters.stripe.credentials import StripeCredentials
from functions.application.billing import list_due
from functions.application.metering.ledger import apply_pages, batch_commits
from functions.application.ports.archive_query import Look, ResultPage
from functions.domain.analytics.archive_query import Progress
from functions.domain.identity import named_ulid
from functions.domain.metering.cells import pages
from functions.domain.metering.ledger import counting
from functions.domain.metering.values.lanes import Lanes
from functions.handlers import http_api
from functions.handlers.access import deploy_bootstrap, http_authorize
from functions.handlers.billing import (
    http_billing,
    schedule_billing,
    schedule_reconcile,
    webhook_stripe,
    workflow_issue_invoice,
    workflow_list_due,
    workflow_push_invoice,
    workflow_record_failure,
)
from functions.handlers.metering import (
    http_health,
    http_ingest,
    schedule_audit,
    schedule_heartbeat,
    stream_aggregate,
    workflow_close_lanes,
    workflow_count_lanes,
    workflow_end_backfill,
    workflow_fill_history,
    workflow_plan_backfill,
    workflow_queue_backfill,
)
from functions.handlers.subscriptions import (
    workflow_end_migration,
    workflow_list_migration,
    workflow_migrate_subscriptions,
    workflow_preview_migration,
)
from functions.handlers.wiring import metering
from infra.local import emulator
from infra.local.stripe_standin.server import Server, running
from tests.conftest import DynamoDb
from tests.handlers.gateway import Client, Response, payload
from tests.handlers.machine import Machine
from tests.wired import ADDRESSES, forget_all

WORKFLOWS = Path(__file__).resolve().parents[2] / "infra" / "workflows"
FUNCTIONS = (
    *(workflow_close_lanes, workflow_count_lanes, workflow_list_due, workflow_issue_invoice, workflow_push_invoice),
    *(workflow_record_failure, workflow_queue_backfill, workflow_plan_backfill, workflow_fill_history),
    *(workflow_end_backfill, workflow_list_migration, workflow_migrate_subscriptions, workflow_preview_migration),
    workflow_end_migration,
)
LANES = Lanes(2, b"the ledger key of the stored formats")
STRIPE_KEY, WEBHOOK_SECRET = "sk_test_formats", "whsec_formats"
BATCH = "application/cloudevents-batch+json"
TIME_LEFT = 900_000  # milliseconds


@dataclass
class StandingClock:
    time: datetime = datetime(2026, 10, 1, tzinfo=UTC)

    def now(self) -> datetime:
        return self.time

    def set(self, text: str) -> None:
        self.time = datetime.fromisoformat(text)


@dataclass
class Kept:
    """One secret, as the vault of the first key."""

    secret: str = "not made yet"

    def read(self) -> str:
        return self.secret

    def write(self, secret: str) -> None:
        self.secret = secret


@dataclass
class Stream:
    """The bytes that would go to Kinesis; those that were delivered stay to be looked at."""

    waiting: list[bytes] = field(default_factory=list)
    delivered: list[bytes] = field(default_factory=list)

    def put(self, records: Sequence[Any]) -> None:
        self.waiting += map(encode_record, records)


class PortalVault:
    def still_believed(self) -> list[str]:
        return ["the secret of portal tokens of the stored formats"]


class Runs:
    """Executions that were started, as their machines are given them."""

    def __init__(self, given: Callable[..., dict[str, Any]]) -> None:
        self._given = given
        self.started: list[dict[str, Any]] = []

    def start(self, *asked: Any) -> None:
        self.started.append(self._given(*asked))

    def is_working(self, _run_id: str) -> bool:
        """Each is over before the next one is asked for."""
        return False


class Engine:
    """Athena, whose answers are no format of ours."""

    def start(self, _question: object, token: str) -> str:
        return f"execution-{token[:8]}"

    def look(self, _execution_id: str) -> Look:
        return Look(Progress.SUCCEEDED, 1_234)

    def page(self, _execution_id: str, _cursor: str | None, _limit: int) -> ResultPage:
        return ResultPage(["total", "events"], [[42, 3]])


class Credentials:
    def get(self) -> StripeCredentials:
        return StripeCredentials(STRIPE_KEY, (WEBHOOK_SECRET,))


@dataclass
class Time:
    """What Lambda tells a function about its time."""

    left: int = TIME_LEFT

    def get_remaining_time_in_millis(self) -> int:
        return self.left


class World:
    def __init__(self, database: DynamoDb, s3: Any, bucket: str, server: Server, first_id: int) -> None:
        self.database, self.s3, self.bucket, self.server = database, s3, bucket, server
        self.clock, self.stream, self.vault = StandingClock(), Stream(), Kept()
        self._ids = count(first_id)
        self.backfills = Runs(
            lambda run: {"tenant": run.tenant, "meter_id": run.meter_id, "run": run.run, "run_id": run.run_id}
        )
        self.migrations = Runs(
            lambda tenant, run: {
                "tenant": tenant,
                "migration_id": run.id,
                "attempt": run.attempt,
                "dry_run": run.dry_run,
            }
        )
        self.runs = Runs(lambda run: run.to_input())
        self.api = Client(http_api.handler, scopes="admin operator")

    def new_id(self) -> str:
        return f"{next(self._ids):032x}"

    def new_ulid(self) -> str:
        return named_ulid(self.clock.now(), str(next(self._ids)))

    def stand_ins(self) -> Mapping[str, Any]:
        """By the names they have in the composition root."""
        return {
            "clock": lambda: self.clock,
            "configured_lanes": lambda: LANES,
            "new_id": self.new_id,
            "new_ulid": self.new_ulid,
            "new_secret": lambda: f"{next(self._ids):064x}",
            "ulid_at": lambda at: named_ulid(at, str(next(self._ids))),
            "event_stream": lambda: self.stream,
            "admin_vault": lambda: self.vault,
            "portal_vault": PortalVault,
            "backfill_runs": lambda: self.backfills,
            "billing_runs": lambda: self.runs,
            "migration_runs": lambda: self.migrations,
            "stripe_credentials": Credentials,
            "engine": Engine,
        }

    # What happens to a deployment.

    def bootstrap(self) -> None:
        deploy_bootstrap.handler({"RequestType": "Create", "ResponseURL": "..."}, None)

    def accepts_past(self, days: int) -> None:
        """Deployed again with another acceptance window."""
        os.environ[names.ENV_ACCEPT_PAST_DAYS] = str(days)
        _forget()

    def call(self, method: str, path: str, body: Any = None, *, version: int = 1, **more: Any) -> Any:
        """The JSON of an answer that is no refusal."""
        answer: Response = self.api.call(method, f"/api/v{version}/{path}", body, **more)
        assert answer.status < 300, (method, path, answer.text)
        return json.loads(answer.text, parse_float=Decimal) if answer.text else None

    def post(self, path: str, body: Any = None) -> Any:
        return self.call("POST", path, body)

    def get(self, path: str, params: Any = "", *, version: int = 1) -> Any:
        return self.call("GET", path, version=version, params=params)

    def health(self) -> Any:
        return self.api.get("/healthz").json

    def send(self, *events: Mapping[str, Any]) -> None:
        """Ingested, and waiting in the stream."""
        event = payload(
            "POST",
            "/api/v1/events",
            body=json.dumps([{"specversion": "1.0", "source": "gateway", **each} for each in events]),
            headers={"content-type": BATCH},
        )
        answer = http_ingest.handler(event, None)
        assert answer["statusCode"] == 204, answer

    def deliver(self, records: Sequence[bytes] = ()) -> Any:
        """What waits in the stream, or these records, to the function that counts; what it answers."""
        if not records:
            records, self.stream.waiting = self.stream.waiting, []
            self.stream.delivered += records
        delivered = [
            {
                "eventID": f"shard-{number}:{len(self.stream.delivered)}",
                "kinesis": {
                    "data": base64.b64encode(each).decode(),
                    "approximateArrivalTimestamp": self.clock.now().timestamp(),
                },
            }
            for number, each in enumerate(records)
        ]
        return stream_aggregate.handler({"Records": delivered}, None)

    def run(self, machine: str, given: Mapping[str, Any]) -> None:
        """The workflow as written, with its real functions; lanes are counted while it waits."""
        functions = {_substituted(module.__name__): module.handler for module in FUNCTIONS}
        definition = (WORKFLOWS / f"{machine}.asl.json").read_text()
        Machine(definition, functions, lambda: self.deliver() and None).run(dict(given))

    def bill(self) -> str:
        """Everybody who is due; the run's id."""
        run_id: str = schedule_billing.handler({}, None)["run_id"]
        self.run("billing", self.runs.started[-1])
        return run_id

    def reconcile(self) -> Any:
        return schedule_reconcile.handler({}, Time())

    def beat(self) -> Any:
        """A heartbeat through every lane, counted."""
        schedule_heartbeat.handler({}, None)
        self.deliver()
        return metering.heartbeats().counted()

    def audit(self, lane: int, day: str, *, time_left: int = TIME_LEFT) -> Any:
        return schedule_audit.handler({"lane": lane, "day": day}, Time(time_left))

    def damage(self, key: str, text: bytes) -> None:
        """As a version wrote it that did not look whether a line is text."""
        body = self.s3.get_object(Bucket=self.bucket, Key=key)["Body"].read()
        lines = gzip.decompress(body).replace(text, b"\xff" * len(text))
        self.s3.put_object(Bucket=self.bucket, Key=key, Body=gzip.compress(lines, mtime=0))

    def repair(self, lane: int, day: str) -> Any:
        return schedule_audit.handler({"repair": "archive", "lane": lane, "day": day, "apply": True}, Time())

    def authorize(self, token: str) -> Any:
        return http_authorize.handler({"headers": {"authorization": f"Bearer {token}"}}, None)

    def raise_limit(self, kind: str, percent: int) -> None:
        """As an operator does it by hand."""
        self.database.client.update_item(
            TableName=self.database.usage_table,
            Key={"pk": {"S": "Q#default"}, "sk": {"S": kind}},
            UpdateExpression="SET #percent = :percent",
            ExpressionAttributeNames={"#percent": "percent"},
            ExpressionAttributeValues={":percent": {"N": str(percent)}},
        )

    def pay(self, gateway_invoice: str) -> None:
        """By card, at the stand-in; its message comes back signed."""
        client = stripe.StripeClient(STRIPE_KEY, base_addresses={"api": self.server.url})
        client.v1.invoices.pay(gateway_invoice, {"payment_method": "pm_card_visa"})
        events = self.server.service.world.events.values()
        body = json.dumps(next(each for each in reversed(list(events)) if each["type"] == "invoice.paid"))
        at = int(self.clock.now().timestamp())
        signature = stripe.WebhookSignature.generate_signature_header(body, WEBHOOK_SECRET, timestamp=at)
        event = payload(
            "POST", "/api/v1/apps/stripe/stripe/webhook", body=body, headers={"stripe-signature": signature}
        )
        answer = webhook_stripe.handler(event, None)
        assert answer["statusCode"] == 200, answer

    # What is stored.

    def items(self, table: str) -> list[dict[str, Any]]:
        scanned = self.database.client.get_paginator("scan").paginate(TableName=table)
        found = [item for page in scanned for item in page["Items"]]
        return sorted(found, key=lambda item: (item["pk"]["S"], item["sk"]["S"]))

    def objects(self) -> dict[str, bytes]:
        listed = self.s3.get_paginator("list_objects_v2").paginate(Bucket=self.bucket)
        keys = sorted(found["Key"] for page in listed for found in page.get("Contents", ()))
        return {key: self.s3.get_object(Bucket=self.bucket, Key=key)["Body"].read() for key in keys}


@contextmanager
def deployed(database: DynamoDb, emulator_port: int, *, first_id: int = 1) -> Iterator[World]:
    """This process is the deployment, on these tables and a bucket of its own, until it is left.

    A deployment that goes on with what another one has stored begins with other ids.
    """
    s3, bucket = emulator.client("s3", emulator_port), f"formats-{uuid.uuid4().hex[:12]}"
    s3.create_bucket(Bucket=bucket)
    with (
        pytest.MonkeyPatch.context() as patch,
        running(api_key=STRIPE_KEY, webhook_secret=WEBHOOK_SECRET) as server,
    ):
        environment = {
            **emulator.client_environment(emulator_port),
            "AWS_ENDPOINT_URL_DYNAMODB": database.endpoint,
            names.ENV_USAGE_TABLE: database.usage_table,
            names.ENV_BILLING_TABLE: database.billing_table,
            names.ENV_ARCHIVE_BUCKET: bucket,
            names.ENV_LANES: str(LANES.count),
            names.ENV_COLLECTION_SECONDS: "0",
            names.ENV_ACCEPT_PAST_DAYS: "45",
            names.ENV_STRIPE_API_BASE: server.url,
        }
        for variable, value in environment.items():
            patch.setenv(variable, value)
        world = World(database, s3, bucket, server, first_id)
        _forget()
        for name, stand_in in world.stand_ins().items():
            patch.setattr(ADDRESSES[name], name, stand_in)
        try:
            yield world
        finally:
            patch.undo()
            _forget()


@contextmanager
def small_bounds() -> Iterator[None]:
    """A few events fill what takes thousands otherwise: staged objects, united values, further rejects, plans.

    Only here are calls charged to their tenant: for how long they take, which nobody can foresee.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(names.ENV_RATE_LIMITS, "calls=200 questions=120 requests=750 bytes=3000000")
        patch.setattr(batch_commits, "INLINE_ARCHIVE_BYTES", 200)
        patch.setattr(pages, "WINDOW_BYTES", 16)
        patch.setattr(apply_pages, "UNITED_PARTS", 2)
        patch.setattr(counting, "MAX_LISTED_UNCOUNTABLE", 1)
        patch.setattr(list_due, "PAGE_SIZE", 1)
        patch.setattr(entitlement_backfill_store, "POINTERS_AT_ONCE", 2)
        patch.setattr(http_billing, "MOST_WAIT_SECONDS", 0)
        yield


def _forget() -> None:
    """What a warm process keeps of another deployment."""
    forget_all()
    http_authorize.remembered.cache_clear()
    http_health.forget()


def _substituted(module: str) -> str:
    """functions.handlers.metering.workflow_close_lanes -> CloseLanes."""
    return "".join(word.title() for word in module.rpartition(".")[2].removeprefix("workflow_").split("_"))
