"""Tokens are read as they were signed, and the secret's versions in Secrets Manager are the keys."""

from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
import pytest

from functions.adapters.portal_seal import JwtPortalSeal, SigningKeys, UnsafeKey
from functions.adapters.secrets import SecretsManagerVault
from functions.domain.access.portal_token import Holder, PortalGrant, PortalToken
from infra.local import emulator
from tests.conftest import LOCAL_CREDENTIALS

NOW = datetime(2026, 11, 30, tzinfo=UTC)
SECRET = "a secret of the portal that is long enough"
GRANTS = [
    PortalGrant(Holder("subject", "bob")),
    PortalGrant(Holder("subject", 'ünï"code€\x00')),
    PortalGrant(Holder("customer", "01ARZ3NDEKTSV4RRFFQ69G5FAV"), ("tokens", "calls")),
]


def token(grant: PortalGrant = GRANTS[0]) -> PortalToken:
    return PortalToken("01ARZ3NDEKTSV4RRFFQ69G5FAW", "acme", grant, NOW, NOW + timedelta(hours=1))


def seal(*secrets: str) -> JwtPortalSeal:
    return JwtPortalSeal(SigningKeys(lambda: secrets))


@pytest.mark.parametrize("grant", GRANTS)
def test_a_token_is_read_as_it_was_signed_whenever_that_is(grant: PortalGrant) -> None:
    text = seal(SECRET).sign(token(grant), NOW)
    for later in (timedelta(0), timedelta(days=-1), timedelta(days=400)):
        assert seal(SECRET).read(text, NOW + later) == token(grant)


def test_another_secret_reads_nothing_and_one_before_still_does() -> None:
    text = seal(SECRET).sign(token(), NOW)
    assert seal(SECRET[::-1]).read(text, NOW) is None
    assert seal(SECRET[::-1], SECRET).read(text, NOW) == token()


def test_a_secret_that_is_too_short_signs_nothing_and_one_before_it_is_not_believed() -> None:
    with pytest.raises(UnsafeKey):
        seal("short", SECRET).sign(token(), NOW)
    assert seal(SECRET, "short").read(seal(SECRET).sign(token(), NOW), NOW) == token()


@pytest.fixture
def secrets(aws: int, monkeypatch: pytest.MonkeyPatch) -> Any:
    for variable, value in LOCAL_CREDENTIALS.items():
        monkeypatch.setenv(variable, value)
    return boto3.client("secretsmanager", endpoint_url=emulator.url(aws))


def test_the_version_before_is_still_believed_and_that_before_it_is_not(secrets: Any) -> None:
    arn = secrets.create_secret(Name="portal", SecretString="first")["ARN"]
    vault = SecretsManagerVault(secrets, arn)
    assert vault.still_believed() == ["first"]
    vault.write("second")
    assert vault.still_believed() == ["second", "first"]
    vault.write("third")
    assert vault.still_believed() == ["third", "second"]
