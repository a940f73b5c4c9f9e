"""The table helper against AWS's own DynamoDB Local."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from typing import Any

import pytest

from functions.adapters.dynamo.client import ConditionFailed, TransactionRefused
from functions.adapters.dynamo.codec import decode_item, encode, encode_item
from functions.adapters.dynamo.condition import NOT_YET_STORED, STORED, Condition, version_is
from functions.adapters.dynamo.table import Table
from tests.conftest import DynamoDb


@pytest.fixture
def table(dynamodb: DynamoDb) -> Table:
    return Table(dynamodb.client, dynamodb.billing_table)


EVERYTHING: dict[str, Any] = {
    "pk": "p",
    "sk": "s",
    "text": "\x00 héé 🚀",
    "empty": "",
    "whole": 12345678901234567890123456789012345678,
    "exact": Decimal("0.00000000000000000001"),
    "negative": Decimal("-12.50"),
    "flag": False,
    "bytes": b"\x00\xff",
    "map": {"a": {"b": [1, None, "x"]}},
    "words": frozenset({"a", "b"}),
    "numbers": frozenset({1, 2}),
}


def test_every_kind_of_value_comes_back_as_it_went_in(table: Table) -> None:
    table.put(EVERYTHING)
    assert table.get("p", "s") == EVERYTHING


def test_an_absent_attribute_is_none_at_the_top_level() -> None:
    assert encode_item({"a": None, "b": 1}) == {"b": {"N": "1"}}


@pytest.mark.parametrize("value", [1.5, object(), frozenset(), {"deep": [0.1]}])
def test_a_value_without_an_exact_form_is_refused(value: Any) -> None:
    with pytest.raises(TypeError):
        encode(value)


@pytest.mark.parametrize("value", [Decimal("NaN"), Decimal("Infinity"), 10**38, Decimal("1." + "1" * 38)])
def test_a_number_dynamodb_cannot_keep_is_refused(value: Any) -> None:
    with pytest.raises(ValueError):
        encode(value)


def test_whole_numbers_are_int_and_others_decimal() -> None:
    decoded = decode_item({"a": {"N": "-5"}, "b": {"N": "5.0"}, "c": {"N": "1E+2"}})
    assert [type(value) for value in decoded.values()] == [int, Decimal, Decimal]


def test_a_missing_item_is_none(table: Table) -> None:
    assert table.get("p", "nothing") is None


def test_a_refused_write_tells_what_is_stored(table: Table) -> None:
    table.put({"pk": "p", "sk": "s", "owner": "first"}, NOT_YET_STORED)
    with pytest.raises(ConditionFailed) as refused:
        table.put({"pk": "p", "sk": "s", "owner": "second"}, NOT_YET_STORED)
    assert refused.value.stored == {"pk": "p", "sk": "s", "owner": "first"}


def test_an_optimistic_version_lets_one_of_two_writers_through(table: Table) -> None:
    first = table.put_version({"pk": "p", "sk": "s", "n": 1}, 0)
    assert first["version"] == 1
    table.put_version({"pk": "p", "sk": "s", "n": 2}, 1)
    with pytest.raises(ConditionFailed):
        table.put_version({"pk": "p", "sk": "s", "n": 3}, 1)
    stored = table.get("p", "s")
    assert stored is not None
    assert (stored["n"], stored["version"]) == (2, 2)


def test_an_update_returns_the_item_and_honours_its_condition(table: Table) -> None:
    table.put({"pk": "p", "sk": "s", "state": "open", "count": 1})
    is_open = Condition("#s = :open", {":open": "open"}, {"#s": "state"})
    updated = table.update(
        "p", "s", "ADD #c :one SET #s = :shut", {":one": 1, ":shut": "shut"}, is_open, {"#c": "count"}
    )
    assert (updated["count"], updated["state"]) == (2, "shut")
    with pytest.raises(ConditionFailed):
        table.update("p", "s", "ADD #c :one SET #s = :shut", {":one": 1, ":shut": "shut"}, is_open, {"#c": "count"})


def test_a_delete_is_conditional(table: Table) -> None:
    with pytest.raises(ConditionFailed):
        table.delete("p", "s", STORED)
    table.put({"pk": "p", "sk": "s"})
    table.delete("p", "s", STORED)
    assert table.get("p", "s") is None


QUERIES: list[tuple[dict[str, Any], list[str]]] = [
    ({}, ["a1", "a2", "b1", "b2"]),
    ({"descending": True}, ["b2", "b1", "a2", "a1"]),
    ({"prefix": "a"}, ["a1", "a2"]),
    ({"first": "a2"}, ["a2", "b1", "b2"]),
    ({"last": "b1"}, ["a1", "a2", "b1"]),
    ({"first": "a2", "last": "b1"}, ["a2", "b1"]),
    ({"first": "b1", "last": "a2"}, []),
    ({"after": "a2"}, ["b1", "b2"]),
    ({"after": "b1", "descending": True}, ["a2", "a1"]),
    ({"limit": 3}, ["a1", "a2", "b1"]),
]


@pytest.mark.parametrize(("how", "expected"), QUERIES)
def test_a_query_selects_by_sort_key(table: Table, how: dict[str, Any], expected: list[str]) -> None:
    for sk in ("b2", "a1", "b1", "a2"):
        table.put({"pk": "p", "sk": sk})
    table.put({"pk": "other", "sk": "a1"})
    assert [item["sk"] for item in table.query("p", **how)] == expected


def test_a_query_follows_every_page_of_one_megabyte(table: Table) -> None:
    for n in range(8):
        table.put({"pk": "p", "sk": str(n), "body": b"x" * 300_000})
    assert [item["sk"] for item in table.query("p")] == [str(n) for n in range(8)]


def test_a_batch_get_of_more_than_one_request_finds_all_that_exist(table: Table) -> None:
    for n in range(0, 120, 2):
        table.put({"pk": "p", "sk": str(n)})
    found = table.batch_get([("p", str(n)) for n in range(120)])
    assert {item["sk"] for item in found} == {str(n) for n in range(0, 120, 2)}


def test_a_transaction_writes_all_or_nothing_across_tables(dynamodb: DynamoDb, table: Table) -> None:
    usage = Table(dynamodb.client, dynamodb.usage_table)
    table.transact([table.putting_version({"pk": "p", "sk": "s"}, 0), usage.putting({"pk": "u", "sk": "s"})])
    with pytest.raises(TransactionRefused) as refused:
        table.transact(
            [
                usage.deleting("u", "s"),
                table.putting({"pk": "p", "sk": "s", "by": "second"}, NOT_YET_STORED),
                table.checking("p", "s", version_is(1)),
            ][:2]
        )
    assert refused.value.stored == {1: {"pk": "p", "sk": "s", "version": 1}}
    assert usage.get("u", "s") is not None


def test_a_transaction_can_update_and_check(table: Table) -> None:
    table.put_version({"pk": "p", "sk": "a", "n": 1}, 0)
    table.put_version({"pk": "p", "sk": "b"}, 0)
    add = table.updating("p", "a", "ADD n :one", {":one": 1}, version_is(1))
    table.transact([add, table.checking("p", "b", version_is(1))])
    with pytest.raises(TransactionRefused) as refused:
        table.transact([add, table.checking("p", "b", version_is(2))])
    assert list(refused.value.stored) == [1]
    assert table.get("p", "a") == {"pk": "p", "sk": "a", "n": 2, "version": 1}


BROKEN: list[Callable[[Table], Any]] = [
    lambda table: table.put({"pk": "", "sk": "s"}),
    lambda table: table.transact([table.putting({"pk": "p", "sk": "s"})] * 2),
]


@pytest.mark.parametrize("call", BROKEN)
def test_a_programming_error_is_not_mistaken_for_a_refusal(table: Table, call: Callable[[Table], Any]) -> None:
    with pytest.raises(Exception) as error:
        call(table)
    assert not isinstance(error.value, ConditionFailed | TransactionRefused)


def test_two_writers_at_once_both_get_through_when_only_in_each_others_way(table: Table) -> None:
    table.put({"pk": "p", "sk": "shared", "n": 0})

    def add(who: int) -> None:
        one_more = table.updating("p", "shared", "ADD n :one", {":one": 1})
        table.transact([one_more, table.putting({"pk": "p", "sk": str(who)}, NOT_YET_STORED)])

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(add, range(40)))
    assert table.get("p", "shared") == {"pk": "p", "sk": "shared", "n": 40}


@pytest.mark.parametrize("key", [("p", ""), ("", "s"), ("p", "é" * 513), ("p" * 2_049, "s")])
def test_nothing_is_stored_under_a_key_dynamodb_refuses(table: Table, key: tuple[str, str]) -> None:
    table.put({"pk": "p", "sk": "s"})
    assert table.get(*key) is None
    assert table.batch_get([key, ("p", "s")]) == [{"pk": "p", "sk": "s"}]
