"""A record with the version it was read at, and the error of a writer that builds on an older one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

NewId = Callable[[], str]

Record = TypeVar("Record")


class Stale(Exception):
    """Something this write builds on was written by somebody else since it was read: read again, decide again."""


class Taken(Exception):
    """A name that must be unique in the tenant belongs to another record; `field` is its path in the body."""

    def __init__(self, field: str, value: str) -> None:
        super().__init__(f"{field} {value!r} is taken.")
        self.field = field
        self.value = value


@dataclass(frozen=True)
class Stored(Generic[Record]):
    """A record with the version it was read at; version 0 is not stored yet."""

    record: Record
    version: int = 0
