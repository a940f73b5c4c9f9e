"""One contract for every place of look-backs: the simulation's memory, and S3 (the emulator's) with DynamoDB Local."""

from collections.abc import Iterator
from itertools import count
from typing import Any

import pytest

from functions.adapters.look_back_codec import encode_part
from functions.adapters.look_back_store import StoredLookBacks
from functions.adapters.memory.look_backs import MemoryLookBacks
from functions.domain.metering.ledger.look_back import Accepted, Further, LookBack
from infra.local import emulator
from tests.conftest import DynamoDb

NOW = 1_790_000_000
BUCKET = "look-backs"
FIRST = Accepted(1, NOW, bytes(range(80)), b"packmark")
THIRD = Accepted(3, NOW + 18, bytes(range(96, 104)), b"")
SECOND = Accepted(2, NOW + 9, bytes(range(80, 96)), b"")


@pytest.fixture(params=["memory", "aws"])
def look_backs(request: pytest.FixtureRequest) -> Iterator[Any]:
    if request.param == "memory":
        yield MemoryLookBacks()
        return
    database: DynamoDb = request.getfixturevalue("dynamodb")
    client = emulator.client("s3", request.getfixturevalue("aws"))
    client.create_bucket(Bucket=BUCKET)
    attempts = count()
    yield StoredLookBacks(database.client, database.usage_table, client, BUCKET, lambda: f"a{next(attempts)}")


def whole(*commits: Accepted) -> Any:
    look_back = LookBack()
    for accepted in commits:
        look_back.learn(accepted)
    return look_back.whole(b"marks")


def test_parts_are_found_in_their_order_as_they_were_kept(look_backs: Any) -> None:
    assert look_backs.find(3) is None
    first = look_backs.keep(3, None, whole(FIRST), 1, 5)
    second = look_backs.keep(3, first, Further([SECOND]), 2, 7)
    found = look_backs.find(3)
    assert found == second
    assert (found.n, found.since, len(found.parts)) == (2, 7, 2)
    assert [look_backs.part(name) for name in found.parts] == [whole(FIRST), Further([SECOND])]
    assert look_backs.find(4) is None


def test_a_whole_one_takes_the_place_of_all_parts(look_backs: Any) -> None:
    first = look_backs.keep(3, None, whole(FIRST), 1, 0)
    other = look_backs.keep(33, None, whole(FIRST), 1, 0)
    second = look_backs.keep(3, first, Further([SECOND]), 2, 0)
    third = look_backs.keep(3, second, whole(FIRST, SECOND, THIRD), 3, 0)
    assert look_backs.find(3) == third
    assert len(third.parts) == 1
    assert [look_backs.part(name) for name in second.parts] == [None, None]
    assert look_backs.part(other.parts[0]) is not None, "of another lane"


def test_a_writer_that_has_not_seen_what_others_kept_keeps_nothing(look_backs: Any) -> None:
    first = look_backs.keep(3, None, whole(FIRST), 1, 0)
    second = look_backs.keep(3, first, Further([SECOND]), 2, 0)
    assert look_backs.keep(3, first, Further([FIRST]), 1, 0) is None
    assert look_backs.keep(3, None, whole(FIRST), 1, 0) is None
    assert look_backs.find(3) == second
    assert [look_backs.part(name) for name in second.parts] == [whole(FIRST), Further([SECOND])]


def test_what_another_version_wrote_is_as_good_as_gone(dynamodb: DynamoDb, aws: int) -> None:
    client = emulator.client("s3", aws)
    client.create_bucket(Bucket="newer")
    places = StoredLookBacks(dynamodb.client, dynamodb.usage_table, client, "newer", lambda: "a")
    for name, body in (("newer", b"\x02" + encode_part(whole(FIRST))[1:]), ("torn", encode_part(whole(FIRST))[:-9])):
        client.put_object(Bucket="newer", Key=name, Body=body)
        assert places.part(name) is None
