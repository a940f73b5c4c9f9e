"""Asks what customers may use, as a gateway does."""

from typing import Any

from tests.handlers.gateway import Client, Response

QUERY = "/api/v3/openmeter/entitlement-access/query"


def ask(client: Client, customers: list[str], features: list[str] | None = None, at: str = QUERY, **more: Any) -> Any:
    found = send(client, customers, features, at, **more)
    assert found.status == 200, found.text
    return found.json


def send(client: Client, customers: Any, features: Any = None, at: str = QUERY, **more: Any) -> Response:
    path, _, params = at.partition("?")
    body = {"customer": {"keys": customers}, **more}
    if features is not None:
        body["feature"] = {"keys": features}
    return client.post(path, body, params=params)


def add_customer(client: Client, key: str | None, *subjects: str, **more: Any) -> str:
    body = {"name": key or subjects[0], "usageAttribution": {"subjectKeys": list(subjects)}, **more}
    made = client.post("/api/v1/customers", body | ({"key": key} if key else {}))
    assert made.status == 201, made.text
    return str(made.json["id"])


def codes(result: dict[str, Any]) -> dict[str, str | None]:
    return {key: each.get("reason", {}).get("code") for key, each in result["features"].items()}


def names(answer: dict[str, Any]) -> list[str]:
    return [each["customer"]["key"] for each in answer["data"]]
