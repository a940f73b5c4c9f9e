"""The list of currencies, as a client asks for it."""

from openmeter._generated import models

from tests.handlers.gateway import Client
from tests.handlers.genuine import problems

PATH = "/api/v1/info/currencies"


def test_currencies_are_listed_with_what_people_need_to_show_them(api: Client) -> None:
    answer = api.get(PATH)
    assert answer.status == 200
    found = {each["code"]: each for each in answer.json}
    assert found["EUR"] == {"code": "EUR", "name": "Euro", "symbol": "€", "subunits": 2, "collectable": True}
    assert found["IQD"]["collectable"] is False
    assert [problems(models.Currency, each) for each in answer.json] == [[]] * len(found)


def test_a_customer_can_have_those_alone(api: Client) -> None:
    listed = {each["code"] for each in api.get(PATH).json}
    for code, status in (("XAU", 400), ("KWD", 201)):
        customer = {"name": code, "currency": code}
        assert api.post("/api/v1/customers", customer).status == status
        assert (code in listed) == (status == 201)


def test_whoever_may_read_may_ask_and_nothing_narrows_it(api: Client) -> None:
    assert api.acting_as("read").get(PATH).status == 200
    assert api.acting_as("ingest").get(PATH).status == 403
    assert api.get(PATH, "code=EUR").fields == ["code"]
