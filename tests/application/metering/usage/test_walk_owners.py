"""Usage by subject, however many there are: all pages are the whole answer, and each reads so much at most."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from functions.application.metering.usage import walk_owners
from functions.application.metering.usage.query_usage import UsageReader
from functions.application.metering.usage.usage_bounds import Bounds
from functions.domain.errors import TooLarge
from functions.domain.metering.cells.aggregation import Aggregation
from functions.domain.metering.meters.meter import Meter, MeterSet
from functions.domain.metering.usage.usage import UsageQuery
from functions.domain.metering.usage.usage_rows import UsageRow
from functions.domain.metering.values.holding import held_ever
from tests.application.metering.ledger.test_usage import LANES, NOW, Deployment, event

START = datetime(2026, 11, 10, tzinfo=UTC)
MODEL = {"model": "$.model"}
KINDS = (Aggregation.SUM, Aggregation.UNIQUE_COUNT, Aggregation.MAX, Aggregation.TIME_WEIGHTED_SUM)
METERS = tuple(Meter(f"m{kind}", kind.lower(), "call", kind, "$.n", MODEL, since=1) for kind in KINDS)
RARE = Meter("rare", "rare", "rare", Aggregation.COUNT, None, MODEL, since=1)


def bounded(deployment: Deployment, **bounds: int) -> Deployment:
    deployment.reader = UsageReader(deployment.ledger, deployment.archive, LANES, Bounds(**bounds))
    return deployment


def paged(deployment: Deployment, query: UsageQuery) -> list[list[UsageRow]]:
    pages, after = [], ""
    for _ in range(200):
        page = deployment.reader.page(query, NOW, after)
        pages.append(page.rows)
        if page.next_after is None:
            return pages
        assert page.next_after > after
        after = page.next_after
    raise AssertionError("The pages do not end.")


def in_order(rows: list[UsageRow]) -> list[Any]:
    return sorted((row.subject, row.window_start, sorted(row.group_by.items()), row.value) for row in rows)


SENT = st.lists(
    st.tuples(st.integers(0, 24), st.integers(0, 200), st.integers(0, 9), st.sampled_from("ab")),
    min_size=1,
    max_size=60,
)
ASKED = st.fixed_dictionaries(
    {
        "window": st.sampled_from([None, "DAY", "HOUR", "MINUTE"]),
        "group_by": st.sampled_from([("subject",), ("subject", "model")]),
        "filters": st.sampled_from([{}, {"model": ("a",)}]),
        "fills_zero": st.booleans(),
    }
)
EDGES = st.tuples(st.integers(0, 400), st.integers(1, 400)).map(
    lambda edges: (START + timedelta(minutes=15 * edges[0]), START + timedelta(minutes=15 * sum(edges)))
)
BOUNDS = st.fixed_dictionaries({"reads": st.integers(1, 40), "rows": st.sampled_from([20_000, 1_200])})


@settings(max_examples=40)
@given(SENT, st.sampled_from(METERS), ASKED, EDGES, BOUNDS, st.integers(1, 7))
def test_the_pages_together_are_the_whole_answer(
    sent: list[Any], meter: Meter, asked: dict[str, Any], edges: Any, bounds: dict[str, int], ahead: int
) -> None:
    deployment = Deployment(MeterSet(1, (*METERS, RARE)))
    deployment.send(
        [
            event(str(i), START + timedelta(minutes=30 * at + i), f"s{subject:02}", n=n, model=model)
            for i, (subject, at, n, model) in enumerate(sent)
        ]
    )
    deployment.send([event(f"r{n}", START, f"t{n}", "rare") for n in range(9)])
    deployment.deliver()
    asked["fills_zero"] = asked["fills_zero"] and asked["window"] in ("DAY", "HOUR")
    start, end = edges
    end = min(end, start + timedelta(hours=4)) if asked["window"] == "MINUTE" else end
    query = UsageQuery("t", meter, start, end, **asked)
    whole = deployment.reader.rows(query, NOW)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(walk_owners, "OWNERS_AHEAD", ahead)
        pages = paged(bounded(deployment, **bounds), query)
        assert deployment.reader.subjects(query, "").subjects == sorted(deployment.reader.subjects(query, "").subjects)
    assert in_order([row for page in pages for row in page]) == in_order(whole)
    subjects = [{row.subject for row in page} for page in pages]
    assert sum(map(len, subjects)) == len(set[str | None]().union(*subjects)), "a subject is on one page"


@pytest.mark.large
def test_a_few_of_very_many_subjects_are_found_at_once() -> None:
    deployment = Deployment(MeterSet(1, (*METERS, RARE)))
    deployment.send([event(str(n), START + timedelta(minutes=n), f"c{n:05}", n=1) for n in range(2_500)])
    rare = [event(f"r{n}", START + timedelta(days=2 * n), f"c{700 * n:05}", "rare") for n in range(3)]
    deployment.send(rare)
    deployment.deliver()
    requests: list[str] = []
    deployment.ledger.request = requests.append
    query = UsageQuery("t", RARE, group_by=("subject",))
    expected = [(f"c{700 * n:05}", Decimal(1)) for n in range(3)]
    assert [(row.subject, row.value) for row in bounded(deployment, reads=250).reader.rows(query, NOW)] == expected
    assert len(requests) < 250
    assert deployment.reader.subjects(query, "").subjects == [subject for subject, _ in expected]
    requests.clear()
    assert deployment.reader.rows(UsageQuery("t", RARE, period_to=START, group_by=("subject",)), NOW) == []
    assert requests.count("subjects") == 0, "no lane has usage there, so nobody is looked at"


def test_too_many_subjects_are_refused_until_they_are_asked_for_page_by_page(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(walk_owners, "OWNERS_AHEAD", 5)
    deployment = Deployment(MeterSet(1, METERS))
    deployment.send(
        [event(f"{n}-{h}", START + timedelta(hours=4 * h), f"c{n}", n=1) for n in range(30) for h in range(40)]
    )
    deployment.deliver()
    bounded(deployment, reads=20)
    query = UsageQuery("t", METERS[0], group_by=("subject",))
    with pytest.raises(TooLarge, match=r"20 reads.*send `cursor`, empty at first"):
        deployment.reader.rows(query, NOW)
    pages = paged(deployment, query)
    assert len(pages) > 1
    assert all(5 <= len(page) <= 20 for page in pages)
    assert sum(row.value for page in pages for row in page) == 1_200
    assert deployment.reader.page(query, NOW, "c9").rows == [], "behind the last of them"


def test_an_answer_of_too_many_rows_or_counters_ends_at_a_subject() -> None:
    deployment = Deployment(MeterSet(1, METERS[:1]))
    deployment.send(
        [event(f"{n}-{at}", START + timedelta(hours=at), f"c{n}", n=1) for n in range(6) for at in range(40)]
    )
    deployment.deliver()
    query = UsageQuery("t", METERS[0], group_by=("subject",), window="HOUR")
    for bounds in ({"rows": 200}, {"cells": 90}, {"pages": 30}):
        pages = paged(bounded(deployment, **bounds), query)
        assert len(pages) > 2, bounds
        assert sum(len(page) for page in pages) == 240, bounds
        with pytest.raises(TooLarge, match="page by page"):
            deployment.reader.rows(query, NOW)
    one_subject = bounded(deployment, cells=30)
    with pytest.raises(TooLarge, match="shorter range"):
        one_subject.reader.page(query, NOW, "")


def test_subjects_that_are_named_are_all_read() -> None:
    deployment = bounded(Deployment(MeterSet(1, METERS)), reads=1)
    deployment.send([event(str(n), START, f"c{n}", n=1) for n in range(500)])
    deployment.deliver()
    names = tuple(f"c{n}" for n in range(0, 500, 2))
    for query in (
        UsageQuery("t", METERS[0], subjects=names),
        UsageQuery("t", METERS[0], customers={"x": held_ever(names)}),
    ):
        page = deployment.reader.page(query, NOW, "")
        assert (sum(row.value for row in page.rows), page.next_after) == (250, None)
