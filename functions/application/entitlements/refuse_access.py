"""Why a customer may not use a feature."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from functions.application.entitlements.check_access import Access, AccessChecker
from functions.domain.entitlements.access_question import ReasonCode
from functions.domain.entitlements.engine import Value
from functions.domain.entitlements.entitlement import Entitled, Entitlement
from functions.domain.errors import Conflict, NotFound, Unavailable
from functions.domain.period import rfc3339
from functions.domain.wire import plain

# What a meter answers whose history is being counted, which may take hours.
BACKFILL_NOT_DONE = "backfill_not_done"


@dataclass(frozen=True)
class Reason:
    code: ReasonCode
    message: str
    attributes: Mapping[str, str] = field(default_factory=dict)


def reason_against(entitled: Entitled | None, checker: AccessChecker, *, is_known: bool) -> Reason | None:
    """None where there is access.

    What cannot be told of one feature, such as the usage of a meter that is gone, is a reason of its own: the other
    answers stand. Raises TooLarge, and Unavailable where another try helps soon.
    """
    try:
        access = None if entitled is None else checker.of_entitled(entitled)
    except (NotFound, Conflict) as error:
        return Reason(ReasonCode.UNKNOWN, error.detail)
    except Unavailable as error:
        if error.code != BACKFILL_NOT_DONE:
            raise
        return Reason(ReasonCode.UNKNOWN, error.detail)
    if access is not None and access.entitlement is not None:
        return _used_up(access)
    if not is_known:
        return Reason(ReasonCode.FEATURE_NOT_FOUND, "There is no feature with this key.")
    return Reason(ReasonCode.FEATURE_UNAVAILABLE, "The customer has no active entitlement to the feature.")


def _used_up(access: Access) -> Reason | None:
    value, entitlement, now = access.value, access.entitlement, access.as_of
    if access.is_granted or value is None or entitlement is None or now is None:
        return None
    return Reason(
        ReasonCode.USAGE_LIMIT_REACHED,
        f"All {plain(value.total_available)} of this usage period are used.",
        _figures(value) | _reset(entitlement, now),
    )


def _figures(value: Value) -> dict[str, str]:
    return {
        "usage": plain(value.usage),
        "total_available": plain(value.total_available),
        "overage": plain(value.overage),
    }


def _reset(entitlement: Entitlement, now: datetime) -> dict[str, str]:
    """When there may be more again; never, if it ends before."""
    resets_at, ends_at = entitlement.current_period(now).end, entitlement.ends_at
    return {} if ends_at is not None and ends_at <= resets_at else {"resets_at": rfc3339(resets_at)}
