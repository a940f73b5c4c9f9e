"""Which of our files a function can come to: the modules that its handler imports, at once or later, and their data."""

import ast
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

DATA = (".json", ".sql")


def reached(handlers: Iterable[str], root: Path) -> frozenset[Path]:
    """Of modules by their dotted names, in packages under `root`: their files and those of all that they lead to."""
    files: set[Path] = set()
    waiting = list(handlers)
    known = set(waiting)
    while waiting:
        name = waiting.pop()
        file = _file_of(name, root)
        if file is None:
            continue
        text = file.read_text()
        files |= {file, *_data_of(file.parent, text)}
        package = name.rpartition(".")[0]
        found = {*_imported(text), *([package] if package else [])} - known
        known |= found
        waiting += found
    return frozenset(files)


def _file_of(name: str, root: Path) -> Path | None:
    path = root.joinpath(*name.split("."))
    return next((each for each in (path.with_suffix(".py"), path / "__init__.py") if each.is_file()), None)


def _imported(text: str) -> Iterator[str]:
    """`from a import b` may mean the module a.b; what is imported for type checkers alone is not reached."""
    waiting: list[ast.AST] = [ast.parse(text)]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
            waiting += node.orelse
            continue
        if isinstance(node, ast.Import):
            yield from (each.name for each in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{each.name}" for each in node.names)
        waiting += ast.iter_child_nodes(node)


def _data_of(folder: Path, text: str) -> Iterator[Path]:
    """Data files in the folder of a module whose text names them, or the folder they are in."""
    for found in _data_in(folder):
        if f'"{found.name}"' in text or f'"{found.parent.name}"' in text:
            yield found


@cache
def _data_in(folder: Path) -> tuple[Path, ...]:
    return tuple(found for found in folder.rglob("*") if found.suffix in DATA)
