"""Push records, gateway customers and settled messages in the billing table."""

from datetime import datetime, timedelta
from typing import Any

from functions.adapters.dynamo import billing_keys as keys
from functions.adapters.dynamo.client import ConditionFailed
from functions.adapters.dynamo.condition import VERSION, Condition, version_is
from functions.adapters.dynamo.table import Table
from functions.application.ports.stored import Stale
from functions.domain.billing.push import GatewayCustomer, PushFailure, PushRecord, PushState
from functions.names import EXPIRES_AT, PARTITION_KEY, SORT_KEY

# Stripe repeats a message for three days, and lets a human resend one of the last 30.
KEEP_EVENTS = timedelta(days=35)
# Not stored yet, or stored when gateway customers were remembered for good and had none.
WITHOUT_VERSION = Condition("attribute_not_exists(#version)", names={"#version": VERSION})


class DynamoPushStore:
    def __init__(self, table: Table) -> None:
        self._table = table

    def record(self, tenant: str, invoice_id: str) -> PushRecord | None:
        item = self._table.get(keys.records(tenant, keys.PUSH), invoice_id)
        if item is None:
            return None
        failure = item.get("failure")
        return PushRecord(
            tenant=tenant,
            invoice_id=invoice_id,
            payload_sha=item["payload_sha"],
            first_attempt_at=datetime.fromisoformat(item["first_attempt_at"]),
            gen=item["gen"],
            gateway_customer=item.get("gateway_customer"),
            gateway_invoice=item.get("gateway_invoice"),
            state=PushState(item["state"]),
            lease_until=datetime.fromisoformat(item["lease_until"]) if "lease_until" in item else None,
            failure=PushFailure(failure["code"], failure["message"], failure["param"]) if failure else None,
            version=item[VERSION],
        )

    def put(self, record: PushRecord) -> PushRecord:
        failure = record.failure
        item: dict[str, Any] = {
            PARTITION_KEY: keys.records(record.tenant, keys.PUSH),
            SORT_KEY: record.invoice_id,
            "payload_sha": record.payload_sha,
            "first_attempt_at": record.first_attempt_at.isoformat(),
            "gen": record.gen,
            "gateway_customer": record.gateway_customer,
            "gateway_invoice": record.gateway_invoice,
            "state": record.state.value,
            "lease_until": record.lease_until.isoformat() if record.lease_until else None,
            "failure": {"code": failure.code, "message": failure.message, "param": failure.param} if failure else None,
        }
        try:
            self._table.put_version(item, record.version)
        except ConditionFailed as refused:
            raise Stale from refused
        return record.stored()

    def customer(self, tenant: str, customer_id: str, currency: str) -> GatewayCustomer:
        item = self._table.get(keys.records(tenant, keys.GATEWAY_CUSTOMER), keys.joined(customer_id, currency))
        if item is None:
            return GatewayCustomer()
        return GatewayCustomer(item.get("ref"), item.get("replaced", 0), item.get("told"), item.get(VERSION, 0))

    def put_customer(self, tenant: str, customer_id: str, currency: str, customer: GatewayCustomer) -> GatewayCustomer:
        item: dict[str, Any] = {
            PARTITION_KEY: keys.records(tenant, keys.GATEWAY_CUSTOMER),
            SORT_KEY: keys.joined(customer_id, currency),
            "ref": customer.ref,
            "replaced": customer.replaced,
            "told": customer.told,
            VERSION: customer.version + 1,
        }
        try:
            self._table.put(item, version_is(customer.version) if customer.version else WITHOUT_VERSION)
        except ConditionFailed as refused:
            raise Stale from refused
        return customer.stored()

    def is_settled(self, tenant: str, event_id: str) -> bool:
        return self._table.get(keys.records(tenant, keys.GATEWAY_EVENT), event_id) is not None

    def mark_settled(self, tenant: str, event_id: str, *, now: datetime) -> None:
        expires = int((now + KEEP_EVENTS).timestamp())
        key = {PARTITION_KEY: keys.records(tenant, keys.GATEWAY_EVENT), SORT_KEY: event_id}
        self._table.put(key | {"settled_at": now.isoformat(), EXPIRES_AT: expires})
