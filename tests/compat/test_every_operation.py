"""Every operation that the genuine package can ask is served, or is refused by name; none is both, none is neither."""

import inspect
import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import unquote

import pytest
from corehttp.exceptions import HttpResponseError, ResourceNotFoundError
from openmeter._generated.operations import _operations

from functions.handlers.edge.not_served import NOT_SERVED
from tests.compat.conftest import Compat, refusal
from tests.handlers.conformity import document


def operations() -> Iterator[str]:
    """As the package makes their requests, with a blank for each part of a path that is given."""
    for name, build in vars(_operations).items():
        if name.startswith("build_") and name.endswith("_request"):
            parameters = inspect.signature(build).parameters.values()
            needed = [each for each in parameters if each.default is each.empty and each.kind is not each.VAR_KEYWORD]
            request: Any = build(**{each.name: f"{{{each.name}}}" for each in needed})
            yield blank(f"{request.method} {unquote(request.url).partition('?')[0]}")


def blank(operation: str) -> str:
    return re.sub(r"\{\w+\}", "{}", operation)


OPERATIONS = sorted({*operations()})
SERVED = {blank(f"{method.upper()} {path}") for path, methods in document()["paths"].items() for method in methods}
REFUSED = {blank(operation) for operation in NOT_SERVED}


def test_the_package_has_the_operations_that_are_known_of_it() -> None:
    assert len(OPERATIONS) > 140
    assert {"GET /api/v1/meters", "DELETE /api/v1/billing/profiles/{}"} <= {*OPERATIONS}


@pytest.mark.parametrize("operation", OPERATIONS)
def test_an_operation_is_served_or_refused_by_name(operation: str) -> None:
    assert [operation in SERVED, operation in REFUSED].count(True) == 1


def test_nothing_is_refused_that_the_package_cannot_ask() -> None:
    assert sorted(REFUSED - {*OPERATIONS}) == []
    assert len(REFUSED) == len(NOT_SERVED)


def test_a_refusal_is_not_taken_for_something_that_is_not_there(compat: Compat) -> None:
    with pytest.raises(HttpResponseError) as refused:
        compat.sdk.notification_channels.list()
    assert not isinstance(refused.value, ResourceNotFoundError)
    assert refused.value.status_code == 400
    assert "GET /api/v1/notification/channels" in refusal(refused.value)["detail"]
