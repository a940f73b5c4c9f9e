import os

import pytest

from tests.application.billing.push.conftest import world

__all__ = ["world"]


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """The live suite is asked for by giving it a key; otherwise it is not part of the run."""
    if os.environ.get("STRIPE_TEST_KEY"):
        return
    live = [item for item in items if item.get_closest_marker("stripe_live")]
    items[:] = [item for item in items if item not in live]
    config.hook.pytest_deselected(items=live)
