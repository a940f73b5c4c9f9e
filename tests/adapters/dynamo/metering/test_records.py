"""A stored commit comes back as it was counted, though its lanes' distinct values are not in it."""

from collections import deque
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from functions.adapters.records import decode_commit, encode_commit, encode_record
from functions.domain.metering.cells.aggregation import Aggregation, Latest
from functions.domain.metering.cells.pages import PageDelta, PageKey
from functions.domain.metering.ledger.counting import Deltas, count
from functions.domain.metering.ledger.ledger import Commit, Counts, Directory, LaneState
from functions.domain.metering.meters.groupings import compile_meters
from functions.domain.metering.meters.meter import Meter, MeterSet
from functions.domain.metering.values.event import Event
from functions.domain.metering.values.lanes import Lanes

NOW = 1_790_000_000
FINGERPRINT = Lanes(1, b"a key of the test").value_fingerprint
METERS = compile_meters(
    MeterSet(
        1,
        (
            Meter("users", "users", "call", Aggregation.UNIQUE_COUNT, "$.user", {"model": "$.model"}),
            Meter("models", "models", "call", Aggregation.UNIQUE_COUNT, "$.model"),
            Meter("calls", "calls", "call", Aggregation.COUNT, None, {"model": "$.model"}),
        ),
    )
)
calls = st.tuples(
    st.sampled_from(("t1", "t2")),
    st.sampled_from(("s1", "s2", "s3")),
    st.integers(0, 90_000),
    st.integers(0, 40),
    st.integers(0, 20),
)


def counted(sent: list[tuple[str, str, int, int, int]]) -> Deltas:
    groups: dict[tuple[str, str], list[Event]] = {}
    for n, (tenant, subject, second, user, model) in enumerate(sent):
        data = b'{"user":"%d","model":"%d"}' % (user, model)
        groups.setdefault((tenant, subject), []).append(Event(n, NOW + second, str(n), "s", "call", subject, data))
    state = LaneState(0, 1, NOW, directories={"t1": Directory(), "t2": Directory()})
    queue = deque((tenant, subject, events) for (tenant, subject), events in groups.items())
    return count(state, queue, lambda _: METERS, FINGERPRINT, NOW)


def commit_of(deltas: Deltas) -> Commit:
    return Commit(0, 2, "a", NOW, NOW, {}, deltas.pages, [], [], [], [], "", b"", Counts(deltas.event_count), {})


@settings(max_examples=100, deadline=None)
@given(st.lists(calls, max_size=60))
def test_a_commit_comes_back_with_the_values_of_its_totals(sent: list[tuple[str, str, int, int, int]]) -> None:
    commit = commit_of(counted(sent))
    before = str(commit)
    assert decode_commit(encode_commit(commit)) == commit
    assert str(commit) == before


def test_values_are_stored_once() -> None:
    commit = commit_of(counted([("t1", f"s{user}", 0, user, 0) for user in range(500)]))
    anything: Any = commit
    naive = len(encode_record(anything))
    assert len(encode_commit(commit)) < 0.8 * naive


LATEST = PageDelta(
    PageKey("t", 0, "s", 165_740, 0),
    latest={"A0": (NOW, 0, 7), "A1": (NOW, 0, Decimal("1E+30"))},
    lost_latest={"B0": (NOW, 0, 5)},
)


def former(latest: dict[str, Latest]) -> dict[str, Latest]:
    return {name: (second, value) for name, (second, _, value) in latest.items()}


def test_a_commit_of_before_microseconds_is_read_as_without_any() -> None:
    commit = commit_of(Deltas(pages=[LATEST]))
    old = msgspec.structs.replace(LATEST, latest=former(LATEST.latest), lost_latest=former(LATEST.lost_latest))
    assert decode_commit(encode_commit(commit_of(Deltas(pages=[old])))) == commit
    assert decode_commit(encode_commit(commit)) == commit


def test_who_knows_no_microseconds_fails_on_a_commit_that_has_them() -> None:
    body = msgspec.msgpack.encode(LATEST.latest)
    with pytest.raises(msgspec.ValidationError, match="length 2"):
        msgspec.msgpack.decode(body, type=dict[str, tuple[int, int | Decimal]])
