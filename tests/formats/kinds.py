"""The kinds of items there are: every key pattern that the tables of the key modules list."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from types import ModuleType
from typing import Any

from functions.adapters.dynamo import billing_keys, usage_keys

NAMED = re.compile(r"`([^`]+)`")
BLANK = re.compile(r"<[^>]+>")


@dataclass(frozen=True)
class Kind:
    """One pattern of a partition key with one of a sort key, as the table writes them."""

    partition: str
    sort: str

    def __str__(self) -> str:
        return f"{self.partition} | {self.sort}"

    def matches(self, item: Mapping[str, Any]) -> bool:
        return _matches(self.partition, item["pk"]["S"]) and _matches(self.sort, item["sk"]["S"])

    @property
    def literal(self) -> int:
        """How much of it is no blank: of several that match, an item is of the one that says most."""
        return len(BLANK.sub("", self.partition + self.sort))


def kinds(module: ModuleType) -> list[Kind]:
    """In the order of the tables in the module's docstring; a row may go on in the next lines."""
    found: list[Kind] = []
    for partition, sort in _rows(module.__doc__ or ""):
        alternatives = NAMED.findall(sort)
        for each in alternatives:
            # `...` stands for the beginning of the first alternative.
            whole = each.replace("...", alternatives[0].rpartition("#")[0])
            found.append(Kind(NAMED.findall(partition)[0], whole))
    return found


def kind_of(item: Mapping[str, Any], among: Iterable[Kind]) -> Kind | None:
    return max((kind for kind in among if kind.matches(item)), key=lambda kind: kind.literal, default=None)


def _rows(text: str) -> Iterator[tuple[str, str]]:
    partition = sort = ""
    for line in text.splitlines():
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
        if len(cells) < 3 or set(cells[1]) == {"-"} or cells[1] == "pk":
            continue
        if cells[1].startswith("`") and partition:
            yield partition, sort
            partition = sort = ""
        if not (partition or cells[1]):
            continue
        partition, sort = _joined(partition, cells[1]), _joined(sort, cells[2])
    yield partition, sort


def _joined(text: str, more: str) -> str:
    """A key that is broken at `#` goes on without a blank."""
    return (text + more if text.endswith("#") else f"{text} {more}").strip()


def _matches(pattern: str, key: str) -> bool:
    parts = re.split(r"(<[^>]+>|\[[^\]]+\])", pattern)
    return re.fullmatch("".join(map(_expression, parts)), key, re.DOTALL) is not None


def _expression(part: str) -> str:
    if part == "<tenant>":
        return "[a-z0-9_-]+"
    if part.startswith("<"):
        return ".+"
    if part.startswith("["):
        return f"(?:{re.escape(part[1:].partition('<')[0])}.+)?"
    return re.escape(part)


USAGE, BILLING = kinds(usage_keys), kinds(billing_keys)
