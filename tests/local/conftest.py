"""A fresh tenant for every test that drives the stack: nothing one test does is seen by another."""

import uuid
from collections.abc import Iterator

import httpx
import pytest

from infra.local.state import LocalStack
from tests.local.tenant import Tenant


@pytest.fixture
def tenant(stack: LocalStack) -> Iterator[Tenant]:
    with new_tenant(stack) as fresh:
        yield fresh


@pytest.fixture
def other_tenant(stack: LocalStack) -> Iterator[Tenant]:
    with new_tenant(stack) as fresh:
        yield fresh


def new_tenant(stack: LocalStack) -> Tenant:
    name = f"t{uuid.uuid4().hex[:12]}"
    answer = httpx.post(
        f"{stack.api_url}/api/v1/api-keys",
        json={"name": "test", "scopes": ["admin"], "tenant": name},
        headers={"Authorization": f"Bearer {stack.admin_key}"},
        timeout=60,
    )
    assert answer.status_code == 201, answer.text
    return Tenant(stack, name, answer.json()["token"])
