"""Names stay unique and inside DynamoDB's key sizes, with any characters in them."""

from functions.adapters.dynamo.billing_keys import SUBJECT, unique_name


def test_a_usual_name_stays_readable() -> None:
    assert unique_name(SUBJECT, "team-1") == "subject#team-1"


def test_the_longest_name_fits_a_sort_key() -> None:
    assert len(unique_name(SUBJECT, "🚀" * 256).encode()) <= 1024


def test_a_long_name_is_never_taken_for_a_literal_one() -> None:
    hashed = unique_name(SUBJECT, "x" * 600)
    assert unique_name(SUBJECT, hashed.removeprefix("subject")) != hashed
