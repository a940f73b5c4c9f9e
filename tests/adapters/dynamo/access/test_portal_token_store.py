"""Portal tokens on DynamoDB: which are in force, whatever is invalidated, and how many requests that takes."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from functions.adapters.dynamo.access.portal_token_store import DynamoPortalTokens
from functions.adapters.dynamo.table import Table
from functions.domain.access.portal_token import MAX_SECONDS, Holder, PortalGrant, PortalToken
from tests.conftest import DynamoDb

NOW = datetime(2026, 11, 30, tzinfo=UTC)
BOB, ACME = Holder("subject", "bob"), Holder("customer", "bob")


def token(id: str, holder: Holder = BOB, tenant: str = "acme") -> PortalToken:
    return PortalToken(id, tenant, PortalGrant(holder, ("tokens",)), NOW, NOW + timedelta(hours=1))


@pytest.fixture
def table(dynamodb: DynamoDb) -> Table:
    return Table(dynamodb.client, dynamodb.billing_table)


@pytest.fixture
def tokens(table: Table) -> DynamoPortalTokens:
    return DynamoPortalTokens(table)


def in_force(tokens: DynamoPortalTokens, *asked: PortalToken) -> list[bool]:
    return [tokens.is_in_force(each.tenant, each.id, each.grant.holder) for each in asked]


def test_a_token_comes_back_as_it_was_with_the_newest_first(tokens: DynamoPortalTokens) -> None:
    made = [token("1"), token("2", ACME), token("3", Holder("subject", "#odd/€"))]
    for each in made:
        tokens.add(each)
    assert [each.token for each in tokens.newest("acme", 10)] == made[::-1]
    assert [each.token for each in tokens.newest("acme", 2)] == made[:0:-1]
    assert tokens.newest("globex", 10) == []


def test_what_is_not_kept_is_not_in_force(tokens: DynamoPortalTokens) -> None:
    tokens.add(token("1"))
    assert in_force(tokens, token("1"), token("2"), token("1", tenant="globex")) == [True, False, False]


def test_one_is_invalidated_by_its_id_and_only_in_its_tenant(tokens: DynamoPortalTokens) -> None:
    tokens.add(token("1"))
    tokens.add(token("2"))
    assert [tokens.invalidate(*each, NOW) for each in (("globex", "1"), ("acme", "3"), ("acme", "1"))] == [
        *(False, False, True),
    ]
    assert in_force(tokens, token("1"), token("2")) == [False, True]
    assert [(each.token.id, each.is_invalidated) for each in tokens.newest("acme", 9)] == [("2", False), ("1", True)]


def test_all_of_a_holder_are_invalidated_by_one_write_and_new_ones_are_not(
    tokens: DynamoPortalTokens, table: Table
) -> None:
    first = [token("1"), token("2")]
    others = [token("3", ACME), token("4", Holder("subject", "bo")), token("5", tenant="globex")]
    for each in (*first, *others):
        tokens.add(each)
    tokens.invalidate_all("acme", BOB, "epoch one", NOW)
    later = token("6")
    tokens.add(later)
    assert in_force(tokens, *first, *others, later) == [False, False, True, True, True, True]
    tokens.invalidate_all("acme", BOB, "epoch two", NOW - timedelta(hours=1))  # a clock that is behind
    assert in_force(tokens, *first, *others, later) == [False, False, True, True, True, False]
    assert {each.token.id for each in tokens.newest("acme", 9) if each.is_invalidated} == {"1", "2", "6"}
    assert len([*table.query("acme#portal_epoch")]) == 1


def test_an_epoch_outlives_every_token_that_was_made_before_it(tokens: DynamoPortalTokens, table: Table) -> None:
    tokens.invalidate_all("acme", BOB, "epoch", NOW)
    (epoch,) = table.query("acme#portal_epoch")
    assert epoch["ttl"] > (NOW + timedelta(seconds=MAX_SECONDS)).timestamp()
    tokens.add(token("1"))
    table.delete(epoch["pk"], epoch["sk"])
    assert in_force(tokens, token("1")) == [True]
    (kept,) = table.query("acme#portal_token")
    assert kept["ttl"] == (NOW + timedelta(hours=1, days=7)).timestamp()


def test_the_longest_subject_has_an_epoch(tokens: DynamoPortalTokens) -> None:
    longest = token("1", Holder("subject", "x" * 1_000))
    tokens.add(longest)
    tokens.invalidate_all("acme", longest.grant.holder, "epoch", NOW)
    assert in_force(tokens, longest) == [False]


@pytest.fixture
def asked(dynamodb: DynamoDb) -> Iterator[list[str]]:
    """The requests that went to the database."""
    names: list[str] = []

    def note(model: Any, **_: Any) -> None:
        names.append(model.name)

    dynamodb.client.meta.events.register("before-call", note)
    yield names
    dynamodb.client.meta.events.unregister("before-call", note)


def test_asking_for_one_takes_one_request_and_a_list_takes_two(tokens: DynamoPortalTokens, asked: list[str]) -> None:
    for number in range(3):
        tokens.add(token(f"{number}", Holder("subject", f"s{number}")))
    asked.clear()
    in_force(tokens, token("1"))
    tokens.newest("acme", 100)
    assert asked == ["BatchGetItem", "Query", "BatchGetItem"]
