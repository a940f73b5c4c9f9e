"""Fingerprints of values that are remembered are those of values that are not."""

from functions.domain.metering.lanes import MAX_REMEMBERED_TEXT, Lanes

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
    lanes = Lanes(1, KEY)
    lanes.value_fingerprint(LONGEST + "x")
    assert lanes._remembered.cache_info().currsize == 0
    lanes.value_fingerprint(LONGEST)
    assert lanes._remembered.cache_info().currsize == 1
