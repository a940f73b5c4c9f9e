"""What of a question for invoices the store decides itself: it sends no header that cannot be wanted.

The two instants stand beside the body since 12/2026; a header without them is sent, and its reader decides.
"""

from collections.abc import Iterator, Mapping
from datetime import datetime

from functions.adapters.dynamo import billing_keys as keys
from functions.adapters.dynamo.condition import Condition
from functions.application.ports.billing import InvoicesWanted

ISSUED_AT, PERIOD_START = "issued_at", "period_start"


def invoices_among(wanted: InvoicesWanted) -> Condition | None:
    """None where it cannot tell any apart."""
    alternatives = [
        {f":payment{n}": f'{{"status":"{status.value}"' for n, status in enumerate(sorted(wanted.payments or ()))},
        {f":customer{n}": f'"customer":{{"id":"{each}"' for n, each in enumerate(wanted.customer_ids)},
    ]
    terms = [
        *_any_of("begins_with(payment, {})", alternatives[0]),
        *_any_of("contains(body, {})", alternatives[1]),
        *_within(ISSUED_AT, *wanted.issued),
        *_within(PERIOD_START, *wanted.period_start),
    ]
    ends = _ends(ISSUED_AT, *wanted.issued) | _ends(PERIOD_START, *wanted.period_start)
    return Condition(" AND ".join(terms), {**alternatives[0], **alternatives[1], **ends}) if terms else None


def _any_of(test: str, values: Mapping[str, str]) -> Iterator[str]:
    if values:
        yield f"({' OR '.join(test.format(name) for name in values)})"


def _within(name: str, after: datetime | None, before: datetime | None) -> Iterator[str]:
    if after is not None:
        yield f"(attribute_not_exists({name}) OR {name} >= :{name}_after)"
    if before is not None:
        yield f"(attribute_not_exists({name}) OR {name} <= :{name}_before)"


def _ends(name: str, after: datetime | None, before: datetime | None) -> dict[str, str]:
    given = {f":{name}_after": after, f":{name}_before": before}
    return {placeholder: keys.instant(each) for placeholder, each in given.items() if each is not None}
