"""The genuine Python SDK looks things up: currencies, progress, subjects."""

import pytest
from corehttp.exceptions import ResourceNotFoundError
from openmeter import models

from functions.handlers.wiring import analytics
from tests.compat.conftest import Compat


def test_a_subject_lives_its_life(compat: Compat) -> None:
    subjects = compat.sdk.subjects
    ada, bob = subjects.upsert(
        [
            models.SubjectUpsert(key="ada", display_name="Ada", metadata={"seats": 5, "vip": True}),
            models.SubjectUpsert(key="bob/eu ü", stripe_customer_id="cus_1"),
        ]
    )
    assert (ada.key, ada.display_name, ada.metadata, bob.key) == ("ada", "Ada", {"seats": 5, "vip": True}, "bob/eu ü")
    assert ada.created_at.tzinfo is not None
    (renamed,) = subjects.upsert([{"key": "ada", "displayName": "Ada Lovelace"}])
    assert (renamed.id, renamed.display_name, renamed.metadata) == (ada.id, "Ada Lovelace", ada.metadata)
    assert subjects.get("ada").display_name == subjects.get(ada.id).display_name == "Ada Lovelace"
    assert {each.id for each in subjects.list()} == {ada.id, bob.id}
    subjects.delete(bob.id)
    with pytest.raises(ResourceNotFoundError):
        subjects.get(bob.id)


def test_currencies_are_listed(compat: Compat) -> None:
    found = {each.code: each for each in compat.sdk.currencies.list_currencies()}
    assert (found["USD"].name, found["USD"].symbol, found["JPY"].subunits) == ("US Dollar", "$", 0)


def test_a_query_has_no_progress_that_could_be_asked_for(compat: Compat, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(analytics, "engine", lambda: None)  # nobody asks it
    with pytest.raises(ResourceNotFoundError):
        compat.sdk.progress.get_progress("mine")


def test_todays_events_are_scraped(compat: Compat) -> None:
    compat.sdk.meters.create({"slug": "calls", "eventType": "prompt", "aggregation": "COUNT"})
    sent = {"specversion": "1.0", "id": "1", "source": "s", "type": "prompt", "subject": "ada", "data": {}}
    compat.metering.count([sent, sent | {"id": "2"}])
    text = compat.sdk.debug.metrics()
    text = text if isinstance(text, str) else b"".join(text).decode()
    assert 'openmeter_events_total{type="prompt"} 2' in text.splitlines()
