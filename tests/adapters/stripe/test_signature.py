"""What counts as Stripe's signature; those that are good are made by Stripe's own library."""

import hmac

import pytest
import stripe

from functions.adapters.stripe.signature import MAX_HEADER_CHARACTERS, MAX_SIGNATURES, is_signed

BODY = '{"id": "evt_1"}'
SECRET = "whsec_now"
NOW = 1_790_000_000


def genuine(timestamp: int = NOW, secret: str = SECRET, body: str = BODY) -> str:
    header: str = stripe.WebhookSignature.generate_signature_header(body, secret, timestamp=timestamp)
    return header


def v1(**of: str) -> str:
    return genuine(**of).partition(",")[2]  # type: ignore[arg-type]


def good(header: str | None, *secrets: str, body: bytes = BODY.encode()) -> bool:
    return is_signed(body, header, secrets or (SECRET,), NOW)


@pytest.mark.parametrize("seconds", [0, 300, -300, 1, -299])
def test_a_signature_of_about_now_is_good(seconds: int) -> None:
    assert good(genuine(NOW + seconds))


@pytest.mark.parametrize("seconds", [301, -301, 3_600, -3_600, 10**9, 9 * 10**9])
def test_one_of_another_time_is_not_whether_past_or_to_come(seconds: int) -> None:
    assert not good(genuine(NOW + seconds))


def test_one_of_several_signatures_and_of_several_secrets_is_enough() -> None:
    rolled = f"{genuine(secret='whsec_old')},{v1()}"
    assert good(rolled)
    assert good(rolled, "whsec_old", "whsec_other")
    assert good(f"t={NOW},v0=fake,v1={'0' * 64},{v1()},v2=x")
    assert not good(rolled, "whsec_other")


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        ",",
        "t",
        "v1",
        v1(),
        f"t=,{v1()}",
        f"t={NOW}",
        f"t={NOW},v1=",
        f"t={NOW},v0={v1()[3:]}",
        f"t={NOW},v1={v1()[3:].upper()}",
        f"t={NOW},v1={v1()[3:-1]}",
        f"t=+{NOW},{v1()}",
        f"t= {NOW},{v1()}",
        f"t={NOW}.0,{v1()}",
        f"t=1_790_000_000,{v1()}",
        f"t=\uff11790000000,{v1()}",
        f"t=0x6ab13b80,{v1()}",
        f"t=-{NOW},{v1()}",
        f"t={'9' * 5_000},{v1()}",
        f"t={NOW},t={NOW},{v1()}",
        f"t=1,t={NOW},{v1()}",
        f"t={NOW},v1=\u00e9",
        f"t={NOW},v1=" + "\u0660" * 64,
    ],
)
def test_a_header_that_stripe_would_not_write_is_none(header: str | None) -> None:
    assert not good(header)


def test_a_header_is_bounded() -> None:
    filler = f"v1={'0' * 64}"
    assert good(",".join([genuine(), *[filler] * (MAX_SIGNATURES - 1)]))
    assert not good(",".join([genuine(), *[filler] * MAX_SIGNATURES]))
    assert not good(genuine() + "," + "x" * MAX_HEADER_CHARACTERS)


@pytest.mark.parametrize("secret", ["", " ", "\t"])
def test_an_empty_secret_opens_nothing(secret: str) -> None:
    """A deployment whose operator has not filled in the secret yet."""
    mac = hmac.new(secret.encode(), f"{NOW}.{BODY}".encode(), "sha256").hexdigest()
    assert not good(f"t={NOW},v1={mac}", secret)


def test_any_bytes_are_signed_as_they_are() -> None:
    assert not good(genuine(), body=b"\xff\xfe")
    assert not good(genuine(), body=BODY.encode() + b" ")
