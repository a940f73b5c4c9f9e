"""What a tenant decides for all its billing, in one item of the billing table."""

from functions.adapters.dynamo import billing_keys as keys
from functions.adapters.dynamo.table import Table
from functions.domain.subscriptions.billing_settings import BillingSettings
from functions.names import PARTITION_KEY, SORT_KEY


class DynamoBillingSettings:
    def __init__(self, table: Table) -> None:
        self._table = table

    def get(self, tenant: str) -> BillingSettings:
        item = self._table.get(*keys.billing_settings(tenant))
        return BillingSettings.model_validate_json(item["body"]) if item else BillingSettings()

    def put(self, tenant: str, settings: BillingSettings) -> None:
        """The last writer decides."""
        pk, sk = keys.billing_settings(tenant)
        self._table.put({PARTITION_KEY: pk, SORT_KEY: sk, "body": settings.model_dump_json()})
