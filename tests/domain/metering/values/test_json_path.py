"""JSONPath: which paths there are, what they find in exact numbers, and that none takes for ever."""

import subprocess
import sys
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonpath_rfc9535 import find

from functions.domain.errors import InvalidInput
from functions.domain.metering.values.json_path import MISSING, TooCostly, finder, parse_path

DATA: dict[str, Any] = {
    "a": {"b": 1, "c d": [10, 20, {"n": None}]},
    "items": [
        {"kind": "cpu", "n": 1, "price": Decimal("0.1")},
        {"kind": "gpu", "n": 2, "price": Decimal("0.30"), "tags": ["x", "y"]},
        {"kind": "gpu", "n": 3, "price": Decimal("1e2"), "ok": True},
    ],
    "big": 9007199254740993,
    "ünï": "u",
    "one": True,
    "list": [1, [2, 3]],
}

ROWS: list[tuple[str, Any]] = [
    ("$.a.b", 1),
    ("$['a']['b']", 1),
    ('$["a"].b', 1),
    ("$.a['c d'][1]", 20),
    ("$.a['c d'][-2]", 20),
    ("$.a['c d'][2].n", None),
    ("$.a['c d'][9]", MISSING),
    ("$.a['c d'][-9]", MISSING),
    ("$.a.b.c", MISSING),
    ("$.a[0]", MISSING),
    ("$.items.kind", MISSING),
    ("$.items", DATA["items"]),
    ("$.ünï", "u"),
    ("$.items[*].n", 1),
    ("$.items[1:].n", 2),
    ("$.items[::-1].n", 3),
    ("$.items[::0].n", MISSING),
    ("$.items[5,-1].n", 3),
    ("$..n", None),  # the first in the order of the document
    ("$..price", Decimal("0.1")),
    ("$..nothing", MISSING),
    ("$.list[*]", 1),
    ("$.list[1:]", [2, 3]),  # no scalar: the first node
    ("$.list[::-1]", 1),  # the first scalar, behind a list
    ("$.items[?@.kind == 'gpu'].n", 2),
    ("$.items[?@.kind=='gpu' && @.n>2].n", 3),
    ("$.items[?@.kind == 'tpu' || @.ok].n", 3),
    ("$.items[?!@.ok && @.tags].n", 2),
    ("$.items[?!(@.kind == 'cpu')].n", 2),
    ("$.items[?@.price == 0.1].n", 1),  # a binary float is not
    ("$.items[?@.price >= 0.3].n", 2),
    ("$.items[?@.price < 0.10000000000000000001].n", 1),
    ("$.items[?@.price == 100].n", 3),
    ("$.items[?@.n < 'a'].n", MISSING),
    ("$.items[?@.ok == true].n", 3),
    ("$.items[?@.n == true].n", MISSING),  # 1 is not true
    ("$.items[?@.tags == @.tags].n", 1),  # nothing equals nothing
    ("$.items[?@.tags != @.n].n", 1),
    ("$.items[?@.n == $.a.b].kind", "cpu"),
    ("$.items[?length(@.kind) == 3].n", 1),
    ("$.items[?length(@.tags) == 2].n", 2),
    ("$.items[?count(@.tags[*]) > 1].n", 2),
    ("$.items[?value(@..n) == 3].kind", "gpu"),
    ("$[?@ == 9007199254740993]", 9007199254740993),
    ("$[?@ == 9007199254740992]", MISSING),
    ("$[?@.b]['b']", 1),
    ("$.list[?@ == $.list[1]]", [2, 3]),
    ("$.items[?@[?@ == 'gpu']].n", 2),
]


@pytest.mark.parametrize(("path", "found"), ROWS, ids=[row[0] for row in ROWS])
def test_a_path_finds(path: str, found: Any) -> None:
    assert (result := finder(path)(DATA)) == found and type(result) is type(found)


INVALID = [
    "", "$", "a", "tokens", "$.", "$.a.", "$a", "$.a b", "$..", "$[", "$[]", "$['a'", "$[01]", "$[?]", "$[?@.a == ]",
    "$.a[?match(@.b, 'x.*')]", "$.a[?search(@.b, 'x.*')]", "$.a[?unknown(@.b)]", "$[?length(@.*) == 1]", "$[?1]",
    "$." + "a" * 255, "$[?" + "(" * 120 + "@.a" + ")" * 120 + "x]", "$[99999999999999999999]", " $.a", "$.a ",
    "$[?@.a == 1e999]",
]  # fmt: skip


@pytest.mark.parametrize("path", INVALID)
def test_what_is_no_path_is_refused_with_an_example(path: str) -> None:
    with pytest.raises(InvalidInput, match="write a JSONPath such as") as caught:
        parse_path(path)
    assert caught.value.fields[0].code == "invalid_json_path"


def test_equal_paths_parse_alike() -> None:
    assert parse_path("$.a[0]") == parse_path("$['a'][0]") == parse_path('$["a"][0]') == ("a", 0)
    assert parse_path("$..a") == parse_path("$..['a']") != parse_path("$.a")


COSTLY = [
    "$" + "..*" * 60,
    "$" + "[*,*]" * 40,
    "$" + "[0,0]" * 40,
    "$..[?@..[?@..[?@..x]]]",
    "$[?count($..*) == count($..*) && count($..*) == 0]",
    "$..[?@ == $]",
]


@pytest.mark.parametrize("path", COSTLY)
def test_a_hostile_path_over_hostile_data_ends(path: str) -> None:
    deep: Any = {}
    for _ in range(300):
        deep = [deep, deep]
    wide = [[[n]] for n in range(2_000)]
    with pytest.raises(TooCostly):
        finder(path)([deep, wide])


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 3) | st.sampled_from(["a", "b", ""]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    max_leaves=12,
)
PATHS = st.lists(
    st.sampled_from(
        [".a", "..a", "['b']", "[0]", "[-1]", "[*]", "..*", "[1:]", "[::-1]", "[0,'a']", "[?@.a]", "[?@ > 0]",
         "[?@.a == @.b]", "[?!@.b || @[0] != 1]", "[?count(@.*) >= 2]", "[?length(@) < 2]", "[?value(@..a) == null]",
         "[?@ == $.a]", "[?@.a <= 'a' && @.b]"]
    ),
    min_size=1, max_size=4,
).map(lambda segments: "$" + "".join(segments))  # fmt: skip


@given(PATHS, st.dictionaries(st.sampled_from("abc"), JSON, max_size=3))
def test_what_is_found_is_what_the_library_finds(path: str, data: dict[str, Any]) -> None:
    nodes = find(path, data).values()
    scalars = [each for each in nodes if not isinstance(each, (list, dict))]
    expected = (scalars or nodes or [MISSING])[0]
    try:
        found = finder(path)(data)
    except TooCostly:
        return
    assert (found, type(found)) == (expected, type(expected))


@given(st.text("$.[]?@*'\"abc01:,()!=<>&| -", max_size=20))
def test_any_text_is_a_path_or_refused(text: str) -> None:
    try:
        find_it = finder("$" + text)
    except InvalidInput:
        return
    find_it(DATA)


def test_a_path_of_names_needs_no_library() -> None:
    code = """if True:
        import sys
        import functions.handlers.metering.stream_aggregate
        from functions.domain.metering.values.json_path import finder

        for path in ("$.a[0]['b c']", "$..a"):
            finder(path)
            print("jsonpath_rfc9535" in sys.modules)
    """
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "True"]
