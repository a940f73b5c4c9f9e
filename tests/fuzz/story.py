"""What a seed plays: a hostile tenant and a calm one share lanes, and then every reader is asked about both."""

from base64 import b64decode
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import timedelta
from decimal import Decimal
from random import Random
from typing import Any

import msgspec
import pytest

from functions.domain.billing.usage_question import UsageQuestion
from functions.domain.metering.values.event import MAX_EVENTS_PER_CALL, Event
from functions.domain.metering.values.holding import held_ever
from functions.domain.period import Period
from tests.conftest import DynamoDb
from tests.fuzz import fragments
from tests.fuzz.fragments import AHEAD, NOW, PAST, SUBJECTS, time_text
from tests.fuzz.questions import ask_nonsense
from tests.fuzz.reading import document
from tests.fuzz.sending import BATCH, Request, Requests
from tests.fuzz.world import LANES, SECOND, World, expect

REQUESTS = 50
CALM_EVERY = 5
CROWD_SHARE = 0.15
OLD_SHARE = 0.4  # of the worlds have an archive that an earlier release wrote
ROUNDS = 3
FROM, TO = NOW - PAST - timedelta(days=1), NOW + AHEAD + timedelta(hours=1)
ALWAYS = {"from": time_text(FROM), "to": time_text(TO)}
COUNT, COUNT_LATER = "calls", "calls_again"
METERS: list[dict[str, Any]] = [
    {"slug": COUNT, "aggregation": "COUNT", "groupBy": {"model": "$.model"}},
    {
        "slug": "tokens",
        "aggregation": "SUM",
        "valueProperty": "$.n",
        "groupBy": {"any": "$..n", "absent": "$.no.such[3]"},
    },
    {"slug": "models", "aggregation": "UNIQUE_COUNT", "valueProperty": "$.model"},
    {"slug": "peak", "aggregation": "MAX", "valueProperty": "$..n", "eventFilter": {"$.model": {"$like": "%a_g%"}}},
    {"slug": "p90", "aggregation": "PERCENTILE", "valueProperty": "$.n", "percentile": 90},
    {"slug": "level", "aggregation": "TIME_WEIGHTED_SUM", "valueProperty": "$.n"},
]
CALM_METERS = METERS[:3]

Identity = tuple[str, str, str]


def identity(event: Any) -> Identity:
    return (
        (event.subject, event.source, event.id)
        if isinstance(event, Event)
        else (event["subject"], event["source"], event["id"])
    )


class _Raw(msgspec.Struct):
    data: msgspec.Raw


def old_release_takes(data: bytes) -> bool:
    """It looked at the grammar, and not at what the texts, numbers and depths are."""
    try:
        msgspec.json.decode(b'{"data":%b}' % data, type=_Raw)
    except RecursionError:  # other Pythons go deeper
        pairs = ((b"[", b"]"), (b"{", b"}"))
        return data.isascii() and all(data.count(one) == data.count(other) for one, other in pairs)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return False
    return data[:1] == b"{" and b"\n" not in data and b"\r" not in data


class Story:
    def __init__(self, seed: int, database: DynamoDb, patch: pytest.MonkeyPatch, *, in_memory: bool) -> None:
        self._chance = Random(seed)
        self._hostile, self._calm, self._crowd = f"hostile-{seed}", f"calm-{seed}", f"crowd-{seed}"
        self._is_old = self._chance.random() < OLD_SHARE
        self._world = World(self._chance, database, patch, in_memory=in_memory, is_old=self._is_old)
        self._requests = Requests(self._chance)
        self._accepted: dict[str, list[Event]] = {self._hostile: [], self._calm: []}
        self._voided: dict[str, set[Identity]] = {self._hostile: set(), self._calm: set()}
        self._calm_values: dict[Identity, int] = {}
        self._has_crowd = in_memory and self._chance.random() < CROWD_SHARE

    def play(self) -> None:
        """Raises Broken for a property that does not hold."""
        world = self._world
        for tenant, meters in ((self._hostile, METERS), (self._calm, CALM_METERS)):
            for meter in meters:
                world.post(tenant, "/api/v1/meters", {"eventType": "call", **meter})
        if self._has_crowd:
            self._send_crowd()
        for _ in range(ROUNDS):
            self._send()
            world.deliver()
            for tenant in self._accepted:
                self._void(tenant)
            world.deliver()
        counts = world.counts
        expect(counts.received == counts.accepted + counts.duplicates + counts.rejected, "events are lost", counts)
        expect(not world.rejected_records, "a whole record was rejected", world.rejected_records)
        for tenant in self._accepted if self._is_old else ():
            self._check(tenant)
        world.repair()
        self._is_old = False
        for tenant in self._accepted:
            self._check(tenant)
        self._check_calm()
        if self._has_crowd:
            self._check_crowd()
        self._check_audits()
        self._check_backfills()
        ask_nonsense(world, self._hostile, self._chance)

    # What happens.

    def _send(self) -> None:
        for number in range(REQUESTS // ROUNDS):
            if number % CALM_EVERY == 0:
                self._send_calm()
            if self._chance.random() < 0.25:
                self._put_old()
                continue
            request = self._requests.next()
            status, answer, events = self._world.ingest(request, self._hostile)
            expect(status in (200, 204) or 400 <= status < 500, "ingest fails", status, answer, request)
            expect(status < 300 or not events, "refused, and yet sent on", status, answer, request)
            if status == 200:
                expect(int(answer["accepted"]) == len(events), "other events were sent on", answer, events)
            self._accepted[self._hostile] += events

    def _send_calm(self) -> None:
        events = []
        for _ in range(self._chance.randint(1, 6)):
            value, number = self._chance.randint(0, 999), len(self._calm_values)
            subject = self._chance.choice(SUBJECTS)
            self._calm_values[subject, "s", f"c{number}"] = value
            time = time_text(NOW - timedelta(seconds=self._chance.randint(0, 30 * 3_600)))
            data = {"n": value, "model": f"m{number % 3}"}
            events.append(
                {
                    "specversion": "1.0",
                    "id": f"c{number}",
                    "source": "s",
                    "type": "call",
                    "subject": subject,
                    "time": time,
                    "data": data,
                }
            )
        request = Request(msgspec.json.encode(events), {"content-type": BATCH})
        status, answer, sent = self._world.ingest(request, self._calm)
        expect(status == 204 and len(sent) == len(events), "a calm tenant is refused", status, answer)
        self._accepted[self._calm] += sent

    def _send_crowd(self) -> None:
        """The largest batch of the smallest events, one more than that, and the first of them again."""
        tiny = b'{"id":"%d","source":"s","type":"call","subject":"c%d"}'
        events = [tiny % (number, number % 50) for number in range(MAX_EVENTS_PER_CALL + 1)]
        for count, expected in ((MAX_EVENTS_PER_CALL + 1, 413), (MAX_EVENTS_PER_CALL, 204), (9, 204)):
            body = b"[" + b",".join(events[:count]) + b"]"
            status, answer, _ = self._world.ingest(Request(body, {"content-type": BATCH}), self._crowd)
            expect(status == expected, "a batch of very many events is answered otherwise", count, status, answer)

    def _put_old(self) -> None:
        """Data and extensions that an earlier release has taken without a closer look."""
        chance = self._chance
        number, subject = len(self._accepted[self._hostile]), chance.choice(SUBJECTS)
        data = b'{"n":1,"model":%b,"x":%b}' % (fragments.odd(chance), fragments.odd(chance))
        extensions = b'{"trace":%b}' % fragments.text(chance) if chance.random() < 0.3 else b""
        if not old_release_takes(data) or (extensions and not old_release_takes(extensions)):
            return
        fingerprint = LANES.fingerprint(self._hostile, subject, "old", f"o{number}")
        time = SECOND - chance.randint(0, 26 * 3_600)
        event = Event(fingerprint, time, f"o{number}", "old", chance.choice(fragments.TYPES), subject, data, extensions)
        self._world.put(self._hostile, [event])
        self._accepted[self._hostile].append(event)

    def _void(self, tenant: str) -> None:
        kept = [each for each in self._kept(tenant).values() if identity(each) not in self._voided[tenant]]
        for event in self._chance.sample(kept, min(len(kept), self._chance.choice((0, 1, 3)))):
            name = {"id": event.id, "source": event.source, "subject": event.subject, "time": _time(event)}
            self._world.post(tenant, "/api/v1/events/corrections", {"event": name, "reason": "fuzzed"})
            self._voided[tenant].add(identity(event))

    def _kept(self, tenant: str) -> dict[Identity, Event]:
        """The first of each that was accepted."""
        kept: dict[Identity, Event] = {}
        for event in self._accepted[tenant]:
            kept.setdefault(identity(event), event)
        return kept

    # What must then be true.

    def _check(self, tenant: str) -> None:
        world, kept, voided = self._world, self._kept(tenant), self._voided[tenant]
        rejects = world.pages(tenant, "/api/v1/rejects")
        listed = {identity(each["event"]): each for each in world.pages(tenant, "/api/v2/events")}
        lost = {identity(each["event"]) for each in rejects if not each["countedElsewhere"]}
        expect(listed.keys() | lost == kept.keys(), "accepted is not listed", kept.keys() ^ (listed.keys() | lost))
        expect(not listed.keys() & lost, "both accepted and rejected", listed.keys() & lost)
        expect(
            {each for each, item in listed.items() if "voidedAt" in item} == voided, "other events are voided", voided
        )
        for name, item in listed.items():
            _check_shown(kept[name], item["event"])
        newest = [identity(each["event"]) for each in world.get(tenant, "/api/v1/events")]
        expect(newest == list(listed)[: len(newest)], "v1 lists other events than v2", newest, list(listed))
        counting = {name: item for name, item in listed.items() if kept[name].type == "call" and name not in voided}
        readable = [name for name, item in counting.items() if "data_base64" not in item["event"]]
        unreadable = {
            name for name, item in listed.items() if kept[name].type == "call" and "data_base64" in item["event"]
        }
        told = {identity(each["event"]) for each in rejects if each["code"] == "unreadable_data"}
        expect(
            told == unreadable,
            "what cannot be read is not listed as such",
            [kept[each].data[:300] for each in unreadable - told],
            [kept[each].data[:300] for each in told - unreadable],
        )
        self._check_counts(tenant, Counter(name[0] for name in readable), Counter(name[0] for name in counting))
        for meter in METERS if tenant == self._hostile else CALM_METERS:
            self._check_meter(tenant, meter)

    def _check_counts(self, tenant: str, readable: Mapping[str, int], archived: Mapping[str, int]) -> None:
        world = self._world
        by_subject = _by(world.rows(tenant, COUNT, groupBy="subject"), "subject")
        expect(_numbers(by_subject) == dict(readable), "counts are wrong", by_subject, readable)
        for subject, count in readable.items():
            value, _ = world.measured.usage(UsageQuestion(tenant, COUNT, held_ever([subject]), {}, Period(FROM, TO)))
            expect(value == count, "an invoice counts otherwise", subject, value, count)
        if self._is_old:
            return  # no query engine reads it before it is repaired
        rows = world.archive_rows(tenant, query="usage", meter=COUNT, groupBy=["subject"], **ALWAYS)
        found = {row["subject"]: int(row["events"]) for row in rows}
        expect(found == dict(archived), "the archive holds other events", found, archived)

    def _check_meter(self, tenant: str, meter: Mapping[str, Any]) -> None:
        world, slug = self._world, meter["slug"]
        group_by = [("groupBy", name) for name in ["subject", *meter.get("groupBy", {})]]
        live = _by(world.get(tenant, f"/api/v1/meters/{slug}/query", group_by)["data"])
        exact = _by(world.get(tenant, f"/api/v1/meters/{slug}/query", [*group_by, ("exact", "true")])["data"])
        if meter["aggregation"] != "PERCENTILE":  # counters know it to 1 %
            expect(_numbers(live) == _numbers(exact), "counters differ from a recount", slug, live, exact)
        start = NOW - timedelta(seconds=self._chance.randint(3_600, 9_000))
        cut = {"from": time_text(start), "to": time_text(NOW)}
        whole = world.rows(tenant, slug, **cut)
        minutes = world.rows(tenant, slug, windowSize="MINUTE", **cut)
        if meter["aggregation"] in ("SUM", "COUNT"):
            total = sum(Decimal(row["value"]) for row in minutes)
            expect(sum(Decimal(row["value"]) for row in whole) == total, "minutes do not add up", slug, whole, minutes)
        world.get(tenant, f"/api/v1/meters/{slug}/subjects", cut)
        for name in meter.get("groupBy", {}):
            world.get(tenant, f"/api/v1/meters/{slug}/group-by/{name}/values", cut)

    def _check_calm(self) -> None:
        values = {name: n for name, n in self._calm_values.items() if name not in self._voided[self._calm]}
        expected = {
            subject: Decimal(sum(n for name, n in values.items() if name[0] == subject))
            for subject in {name[0] for name in values}
        }
        found = _numbers(_by(self._world.rows(self._calm, "tokens", groupBy="subject"), "subject"))
        found |= {subject: value for subject, value in expected.items() if not value}  # all of it was voided, or zeros
        expect(found == expected, "a bystander's sums are wrong", found, expected)
        rows = self._world.archive_rows(self._calm, query="recount", meter="tokens", **ALWAYS)
        expect(int(Decimal(rows[0]["total"] or 0)) == sum(values.values()), "the archive sums otherwise", rows, values)
        rejects = self._world.pages(self._calm, "/api/v1/rejects")
        expect(not rejects, "a bystander's events are rejected", rejects)

    def _check_crowd(self) -> None:
        self._world.post(self._crowd, "/api/v1/meters", {"slug": COUNT, "eventType": "call", "aggregation": "COUNT"})
        rows = self._world.archive_rows(self._crowd, query="usage", meter=COUNT, **ALWAYS)
        expect([int(row["events"]) for row in rows] == [MAX_EVENTS_PER_CALL], "a crowd is archived otherwise", rows)
        page = self._world.get(self._crowd, "/api/v2/events", {"limit": "100"})
        expect(len(page["items"]) == 100 and "nextCursor" in page, "a crowd is not listed", page)

    def _check_audits(self) -> None:
        """Of every day on which something happened; on DynamoDB, where that takes long, of the last one."""
        days = {NOW.date()}
        if self._world.is_in_memory:
            days |= {_day(event) for events in self._accepted.values() for event in events}
        accepted = 0
        for day in days:
            for lane in range(LANES.count):
                result = self._world.auditor.audit(lane, day)
                expect(not result.difference_count, "an audit finds a difference", result)
                accepted += result.counts.accepted
        told = self._world.counts.accepted
        expect(accepted == told, "commits accepted other events than were told", accepted, told)
        self._world.get("default", "/api/v1/audit/metering", {"day": f"{NOW:%Y-%m-%d}"})

    def _check_backfills(self) -> None:
        """A meter that comes now counts what the one that was there has counted."""
        for tenant in self._accepted:
            meter = {"slug": COUNT_LATER, "eventType": "call", "aggregation": "COUNT", "eventFrom": time_text(FROM)}
            self._world.post(tenant, "/api/v1/meters", meter)
        self._world.fill()
        for tenant in self._accepted:
            then, now = (self._world.rows(tenant, slug, groupBy="subject") for slug in (COUNT, COUNT_LATER))
            expect(_numbers(_by(then)) == _numbers(_by(now)), "history differs from counters", then, now)


def _check_shown(event: Event, shown: Mapping[str, Any]) -> None:
    expect((shown["type"], shown["time"]) == (event.type, _time(event)), "an event is shown otherwise", event, shown)
    if "data_base64" in shown:
        expect(b64decode(shown["data_base64"]) == event.data, "data come back otherwise", event, shown)
    else:
        expect(
            shown.get("data") == (document(event.data) if event.data else None),
            "data come back otherwise",
            event,
            shown,
        )


def _time(event: Event) -> str:
    whole = time_text(NOW + timedelta(seconds=event.time - SECOND))
    return f"{whole[:-1]}.{event.micros:06d}Z" if event.micros else whole


def _day(event: Event) -> Any:
    return (NOW + timedelta(seconds=event.time - SECOND)).date()


def _by(rows: Sequence[Mapping[str, Any]], *names: str) -> dict[Any, str]:
    """Values by subject alone, or by subject and all groups."""
    if names:
        return {row[names[0]]: row["value"] for row in rows}
    return {(row.get("subject"), *sorted((row.get("groupBy") or {}).items(), key=str)): row["value"] for row in rows}


def _numbers(values: Mapping[Any, str]) -> dict[Any, Decimal]:
    """What there is: a sum of which everything was voided is as good as none."""
    return {key: Decimal(value) for key, value in values.items() if Decimal(value)}
