"""What a process knows of portal tokens is at most five seconds old."""

from datetime import UTC, datetime, timedelta

import pytest

from functions.application.access import remember_portal_tokens
from functions.application.access.remember_portal_tokens import KNOWN_FOR, RememberedPortalTokens
from functions.domain.access.portal_token import Holder, PortalGrant, PortalToken

NOW = datetime(2026, 11, 30, tzinfo=UTC)


def token(id: str, tenant: str = "acme") -> PortalToken:
    return PortalToken(id, tenant, PortalGrant(Holder("subject", "bob")), NOW, NOW + timedelta(hours=1))


class Store:
    def __init__(self) -> None:
        self.invalidated: set[str] = set()
        self.asked: list[tuple[str, str]] = []

    def look_up(self, found: PortalToken) -> bool:
        self.asked.append((found.tenant, found.id))
        return found.id not in self.invalidated


def test_a_token_is_looked_up_once_in_five_seconds_and_a_refusal_too() -> None:
    store = Store()
    remembered = RememberedPortalTokens(store.look_up)
    for milliseconds in range(0, 5_000, 100):
        assert remembered.is_in_force(token("1"), NOW + timedelta(milliseconds=milliseconds))
    store.invalidated.add("1")
    for milliseconds in range(5_000, 10_000, 100):
        assert not remembered.is_in_force(token("1"), NOW + timedelta(milliseconds=milliseconds))
    assert store.asked == [("acme", "1")] * 2
    assert timedelta(seconds=5) >= KNOWN_FOR


def test_equal_ids_of_two_tenants_and_a_clock_that_goes_back_are_looked_up_by_themselves() -> None:
    store = Store()
    remembered = RememberedPortalTokens(store.look_up)
    remembered.is_in_force(token("1"), NOW)
    remembered.is_in_force(token("1", "globex"), NOW)
    remembered.is_in_force(token("1"), NOW - timedelta(seconds=1))
    assert store.asked == [("acme", "1"), ("globex", "1"), ("acme", "1")]


def test_no_more_is_kept_than_fits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remember_portal_tokens, "MAX_KNOWN", 2)
    store = Store()
    remembered = RememberedPortalTokens(store.look_up)
    for id in ("1", "2", "3", "3", "2", "1"):
        remembered.is_in_force(token(id), NOW)
    assert [id for _, id in store.asked] == ["1", "2", "3", "1"]
