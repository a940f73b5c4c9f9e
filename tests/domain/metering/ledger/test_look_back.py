"""What a lane remembers: exactly, as much as fits, and as long as the acceptance window."""

import random
import tracemalloc

import pytest

from functions.domain.metering.ledger.look_back import MAX_UNITS, UNIT_SECONDS, Accepted, LookBack
from functions.domain.metering.values.event import AcceptanceWindow

NOW = 1_790_000_400
DAY = 86_400


def packed(*fingerprints: int) -> bytes:
    return b"".join(each.to_bytes(8, "little") for each in fingerprints)


def test_it_says_exactly_what_it_has_been_told() -> None:
    chance, look_back, model = random.Random(5), LookBack(), set[int]()
    for n in range(1, 40):
        look_back.begin(NOW + n * 400)
        for _ in range(200):
            # Neighbours differ in their last bits, which stand beside the time.
            fingerprint = chance.choice(
                (chance.getrandbits(64), chance.getrandbits(5), (1 << 64) - chance.randint(1, 9))
            )
            assert look_back.add(fingerprint) == (fingerprint not in model)
            model.add(fingerprint)
        look_back.confirm(n)
    assert look_back.size == len(model)


def test_what_was_not_confirmed_can_be_taken_back() -> None:
    look_back = LookBack()
    look_back.begin(NOW)
    assert look_back.add(7)
    look_back.confirm(1)
    look_back.begin(NOW + UNIT_SECONDS)
    assert [look_back.add(each) for each in (7, 8, 1 << 63)] == [False, True, True]
    look_back.take_back()
    assert (look_back.n, look_back.size) == (1, 1)
    assert [look_back.add(each) for each in (7, 8, 1 << 63)] == [False, True, True]


def test_the_oldest_is_forgotten_by_whole_units_with_room_for_a_while() -> None:
    look_back = LookBack()
    for n in range(1, 11):
        look_back.learn(Accepted(n, NOW + n * UNIT_SECONDS, packed(*range(n * 100, n * 100 + 10)), b""))
    look_back.forget(most=80, oldest=0)
    assert look_back.size == 70
    assert look_back.since == (NOW // UNIT_SECONDS + 4) * UNIT_SECONDS
    look_back.begin(NOW + 11 * UNIT_SECONDS)
    assert look_back.add(305)
    assert not look_back.add(405)


def test_what_was_accepted_again_is_as_new_as_that() -> None:
    look_back = LookBack()
    look_back.learn(Accepted(1, NOW, packed(1, 2), b""))
    look_back.learn(Accepted(2, NOW + 5 * UNIT_SECONDS, packed(1), b""))
    look_back.forget(most=10, oldest=NOW + UNIT_SECONDS)
    assert look_back.size == 1
    assert [look_back.add(each) for each in (1, 2)] == [False, True]


def test_its_clock_comes_round_and_nothing_old_looks_new() -> None:
    look_back = LookBack()
    look_back.learn(Accepted(1, NOW, packed(1), b""))
    for n in range(2, 8):
        later = NOW + (n - 1) * (MAX_UNITS // 4) * UNIT_SECONDS
        look_back.learn(Accepted(n, later, packed(n), b""))
        look_back.forget(most=100, oldest=0)
    assert look_back.size == 5
    assert look_back.add(1)


def test_it_covers_the_times_that_only_what_it_knows_can_have() -> None:
    window = AcceptanceWindow()
    known = LookBack(since=NOW - DAY)
    assert known.covers(NOW, NOW, window)
    assert not known.covers(NOW - DAY, NOW, window), "it may have come an hour before its time"
    assert not known.covers(NOW - DAY + window.ahead, NOW, window), "another writer's clock may be behind"
    assert known.covers(NOW - DAY + window.ahead + 600, NOW, window)
    assert not known.covers(NOW + window.ahead + 1, NOW, window), "no ingest accepts that"
    assert LookBack().covers(0, NOW, window), "nothing was ever forgotten"


def test_it_comes_back_as_it_was_kept() -> None:
    chance, look_back = random.Random(6), LookBack(since=NOW - 9)
    for n in range(1, 30):
        body = packed(*(chance.getrandbits(64) for _ in range(500)))
        look_back.learn(Accepted(n, NOW + n * UNIT_SECONDS, body, b""))
    whole = look_back.whole(b"marksofp")
    again = LookBack.restored(whole)
    assert again.whole(b"marksofp") == whole
    assert (again.n, again.since, again.size) == (29, NOW - 9, look_back.size)
    again.forget(most=10_000, oldest=0)
    look_back.forget(most=10_000, oldest=0)
    assert again.whole(b"") == look_back.whole(b"")


@pytest.mark.large
def test_a_million_take_ten_megabytes() -> None:
    chance = random.Random(7)
    tracemalloc.start()
    look_back = LookBack()
    for n in range(1, 101):
        look_back.learn(Accepted(n, NOW, chance.randbytes(8 * 10_000), b""))
    held, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert look_back.size == 1_000_000
    assert held < 12_500_000  # 2 MB of it are the empty arrays, which do not grow


def test_a_commit_of_a_clock_that_is_behind_costs_nobody_his_memory() -> None:
    """A void may be decided in an earlier unit than its event, by another writer."""
    look_back, at = LookBack(), NOW // UNIT_SECONDS * UNIT_SECONDS
    look_back.learn(Accepted(1, at, packed(*range(20)), b""))
    look_back.learn(Accepted(2, at - 1, packed(7), b""))
    look_back = LookBack.restored(look_back.whole(b""))
    look_back.forget(most=100, oldest=0)
    assert look_back.size == 20
    assert not any(look_back.add(each) for each in range(20))
