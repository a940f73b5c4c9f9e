"""What a tenant decides for all its billing."""

from typing import Annotated

from pydantic import AfterValidator, Field

from functions.domain.period import UTC_ZONE, known_zone
from functions.domain.wire import Flag, Instant, WireModel


class BillingSettingsUpdate(WireModel):
    """`time_zone` is that of customers who have none. `invoices_idle` says whether a customer who used nothing and owes
    nothing gets an invoice; null leaves that to the deployment.
    """

    time_zone: Annotated[str, Field(max_length=64), AfterValidator(known_zone)] = UTC_ZONE
    invoices_idle: Flag | None = None


class BillingSettings(BillingSettingsUpdate):
    """`updated_at` is None until something is decided."""

    updated_at: Instant | None = None
