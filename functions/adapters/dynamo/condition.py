"""What must hold for a write: condition expressions with their placeholders, named."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from functions.names import PARTITION_KEY


@dataclass(frozen=True)
class Condition:
    """An expression with its placeholders, for example Condition("#s = :s", {":s": "open"}, {"#s": "state"})."""

    expression: str
    values: Mapping[str, Any] = field(default_factory=dict)
    names: Mapping[str, str] = field(default_factory=dict)


NOT_YET_STORED = Condition(f"attribute_not_exists({PARTITION_KEY})")
STORED = Condition(f"attribute_exists({PARTITION_KEY})")
VERSION = "version"


def version_is(expected: int) -> Condition:
    """The stored item bears this version; 0 stands for an item that is not stored yet."""
    if expected == 0:
        return NOT_YET_STORED
    return Condition("#version = :expected_version", {":expected_version": expected}, {"#version": VERSION})
