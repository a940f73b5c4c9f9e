"""Subjects in DynamoDB: written together or not at all, and never over what another has written."""

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from functions.adapters.dynamo.subscriptions.subject_store import DynamoSubjects
from functions.adapters.dynamo.table import Table
from functions.application.ports.stored import Stale, Stored
from functions.domain.subscriptions.subject import MAX_UPSERTED, Subject
from tests.conftest import DynamoDb

TENANT = "acme"
AT = datetime(2026, 11, 1, tzinfo=UTC)


def subject(key: str, number: int = 0) -> Subject:
    return Subject(id=f"01M8P0G31N2CSS6VNA7CDQ{number:04}", key=key, created_at=AT, updated_at=AT)


@pytest.fixture
def subjects(dynamodb: DynamoDb) -> DynamoSubjects:
    return DynamoSubjects(Table(dynamodb.client, dynamodb.billing_table))


def test_everything_comes_back_as_it_was(subjects: DynamoSubjects) -> None:
    full = subject("ünï/cödé#1").model_copy(
        update={
            "display_name": "Ada",
            "metadata": {"n": Decimal("0.10"), "big": 10**50, "list": [None, True, {"a": ""}]},
            "current_period_start": AT,
            "stripe_customer_id": "cus_1",
        }
    )
    subjects.save(TENANT, [Stored(full)])
    assert subjects.get(TENANT, full.id) == Stored(full, 1)
    assert subjects.of_keys(TENANT, [full.key, "nobody"]) == {full.key: Stored(full, 1)}
    assert str(subjects.of_keys(TENANT, [full.key])[full.key].record.metadata) == str(full.metadata)


def test_a_tenant_has_its_own(subjects: DynamoSubjects) -> None:
    ada = subject("ada")
    subjects.save(TENANT, [Stored(ada)])
    assert subjects.get("other", ada.id) is None
    assert subjects.of_keys("other", ["ada"]) == {}
    subjects.save("other", [Stored(ada.model_copy(update={"display_name": "Another"}))])
    assert subjects.get(TENANT, ada.id) == Stored(ada, 1)


def test_as_many_as_may_be_sent_are_written_at_once(subjects: DynamoSubjects) -> None:
    many = [subject("€" * 200 + str(n), n) for n in range(MAX_UPSERTED)]
    subjects.save(TENANT, [Stored(each) for each in many])
    assert len(subjects.of_keys(TENANT, [each.key for each in many])) == MAX_UPSERTED


def test_what_was_read_before_another_wrote_changes_nothing(subjects: DynamoSubjects) -> None:
    ada, bob = subject("ada", 1), subject("bob", 2)
    subjects.save(TENANT, [Stored(ada)])
    for stale in (Stored(ada.model_copy(update={"display_name": "x"}), 7), Stored(subject("ada", 3))):
        with pytest.raises(Stale):
            subjects.save(TENANT, [Stored(bob), stale])
    assert subjects.of_keys(TENANT, ["ada", "bob"]) == {"ada": Stored(ada, 1)}
    with pytest.raises(Stale):
        subjects.delete(TENANT, Stored(ada, 2))


def test_a_deleted_one_frees_its_key(subjects: DynamoSubjects) -> None:
    ada = Stored(subject("ada", 1))
    subjects.save(TENANT, [ada])
    subjects.delete(TENANT, replace(ada, version=1))
    assert subjects.get(TENANT, ada.record.id) is None
    subjects.save(TENANT, [Stored(subject("ada", 2))])
    assert list(subjects.of_keys(TENANT, ["ada"])) == ["ada"]
