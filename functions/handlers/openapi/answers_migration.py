"""What the answers about the migration of whole plans look like."""

from functions.domain.catalog.plan import PlanStatus
from functions.domain.subscriptions.plan_migration import MigrationStatus, ResultStatus
from functions.domain.wire import Instant
from functions.handlers.openapi.answers import Shown


class RecurringFees(Shown):
    """Recurring flat fees in one billing period of the version that is migrated to, after the discounts of their rate
    cards, before coupons and tax; `difference` is how much more or less that is. One-time fees and usage are not in it.
    """

    before: str
    after: str
    difference: str


class InvoiceThatFollows(Shown):
    """What would be invoiced at once for the subscription that ends and the one that begins: usage so far, what is
    credited back (`credits`), and fees in advance.
    """

    charges: str
    credits: str
    total: str


class MigrationAmounts(RecurringFees):
    """Sums of one currency over the `subscriptions` that are done and can be compared; `invoices` in a dry run."""

    subscriptions: int
    invoices: InvoiceThatFollows | None = None


class MigrationFailure(Shown):
    subscription_id: str
    customer_id: str
    code: str
    message: str


class ShownPlanMigration(Shown):
    """`total` subscriptions are `done`, `failed` or still to come; it is a lower bound while they are looked for.
    `failures` has the first of those that failed, `from_version` is there if all have the same, `reason` if the run
    itself failed: then send the same request again to go on. `amounts` is by currency.
    """

    id: str
    plan_key: str
    from_version: int | None = None
    to_version: int
    dry_run: bool
    status: MigrationStatus
    reason: str | None = None
    total: int
    total_is_lower_bound: bool | None = None
    done: int
    failed: int
    amounts: dict[str, MigrationAmounts]
    started_at: Instant
    ended_at: Instant | None = None
    failures: list[MigrationFailure]


class ShownMigratedSubscription(Shown):
    """`recurring` is missing where the billing periods of the versions cannot be compared, `invoice` is there in a dry
    run, `next_subscription_id` where the migration was done, `code` and `message` where it failed.
    """

    subscription_id: str
    customer_id: str
    status: ResultStatus
    from_version: int
    next_subscription_id: str | None = None
    currency: str
    recurring: RecurringFees | None = None
    invoice: InvoiceThatFollows | None = None
    code: str | None = None
    message: str | None = None


class VersionCounts(Shown):
    active: int
    scheduled: int
    canceled: int
    ended: int


class ShownPlanVersion(Shown):
    """`subscriptions_are_lower_bound` is true where only the latest of the tenant's subscriptions were counted."""

    id: str
    version: int
    status: PlanStatus
    subscriptions: VersionCounts
    subscriptions_are_lower_bound: bool | None = None
