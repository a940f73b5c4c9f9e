"""What may differ between the stages, each with the reason it differs; everything else is the same everywhere."""

from collections.abc import Mapping
from dataclasses import MISSING, dataclass, field, fields
from typing import Any


def _because(reason: str, default: Any = MISSING) -> Any:
    """A stage setting together with the reason it exists."""
    return field(default=default, metadata={"reason": reason})


@dataclass(frozen=True, kw_only=True)
class StageSettings:
    """Field by field what a stage decides; `reasons()` prints the list."""

    name: str = _because("Names the stacks and is a dimension of every metric, so that stages share an account.")
    protect_data: bool = _because("Point-in-time recovery and deletion protection cost money that only prod earns.")
    notify: bool = _because("Only prod wakes somebody: an SNS topic behind every alarm.")
    alarm_emails: tuple[str, ...] = _because("Whom alarms wake, where they notify; each confirms a mail first.", ())
    log_retention_days: int = _because("Prod keeps a month to look into a customer's question, others a week.")

    account_concurrency: int | None = _because(
        "Functions an account may run at once, of which prod's doors get shares; a new account may have 10.", None
    )

    batching_window_seconds: int = _because("Freshness against price; a person is waiting at the local stage.", 5)
    collection_seconds: int = _because("How long billing waits for late usage; the local demo bills at once.", 3600)

    build_for_host: bool = _because("The emulator runs functions in this machine's Python, not on arm64.", False)
    own_credentials: bool = _because("The emulator with IAM enforced refuses the bootstrap publishing roles.", False)
    tls_only: bool = _because("The emulator speaks plain HTTP; a TLS-only policy would deny everything.", True)
    key_conditions: bool = _because("The emulator does not know dynamodb:LeadingKeys.", True)
    some_actions_on_all: bool = _because(
        "The emulator asks a PartiQL batch and the reading of an Athena query on *; AWS on table and workgroup.", False
    )
    named_queries: bool = _because("The emulator refuses a stack with an Athena NamedQuery; its SQL runs there.", True)
    stripe_api_base: str = _because("The local stage pays at the stand-in; empty means Stripe itself.", "")

    shards: int = _because("One shard carries about 15,000 packed events/s; $10.95 a month each.", 1)
    stream_retention_hours: int = _because("24 is included in the shard; 168 costs another $14.60 a shard-month.", 24)
    lanes: int = _because("Writers of the ledger: 8, or 64 for a large deployment; fixed at the first deploy.", 8)
    accept_past_days: int = _because("The acceptance window, which is also the dedupe horizon.", 45)
    invoices_idle: bool = _because("A document of 0.00 for whoever used nothing and owes nothing is noise.", False)
    archive_query_gigabytes: int = _because("What one question to the archive may read, at $5 a 1,000 GB.", 100)
    archive_day_gigabytes: int = _because(
        "What the questions of one tenant may cost a day, $5 at most: bytes, and requests as bytes.", 1_000
    )
    tenant_calls_per_second: int = _because("A console and a few scripts of one tenant; the gateway takes 2,000.", 200)
    tenant_questions_per_minute: int = _because("Each may keep a function busy for 29 s, or read an archive.", 120)
    tenant_requests_per_second: int = _because("Three quarters of the 1,000 records a second that a shard takes.", 750)
    tenant_kilobytes_per_second: int = _because(
        "About 10,000 events of 300 bytes, two thirds of a shard packed.", 3_000
    )

    def __post_init__(self) -> None:
        if not 24 <= self.stream_retention_hours <= 168:
            raise ValueError(
                f"stream_retention_hours is {self.stream_retention_hours}; it must be from 24 to 168, "
                "because the event source gives up on a record after at most 7 days."
            )
        if self.lanes < 1 or self.shards < 1:
            raise ValueError("lanes and shards must be at least 1.")
        if not 0 < 2 * self.archive_query_gigabytes <= self.archive_day_gigabytes:
            raise ValueError(
                f"archive_day_gigabytes is {self.archive_day_gigabytes}; it must be at least twice "
                f"archive_query_gigabytes ({self.archive_query_gigabytes}): that much is reserved for what a question "
                "reads, and the objects it opens come on top."
            )
        for limit in (name for name in reasons() if name.startswith("tenant_")):
            if getattr(self, limit) < 1:
                raise ValueError(f"{limit} must be at least 1: what is set to 0 would refuse every request.")

    @property
    def max_record_age_hours(self) -> int:
        """One hour under the retention: an undeliverable record is kept whole before it can expire silently."""
        return self.stream_retention_hours - 1

    @property
    def rate_limits(self) -> Mapping[str, int]:
        """A tenant's quotas by kind; ingest has as many times its own as there are shards."""
        return {
            "calls": self.tenant_calls_per_second,
            "questions": self.tenant_questions_per_minute,
            "requests": self.tenant_requests_per_second * self.shards,
            "bytes": self.tenant_kilobytes_per_second * 1_000 * self.shards,
        }


def dev() -> StageSettings:
    return StageSettings(name="dev", protect_data=False, notify=False, log_retention_days=7)


def prod() -> StageSettings:
    return StageSettings(name="prod", protect_data=True, notify=True, log_retention_days=30, account_concurrency=1_000)


def local(stripe_api_base: str = "") -> StageSettings:
    return StageSettings(
        name="local",
        protect_data=False,
        notify=False,
        log_retention_days=7,
        batching_window_seconds=1,
        collection_seconds=0,
        build_for_host=True,
        own_credentials=True,
        tls_only=False,
        key_conditions=False,
        some_actions_on_all=True,
        named_queries=False,
        stripe_api_base=stripe_api_base,
    )


def reasons() -> Mapping[str, str]:
    """Every setting a stage may decide, with its reason."""
    return {setting.name: str(setting.metadata["reason"]) for setting in fields(StageSettings)}
