"""Lists of invoices and of their lines, of any length: what is found, and what of the store is read for it."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode

import pytest

from functions.adapters.dynamo.billing.invoice_store import header_item
from functions.application import list_records
from functions.domain.billing.invoice import BilledCustomer, InvoiceRecord, Payment, invoice_id
from functions.domain.billing.push import PaymentStatus
from functions.handlers.billing import lines_json
from tests.application.billing.world import ACME, GLOBEX, TENANT, World
from tests.domain.builders import at, flat, phase, unit
from tests.handlers.gateway import Client

INVOICES = "/api/v1/billing/invoices"
# Up to then an invoice may be in no index.
INDEXED = "2026-12-01"
CUSTOMERS = (ACME, GLOBEX)


@pytest.fixture
def template(world: World) -> InvoiceRecord:
    """An invoice that was issued; it is in the list."""
    world.plan(phase(flat("10", term="in_arrears"), unit("0.003")))
    world.subscribe(start="2026-04-01")
    return world.issue("2026-05-01").invoices[0]


@pytest.fixture
def months(world: World, template: InvoiceRecord) -> list[str]:
    """The ids of twelve invoices of two customers in turn, every ten days around the day of the index."""
    days = [at("2026-10-05") + timedelta(days=10 * n) for n in range(12)]
    return [put(world, template, CUSTOMERS[n % 2], day) for n, day in enumerate(days)]


def put(
    world: World,
    template: InvoiceRecord,
    customer_id: str,
    owed_from: datetime,
    status: PaymentStatus = PaymentStatus.PAID,
    *,
    is_indexed: bool | None = None,
) -> str:
    """Issued an hour after it was owed, for a month that began thirty days before; indexed as of its day."""
    invoice = template.invoice.model_copy(
        update={
            "id": invoice_id(TENANT, customer_id, "USD", owed_from),
            "customer": BilledCustomer(id=customer_id, name="Name"),
            "invoice_at": owed_from,
            "period_start": owed_from - timedelta(days=30),
            "period_end": owed_from,
            "issued_at": owed_from + timedelta(hours=1),
        }
    )
    payment = Payment(status=status, updated_at=invoice.issued_at, due_at=owed_from + timedelta(days=30))
    world.table.put(header_item(InvoiceRecord(invoice, payment), None, 0) | {"version": 1})
    if owed_from >= at(INDEXED) if is_indexed is None else is_indexed:
        world.table.put({"pk": f"{TENANT}#customer_invoice", "sk": f"{customer_id}#{invoice.id}"})
    return invoice.id


def ids(client: Client, **asked: Any) -> list[str]:
    """By cursor, page by page, and by number, which must be the same."""
    by_cursor = [each["id"] for page in pages(client, INVOICES, **asked) for each in page]
    by_number = client.get(INVOICES, urlencode(asked)).json
    assert [each["id"] for each in by_number["items"]] == by_cursor
    assert by_number["totalCount"] == len(by_cursor)
    return by_cursor


def pages(client: Client, path: str, **asked: Any) -> Iterator[list[dict[str, Any]]]:
    cursor: str | None = ""
    while cursor is not None:
        answer = client.get(path, urlencode({"limit": 2, **asked, "cursor": cursor})).json
        yield answer["items"]
        cursor = answer.get("nextCursor")


class Reads:
    """The queries and the items that were read from now on."""

    def __init__(self, world: World) -> None:
        self.names: list[str] = []
        self.partitions: list[str] = []
        world.table.client.meta.events.register("provide-client-params.dynamodb.*", self._note)

    def _note(self, params: Any, model: Any, **_: Any) -> None:
        self.names.append(model.name)
        self.partitions.append(params.get("ExpressionAttributeValues", {}).get(":pk", {}).get("S", ""))


@pytest.mark.parametrize("order", ["ASC", "DESC"])
def test_invoices_of_customers_are_found_whether_or_not_they_are_indexed(
    client: Client, template: InvoiceRecord, months: list[str], order: str
) -> None:
    every = [template.invoice.id, *months]
    acme, globex = [template.invoice.id, *months[::2]], months[1::2]
    step = 1 if order == "ASC" else -1
    assert ids(client, customers=ACME, order=order) == acme[::step]
    assert ids(client, customers=GLOBEX, order=order) == globex[::step]
    assert ids(client, customers=f"{GLOBEX},{ACME}", order=order) == every[::step]
    assert ids(client, customers="nobody#1", order=order) == []
    assert ids(client, customers=f"01ARZ3NDEKTSV4RRFFQ69G5FAV,{GLOBEX}", order=order) == globex[::step]


def test_more_customers_than_one_answer_names_are_refused(client: Client, world: World) -> None:
    assert client.get(INVOICES, urlencode({"customers": ",".join(map(str, range(101)))})).fields == ["customers"]


def test_many_invoices_of_some_customers_come_in_order_a_few_at_once(
    client: Client, world: World, template: InvoiceRecord, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(list_records, "STRIDE", 3)
    days = [at(INDEXED) + timedelta(days=n) for n in range(60)]
    # Nearly all are the first one's, so that the reads of the two end far apart.
    made = [put(world, template, CUSTOMERS[n % 15 == 14], day) for n, day in enumerate(days)]
    asked = {"customers": ",".join(CUSTOMERS), "issuedAfter": f"{INDEXED}T00:00:00Z", "pageSize": 100}
    for order, expected in (("ASC", made), ("DESC", made[::-1])):
        found = client.get(INVOICES, urlencode(asked | {"order": order})).json["items"]
        assert [each["id"] for each in found] == expected


def test_invoices_of_a_customer_are_read_through_its_index(client: Client, world: World, months: list[str]) -> None:
    reads = Reads(world)
    found = client.get(INVOICES, f"customers={ACME}&limit=2&order=DESC").json["items"]
    assert [each["id"] for each in found] == [months[10], months[8]]
    assert reads.names == ["Query", "BatchGetItem"]
    assert reads.partitions[0] == f"{TENANT}#customer_invoice"


def test_what_was_issued_before_an_instant_is_a_range_of_keys(client: Client, world: World, months: list[str]) -> None:
    reads = Reads(world)
    before = ids(client, issuedAfter="2026-11-04T01:00:00Z", issuedBefore="2026-11-24T01:00:00Z")
    assert before == months[3:6]
    assert ids(client, createdAfter="2026-11-04T01:00:01Z", issuedBefore="2026-11-24T00:59:59Z") == months[4:5]
    assert ids(client, issuedBefore="2026-11-24T01:00:00Z", order="DESC")[:2] == [months[5], months[4]]
    assert ids(client, periodStartAfter="2026-12-04T00:00:00Z") == months[9:]
    assert ids(client, issuedBefore="1970-01-01T00:00:00Z") == []
    assert set(reads.names) == {"Query"}


def test_a_cursor_into_a_range_of_keys_goes_on_in_it(client: Client, months: list[str]) -> None:
    asked = {"issuedBefore": "2026-11-24T01:00:00Z", "order": "DESC"}
    found = [each["id"] for page in pages(client, INVOICES, **asked) for each in page]
    assert found[:6] == months[5::-1]


def test_headers_from_before_their_instants_stood_beside_them_are_found_by_them(
    client: Client, world: World, months: list[str]
) -> None:
    for each in months[:3]:
        item = world.table.get(f"{TENANT}#invoice", each)
        assert item is not None
        world.table.put({name: value for name, value in item.items() if name not in ("issued_at", "period_start")})
    assert ids(client, issuedAfter="2026-10-15T00:00:00Z", issuedBefore="2026-11-08T00:00:00Z") == months[1:4]
    assert ids(client, periodStartBefore="2026-09-16T00:00:00Z", periodStartAfter="2026-09-01T00:00:00Z") == months[:2]


def test_each_status_finds_its_own(client: Client, world: World, template: InvoiceRecord) -> None:
    world.clock.time = at("2027-02-01")
    of_status = {
        status: put(world, template, ACME, at("2027-01-10") + timedelta(days=n), status)
        for n, status in enumerate(PaymentStatus)
    }
    overdue = put(world, template, ACME, at("2026-12-03"), PaymentStatus.OPEN)
    for asked, expected in (
        ("paid", [of_status[PaymentStatus.PAID]]),
        ("voided", [of_status[PaymentStatus.VOID]]),
        ("uncollectible", [of_status[PaymentStatus.UNCOLLECTIBLE]]),
        ("overdue", [overdue]),
        ("payment_processing", [of_status[PaymentStatus.OPEN]]),
        ("issued", [template.invoice.id, of_status[PaymentStatus.ISSUED], of_status[PaymentStatus.PUSH_FAILED]]),
        ("overdue,payment_processing", [overdue, of_status[PaymentStatus.OPEN]]),
        ("draft", []),
    ):
        assert ids(client, statuses=asked) == expected, asked
    extended = "payment_processing.pending"
    assert ids(client, extendedStatuses=extended) == [of_status[PaymentStatus.OPEN]]
    assert ids(client, extendedStatuses=extended, statuses="overdue") == []
    assert ids(client, extendedStatuses="nothing") == []
    assert ids(client, statuses="paid", customers=ACME) == [of_status[PaymentStatus.PAID]]


def test_what_the_store_leaves_out_costs_little_of_the_bound(
    client: Client, world: World, template: InvoiceRecord, months: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(list_records, "MAX_LOOKED_AT", 8)
    monkeypatch.setattr(list_records, "MAX_SEARCHED", 8)
    monkeypatch.setattr(list_records, "STRIDE", 8)
    last = put(world, template, ACME, at("2027-03-01"), PaymentStatus.VOID)
    found = client.get(INVOICES, "statuses=voided").json
    assert ([each["id"] for each in found["items"]], found["totalCount"]) == ([last], 1)
    assert client.get(INVOICES, "extendedStatuses=paid,issued&pageSize=50").fields == ["page"]


@pytest.fixture
def lines(world: World, client: Client, template: InvoiceRecord) -> str:
    """The path of an invoice's two lines."""
    return f"{INVOICES}/{template.invoice.id}/lines"


def test_the_lines_of_an_invoice_come_page_by_page(client: Client, lines: str) -> None:
    whole = client.get(lines.removesuffix("/lines")).json
    assert (len(whole["lines"]), "lineCount" in whole, "linesNextCursor" in whole) == (2, False, False)
    assert client.get(lines).json == {"items": whole["lines"]}
    assert list(pages(client, lines, limit=1)) == [[line] for line in whole["lines"]]
    assert list(pages(client, lines, limit=2)) == [whole["lines"]]
    missing = client.get(f"{INVOICES}/01ARZ3NDEKTSV4RRFFQ69G5FAV/lines")
    assert (missing.status, missing.json["extensions"]["validationErrors"][0]["code"]) == (404, "invoice_not_found")
    assert client.acting_as("admin", "other").get(lines).status == 404
    assert client.get(lines, "page=1").fields == ["page"]
    assert client.get(lines, "cursor=nonsense").fields == ["cursor"]


def test_an_invoice_of_too_many_lines_shows_the_first_and_where_the_others_are(
    client: Client, lines: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = lines.removesuffix("/lines")
    whole = client.get(one).json
    monkeypatch.setattr(lines_json, "MAX_SHOWN_LINES", 1)
    monkeypatch.setattr("functions.handlers.billing.http_billing.MAX_SHOWN_LINES", 1)
    cut = client.get(one).json
    assert cut["lines"] == whole["lines"][:1]
    assert cut["lineCount"] == 2
    assert client.get(lines, f"cursor={cut['linesNextCursor']}").json == {"items": whole["lines"][1:]}
    listed = client.get(INVOICES, "expand=lines").json["items"][0]
    assert (listed["lines"], listed["linesNextCursor"]) == (cut["lines"], cut["linesNextCursor"])
    assert {name: each for name, each in cut.items() if name not in ("lines", "lineCount", "linesNextCursor")} == {
        name: each for name, each in whole.items() if name != "lines"
    }
    operator = client.acting_as("read operator", "other")
    through = operator.get(one, f"tenant={TENANT}&expand=lines").json["linesNextCursor"]
    assert len(operator.get(lines, f"tenant={TENANT}&cursor={through}").json["items"]) == 1


def test_very_long_lines_end_a_page_but_never_before_the_first(
    client: Client, lines: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("functions.handlers.billing.http_billing.MAX_SHOWN_BYTES", 10)
    assert [len(page) for page in pages(client, lines, limit=100)] == [1, 1]
