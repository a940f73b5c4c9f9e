"""Every key pattern of the usage table.

| what is asked                                        | pk                      | sk                           | how |
|------------------------------------------------------|-------------------------|------------------------------|-----|
| commit n of a lane; the newest; the look-back        | `L#<lane>`              | `C#<n>`                      | get, query backwards; expires after 8 days |
| the highest commit applied                           | `L#<lane>`              | `H`                          | get |
| where a lane's look-back is kept                     | `L#<lane>`              | `M`                          | get, batch get |
| what batches held that made no commit                | `L#<lane>`              | `N#<arrived>#<name>`         | query; expires after 8 days |
| fingerprints accepted in a 5-minute bucket           | `F#<lane>#<bucket>`     | `<n>`                        | query; expires behind the acceptance window |
| commits by the hours of their events, newest first   | `X#<lane>`              | `<hour>#<n>#<hour decided>`  | query backwards |
| counters of a subject in a range                     | `S#<tenant>#<subject>`  | `P#<span>#<page>`            | query |
| counters of all subjects of a lane in a range        | `T#<tenant>#<lane>`     | `P#<span>#<page>`            | query |
| distinct values beside a subject's counters          | `U#<tenant>#<subject>`  | `<span>#<page>#<n>`, `...#~<n>.<digest>` | query |
| distinct values beside a lane's counters             | `UT#<tenant>#<lane>`    | `<span>#<page>#<n>`, `...#~<n>.<digest>` | query |
| a meter's history of a subject in a range            | `S#<tenant>#<subject>`  | `B#<meter>#<span>#<part>`    | query |
| a meter's history of a lane in a range               | `T#<tenant>#<lane>`     | `B#<meter>#<span>#<part>`    | query |
| the last backfill of a meter                         | `B#<tenant>`            | `<meter>`                    | get |
| who may run a backfill, and who waits for it, over all tenants | `backfill_slots`  | `backfill_slots`             | get |
| what the codes in cell names stand for               | `D#<tenant>#<lane>`     | `c#<code>`                   | query |
| subjects seen                                        | `D#<tenant>#<lane>`     | `s#<subject>`                | query, batch get |
| has a lane counted all before a close marker         | `K#<marker>`            | `<lane>`                     | query; expires after 8 days |
| the meters of a tenant                               | `M#<tenant>`            | `set`                        | get |
| events and records that were not counted, by day     | `R#<tenant>#<day>`      | `<time>#<identity>#<code>[#<meter>]` | get, query backwards |
| what a commit left uncounted beyond the first, by day | `R#<tenant>#<day>`      | `~<hour decided>-<lane>-<n>-<part>` | get, query backwards |
| corrections of a tenant; by id; newest first; outcome  | `V#<tenant>`            | `i#<id>`, `t#<time>#<id>`, `o#<id>` | get, query backwards, batch get |
| how much a tenant, or one of its keys, may take now  | `Q#<tenant>`            | `<kind>[#<key id>]`          | update |
| which tenants' usage came late, by the hour decided     | `Z`                     | `<hour>#<tenant>`            | query; expires after 40 days |
| whose usage of which days came late in an hour       | `Z#<hour>#<tenant>`     | `<day>#<subject>`            | query; expires after 40 days |
| what audits found                                    | `audit`                 | `<day>#<lane>`               | query; expires after ten years |
| how far an audit is that goes on                     | `audit`                 | `begun#<day>#<lane>`         | get; expires after 3 days |
| the newest heartbeat counted, of each lane           | `heartbeat`             | `heartbeat`                  | get, update |
| lane count and key check of the deployment           | `genesis`               | `genesis`                    | get |

A tenant never contains `#`, so keys of two tenants cannot meet.
"""

from datetime import UTC, datetime

from functions.domain.metering.cells.pages import PageKey
from functions.domain.metering.ledger.reject import reject_id

HEAD = "H"
LOOK_BACK = "M"
SINCE = "s"  # in a look-back: from when on resends are known
COMMIT_PREFIX = "C#"
COMMITS_END = "C$"
CODE_PREFIX = "c#"
SUBJECT_PREFIX = "s#"
METER_SET = "set"
BUCKETS_PREFIX = "Q#"
AUDIT = "audit"
BACKFILL_SLOTS = ("backfill_slots", "backfill_slots")
GENESIS = ("genesis", "genesis")
HEARTBEAT = ("heartbeat", "heartbeat")
LATE = "Z"


def late_of(slot: int, tenant: str) -> str:
    return f"{LATE}#{slot:08d}#{tenant}"


def late_tenant(slot: int, tenant: str) -> str:
    return f"{slot:08d}#{tenant}"


def late_subject(day: int, subject: str) -> str:
    return f"{day:06d}#{subject}"


def lane(lane: int) -> str:
    return f"L#{lane}"


def lane_number(partition_key: str) -> int:
    return int(partition_key.removeprefix("L#"))


def commit(n: int) -> str:
    return f"{COMMIT_PREFIX}{n:012d}"


def audit(day: str, lane: int) -> str:
    return f"{audit_day(day)}{lane:03d}"


def audit_day(day: str) -> str:
    return f"{day}#"


def audit_begun(day: str, lane: int) -> str:
    """Not among the results of the day."""
    return f"begun#{day}#{lane:03d}"


def audits_before(day: str) -> tuple[str, str]:
    """Bounds that include every audit of an earlier day."""
    return "0", audit_day(day)


def audits_from(day: str) -> tuple[str, str]:
    """Bounds that include every audit of the day and later ones."""
    return audit_day(day), "9999~"


def tally(received_at: int, name: str) -> str:
    return f"N#{received_at:012d}#{name}"


def tally_range(start: int, end: int) -> tuple[str, str]:
    """Bounds that include every tally of a batch that arrived in [start, end)."""
    return f"N#{start:012d}#", f"N#{end:012d}"


def commit_number(sort_key: str) -> int:
    return int(sort_key[len(COMMIT_PREFIX) :])


def bucket(lane: int, bucket: int) -> str:
    return f"F#{lane}#{bucket}"


def chunk(n: int) -> str:
    return f"{n:012d}"


def hours(lane: int) -> str:
    return f"X#{lane}"


def hour_entry(hour: int, n: int, decided_hour: int) -> str:
    return f"{hour:08d}#{n:012d}#{decided_hour}"


def hour_place(sort_key: str) -> tuple[int, int, int]:
    hour, n, decided_hour = sort_key.split("#")
    return int(hour), int(n), int(decided_hour)


def hour_range(first: int, last: int, below: int | None = None) -> tuple[str, str]:
    """Bounds that include every entry of the hours first..last; in the last hour only of the commits below a number."""
    return f"{first:08d}#", f"{last:08d}#~" if below is None else f"{last:08d}#{below:012d}"


def page_owner(key: PageKey) -> str:
    return subject_pages(key.tenant, key.subject) if key.subject is not None else lane_pages(key.tenant, key.lane)


def subject_pages(tenant: str, subject: str) -> str:
    return f"S#{tenant}#{subject}"


def lane_pages(tenant: str, lane: int) -> str:
    return f"T#{tenant}#{lane}"


def page(span: int, number: int) -> str:
    return f"P#{span:06d}#{number}"


def page_place(sort_key: str) -> tuple[int, int]:
    _, span, number = sort_key.split("#")
    return int(span), int(number)


def span_range(first: int, last: int) -> tuple[str, str]:
    """Bounds that include every page of the spans first..last."""
    return f"P#{first:06d}#", f"P#{last:06d}#~"


def value_owner(key: PageKey) -> str:
    return subject_values(key.tenant, key.subject) if key.subject is not None else lane_values(key.tenant, key.lane)


def subject_values(tenant: str, subject: str) -> str:
    return f"U#{tenant}#{subject}"


def lane_values(tenant: str, lane: int) -> str:
    return f"UT#{tenant}#{lane}"


def values(key: PageKey, n: int) -> str:
    return f"{key.span:06d}#{key.number}#{n:012d}"


def united_values(key: PageKey, name: str) -> str:
    """Behind the chunks of all single commits."""
    return f"{key.span:06d}#{key.number}#~{name}"


def values_place(sort_key: str) -> tuple[int, int]:
    """(span, page number)."""
    span, number, _ = sort_key.split("#")
    return int(span), int(number)


def values_range(first: int, last: int) -> tuple[str, str]:
    """Bounds that include all values of the spans first..last."""
    return f"{first:06d}#", f"{last:06d}#~"


def history_part(meter_id: str, span: int, part: str) -> str:
    return f"B#{meter_id}#{span:06d}#{part}"


def history_place(sort_key: str) -> tuple[int, str]:
    """(span, part)."""
    _, _, span, part = sort_key.split("#")
    return int(span), part


def history_range(meter_id: str, first: int, last: int) -> tuple[str, str]:
    """Bounds that include all parts of the spans first..last."""
    return f"B#{meter_id}#{first:06d}#", f"B#{meter_id}#{last:06d}#~"


def backfills(tenant: str) -> str:
    return f"B#{tenant}"


def directory(tenant: str, lane: int) -> str:
    return f"D#{tenant}#{lane}"


def code(number: int) -> str:
    return f"{CODE_PREFIX}{number:08d}"


def codes_from(number: int) -> tuple[str, str]:
    """Bounds that include every code from a number on."""
    return code(number), f"{CODE_PREFIX}~"


def subject(name: str) -> str:
    return f"{SUBJECT_PREFIX}{name}"


def subjects_after(name: str) -> tuple[str, str]:
    """Bounds that include every subject behind the name: the least text that follows it, and the end of them all."""
    return f"{subject(name)}\0" if name else SUBJECT_PREFIX, f"{SUBJECT_PREFIX[:-1]}$"


def marker(name: str) -> str:
    return f"K#{name}"


def meters(tenant: str) -> str:
    return f"M#{tenant}"


def buckets(tenant: str) -> str:
    return f"{BUCKETS_PREFIX}{tenant}"


def bucket_of(kind: str, key_id: str | None) -> str:
    return kind if key_id is None else f"{kind}#{key_id}"


def corrections(tenant: str) -> str:
    return f"V#{tenant}"


CORRECTION_PLACES = "t#"


def correction(correction_id: str) -> str:
    return f"i#{correction_id}"


def correction_place(time: int, correction_id: str) -> str:
    return f"{CORRECTION_PLACES}{time:012d}#{correction_id}"


def correction_outcome(correction_id: str) -> str:
    return f"o#{correction_id}"


def rejects(tenant: str, time: int) -> str:
    return f"R#{tenant}#{datetime.fromtimestamp(time, UTC):%Y-%m-%d}"


def reject(time: int, identity: str, code: str, meter_id: str) -> str:
    return reject_sort_key(reject_id(time, identity, code, meter_id))


def rejects_of(time: int, identity: str) -> str:
    """What the sort keys of all rejects of an event begin with."""
    return f"{time:012d}#{identity}#"


def reject_sort_key(reject_id: str) -> str:
    return reject_id.replace(".", "#")


def reject_name(sort_key: str) -> str:
    return sort_key.replace("#", ".")


def further_rejects(name: str) -> str:
    """Behind all that are listed one by one."""
    return f"~{name}"


def further_name(sort_key: str) -> str:
    return sort_key[1:]


def reject_range(first: int, last: int) -> tuple[str, str]:
    """Bounds that include every reject of the seconds first..last."""
    return f"{first:012d}#", f"{last:012d}#~"
