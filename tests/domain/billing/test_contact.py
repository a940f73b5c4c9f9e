import pytest

from functions.domain.billing.contact import Contact, PostalAddress

KOELN = PostalAddress(country="DE", city="Köln", line1="Domkloster 4")
ACME = Contact("Acme", "pay@acme.example", KOELN)


@pytest.mark.parametrize(
    "other",
    [
        Contact("Acme Inc.", "pay@acme.example", KOELN),
        Contact("Acme", None, KOELN),
        Contact("Acme", "pay@acme.example"),
        Contact("Acme", "pay@acme.example", PostalAddress(country="DE", line1="Köln", line2="Domkloster 4")),
    ],
)
def test_every_contact_that_differs_has_another_digest(other: Contact) -> None:
    assert other.sha256() != ACME.sha256()
    assert Contact("Acme", "pay@acme.example", PostalAddress("DE", "", "", "Köln", "Domkloster 4")) == ACME


def test_what_no_gateway_takes_is_left_out() -> None:
    made = Contact.made(id="01ID", name="A\tB", email="a" * 250 + "@b.example", address=PostalAddress(city=" \n "))
    assert made == Contact("A B")
    assert Contact.made(id="01ID", name="\n", email=None, address=None).name == "01ID"


def test_the_digest_is_stable() -> None:
    """It is stored: with another one every customer would be told once more."""
    assert Contact("Acme").sha256() == "4017125be9142f7a697e97dfd52cfc35f6669e234ab107a2285991bcedf4bc96"
