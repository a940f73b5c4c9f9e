"""The pages people read, cut into what a test can hold against the code: blocks, links, named files and paths."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from infra.local.paths import REPOSITORY

FRONT_DOOR = REPOSITORY / "README.md"
GUIDE = REPOSITORY / "functions" / "pages" / "guide"
INDEX = GUIDE / "README.md"
DOCUMENT = REPOSITORY / "functions" / "handlers" / "openapi.json"
ROOMS = ("functions", "infra", "tests", "events")

BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\(([^)\s]+)\)")
SPAN = re.compile(r"`([^`\n]+)`")
HEADING = re.compile(r"^#+ (.*)$", re.MULTILINE)


@dataclass(frozen=True)
class Block:
    page: str
    line: int
    language: str
    text: str

    @property
    def first(self) -> str:
        """What it is known by: its first line, with the remark behind it left off."""
        return self.text.partition("\n")[0].partition(" # ")[0].strip()

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"


def named(page: Path) -> str:
    return str(page.relative_to(REPOSITORY))


@cache
def pages() -> tuple[Path, ...]:
    """In the order in which a person reads: the front door, the index, and what the index leads to."""
    leads_to = [GUIDE / each for each in LINK.findall(INDEX.read_text()) if re.fullmatch(r"[\w-]+\.md", each)]
    return (FRONT_DOOR, INDEX, *leads_to)


def blocks() -> Iterator[Block]:
    for page in pages():
        yield from blocks_of(named(page), page.read_text())


def blocks_of(page: str, text: str) -> Iterator[Block]:
    for found in BLOCK.finditer(text):
        yield Block(page, text.count("\n", 0, found.start()) + 1, found[1], found[2])


def prose(text: str) -> str:
    """Without its blocks, whose backticks are the shell's."""
    return BLOCK.sub("", text)


def anchors(text: str) -> set[str]:
    """As GitHub makes them of headings."""
    return {re.sub(r"[^\w\- ]", "", each.lower()).replace(" ", "-") for each in HEADING.findall(prose(text))}


@cache
def operations() -> dict[str, set[str]]:
    """Paths of the API's document, with their methods."""
    document: dict[str, Any] = json.loads(DOCUMENT.read_text())
    return {path: {method.upper() for method in methods} for path, methods in document["paths"].items()}


def methods_of(path: str) -> set[str]:
    """Of a path as people write it: under /api/v1 unless it says otherwise, parameters by any name, a query behind."""
    wanted = path.partition("?")[0]
    if not wanted.startswith(("/", "<")):
        wanted = f"/api/v1/{wanted}"
    shape = re.sub(r"\{\w+\}", "{}", wanted)
    return set().union(*(had for path, had in operations().items() if re.sub(r"\{\w+\}", "{}", path) == shape))


@cache
def there() -> frozenset[str]:
    """Files and folders of the repository that people may be sent to, as /path/from/the/root."""
    roots = [each for each in REPOSITORY.iterdir() if each.is_file()]
    rooms = [path for room in ROOMS for path in (REPOSITORY / room).rglob("*") if "__pycache__" not in path.parts]
    return frozenset(f"/{path.relative_to(REPOSITORY)}" for path in (*roots, *rooms))
