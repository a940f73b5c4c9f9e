"""What may differ between the stages, each with the reason it differs; everything else is the same everywhere."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import MISSING, dataclass, field, fields
from functools import cached_property
from typing import Any

from infra.sizing import MANY_LANES, Sizing

# What AWS takes: "Valid values are" (PutRetentionPolicy, CloudWatch Logs API reference).
RETENTION_DAYS = frozenset(
    {1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1_096, 1_827, 2_192, 2_557, 2_922, 3_288, 3_653}
)
ADDRESS = re.compile(r"[^@\s,;]+@[^@\s,;]+\.[^@\s,;]+", re.ASCII)
# As a browser says it: no path, no upper case. Without TLS only on the developer's machine.
ORIGIN = re.compile(r"\*|https://[a-z0-9.-]+(:[0-9]+)?|http://(localhost|127\.0\.0\.1)(:[0-9]+)?", re.ASCII)
# What a text of a list is, and how that is called.
LISTS = {"alarm_emails": (ADDRESS, "address"), "portal_origins": (ORIGIN, "origin")}
DAY = 86_400
# From and to; what has no upper bound of its own has the quota of AWS, or of sense.
BOUNDS = {
    "monthly_budget_dollars": (1, 100_000_000),
    "account_concurrency": (1, 1_000_000),
    # The heartbeat's alarm leaves a minute for counting (`watches.py`).
    "batching_window_seconds": (0, 60),
    "collection_seconds": (0, 30 * DAY),
    "events_per_second": (1, 10_000_000),
    "events_per_call": (1, 100_000),
    "fixed_lanes": (1, MANY_LANES),
    # Deduplicating looks back as far, and the guide (events.md) says 45.
    "accept_past_days": (1, 45),
    "archive_query_gigabytes": (1, 1_000_000),
    "archive_day_gigabytes": (1, 1_000_000),
}


def _because(reason: str, default: Any = MISSING) -> Any:
    """A stage setting together with the reason it exists."""
    return field(default=default, metadata={"reason": reason})


@dataclass(frozen=True, kw_only=True)
class StageSettings:
    """Field by field what a stage decides; `reasons()` prints the list."""

    name: str = _because("Names the stacks and is a dimension of every metric, so that stages share an account.")
    protect_data: bool = _because(
        "Only prod earns what point-in-time recovery costs; elsewhere protection from deletion is in the way."
    )
    notify: bool = _because("Only prod wakes somebody: an SNS topic behind every alarm.")
    alarm_emails: tuple[str, ...] = _because("Whom alarms wake, where they notify; each confirms a mail first.", ())
    monthly_budget_dollars: int | None = _because(
        "AWS tells the alarms' topic when the account's month costs more, or is going to; None tells nobody.", None
    )
    log_retention_days: int = _because("Prod keeps a month to look into a customer's question, others a week.")

    portal_origins: tuple[str, ...] = _because(
        "Whose pages may ask the portal from a browser, such as https://app.example.com; `*` is any. None by default.",
        (),
    )

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

    events_per_second: int = _because("At the busiest; decides shards, lanes, functions and warmth (`sizing`).", 500)
    events_per_call: int = _because("On average, as clients send them: a shard takes 1,000 records a second.", 1)
    stream_retention_hours: int = _because(
        "24 is included in the shard; in prod a week, $14.60 a shard-month, to mend what cannot be counted.", 24
    )
    fixed_lanes: int | None = _because("Lanes stay as they were first made: say how many when the rate rises.", None)
    accept_past_days: int = _because("The acceptance window, which is also the dedupe horizon.", 45)
    invoices_idle: bool = _because("A document of 0.00 for a customer who used and owes nothing is noise.", False)
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
        if wrong := list(self._wrong_values()):
            raise ValueError(" ".join(wrong))
        if self.alarm_emails and not self.notify:
            raise ValueError("alarm_emails names whom nothing wakes: it needs notify, as prod has it.")
        if not 24 <= self.stream_retention_hours <= 168:
            raise ValueError(
                f"stream_retention_hours is {self.stream_retention_hours}; it must be from 24 to 168, "
                "because the event source gives up on a record after at most 7 days."
            )
        if self.monthly_budget_dollars is not None and not (self.notify and self.monthly_budget_dollars > 0):
            raise ValueError(
                "monthly_budget_dollars must be at least 1, and needs notify: without a topic nobody hears."
            )
        if self.lanes < self.shards:
            raise ValueError(
                f"fixed_lanes is {self.fixed_lanes}, fewer than the {self.shards} shards that events_per_second needs: "
                "a shard without a lane has nothing to do. Make a new deployment for such a rate."
            )
        if not 0 < 2 * self.archive_query_gigabytes <= self.archive_day_gigabytes:
            raise ValueError(
                f"archive_day_gigabytes is {self.archive_day_gigabytes}; it must be at least twice "
                f"archive_query_gigabytes ({self.archive_query_gigabytes}): that much is reserved for what a question "
                "reads, and the objects it opens come on top."
            )
        for limit in (name for name in reasons() if name.startswith("tenant_")):
            if getattr(self, limit) < 1:
                raise ValueError(f"{limit} must be at least 1: what is set to 0 would refuse every request.")

    def _wrong_values(self) -> Iterator[str]:
        """Of single settings, each without the others."""
        for setting in fields(self):
            value, kind = getattr(self, setting.name), setting.type
            if setting.name in LISTS:
                yield from _wrong_list(setting.name, value)
            elif not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):  # type: ignore[arg-type]
                named = getattr(kind, "__name__", "int, or left out")
                yield f"{setting.name} is {value!r}, which is no {named.replace('int', 'whole number')}."
            elif setting.name in BOUNDS and value is not None:
                least, most = BOUNDS[setting.name]
                if not least <= value <= most:
                    yield f"{setting.name} is {value:,}; it must be from {least:,} to {most:,}."
            elif setting.name == "log_retention_days" and value not in RETENTION_DAYS:
                days = ", ".join(map(str, sorted(RETENTION_DAYS)))
                yield f"log_retention_days is {value}; CloudWatch Logs takes {days}."

    @cached_property
    def sizing(self) -> Sizing:
        return Sizing(self.events_per_second, self.events_per_call, self.fixed_lanes)

    @property
    def shards(self) -> int:
        return self.sizing.shards

    @property
    def lanes(self) -> int:
        return self.sizing.lanes

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


def _wrong_list(name: str, value: Any) -> Iterator[str]:
    pattern, noun = LISTS[name]
    if not isinstance(value, tuple) or not all(isinstance(one, str) for one in value):
        yield f"{name} is a list of {noun}{'es' if noun.endswith('s') else 's'}."
    elif len(set(value)) < len(value):
        yield f"{name} names an {noun} twice."
    else:
        yield from (f"{name}: {one!r} is no {noun}." for one in value if not pattern.fullmatch(one))


def dev() -> StageSettings:
    return StageSettings(name="dev", protect_data=False, notify=False, log_retention_days=7)


def prod() -> StageSettings:
    return StageSettings(
        name="prod",
        protect_data=True,
        notify=True,
        monthly_budget_dollars=100,
        log_retention_days=30,
        account_concurrency=1_000,
        stream_retention_hours=168,
    )


def local(stripe_api_base: str = "", portal_origins: tuple[str, ...] = ()) -> StageSettings:
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
        portal_origins=portal_origins,
    )


def reasons() -> Mapping[str, str]:
    """Every setting a stage may decide, with its reason."""
    return {setting.name: str(setting.metadata["reason"]) for setting in fields(StageSettings)}
