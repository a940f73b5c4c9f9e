"""Audits of what backfills counted, on the memory ledger and on DynamoDB Local."""

import random
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from functions.adapters.dynamo import usage_keys as keys
from functions.adapters.dynamo.usage_table import item_key
from functions.application.metering.meters import fill_history
from functions.application.metering.meters.fill_history import HistoryFiller
from functions.application.metering.meters.plan_backfill import plan_backfill
from functions.domain.metering.cells.aggregation import Aggregation
from functions.domain.metering.ledger import audit, history
from functions.domain.metering.ledger.audit import Kind, LaneDay
from functions.domain.metering.ledger.history import (
    SPAN_SECONDS,
    Backfill,
    HistoryPart,
    Status,
    decode_rows,
    encode_rows,
)
from functions.domain.metering.meters.meter import Meter, MeterSet
from functions.domain.metering.values.event import CloseMarker, Void
from tests.adapters.dynamo.metering.test_audit import (
    LANE,
    LANES,
    METERS,
    NOW,
    SECOND,
    TENANT,
    World,
    event,
    fill,
    kinds,
    world,
)
from tests.writing import write

__all__ = ["world"]

FROM = SECOND - 9 * 3_600
LATER = tuple(
    Meter(
        f"h{number}",
        f"late_{each.lower()}",
        "call",
        each,
        "$.n" if each.needs_value else None,
        {"model": "$.model"},
        2,
        event_from=FROM,
        history_since=2,
    )
    for number, each in enumerate(Aggregation)
)

SPANS = (0, 999_999)


def put_meters(world: World, meters: MeterSet) -> None:
    if world.database:
        item: Any = {**item_key(keys.meters(TENANT), keys.METER_SET), "body": {"B": meters.encode()}}
        world.database.client.put_item(TableName=world.database.usage_table, Item=item)
    else:
        world.ledger.put_meter_set(TENANT, meters)


def backfill(world: World, *, is_ended: bool = True, meters: tuple[Meter, ...] = LATER) -> None:
    """Meters that come after the events, and their histories as the workflow counts them."""
    put_meters(world, MeterSet(2, (*METERS.meters, *meters)))
    write(world.writer, [CloseMarker(LANE, "close", SECOND)])
    for meter in meters:
        begin = datetime.fromtimestamp(FROM, UTC)
        run = Backfill(tenant=TENANT, meter_id=meter.id, event_from=begin, run=1, status=Status.RUNNING, started_at=NOW)
        assert world.ledger.begin_backfill(run, None)
        filler = HistoryFiller(world.ledger, world.archive, world.ledger, LANES.value_fingerprint)
        for work in plan_backfill(run, "close", 1, 3_600, log=world.ledger, histories=world.ledger):
            filler.fill(TENANT, meter.id, 1, work, lambda: False)
        if is_ended:
            world.ledger.end_backfill(run, Status.DONE, NOW)


def parts(world: World, meter: Meter, subject: str | None = "ada") -> list[HistoryPart]:
    return list(world.ledger.history(TENANT, LANE, subject, meter.id, *SPANS))


def part_of_day(world: World, meter: Meter, subject: str | None = "ada") -> HistoryPart:
    midnight = SECOND - SECOND % 86_400
    return next(part for part in parts(world, meter, subject) if part.span * SPAN_SECONDS >= midnight)


def drop(world: World, part: HistoryPart) -> None:
    owner = keys.lane_pages(TENANT, LANE) if part.subject is None else keys.subject_pages(TENANT, part.subject)
    memory = ("history", TENANT, LANE, part.subject or "", part.meter_id, part.span, part.part)
    world.delete(memory, owner, keys.history_part(part.meter_id, part.span, part.part))


def void(world: World, name: str, ago: int) -> Void:
    one = event(name, ago)
    return Void(one.fingerprint, one.time, one.id, one.source, one.subject, f"c-{name}")


def deliver_voids(world: World, *voids: Void) -> None:
    pack = world.pack()
    pack.voids = list(voids)
    world.deliver(pack)


def test_intact_histories_of_every_aggregation_have_no_difference(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fill_history, "COMMITS_AT_ONCE", 1)
    monkeypatch.setattr(fill_history, "STRETCH_EVENTS", 25)
    monkeypatch.setattr(history, "PART_BYTES", 200)
    fill(world)
    backfill(world)
    fill_after = [event(f"after{n}", random.Random(n).choice((0, 4_000)), n=n) for n in range(20)]
    world.deliver(world.pack(*fill_after))
    result = world.audit()
    assert result.differences == []
    assert all(len(parts(world, meter)) > 3 for meter in LATER)
    cells = sum(
        len(meter.aggregation.parts)
        for meter in LATER
        for owner in ("ada", "bob", None)
        for _ in {
            (window, *groups.values())
            for part in parts(world, meter, owner)
            if part.span * SPAN_SECONDS >= SECOND - SECOND % 86_400
            for window, groups, _ in decode_rows(meter.aggregation, part.body)
        }
    )
    assert result.history_cells == cells > 50


@pytest.mark.parametrize("subject", ["ada", None])
def test_a_removed_item_of_the_history_of_a_subject_or_a_lane_is_named(
    world: World, subject: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audit, "MAX_LISTED", 10_000)
    fill(world)
    backfill(world)
    assert world.audit().difference_count == 0
    gone = [part_of_day(world, meter, subject) for meter in LATER]
    for part in gone:
        drop(world, part)
    result = world.audit()
    cells = {
        meter.slug: len(list(decode_rows(meter.aggregation, part.body))) * len(meter.aggregation.parts)
        for meter, part in zip(LATER, gone, strict=True)
    }
    assert kinds(result) == {Kind.HISTORY}
    assert Counter(each.place.split("meter ")[1].split()[0] for each in result.differences) == cells
    assert result.difference_count == sum(cells.values())
    assert {each.found for each in result.differences} == {"nothing"}
    assert all(("subject ada" if subject else "the lane's total") in each.place for each in result.differences)
    world.ledger.put_history(gone)
    assert world.audit().difference_count == 0


def test_a_changed_number_in_a_history_is_named(world: World) -> None:
    fill(world)
    backfill(world)
    changed = [each for each in LATER if each.aggregation in (Aggregation.SUM, Aggregation.MAX, Aggregation.AVG)]
    told = set()
    for meter in changed:
        part = part_of_day(world, meter)
        rows = [
            history.HistoryRow(window, tuple(groups.values()), tuple(cells))
            for window, groups, cells in decode_rows(meter.aggregation, part.body)
        ]
        first: Any = rows[0].cells[0]
        rows[0] = rows[0]._replace(cells=(first + 1, *rows[0].cells[1:]))
        (body,) = encode_rows(("model",), rows)
        world.ledger.put_history([part._replace(body=body)])
        told.add((meter.slug, str(first), str(first + 1)))
    result = world.audit()
    assert (kinds(result), result.difference_count) == ({Kind.HISTORY}, len(changed))
    assert {
        (each.place.split("meter ")[1].split()[0], each.expected, each.found) for each in result.differences
    } == told


def test_a_part_too_many_is_named_also_of_a_subject_without_events(world: World) -> None:
    fill(world)
    meter = LATER[0]
    backfill(world, meters=(meter,))
    part = part_of_day(world, meter)
    world.ledger.put_history([part._replace(part="000000000009-0000")])
    assert kinds(world.audit()) == {Kind.HISTORY}
    drop(world, part._replace(part="000000000009-0000"))
    world.deliver(world.pack(event("carls", 200_000, "carl")))
    assert world.audit().difference_count == 0
    world.ledger.put_history([part._replace(subject="carl")])
    assert {each.place.split(",")[1] for each in world.audit().differences} == {" subject carl"}


def test_a_history_that_is_still_being_counted_is_not_audited(world: World) -> None:
    fill(world)
    backfill(world, is_ended=False)
    drop(world, part_of_day(world, LATER[0]))
    result = world.audit()
    assert (result.difference_count, result.history_cells) == (0, 0)


def test_events_voided_before_or_after_the_backfill_are_no_difference(world: World) -> None:
    fill(world)
    names = dict.fromkeys(("early", "later", "last"), 100)
    world.deliver(world.pack(*(event(name, ago, n=9) for name, ago in names.items())))
    deliver_voids(world, void(world, "early", 100))
    backfill(world)
    assert world.audit().difference_count == 0
    deliver_voids(world, void(world, "last", 100))
    result = world.audit()
    assert result.differences == []
    # The half hour of the voided event is the log's to answer; all others are still compared.
    for meter in LATER:
        drop(world, part_of_day(world, meter))
    assert kinds(world.audit()) == {Kind.HISTORY}


def test_days_whose_commits_are_gone_are_audited_by_their_counters_and_histories(world: World) -> None:
    told = fill(world)
    backfill(world, meters=LATER[:1])
    assert world.audit().difference_count == 0
    for days in (7, 60, 300):
        world.clock.time = NOW + timedelta(days=days)
        for n in range(1, 9):
            world.delete(("commit", LANE, n), keys.lane(LANE), keys.commit(n))
        if days > 46:
            _expire_fingerprints(world)
        result = world.audit()
        assert result.differences == []
        assert (result.counts, result.commits) == (told, 8)
        assert result.recounted > 0
    drop(world, part_of_day(world, LATER[0]))
    assert kinds(world.audit()) == {Kind.HISTORY}


def test_an_old_day_that_was_never_audited_has_counters_only(world: World) -> None:
    fill(world)
    world.clock.time = NOW + timedelta(days=7)
    result: LaneDay = world.audit()
    assert (result.difference_count, result.commits, result.counts.received) == (0, 0, 0)
    assert result.cells > 50


def _expire_fingerprints(world: World) -> None:
    if world.database:
        pages = world.database.client.get_paginator("scan").paginate(TableName=world.database.usage_table)
        found = [(item["pk"]["S"], item["sk"]["S"]) for page in pages for item in page["Items"]]
        for partition, sort in found:
            if partition.startswith(keys.bucket(LANE, 0)[:-1]):
                world.delete((), partition, sort)
    else:
        for bucket in range((SECOND - 86_400) // 300, SECOND // 300 + 1):
            for n in range(1, 9):
                world.delete(("chunk", LANE, bucket, n), "", "")
