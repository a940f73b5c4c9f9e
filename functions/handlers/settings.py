"""The environment, typed once and read on first use."""

import os
from collections.abc import Mapping
from functools import cache
from typing import TYPE_CHECKING

from functions import names

if TYPE_CHECKING:
    from functions.domain.analytics.archive_budget import ArchiveBudget


def _required(name: str) -> str:
    value = os.environ.get(name)
    if not value:
        raise RuntimeError(f"The environment variable {name} is missing; the stack that deploys this function sets it.")
    return value


def stage() -> str:
    return os.environ.get(names.ENV_STAGE, "dev")


def function_seconds() -> int:
    """How long the function may run."""
    return int(os.environ.get(names.ENV_FUNCTION_SECONDS, "60"))


def usage_table() -> str:
    return _required(names.ENV_USAGE_TABLE)


def billing_table() -> str:
    return _required(names.ENV_BILLING_TABLE)


def stream_name() -> str:
    return _required(names.ENV_STREAM_NAME)


def archive_bucket() -> str:
    return _required(names.ENV_ARCHIVE_BUCKET)


def archive_workgroup() -> str:
    return _required(names.ENV_ARCHIVE_WORKGROUP)


def archive_database() -> str:
    return _required(names.ENV_ARCHIVE_DATABASE)


def lanes() -> int:
    return int(_required(names.ENV_LANES))


def ledger_secret() -> str:
    return _required(names.ENV_LEDGER_SECRET)


def admin_secret() -> str:
    return _required(names.ENV_ADMIN_SECRET)


def portal_secret() -> str:
    return _required(names.ENV_PORTAL_SECRET)


def stripe_secret() -> str:
    return _required(names.ENV_STRIPE_SECRET)


def stripe_api_base() -> str | None:
    return os.environ.get(names.ENV_STRIPE_API_BASE) or None


def billing_machine() -> str:
    return _required(names.ENV_BILLING_MACHINE)


def backfill_machine() -> str:
    return _required(names.ENV_BACKFILL_MACHINE)


def migration_machine() -> str:
    return _required(names.ENV_MIGRATION_MACHINE)


def archive_budget() -> "ArchiveBudget":
    from functions.domain.analytics.archive_budget import GIGABYTE, ArchiveBudget

    question = int(os.environ.get(names.ENV_ARCHIVE_QUERY_GIGABYTES, "100"))
    day = int(os.environ.get(names.ENV_ARCHIVE_DAY_GIGABYTES, "1000"))
    return ArchiveBudget(question * GIGABYTE, day * GIGABYTE)


def rate_limits() -> Mapping[str, int]:
    """Quotas by kind, from `calls=200 questions=120`; none when the stage sets none."""
    return _pairs(os.environ.get(names.ENV_RATE_LIMITS, ""))


@cache
def _pairs(text: str) -> Mapping[str, int]:
    return {kind: int(quota) for kind, _, quota in (pair.partition("=") for pair in text.split())}


def invoices_idle() -> bool:
    return os.environ.get(names.ENV_INVOICES_IDLE, "false") == "true"


def accept_past_days() -> int:
    return int(os.environ.get(names.ENV_ACCEPT_PAST_DAYS, "45"))


def accept_ahead_seconds() -> int:
    return int(os.environ.get(names.ENV_ACCEPT_AHEAD_SECONDS, "3600"))


def stream_retention_hours() -> int:
    return int(os.environ.get(names.ENV_STREAM_RETENTION_HOURS, "24"))


def collection_seconds() -> int:
    return int(os.environ.get(names.ENV_COLLECTION_SECONDS, "3600"))
