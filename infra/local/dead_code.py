"""`make check`: code that nothing uses, found by vulture. It is removed, or allowed here with its reason.

An allowed name that is found no more fails, too. Not looked at: imports and arguments, which ruff finds, and fields
that a class declares with a type. Fields are data: encoders and decoders of the class read them by name.
"""

import ast
import sys
from collections.abc import Iterator
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path
from typing import Any

from infra.local import paths
from infra.local.console import say

LOOKED_AT = ("functions", "infra", "tests", "app.py")
# vulture is sure only of what is no name; of names it says 60.
LEAST_CONFIDENCE = 60
SURE = 100

# Called by the library whose decorator they have.
DECORATORS = ["@routes.*", "@resolver.*", "@*_validator", "@pytest.fixture", "@pytest.hookimpl"]

# A route says by a text what it answers with; test_openapi.py holds that each of them is an answer or a part of one.
NAMED_IN_ROUTES = "functions/handlers/openapi/answers*.py"

ALLOWED = {
    "do_*": "http.server calls a method for each verb",
    "log_message": "http.server calls it for each request",
    "send_error": "http.server calls it for a request it cannot read",
    "protocol_version": "http.server reads it",
    "disable_nagle_algorithm": "socketserver reads it",
    "wbufsize": "socketserver reads it",
    "timeout": "socketserver reads it",
    "close_connection": "http.server reads it",
    "daemon_threads": "socketserver reads it",
    "request_queue_size": "socketserver reads it",
    "try_bundle": "the CDK calls it",
    "route_settings": "the CDK reads what is set on its constructs",
    "access_log_settings": "the CDK reads what is set on its constructs",
    "base64_encoded": "Powertools reads it of an answer",
    "_compile_regex": "Powertools calls it for each route",
    "unknown_route": "Powertools calls it for a path that no route has",
    "pytest_*": "pytest calls its hooks by name",
    "pytestmark": "pytest reads it of a module",
    "_do_*": "the tests' interpreter of workflows finds the method of a state's type by name",
    "Indexed": "named in an annotation that is a text",
    "model_config": "pydantic reads it",
    "__init_subclass__": "Python calls it",
    "include_deleted_lines": "a query parameter that is taken and changes nothing",
}


def unused() -> Iterator[Any]:
    """vulture's items, by file and line."""
    import vulture

    found = vulture.Vulture(ignore_decorators=DECORATORS)
    found.scavenge([str(paths.REPOSITORY / each) for each in LOOKED_AT], exclude=["*/cdk.out/*"])
    for item in found.get_unused_code(min_confidence=LEAST_CONFIDENCE):
        if Path(item.filename).match(NAMED_IN_ROUTES) and item.typ == "class":
            continue
        argument = item.typ == "variable" and item.confidence == SURE
        if item.typ != "import" and not argument and item.first_lineno not in _fields(Path(item.filename)):
            yield item


@cache
def _fields(file: Path) -> set[int]:
    """The lines of a file on which a class declares a field with its type."""
    classes = [node for node in ast.walk(ast.parse(file.read_text())) if isinstance(node, ast.ClassDef)]
    return {line.lineno for each in classes for line in each.body if isinstance(line, ast.AnnAssign)}


def main() -> int:
    items = list(unused())
    dead = [item for item in items if not any(fnmatchcase(item.name, name) for name in ALLOWED)]
    for item in dead:
        say(f"{paths.shown(Path(item.filename))}:{item.first_lineno}: nothing uses {item.name}")
    settled = [name for name in ALLOWED if not any(fnmatchcase(item.name, name) for item in items)]
    for name in settled:
        say(f"{name} is allowed in infra/local/dead_code.py, and is used or gone: take it out there")
    return 1 if dead or settled else 0


if __name__ == "__main__":
    sys.exit(main())
