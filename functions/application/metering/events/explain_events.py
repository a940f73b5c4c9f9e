"""What accepted events mean today: whose they are, and why a meter or a bill leaves them out."""

from collections.abc import Sequence
from dataclasses import dataclass

from functions.application.metering.events.search_events import Listed
from functions.application.ports.meters import Meters
from functions.application.ports.subscriptions import Customers, Holder
from functions.domain.metering.meters.groupings import MetersByType, compile_meters
from functions.domain.metering.meters.values import Uncountable, decode_data


@dataclass(frozen=True)
class Explained:
    """`problems` are sentences; none means that every meter of its type takes it and a customer pays for it."""

    event: Listed
    customer_id: str | None
    problems: tuple[str, ...]


def explain_events(tenant: str, found: Sequence[Listed], *, meters: Meters, customers: Customers) -> list[Explained]:
    """Against the meters there are now, not those there were when the events came."""
    if not found:
        return []
    by_type = compile_meters(meters.counting(tenant))
    holders = customers.holders(tenant, sorted({listed.subject for listed in found}))
    owners = [_owner(listed, holders.get(listed.subject, ())) for listed in found]
    return [
        Explained(listed, owner, tuple(_problems(listed, by_type, has_customer=owner is not None)))
        for listed, owner in zip(found, owners, strict=True)
    ]


def _owner(event: Listed, holders: Sequence[Holder]) -> str | None:
    return next((each.customer_id for each in holders if each.holding.holds(event.time)), None)


def _problems(event: Listed, by_type: MetersByType, *, has_customer: bool) -> list[str]:
    problems = meter_problems(event.type, event.data, by_type)
    if not has_customer:
        problems.append(f"no customer found for event subject: {event.subject}")
    return problems


def meter_problems(event_type: str, data: bytes, by_type: MetersByType) -> list[str]:
    """Why the meters of the type take no value from the data, each reason once, as OpenMeter words it."""
    meters = by_type.get(event_type)
    if not meters:
        return [f"no meter found for event type: {event_type}"]
    try:
        decoded = decode_data(data)
    except Uncountable as problem:
        return [problem.message]
    reasons: dict[str, None] = {}
    for meter in meters:
        try:
            meter.value(decoded)
        except Uncountable as problem:
            reasons[problem.message] = None
    return list(reasons)
