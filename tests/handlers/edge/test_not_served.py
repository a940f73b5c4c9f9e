"""What OpenMeter has and Tollbooth does not serve is refused by name, to whoever has a key."""

import pytest

from functions.handlers import http_api
from functions.handlers.edge.not_served import NOT_SERVED, refusal
from tests.handlers.gateway import Client, payload


@pytest.mark.parametrize("operation", NOT_SERVED)
def test_a_refusal_names_the_operation_and_says_what_to_do(api: Client, operation: str) -> None:
    method, template = operation.split()
    path = template.replace("{", "").replace("}", "")
    answer = api.call(method, path)
    assert (answer.status, answer.content_type) == (400, "application/problem+json")
    assert answer.json["title"] == "Bad Request"
    assert answer.json["detail"] == f"Tollbooth does not serve {operation}. {NOT_SERVED[operation]}"
    (listed,) = answer.json["extensions"]["validationErrors"]
    assert (listed["field"], listed["code"]) == ("$", "not_supported")


def test_a_body_and_parameters_change_nothing(api: Client) -> None:
    answer = api.post("/api/v1/notification/rules", {"name": "r"}, params={"page": 1})
    assert answer.status == 400


@pytest.mark.parametrize(
    "path",
    ["/api/v1/app", "/api/v1/apps/", "/api/v1/apps/a/b", "/api/v1/notification", "/nowhere", "/api/v1/apps\n"],
)
def test_what_openmeter_does_not_have_either_is_a_404(api: Client, path: str) -> None:
    answer = api.get(path)
    assert (answer.status, refusal("GET", path)) == (404, None)


def test_a_method_that_openmeter_does_not_have_is_a_404(api: Client) -> None:
    assert api.call("PATCH", "/api/v1/apps").status == 404


def test_without_a_key_nobody_learns_what_is_served() -> None:
    event = payload("GET", "/api/v1/apps")
    del event["requestContext"]["authorizer"]
    assert Client(http_api.handler).send(event).status == 401
