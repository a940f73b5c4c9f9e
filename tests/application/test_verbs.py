"""Ports are handed to verbs in one way: by keyword, many of them as one `...Ports`."""

import ast
from collections.abc import Iterator
from pathlib import Path

from infra.local.paths import REPOSITORY

APPLICATION = REPOSITORY / "functions" / "application"


def verbs() -> Iterator[tuple[Path, ast.FunctionDef]]:
    for path in sorted(APPLICATION.rglob("*.py")):
        for each in ast.parse(path.read_text()).body:
            if isinstance(each, ast.FunctionDef) and not each.name.startswith("_"):
                yield path, each


def is_bundle(annotation: ast.expr | None) -> bool:
    return isinstance(annotation, ast.Name) and annotation.id.endswith("Ports")


def test_a_bundle_of_ports_is_handed_in_by_keyword() -> None:
    by_position = [
        f"{path.relative_to(REPOSITORY)}: {verb.name}"
        for path, verb in verbs()
        if any(is_bundle(each.annotation) for each in verb.args.args)
    ]
    by_keyword = [verb.name for _, verb in verbs() if any(is_bundle(each.annotation) for each in verb.args.kwonlyargs)]
    assert by_position == []
    assert {"issue_invoices", "correct_event"} <= {*by_keyword}
