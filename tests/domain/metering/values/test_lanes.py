"""Fingerprints of values that are remembered are those of values that are not."""

from hashlib import blake2b

import pytest

from functions.domain.metering.values import lanes as metering_lanes
from functions.domain.metering.values.lanes import MAX_REMEMBERED_TEXT, Lanes, ValueFingerprints

KEY = b"a key of the test"
LONGEST = "x" * MAX_REMEMBERED_TEXT


def test_a_value_has_one_fingerprint_however_often_it_comes() -> None:
    lanes = Lanes(1, KEY)
    texts = ["", "ada", LONGEST, LONGEST + "x", "\ud800"]
    first = [lanes.value_fingerprint(text) for text in texts]
    assert first == [lanes.value_fingerprint(text) for text in texts]
    assert first == [Lanes(1, KEY).value_fingerprint(text) for text in texts]
    assert len(set(first)) == len(texts)


def test_another_key_gives_another_fingerprint() -> None:
    assert Lanes(1, KEY).value_fingerprint("ada") != Lanes(1, b"another key").value_fingerprint("ada")


def test_long_values_are_not_kept_in_memory() -> None:
    fingerprints = ValueFingerprints(blake2b(key=KEY, digest_size=8))
    assert fingerprints[LONGEST + "x"]
    assert len(fingerprints) == 0
    assert fingerprints[LONGEST]
    assert len(fingerprints) == 1


def test_no_more_values_are_kept_than_allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metering_lanes, "MAX_REMEMBERED_TEXTS", 3)
    fingerprints = ValueFingerprints(blake2b(key=KEY, digest_size=8))
    texts = [str(number) for number in range(10)]
    first = []
    for text in texts:
        first.append(fingerprints[text])
        assert 1 <= len(fingerprints) <= 3
    assert first == [fingerprints[text] for text in texts]
