"""Conditions on a text, written as OpenMeter writes them: {"$like": "gpt-%"}; no pydantic, events pass through it.

Everything compares as text, by code points, as OpenMeter does: "10" comes before "9", and 1.0 is not "1". What has no
text - a missing value, an array, an object - is "", which is what `$exists` asks for.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from functions.domain.metering.values.group_values import either_form
from functions.domain.metering.values.work import WORK

Predicate = Callable[[str], bool]

# A pattern is compared with every event or group: with `_` in it that takes length of text times length of pattern.
MAX_LIKE_TEXT = 1_024
STEPS_PER_VISIT = 16  # of the regular expression engine, which searches a part at each place of the text


def predicate(condition: Mapping[str, Any]) -> Predicate:
    """The test a valid condition (one operator, as `filter_string.FilterString` checks it) stands for."""
    ((operator, operand),) = condition.items()
    return _OPERATORS[operator](operand)


def like(pattern: str, is_case_ignored: bool = False) -> Predicate:
    """SQL's LIKE: `%` is any text, `_` one character, a backslash makes the next one literal.

    Takes no longer than text times pattern, for any text and pattern. Texts of more than MAX_LIKE_TEXT characters match
    no pattern.
    """
    parts = _split(pattern)
    first, *others = [_finder(part, is_case_ignored) for part in parts]
    searched = sum(len(part) for part in parts if is_case_ignored or None in part)  # others are found in one go
    steps = 1 + searched // STEPS_PER_VISIT
    if not others:
        return lambda text: len(text) <= MAX_LIKE_TEXT and first.fullmatch(text) is not None
    *middle, last = others
    last_length = len(parts[-1])

    def matches(text: str) -> bool:
        if len(text) > MAX_LIKE_TEXT or not (found := first.match(text)):
            return False
        WORK.visits += 1 + steps * len(text) // STEPS_PER_VISIT
        at = found.end()
        for part in middle:  # the leftmost place of each part leaves most room to the next ones
            if not (found := part.search(text, at)):
                return False
            at = found.end()
        tail = len(text) - last_length
        return tail >= at and last.match(text, tail) is not None

    return matches


def patterns_of(condition: Mapping[str, Any]) -> Iterator[str]:
    """The patterns of a condition and of those it combines."""
    for operator, operand in condition.items():
        if operator in ("$and", "$or"):
            for each in operand:
                yield from patterns_of(each)
        elif "like" in operator:
            yield operand


def _split(pattern: str) -> list[list[str | None]]:
    """The parts between `%`, each a list of characters, None for any."""
    parts: list[list[str | None]] = [[]]
    characters = iter(pattern)
    for character in characters:
        if character == "%":
            parts.append([])
        elif character == "_":
            parts[-1].append(None)
        else:
            parts[-1].append(next(characters, "\\") if character == "\\" else character)
    return parts


def _finder(part: Sequence[str | None], is_case_ignored: bool) -> re.Pattern[str]:
    # Neither repetition nor choice: nothing for the engine to go back over.
    text = "".join("." if character is None else re.escape(character) for character in part)
    return re.compile(text, re.DOTALL | (re.IGNORECASE if is_case_ignored else 0))


def _one_of(wanted: Sequence[str]) -> Predicate:
    return either_form(wanted).__contains__


def _not(test: Predicate) -> Predicate:
    return lambda text: not test(text)


def _all(conditions: Sequence[Mapping[str, Any]]) -> Predicate:
    tests = [predicate(each) for each in conditions]
    return lambda text: all(test(text) for test in tests)


def _any(conditions: Sequence[Mapping[str, Any]]) -> Predicate:
    tests = [predicate(each) for each in conditions]
    return lambda text: any(test(text) for test in tests)


_OPERATORS: dict[str, Callable[[Any], Predicate]] = {
    "$eq": lambda wanted: _one_of((wanted,)),
    "$ne": lambda unwanted: _not(_one_of((unwanted,))),
    "$in": lambda wanted: _one_of(wanted),
    "$nin": lambda unwanted: _not(_one_of(unwanted)),
    "$like": like,
    "$nlike": lambda pattern: _not(like(pattern)),
    "$ilike": lambda pattern: like(pattern, True),
    "$nilike": lambda pattern: _not(like(pattern, True)),
    "$gt": lambda bound: lambda text: text > bound,
    "$gte": lambda bound: lambda text: text >= bound,
    "$lt": lambda bound: lambda text: text < bound,
    "$lte": lambda bound: lambda text: text <= bound,
    "$exists": lambda wanted: lambda text: bool(text) is wanted,
    "$and": _all,
    "$or": _any,
}
OPERATORS = tuple(_OPERATORS)
