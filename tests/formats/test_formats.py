"""Everything a release has stored is read for ever: its items, records and objects answer as they did on its day."""

import inspect
import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from functions.adapters import archive, look_back_store
from functions.adapters.dynamo import billing_keys, usage_keys
from functions.adapters.records import decode_record
from functions.domain.metering.values.event import CloseMarker, Pack
from tests.conftest import DynamoDb
from tests.formats.kinds import BILLING, USAGE, Kind, kind_of
from tests.formats.readers import EVERY, answers
from tests.formats.release import Items, Release, differences, digest, releases
from tests.formats.work import UNREADABLE, work
from tests.formats.world import World, deployed
from tests.formats.write import LATER_IDS

# Each as it was released: another digest means that somebody has written fixtures anew.
RELEASED = {
    "2026-11-30": "c4f9497d98f466322ef08eb4bbae65e64be1a076f13685a6d29469af600e2ad4",
    "2026-11-30-access": "00ca29777cda4cfe37fcddca580ebe2ebb77da2ef5919cd9b6dfcb7c7fbd0517",
    "2026-11-30-portal": "bbf0a00e9c4a4a3172fb9bd788ec3cbe72ca770511354b6512f414f47a563e24",
    "2026-11-30-subjects": "45f4189ed7c57166b0ec268808b941ebfcc3f358a773ee7c2574ce650af89d8b",
    "2026-11-30-backfill": "95e44d4916739fc9733f12ac0759601957d74c2197c103bfdc49b3e89662d314",
}
MOST_BYTES = 300_000
READ = {folder.name: Release.read(folder) for folder in releases()}


@pytest.fixture
def world(dynamodb: DynamoDb, aws: int) -> Iterator[World]:
    with deployed(dynamodb, aws, first_id=LATER_IDS) as world:
        yield world


@pytest.mark.parametrize("name", READ)
def test_what_a_release_has_stored_answers_as_it_did(name: str, world: World) -> None:
    release = READ[name]
    release.load(world)
    found = answers(world, release.answers)
    assert list(differences(release.answers, found)) == []


def test_releases_are_never_written_anew_and_stay_small() -> None:
    assert {folder.name: digest(folder) for folder in releases()} == RELEASED
    assert sum(file.stat().st_size for folder in releases() for file in folder.iterdir()) < MOST_BYTES


def test_a_part_of_a_release_answers_for_its_readers_alone(world: World) -> None:
    """What `write.py --readers --keys` makes, of the release there is."""
    keys = ("#customer", "#unique", "#applied_coupon", "#coupon", "#subject_history", "#attribution")
    release = READ["2026-11-30"]
    part = release.part(["customers"], keys)
    assert {item["pk"]["S"].rpartition("#")[2] for item in part.billing} <= {key[1:] for key in keys}
    assert 0 < len(part.billing) < len(release.billing) / 2
    part.load(world)
    assert list(differences(part.answers, answers(world, part.answers))) == []


def stored(table: str) -> Items:
    return [item for release in READ.values() for item in getattr(release, table)]


@pytest.mark.parametrize("kind", [*USAGE, *BILLING], ids=str)
def test_every_kind_of_item_that_the_key_modules_list_has_a_fixture(kind: Kind) -> None:
    """After a new row in their tables: store one in work.py, read it in readers.py, and write a release."""
    table, among = ("usage", USAGE) if kind in USAGE else ("billing", BILLING)
    assert any(kind_of(item, among) == kind for item in stored(table)), "python -m tests.formats.write"


def test_every_name_of_a_kind_is_in_a_fixture() -> None:
    """The constants of the billing keys are partitions, those of a tenant, or what a lock item's key begins with."""
    keys = [(item["pk"]["S"].rpartition("#")[2], item["sk"]["S"]) for item in stored("billing")]
    found = {pk for pk, _ in keys} | {sk.partition("#")[0] for pk, sk in keys if pk == "unique"}
    names = {value for name, value in vars(billing_keys).items() if name.isupper() and isinstance(value, str)}
    assert names - found == set()


def test_every_kind_of_object_and_record_has_a_fixture() -> None:
    objects = {key.partition("/")[0] for release in READ.values() for key in release.objects}
    listed = f"{archive.__doc__}\n{look_back_store.__doc__}"
    assert objects == set(re.findall(r"^([\w-]+)/", listed, re.MULTILINE))
    records = [each for release in READ.values() for each in release.records if each != UNREADABLE]
    assert {type(decode_record(each)) for each in records} == {Pack, CloseMarker}
    assert any(isinstance(each, Pack) and each.voids for each in map(decode_record, records))


def test_all_that_is_stored_today_is_listed_and_every_key_function_is_tried(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A kind that nobody has listed, or that work.py does not make, would have no fixture in the next release."""
    untried = watched(monkeypatch)
    work(world)
    for table, among in ((world.database.usage_table, USAGE), (world.database.billing_table, BILLING)):
        assert [item["pk"]["S"] for item in world.items(table) if kind_of(item, among) is None] == []
    assert untried == set()


def watched(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """The names of the key functions, without those that are called from now on."""
    untried: set[str] = set()
    for module in (usage_keys, billing_keys):
        for name, real in inspect.getmembers(module, inspect.isfunction):
            if real.__module__ == module.__name__:
                untried.add(name)
                monkeypatch.setattr(module, name, _noting(name, real, untried))
    return untried


def _noting(name: str, real: Callable[..., Any], untried: set[str]) -> Callable[..., Any]:
    def noting(*given: Any) -> Any:
        untried.discard(name)
        return real(*given)

    return noting


def test_no_release_asks_a_reader_that_is_gone() -> None:
    asked = {reader for release in READ.values() for reader in release.answers}
    assert asked <= EVERY.keys()
