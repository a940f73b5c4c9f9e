"""What is said of a subject: only what is said changes, and nothing is without bounds."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from pydantic import ValidationError

from functions.domain.subscriptions.subject import (
    MAX_METADATA_BYTES,
    MAX_TEXT_CHARACTERS,
    MAX_UPSERTED,
    Subject,
    SubjectUpsert,
    SubjectUpserts,
)

MADE = datetime(2026, 11, 1, tzinfo=UTC)
LATER = datetime(2026, 11, 2, tzinfo=UTC)
ADA = Subject(
    id="01M8P0G31N2CSS6VNA7CDQKZY2",
    key="ada",
    display_name="Ada",
    metadata={"seats": Decimal("1.50"), "of": None},
    stripe_customer_id="cus_1",
    created_at=MADE,
    updated_at=MADE,
)


def said(**fields: Any) -> SubjectUpsert:
    return SubjectUpsert.model_validate({"key": "ada", **fields})


def test_what_is_left_out_stays_and_what_is_null_is_removed() -> None:
    assert ADA.after(said(displayName="Ada L."), LATER) == ADA.model_copy(
        update={"display_name": "Ada L.", "updated_at": LATER}
    )
    emptied = ADA.after(said(displayName=None, metadata=None, stripeCustomerId=None), LATER)
    assert (emptied.display_name, emptied.metadata, emptied.stripe_customer_id) == (None, None, None)
    assert ADA.after(said(), LATER) == ADA.model_copy(update={"updated_at": LATER})


def test_metadata_is_shown_as_it_was_sent() -> None:
    assert ADA.wire() == {
        "id": ADA.id,
        "key": "ada",
        "displayName": "Ada",
        "metadata": {"seats": Decimal("1.50"), "of": None},
        "stripeCustomerId": "cus_1",
        "createdAt": "2026-11-01T00:00:00Z",
        "updatedAt": "2026-11-01T00:00:00Z",
    }
    assert "metadata" not in ADA.after(said(metadata=None), LATER).wire()


@pytest.mark.parametrize(
    "fields",
    [
        {"key": ""},
        {"displayName": "x" * (MAX_TEXT_CHARACTERS + 1)},
        {"stripeCustomerId": "x" * (MAX_TEXT_CHARACTERS + 1)},
        {"metadata": {"long": "x" * MAX_METADATA_BYTES}},
        {"metadata": {str(n): n for n in range(51)}},
        {"metadata": ["a"]},
        {"currentPeriodStart": "2026-11-01"},
        {"name": "Ada"},
    ],
    ids=str,
)
def test_what_has_no_bounds_or_no_place_is_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        said(**fields)


def test_a_subject_is_named_once_and_only_so_many() -> None:
    many = [{"key": str(n)} for n in range(MAX_UPSERTED)]
    assert len(SubjectUpserts.model_validate(many).root) == MAX_UPSERTED
    assert SubjectUpserts.model_validate([]).root == ()
    for wrong in ([*many, {"key": "more"}], [{"key": "a"}, {"key": "b"}, {"key": "a"}]):
        with pytest.raises(ValidationError):
            SubjectUpserts.model_validate(wrong)
