"""One contract for every Listing: a short list that is held, and DynamoDB (on DynamoDB Local)."""

from collections.abc import Iterator

import pytest

from functions.adapters.dynamo.condition import Condition
from functions.adapters.dynamo.listing import DynamoListing, Narrowed
from functions.adapters.dynamo.subscriptions.customer_store import DynamoCustomers
from functions.adapters.dynamo.table import Table
from functions.application.held_listing import HeldListing
from functions.application.ports.listing import Listing
from functions.domain.subscriptions.customer import Customer
from tests.conftest import DynamoDb
from tests.writing_customers import customer, write_customers

TEN = [customer(number) for number in range(10)]


@pytest.fixture(params=["held", "dynamodb"])
def listing(request: pytest.FixtureRequest) -> Listing[Customer]:
    if request.param == "held":
        return HeldListing(list(reversed(TEN)), lambda each: each.id)
    database: DynamoDb = request.getfixturevalue("dynamodb")
    write_customers(database.client, database.billing_table, TEN)
    write_customers(database.client, database.billing_table, [customer(3, name="Another's")], tenant="other")
    return stored(database)


def stored(database: DynamoDb, *, with_deleted: bool = False) -> Listing[Customer]:
    store = DynamoCustomers(Table(database.client, database.billing_table))
    return store.listing("default", with_deleted=with_deleted)


def stretches(listing: Listing[Customer], most: int, *, descending: bool = False) -> Iterator[list[Customer]]:
    after = None
    while True:
        found = listing.read_slice(after=after, descending=descending, most=most)
        yield [entry.read() for entry in found.entries]
        after = found.end
        if after is None:
            return


@pytest.mark.parametrize("most", [1, 3, 5, 10, 11, 100_000])
def test_stretches_hold_every_record_once_in_order(listing: Listing[Customer], most: int) -> None:
    assert [each for stretch in stretches(listing, most) for each in stretch] == TEN
    backwards = [each for stretch in stretches(listing, most, descending=True) for each in stretch]
    assert backwards == TEN[::-1]


@pytest.mark.parametrize("descending", [False, True])
def test_a_count_goes_as_far_as_a_stretch(listing: Listing[Customer], descending: bool) -> None:
    after, counted = None, []
    while True:
        found = listing.count(after=after, descending=descending, most=4)
        counted.append(found.records)
        after = found.end
        if after is None:
            break
    assert counted == [4, 4, 2]


def test_a_place_goes_on_behind_its_record_also_when_that_is_gone(listing: Listing[Customer]) -> None:
    found = listing.read_slice(after=customer(4).id, descending=False, most=2)
    assert [entry.read() for entry in found.entries] == TEN[5:7]
    between = f"{customer(4).id[:-1]}1"
    found = listing.read_slice(after=between, descending=True, most=2)
    assert [entry.read() for entry in found.entries] == [TEN[4], TEN[3]]


def test_records_are_read_at_their_places_in_the_order_asked(listing: Listing[Customer]) -> None:
    assert list(listing.at([TEN[7].id, customer(99).id, TEN[2].id])) == [TEN[7], TEN[2]]


def test_what_is_deleted_is_neither_shown_nor_counted_and_others_cannot_look_deleted(dynamodb: DynamoDb) -> None:
    gone = customer(1, deleted_at=customer(1).created_at)
    looks_gone = customer(2, metadata={"deletedAt": "never"}, description='{"deletedAt":"2026-01-01T00:00:00Z"}')
    kept = [TEN[0], looks_gone, TEN[3]]
    write_customers(dynamodb.client, dynamodb.billing_table, [*kept, gone])

    listing = stored(dynamodb)
    assert [each for stretch in stretches(listing, 2) for each in stretch] == kept
    counted = listing.count(after=None, descending=False, most=100)
    assert (counted.records, counted.looked_at, counted.end) == (3, 4, None)
    everyone = stored(dynamodb, with_deleted=True)
    assert everyone.count(after=None, descending=False, most=100).records == 4


def narrowed_to(database: DynamoDb, narrowed: Narrowed) -> Listing[Customer]:
    table = Table(database.client, database.billing_table)
    write_customers(database.client, database.billing_table, TEN)
    return DynamoListing(
        table, "default#customer", lambda item: Customer.model_validate_json(item["body"]), narrowed=narrowed
    )


@pytest.mark.parametrize("most", [1, 3, 100])
def test_a_narrowed_list_ends_at_its_last_position(dynamodb: DynamoDb, most: int) -> None:
    listing = narrowed_to(dynamodb, Narrowed(last=TEN[6].id))
    assert [each for stretch in stretches(listing, most) for each in stretch] == TEN[:7]
    assert [each for stretch in stretches(listing, most, descending=True) for each in stretch] == TEN[6::-1]
    assert listing.read_slice(after=TEN[8].id, descending=False, most=most).end is None
    assert listing.read_slice(after=TEN[8].id, descending=True, most=1).entries[0].read() == TEN[6]


def test_what_the_store_leaves_out_counts_little_and_what_is_passed_by_counts_whole(dynamodb: DynamoDb) -> None:
    store = narrowed_to(dynamodb, Narrowed(only=Condition("contains(body, :key)", {":key": '"customer-7"'})))
    found = store.read_slice(after=None, descending=False, most=100)
    assert ([entry.read() for entry in found.entries], found.looked_at) == ([TEN[7]], 2)
    reader = narrowed_to(dynamodb, Narrowed(words=("customer-7",)))
    found = reader.read_slice(after=None, descending=False, most=100)
    assert ([entry.read() for entry in found.entries], found.looked_at) == ([TEN[7]], 10)
