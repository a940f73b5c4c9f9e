"""Counting many events of a subject by columns gives what counting one event after the other gives."""

import json
from collections import deque
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from functions.domain.metering.cells.aggregation import Aggregation
from functions.domain.metering.cells.pages import WINDOW_SECONDS
from functions.domain.metering.ledger import counting
from functions.domain.metering.ledger.counting import Deltas, count
from functions.domain.metering.ledger.ledger import Directory, LaneState
from functions.domain.metering.meters import compiled_meter
from functions.domain.metering.meters.groupings import MetersByType, compile_meters
from functions.domain.metering.meters.meter import Meter, MeterSet
from functions.domain.metering.values.event import Event
from functions.domain.metering.values.lanes import Lanes

START = 1_790_000_000 // WINDOW_SECONDS * WINDOW_SECONDS
FINGERPRINT = Lanes(1, b"a key of the test").value_fingerprint
VALUE = {each: "$.n" if each.needs_value else None for each in Aggregation}
METERS = (
    *(Meter(f"plain {each}", each, "call", each, VALUE[each], {"model": "$.model"}) for each in Aggregation),
    *(Meter(f"deep {each}", each, "call", each, VALUE[each] and "$.a.n", {}) for each in Aggregation),
    *(
        Meter(f"some {each}", each, "call", each, VALUE[each], {}, event_filter={"$.model": {"$eq": "large"}})
        for each in Aggregation
    ),
)
BY_COLUMNS = compile_meters(MeterSet(1, METERS))
with pytest.MonkeyPatch.context() as none_taken:
    none_taken.setattr(compiled_meter, "_column_taker", lambda _meter: lambda _all_data: None)
    ONE_BY_ONE = compile_meters(MeterSet(2, METERS))

values: st.SearchStrategy[Any] = st.one_of(
    st.integers(-(10**14), 10**14),
    st.sampled_from([True, None, "12.5", "x", "", 0.25, [1], {}, 10**13, 2**63 - 1, 2**63, "1e-19", 10**31]),
    st.text(max_size=3),
)
data = st.fixed_dictionaries(
    {}, optional={"n": values, "a": st.just({"n": 3}), "model": st.one_of(values, st.just("large"))}
)
bodies = st.one_of(data.map(lambda each: json.dumps(each).encode()), st.sampled_from([b"", b"[1]", b"{"]))
events = st.lists(
    st.tuples(st.sampled_from(["call", "other"]), st.integers(0, 3 * WINDOW_SECONDS), bodies), min_size=1, max_size=30
)


def counted(all_events: list[Event], meters: MetersByType) -> Deltas:
    state = LaneState(0, 1, START, directories={"t": Directory()})
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(counting, "MAX_LISTED_UNCOUNTABLE", 10_000)
        return count(state, deque([("t", "s", all_events)]), lambda _: meters, FINGERPRINT, START)


def shown(deltas: Deltas) -> Any:
    """With groups for code numbers, which depend on who came first."""
    names = {code.number: (code.meter_id, tuple(code.groups.items())) for code in deltas.codes}
    cells = {}
    for page in deltas.pages:
        for kind in ("sum", "highest", "lowest", "latest", "values", "sketch"):
            for name, cell in getattr(page, kind).items():
                number = int(name[1:], 36)
                code = max(known for known in names if known <= number)
                cells[page.key.subject, page.key.span, name[0], names[code], number - code, kind] = cell
    problems = sorted((each.meter_id, each.code, each.identity) for each in deltas.uncountable)
    return cells, sorted(names.values()), problems, deltas.event_count


@settings(max_examples=150, deadline=None)
@given(events)
def test_events_counted_by_columns_or_one_by_one_are_the_same(found: list[tuple[str, int, bytes]]) -> None:
    all_events = [Event(n, START + at, str(n), "s", kind, "s", body) for n, (kind, at, body) in enumerate(found)]
    assert shown(counted(all_events, BY_COLUMNS)) == shown(counted(all_events, ONE_BY_ONE))


@pytest.mark.parametrize("size", [1, 7, 256, 300])
def test_a_commit_is_filled_event_by_event(monkeypatch: pytest.MonkeyPatch, size: int) -> None:
    monkeypatch.setattr(counting, "EVENTS_AT_ONCE", size)
    groups = [json.dumps({"n": n, "model": f"{n:0>400}"}).encode() for n in range(300)]
    queue = deque([("t", "s", [Event(n, START, str(n), "s", "call", "s", body) for n, body in enumerate(groups)])])
    state = LaneState(0, 1, START, directories={"t": Directory()})
    first = count(state, queue, lambda _: BY_COLUMNS, FINGERPRINT, START)
    one_by_one = counted(queue[0][2][:1], BY_COLUMNS)
    assert 0 < first.event_count < 300
    assert first.size < counting.MAX_COMMIT_BYTES + 2 * one_by_one.size
