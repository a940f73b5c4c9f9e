"""The composition root as tests change it: a port stands in one module of it, so its name is enough."""

from typing import Any

import pytest

from functions.handlers.wiring import access, analytics, base, billing, catalog, entitlements, metering, subscriptions

MODULES = (access, analytics, base, billing, catalog, entitlements, metering, subscriptions)
ADDRESSES = {
    port: module
    for module in MODULES
    for port, factory in vars(module).items()
    if callable(factory) and factory.__module__ == module.__name__
}


def wire(patch: pytest.MonkeyPatch, **ports: Any) -> None:
    """From now on, every caller that asks for one of these ports gets what is given here."""
    for port, given in ports.items():
        patch.setattr(ADDRESSES[port], port, lambda given=given: given)


def forget(*ports: str) -> None:
    """As in a new container: these ports are made anew when they are next asked for."""
    for port in ports:
        getattr(ADDRESSES[port], port).cache_clear()


def forget_all() -> None:
    for port, module in ADDRESSES.items():
        if hasattr(getattr(module, port), "cache_clear"):
            forget(port)
