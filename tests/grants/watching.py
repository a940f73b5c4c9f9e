"""Holds every call of AWS that a handler makes in this process against the policy its function has in prod."""

import functools
import importlib
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from threading import get_ident
from typing import Any

from functions import names
from tests.grants.grants import of_prod, refusal
from tests.grants.runtime.needs import needs
from tests.grants.runtime.recorder import record

refused: list[str] = []
# (thread, function) of the handlers that run; a thread that a handler starts works for it.
_running: list[tuple[int, str]] = []


@functools.cache
def watch() -> None:
    """Every handler, from any caller; before anybody else imports one, and before the first client is made."""
    record(_note)
    for function, (_, path) in names.HANDLERS.items():
        module_name, _, attribute = path.rpartition(".")
        module = importlib.import_module(module_name)
        setattr(module, attribute, _watched(function, getattr(module, attribute)))


@contextmanager
def running(function: str) -> Iterator[None]:
    entry = (get_ident(), function)
    _running.append(entry)
    try:
        yield
    finally:
        _running.remove(entry)


def _watched(function: str, handler: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(handler)
    def call(*given: Any) -> Any:
        with running(function):
            return handler(*given)

    return call


def _note(operation: str, params: Mapping[str, Any], is_missing: bool) -> None:
    functions = _asking()
    if not functions:
        return
    named = {os.environ[variable]: variable for variable in of_prod().variables() if variable in os.environ}
    found = needs(operation, params, named, is_missing=is_missing)
    refused.extend(filter(None, (refusal(function, need) for need in found for function in functions)))


def _asking() -> set[str]:
    """Whose call it is: of this thread's innermost handler, else of all that run; of nobody in a test's own code."""
    mine = [function for thread, function in _running if thread == get_ident()]
    return set(mine[-1:]) or {function for _, function in _running}
