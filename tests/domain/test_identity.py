import pytest
from ulid import ULID

from functions.domain.identity import named_ulid, ulid_floor, ulid_instant
from tests.domain.builders import at


def test_a_named_ulid_is_a_real_ulid_of_its_instant() -> None:
    ulid = ULID.from_str(named_ulid(at("2026-05-01T12:34:56"), "invoice", "a"))

    assert ulid.datetime == at("2026-05-01T12:34:56")


def test_a_ulid_says_when_it_was_made() -> None:
    assert ulid_instant(named_ulid(at("2026-05-01T12:34:56"), "a")) == at("2026-05-01T12:34:56")
    for text in ("", "m1", "U" * 26, named_ulid(at("2026-05-01"), "a")[:-1]):
        with pytest.raises(ValueError, match=r"."):
            ulid_instant(text)


def test_names_are_not_joined_ambiguously() -> None:
    assert named_ulid(at("2026-05-01"), "ab", "c") != named_ulid(at("2026-05-01"), "a", "bc")


def test_the_floor_sorts_before_every_id_of_its_instant_and_after_the_one_before() -> None:
    floor = ulid_floor(at("2026-05-01"))

    assert named_ulid(at("2026-04-30T23:59:59"), "x") < floor < named_ulid(at("2026-05-01"), "x")
