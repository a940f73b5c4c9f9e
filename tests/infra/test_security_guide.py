"""The security guide names what is there: its files, its tests, and every route of prod that asks for no key."""

import re
from functools import cache
from typing import Any

import pytest

from infra.local.paths import REPOSITORY

GUIDE = REPOSITORY / "functions" / "pages" / "guide" / "security.md"
TEXT = GUIDE.read_text()
FILE = re.compile(r"`([a-z][\w/-]*/[\w.-]+\.(?:py|md))`")
TEST = re.compile(r"`(test_\w+)`")
KEYLESS = TEXT.partition("### The routes without a key")[2].partition("\n## ")[0]


@cache
def named_in(name: str) -> set[str]:
    return set(re.findall(r"^def (test_\w+)", (REPOSITORY / name).read_text(), re.MULTILINE))


@cache
def every_test() -> set[str]:
    paths = (path.relative_to(REPOSITORY) for path in (REPOSITORY / "tests").rglob("test_*.py"))
    return {test for path in paths for test in named_in(str(path))}


@pytest.mark.parametrize("name", sorted(set(FILE.findall(TEXT))))
def test_every_file_it_names_is_there(name: str) -> None:
    assert (REPOSITORY / name).is_file()


def test_every_test_it_names_is_in_the_file_it_names_before() -> None:
    named = re.split(r"`(tests/[\w/-]+\.py)`: ", TEXT.replace("\n", " "))
    assert len(named) > 40
    for name, after in zip(named[1::2], named[2::2], strict=True):
        listed = re.match(r"(?:`test_\w+`(?:, )?)+", after)
        assert listed is not None, f"{name} is followed by no test"
        assert set(TEST.findall(listed[0])) <= named_in(name), name
    assert set(TEST.findall(TEXT)) <= every_test()


def test_every_route_of_prod_without_a_key_is_described_with_its_throttle(prod: Any) -> None:
    rows = {row[1]: row[0] for row in re.finditer(r"^\| `([A-Z]+ /[^`]*)`.*$", KEYLESS, re.MULTILINE)}
    open_routes = {
        each["Properties"]["RouteKey"]
        for each in prod.all("AWS::ApiGatewayV2::Route").values()
        if each["Properties"]["AuthorizationType"] == "NONE"
    }
    assert rows.keys() == open_routes
    (door,) = prod.all("AWS::ApiGatewayV2::Stage").values()
    for route, throttle in door["Properties"]["RouteSettings"].items():
        rate, burst = throttle["ThrottlingRateLimit"], throttle["ThrottlingBurstLimit"]
        assert f"| {rate} a second, {burst:,} at once |" in rows[route]


def test_every_threat_has_what_holds_it_and_what_shows_it() -> None:
    table = TEXT.partition("## Threats, and what holds them")[2].partition("\n## ")[0]
    rows = [
        [cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines() if line.startswith("| ")
    ]
    assert len(rows) > 15
    for threat, held, shown in rows[1:]:
        assert held, threat
        assert TEST.search(shown) or FILE.search(shown), threat
