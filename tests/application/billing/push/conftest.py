from collections.abc import Iterator

import pytest

from tests.application.billing.push.world import PushWorld, push_world


@pytest.fixture
def world() -> Iterator[PushWorld]:
    with push_world() as world:
        yield world
