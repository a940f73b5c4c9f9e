"""What a portal token says, and what opens the portal."""

from datetime import UTC, datetime, timedelta

import pytest

from functions.domain.access.api_key import Caller
from functions.domain.access.portal_token import (
    MAX_TOKEN_CHARACTERS,
    REFUSALS,
    Holder,
    PortalGrant,
    PortalToken,
    looks_like_a_portal_token,
    refused,
)
from functions.domain.errors import Forbidden, Unauthorized
from functions.names import SCOPE_ADMIN, SCOPE_INGEST, SCOPE_OPERATOR, SCOPE_PORTAL, SCOPE_READ

NOW = datetime(2026, 11, 30, tzinfo=UTC)
BOB = PortalGrant(Holder("subject", "bob"))


def test_a_grant_is_of_a_subject_or_of_a_customer() -> None:
    acme = PortalGrant(Holder("customer", "01ARZ3NDEKTSV4RRFFQ69G5FAV"))
    assert (BOB.subject, BOB.customer_id) == ("bob", None)
    assert (acme.subject, acme.customer_id) == (None, "01ARZ3NDEKTSV4RRFFQ69G5FAV")


def test_a_grant_without_a_list_shows_every_meter_and_one_with_it_no_other() -> None:
    BOB.require_meter("anything")
    some = PortalGrant(BOB.holder, ("tokens", "calls"))
    some.require_meter("calls")
    with pytest.raises(Forbidden, match="it shows the meters tokens, calls"):
        some.require_meter("seats")
    with pytest.raises(Forbidden):
        PortalGrant(BOB.holder, ()).require_meter("tokens")


def test_a_token_ends_with_the_second_it_expires_in() -> None:
    token = PortalToken("1", "acme", BOB, NOW, NOW + timedelta(seconds=60))
    assert not token.is_expired(NOW + timedelta(seconds=59, microseconds=999_999))
    assert token.is_expired(NOW + timedelta(seconds=60))


@pytest.mark.parametrize(
    ("text", "looks"),
    [
        ("eyJh.eyJp.c2ln", True),
        ("ey..", True),
        ("tb_01ARZ3NDEKTSV4RRFFQ69G5FAV_" + "a" * 64, False),
        ("eyJh.eyJp", False),
        ("eyJh.eyJp.c2ln.", False),
        ("", False),
        ("ey.." + "a" * MAX_TOKEN_CHARACTERS, False),
    ],
)
def test_a_portal_token_is_told_from_a_key_by_its_form(text: str, looks: bool) -> None:
    assert looks_like_a_portal_token(text) is looks


def test_only_a_portal_token_opens_the_portal_and_it_opens_nothing_else() -> None:
    page = Caller("acme", frozenset({SCOPE_PORTAL}), "1", BOB)
    page.require(SCOPE_PORTAL)
    for scope in (SCOPE_READ, SCOPE_INGEST, SCOPE_ADMIN, SCOPE_OPERATOR):
        with pytest.raises(Forbidden, match="send an API key"):
            page.require(scope)
    everything = frozenset({SCOPE_READ, SCOPE_INGEST, SCOPE_ADMIN, SCOPE_OPERATOR, SCOPE_PORTAL})
    with pytest.raises(Unauthorized, match="make one with POST"):
        Caller("acme", everything, "1").require(SCOPE_PORTAL)


@pytest.mark.parametrize("code", REFUSALS)
def test_every_refusal_has_its_code_and_the_remedy(code: str) -> None:
    refusal = refused(code)
    assert refusal.code == code
    assert "POST /api/v1/portal/tokens" in refusal.detail
