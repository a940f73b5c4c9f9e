"""What the gateway sends past the API's own router is in the OpenAPI document too."""

import json
from typing import Any

from infra.local import paths

DOCUMENT = paths.REPOSITORY / "functions" / "handlers" / "openapi.json"
TO_THE_ROUTER = {"ANY /api/{proxy+}", "ANY /v3/{proxy+}", "$default"}


def test_every_route_of_the_gateway_is_described(each_stage: Any) -> None:
    described = json.loads(DOCUMENT.read_text())["paths"]
    routes = {each["Properties"]["RouteKey"] for each in each_stage.all("AWS::ApiGatewayV2::Route").values()}
    for route in routes - TO_THE_ROUTER:
        method, _, path = route.partition(" ")
        operation = described[path][method.lower()]
        assert operation["summary"]


def test_what_needs_no_key_is_what_the_gateway_lets_in(each_stage: Any) -> None:
    described = json.loads(DOCUMENT.read_text())["paths"]
    open_routes = {
        each["Properties"]["RouteKey"]
        for each in each_stage.all("AWS::ApiGatewayV2::Route").values()
        if each["Properties"]["AuthorizationType"] == "NONE"
    }
    without_key = {
        f"{method.upper()} {path}"
        for path, methods in described.items()
        for method, operation in methods.items()
        if operation.get("security") == []
    }
    assert without_key == open_routes
