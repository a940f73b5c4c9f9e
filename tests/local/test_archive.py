"""The archive as a store that answers SQL: the saved queries on the emulator's Athena say what the API says."""

import gzip
import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from infra.constructs.archive_catalog import PARAMETER, QUERIES, sample_sql
from infra.local import emulator
from infra.local.patience import wait_while_it_moves
from infra.local.state import LocalStack
from tests.local.tenant import Event, Tenant, calls

ARCHIVE = "/api/v1/archive/queries"
WORKGROUP, DATABASE = "tollbooth-local", "tollbooth_local"
# What a meter makes of these is in the counters, and has to come out of the log again.
ODD_DATA: list[dict[str, Any]] = [
    {"tokens": 0.25, "model": None},
    {"tokens": "1.5", "model": 7},
    {"tokens": "many", "model": "small"},
    {"tokens": None, "model": "small"},
    {"model": "small"},
    {"tokens": -3, "model": {"name": "nested"}},
    {"tokens": 10, "model": 'it\'s "quoted"', "region": "eu"},
]


def instant(at: datetime) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")


def span(days: int = 1) -> dict[str, str]:
    now = datetime.now(UTC)
    return {"from": instant(now - timedelta(days=days)), "to": instant(now + timedelta(minutes=30))}


def sent(tenant: Tenant, *, ago: timedelta = timedelta(hours=2)) -> list[Event]:
    """Forty usual events and the odd ones; waits until they are counted, and so archived."""
    usual = [
        each | {"data": each["data"] | {"model": ("small", "large")[n % 2], "region": ("eu", "us")[n % 4 // 2]}}
        for n, each in enumerate(calls(40, ago=ago))
    ]
    odd = [each | {"data": data} for each, data in zip(calls(7, prefix="odd", ago=ago), ODD_DATA, strict=True)]
    assert tenant.send([*usual, *odd]).status_code == 204
    tenant.reaches("calls", 47)
    return [*usual, *odd]


@pytest.fixture
def metered(tenant: Tenant) -> Tenant:
    tenant.count_meter()
    tenant.sum_meter(model="$.model")
    return tenant


def asked(tenant: Tenant, **body: Any) -> list[dict[str, Any]]:
    """All rows of an answer of the archive, by pages of ten."""
    answer = tenant.http.post(ARCHIVE, json={"meter": "tokens"} | span() | body)
    assert answer.status_code == 202, answer.text
    path = f"{ARCHIVE}/{answer.json()['id']}"

    def look(**params: str) -> Any:
        found = tenant.http.get(path, params={"limit": "10", **params})
        assert found.status_code == 200, found.text
        return found.json(parse_float=Decimal)

    page = wait_while_it_moves(look, lambda found: found["status"] not in ("QUEUED", "RUNNING"), "an answer")
    assert page["status"] == "SUCCEEDED", page
    rows: list[dict[str, Any]] = page["rows"]
    while cursor := page.get("nextCursor"):
        page = look(cursor=cursor)
        rows += page["rows"]
    return rows


def counted(tenant: Tenant, slug: str, **query: Any) -> list[dict[str, Any]]:
    answer = tenant.http.get(f"/api/v1/meters/{slug}/query", params=span() | query)
    rows: list[dict[str, Any]] = answer.json(parse_float=Decimal)["data"]
    return rows


def test_usage_by_a_dimension_is_what_the_counters_say(metered: Tenant) -> None:
    sent(metered)
    rows = asked(metered, query="usage", groupBy=["model"])
    by_model = {row["groupBy"]["model"]: row["total"] for row in rows if row["numbers"]}
    assert by_model == {row["groupBy"]["model"]: row["value"] for row in counted(metered, "tokens", groupBy="model")}
    assert {"null", "7", "", 'it\'s "quoted"'} <= set(by_model)


def test_usage_by_what_no_meter_keeps(metered: Tenant) -> None:
    events = sent(metered)
    rows = asked(metered, query="usage", groupBy=["$.region", "subject"], filterGroupBy={"model": ["small", "large"]})
    plain = {
        (region, subject): sum(
            each["data"]["tokens"]
            for each in events[:40]
            if (each["data"]["region"], each["subject"]) == (region, subject)
        )
        for region, subject in {(each["data"]["region"], each["subject"]) for each in events[:40]}
    }
    found = {(row["groupBy"]["$.region"], row["subject"]): row["total"] for row in rows if row["groupBy"]["$.region"]}
    assert found == plain


def test_a_recount_gives_every_aggregation(metered: Tenant) -> None:
    events = sent(metered)
    (row,) = asked(metered, query="recount")
    numbers = [Decimal(each["data"]["tokens"]) for each in events[:40]] + [
        Decimal(n) for n in ("0.25", "1.5", "-3", "10")
    ]
    assert row["events"] == 47
    assert (row["numbers"], row["total"]) == (len(numbers), sum(numbers))
    assert (row["lowest"], row["highest"]) == (-3, 39)
    assert row["average"] == pytest.approx(sum(numbers) / len(numbers))
    assert row["distinctValues"] == len({str(each["data"].get("tokens")) for each in events} - {"None"})
    assert row["total"] == metered.total("tokens")
    (ranks,) = asked(metered, query="percentiles")
    ordered = sorted(numbers)
    assert [ranks[name] for name in ("p50", "p90", "p95", "p99")] == [ordered[n - 1] for n in (22, 40, 42, 44)]


def test_the_events_of_an_invoice_line(metered: Tenant) -> None:
    events = sent(metered)
    mine = ["subject-1", "subject-5"]
    rows = asked(metered, query="invoice-line-events", subjects=mine)
    expected = [each for each in events if each["subject"] in mine and each["data"].get("tokens") not in (None, "many")]
    assert sorted(row["id"] for row in rows) == sorted(each["id"] for each in expected)
    total = sum(Decimal(row["value"]) for row in rows)
    assert total == sum(row["value"] for row in counted(metered, "tokens", subject=mine))
    assert {row["id"]: row["data"] for row in rows} == {each["id"]: each["data"] for each in expected}


def test_subjects_by_usage(metered: Tenant) -> None:
    sent(metered)
    rows = asked(metered, query="subjects")
    assert {row["subject"]: row["total"] for row in rows if row["numbers"]} == {
        row["subject"]: row["value"] for row in counted(metered, "tokens", groupBy="subject")
    }
    assert rows == sorted(rows, key=lambda row: -row["total"])


def test_an_event_of_forty_days_ago_is_found(metered: Tenant) -> None:
    events = sent(metered, ago=timedelta(days=40))
    (row,) = asked(metered, query="recount", **span(days=41))
    assert row["events"] == 47
    day = asked(metered, query="usage", windowSize="DAY", **span(days=41))
    assert [each["windowStart"] for each in day] == sorted({each["time"][:10] for each in events})


def test_one_tenants_events_are_no_answer_to_another(metered: Tenant, other_tenant: Tenant) -> None:
    sent(metered)
    other_tenant.count_meter()
    other_tenant.sum_meter()
    (row,) = asked(other_tenant, query="recount")
    assert row["events"] == 0
    query_id = metered.http.post(ARCHIVE, json={"query": "usage", "meter": "tokens"} | span()).json()["id"]
    assert other_tenant.http.get(f"{ARCHIVE}/{query_id}").status_code == 404


def test_quotes_in_a_subject_are_only_quotes(metered: Tenant) -> None:
    sent(metered)
    (row,) = asked(metered, query="recount", subjects=["x' OR '1'='1"])
    assert row["events"] == 0


def test_a_voided_event_is_left_out(stack: LocalStack, metered: Tenant) -> None:
    events = sent(metered)
    now = datetime.now(UTC)
    void = {
        "tenant": metered.name,
        **{name: events[3][name] for name in ("id", "source", "type", "subject", "time")},
        "received_at": instant(now),
        "meter_version": 1,
        "voids": "correction-1",
    }
    aws(stack, "s3").put_object(
        Bucket=stack.outputs["ArchiveBucketName"],
        Key=f"archive/day={now:%Y-%m-%d}/hour={now:%H}/lane-900-{metered.name}.jsonl.gz",
        Body=gzip.compress((json.dumps(void) + "\n").encode()),
    )
    (row,) = asked(metered, query="recount")
    assert row["events"] == 46
    assert row["total"] == metered.total("tokens") - events[3]["data"]["tokens"]


@pytest.mark.parametrize("query", QUERIES)
def test_a_saved_query_runs_as_it_is_deployed(stack: LocalStack, metered: Tenant, query: str) -> None:
    sent(metered)
    values = {
        "tenant": metered.name,
        "first_day": f"{datetime.now(UTC) - timedelta(days=2):%Y-%m-%d}",
        "last_day": f"{datetime.now(UTC):%Y-%m-%d}",
        **span(),
        "type": "call",
        "since": 0,
        "history_from": "9999-12-31T23:59:59Z",
        "takes": "numbers",
        "subjects": "",
        **{f"values_{n}": "" for n in (1, 2, 3)},
        **dict.fromkeys(("any_subject", "any_1", "any_2", "any_3"), "yes"),
    }
    sql = sample_sql(query)
    listed = sql.split("\n")[1].removeprefix("-- Parameters: ").split(", ")
    assert not PARAMETER.search(sql.split("\n", 2)[2])
    literals = [str(values[name]) if name == "since" else f"'{values[name]}'" for name in listed]
    rows = run(stack, sql, literals)
    total = "value" if query == "invoice-line-events" else "total"
    if query == "percentiles":
        assert [row["numbers"] for row in rows] == ["44"]
    else:
        totals = [Decimal(value) for row in rows if (value := row[total])]
        assert sum(totals, Decimal(0)) == metered.total("tokens")


def run(stack: LocalStack, sql: str, parameters: Sequence[str] = ()) -> list[Mapping[str, str | None]]:
    """With boto3, as anybody would with the rights to it."""
    athena = aws(stack, "athena")
    started = athena.start_query_execution(
        QueryString=sql,
        **({"ExecutionParameters": parameters} if parameters else {}),
        QueryExecutionContext={"Database": DATABASE},
        WorkGroup=WORKGROUP,
    )["QueryExecutionId"]

    def status() -> Any:
        return athena.get_query_execution(QueryExecutionId=started)["QueryExecution"]["Status"]

    ended = wait_while_it_moves(status, lambda seen: seen["State"] not in ("QUEUED", "RUNNING"), "Athena")
    assert ended["State"] == "SUCCEEDED", ended
    header, *rows = athena.get_query_results(QueryExecutionId=started)["ResultSet"]["Rows"]
    columns = [cell["VarCharValue"] for cell in header["Data"]]
    return [dict(zip(columns, (cell.get("VarCharValue") for cell in row["Data"]), strict=True)) for row in rows]


def aws(stack: LocalStack, service: str) -> Any:
    return emulator.client(service, stack.ports[emulator.NAME])
