"""Examples for the document, taken from the requests and answers of the handlers' tests: `make examples`.

With TOLLBOOTH_EXAMPLES_SEEN each process of the tests writes what it saw there. Afterwards one example is chosen for
each operation: the one that says most, of those that are short.
"""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

from functions.handlers import http_openapi
from tests.handlers.conformity import operation_of

ENV = "TOLLBOOTH_EXAMPLES_SEEN"
EXAMPLES = http_openapi.DOCUMENT.with_name("openapi") / "examples.json"
TESTS = ("tests/handlers", "tests/compat")
SHORT = 1_200  # characters of a body and an answer; a longer example is taken where there is no short one
MOST = 8_000
FIXED = ("ingestEvents", "receiveStripeEvent", "getThisDocument", "listCurrencies")  # `openapi.fixed` has theirs
SUCCESSES = ("200", "201", "202", "204")

_seen: dict[str, dict[str, Any]] = {}


def note(method: str, path: str, body: str | None, status: int, text: str) -> None:
    """One call of a test, if somebody collects examples."""
    if ENV not in os.environ or str(status) not in SUCCESSES or len(body or "") + len(text) > MOST:
        return
    operation = operation_of(method, path)
    if (
        operation is None
        or operation["operationId"] in FIXED
        or (operation.get("requestBody", {}).get("required") and not body)
    ):
        return
    try:
        found = {"request": _parsed(body), "answer": _parsed(text)}
    except ValueError:  # CSV, or a number that this file could not say exactly
        return
    if _keep(_seen, operation["operationId"], found):
        (Path(os.environ[ENV]) / f"{os.getpid()}.json").write_text(json.dumps(_seen))


def collect() -> dict[str, Any]:
    """Runs the tests; each operation's best example by its id."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "pytest", "-q", "-n", "auto", "-m", "not stack", *TESTS]
        ran = subprocess.run(command, env={**os.environ, ENV: folder}, check=False)
        if ran.returncode:
            print("Some tests failed; the examples are those of the others.", file=sys.stderr)
        best: dict[str, Any] = {}
        for file in sorted(Path(folder).glob("*.json")):
            for name, found in json.loads(file.read_text()).items():
                _keep(best, name, found)
    return dict(sorted(best.items()))


def _keep(best: dict[str, Any], name: str, found: Any) -> bool:
    """Whether it is better than what was there."""
    if name in best and _rank(found) <= _rank(best[name]):
        return False
    best[name] = found
    return True


def _parsed(text: str | None) -> Any:
    return json.loads(text, parse_float=_exact) if text else None


def _exact(text: str) -> float:
    if Decimal(repr(float(text))) != Decimal(text) or "e" in repr(float(text)):
        raise ValueError(text)
    return float(text)


def _rank(found: Mapping[str, Any]) -> tuple[bool, int, int, str]:
    """A short one before a long one; of short ones the one that has most fields, of long ones the shortest."""
    text = json.dumps(found, sort_keys=True)
    is_short = len(text) <= SHORT
    return is_short, len(set(_fields(found))) if is_short else 0, -len(text), text


def _fields(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for name, inner in value.items():
            yield name
            yield from _fields(inner)
    elif isinstance(value, list):
        for each in value:
            yield from _fields(each)


if __name__ == "__main__":
    EXAMPLES.write_text(json.dumps(collect(), indent=1, ensure_ascii=False, sort_keys=True) + "\n")
    print(f"{EXAMPLES.name} is up to date; now: make openapi")
