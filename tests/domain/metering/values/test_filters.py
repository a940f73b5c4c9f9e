"""Conditions on texts: what each operator accepts, and what is not a condition."""

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from functions.domain.metering.values.filter_string import FilterString
from functions.domain.metering.values.filters import MAX_LIKE_TEXT, OPERATORS, like


def accepts(condition: dict[str, Any], text: str) -> bool:
    return FilterString.model_validate(condition).predicate()(text)


TABLE: list[tuple[dict[str, Any], list[str], list[str]]] = [
    ({"$eq": "a"}, ["a"], ["A", "", "ab"]),
    ({"$ne": "a"}, ["A", ""], ["a"]),
    ({"$in": ["a", "b"]}, ["a", "b"], ["c", "", "ab"]),
    ({"$nin": ["a", "b"]}, ["c", "", "ab"], ["a", "b"]),
    ({"$like": "gpt-%"}, ["gpt-", "gpt-4"], ["GPT-4", "a gpt-4", "gpt"]),
    ({"$like": "g_t"}, ["gpt", "g\nt"], ["gt", "gppt", "gpt "]),
    ({"$like": "%4%o"}, ["4o", "gpt-4o", "4oo", "o44o"], ["4", "o4", "4ox"]),
    ({"$like": "50\\%"}, ["50%"], ["50", "500"]),
    ({"$like": "a\\\\b"}, ["a\\b"], ["ab"]),
    ({"$like": "a.b"}, ["a.b"], ["axb"]),
    ({"$like": ""}, [""], ["a"]),
    ({"$like": "%"}, ["", "a"], []),
    ({"$like": "%aba%aba%"}, ["abaaba"], ["ababa"]),
    ({"$like": "aba%aba"}, ["abaaba", "abacaba"], ["aba", "ababa"]),
    ({"$nlike": "gpt-%"}, ["GPT-4"], ["gpt-4"]),
    ({"$ilike": "GPT-%"}, ["gpt-4", "GPT-4"], ["claude"]),
    ({"$nilike": "GPT-%"}, ["claude"], ["gpt-4"]),
    ({"$gt": "b"}, ["c", "ba"], ["b", "a", "B", ""]),
    ({"$gte": "b"}, ["b", "c"], ["a"]),
    ({"$lt": "b"}, ["a", "B", ""], ["b"]),
    ({"$lte": "b"}, ["a", "b"], ["c"]),
    ({"$gt": "10"}, ["9"], ["1", "010"]),  # texts, not numbers
    ({"$exists": True}, ["a", "null"], [""]),
    ({"$exists": False}, [""], ["a"]),
    ({"$and": [{"$gte": "b"}, {"$lt": "d"}]}, ["b", "c"], ["a", "d"]),
    ({"$or": [{"$eq": "a"}, {"$like": "b%"}]}, ["a", "b", "bb"], ["c"]),
    ({"$and": [{"$or": [{"$eq": "a"}, {"$eq": "b"}]}, {"$ne": "b"}]}, ["a"], ["b", "c"]),
    ({"$eq": "a", "$ne": None}, ["a"], ["b"]),
]


@pytest.mark.parametrize(("condition", "accepted", "refused"), TABLE, ids=[str(row[0]) for row in TABLE])
def test_an_operator_accepts(condition: dict[str, Any], accepted: list[str], refused: list[str]) -> None:
    assert [text for text in accepted if not accepts(condition, text)] == []
    assert [text for text in refused if accepts(condition, text)] == []


def test_every_operator_has_a_row() -> None:
    assert {operator for condition, _, _ in TABLE for operator in condition} == set(OPERATORS)


INVALID: list[tuple[Any, tuple[str | int, ...]]] = [
    ({}, ()),
    ({"$eq": "a", "$ne": "b"}, ()),
    ({"$regex": "a"}, ("$regex",)),
    ({"$eq": 1}, ("$eq",)),
    ({"$in": []}, ("$in",)),
    ({"$in": "a"}, ("$in",)),
    ({"$in": ["a"] * 101}, ("$in",)),
    ({"$like": "x" * 513}, ("$like",)),
    ({"$exists": "true"}, ("$exists",)),
    ({"$and": []}, ("$and",)),
    ({"$or": [{"$eq": "a"}, {"$eq": 1}]}, ("$or", 1, "$eq")),
    ({"$or": [{"$and": [{"$or": [{"$and": [{"$eq": "a"}]}]}]}]}, ("$or",)),
    ({"$or": [{"$or": [{"$eq": "a"}] * 20}] * 5}, ("$or",)),
    ("a", ()),
]


@pytest.mark.parametrize(("condition", "place"), INVALID, ids=[str(row[0])[:40] for row in INVALID])
def test_what_is_no_condition_is_named_by_its_place(condition: Any, place: tuple[str | int, ...]) -> None:
    with pytest.raises(ValidationError) as caught:
        FilterString.model_validate(condition)
    assert place in [error["loc"] for error in caught.value.errors()]


@given(st.text("ab%_\\", max_size=8), st.text("ab%\\", max_size=10))
def test_like_is_what_the_naive_pattern_says(pattern: str, text: str) -> None:
    naive = re.sub(r"(?s)\\(.?)|(%)|(_)|(.)", _as_regex, pattern)
    assert like(pattern)(text) == bool(re.fullmatch(naive, text, re.DOTALL))


def _as_regex(found: "re.Match[str]") -> str:
    escaped, everything, one, character = found.groups()
    if everything or one:
        return ".*" if everything else "."
    return re.escape(escaped or "\\") if character is None else re.escape(character)


def test_a_hostile_pattern_ends() -> None:
    # 170 repetitions to go back over would not end in a lifetime.
    assert not like("%a_" * 170 + "%b")("a" * MAX_LIKE_TEXT)


def test_texts_beyond_the_bound_match_no_pattern() -> None:
    assert like("%")("a" * MAX_LIKE_TEXT)
    assert not like("%")("a" * (MAX_LIKE_TEXT + 1))
