"""Which of our files a function can come to: the modules that its handler imports, at once or later, and their data."""

import ast
from collections.abc import Iterable, Iterator
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
        files |= {file, *_data_of(file)}
        package = name.rpartition(".")[0]
        found = {*_imported(file), *([package] if package else [])} - known
        known |= found
        waiting += found
    return frozenset(files)


def _file_of(name: str, root: Path) -> Path | None:
    path = root.joinpath(*name.split("."))
    return next((each for each in (path.with_suffix(".py"), path / "__init__.py") if each.is_file()), None)


def _imported(file: Path) -> Iterator[str]:
    """`from a import b` may mean the module a.b; what is imported for type checkers alone is not reached."""
    waiting: list[ast.AST] = [ast.parse(file.read_text())]
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


def _data_of(file: Path) -> Iterator[Path]:
    """Data files beside a module that names them, or their folder."""
    text = file.read_text()
    for found in file.parent.rglob("*"):
        if found.suffix in DATA and (f'"{found.name}"' in text or f'"{found.parent.name}"' in text):
            yield found
