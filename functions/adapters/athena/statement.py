"""A saved query with its blanks filled: the SQL Athena runs and the parameters bound to it.

`sql/*.sql` is Trino's SQL with two kinds of blanks. `:name` becomes `?` (a list as many as it has values) and its value
an execution parameter, which Athena takes in WHERE clauses only. `{name}` is part of the statement's shape: another
file, or one of the expressions below - a JSONPath written anew from its parsed steps, the width of a window, a column.
No text of a caller is ever written into a statement.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from functions.domain.analytics.archive_query import DIMENSIONS, ArchiveQuestion, Counts, Window
from functions.domain.analytics.archive_query import Path as JsonPath

FILES = Path(__file__).parent / "sql"
MAX_PARAMETER_CHARACTERS = 1_024  # Athena's own limit, quotes included

_BLANK = re.compile(r"\{(\w+)\}|:([a-z]\w*)")
_PLAIN_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)
_WIDTHS = {Window.MONTH: 7, Window.DAY: 10, Window.HOUR: 13}
# An object has no scalar: what is taken along this path is NULL.
_NOTHING: JsonPath = ()

Value = str | int | Sequence[str]


@dataclass(frozen=True)
class Statement:
    """`parameters` are SQL literals, in the order of the question marks."""

    sql: str
    parameters: tuple[str, ...]


def statement(question: ArchiveQuestion) -> Statement:
    """What Athena is asked; raises ValueError for a value it has no room for."""
    shape, values = _shape(question), _values(question)
    parameters: list[str] = []

    def filled(blank: re.Match[str]) -> str:
        if blank[1]:
            return shape[blank[1]]
        value = values[blank[2]]
        literals = [_literal(one) for one in (value if isinstance(value, tuple) else (value,))]
        parameters.extend(literals)
        return ", ".join("?" * len(literals))

    return Statement(_BLANK.sub(filled, template(question.kind)), tuple(parameters))


@cache
def template(kind: str) -> str:
    """The file of a query with the files it builds on, and all other blanks still open."""
    text = _read(kind)
    return text.replace("{counted}", _read("counted")).replace("{columns}", _read("columns"))


def _read(name: str) -> str:
    return (FILES / f"{name}.sql").read_text().strip()


def json_path(steps: JsonPath) -> str:
    """A SQL literal of the path below an event's data, `'$'` for none."""
    text = "$.data" if steps else "$"
    for step in steps:
        if isinstance(step, int):
            text += f"[{step}]"
        else:
            text += f".{step}" if _PLAIN_NAME.fullmatch(step) else f'["{step}"]'
    assert "'" not in text, text
    return f"'{text}'"


def _shape(question: ArchiveQuestion) -> Mapping[str, str]:
    shape = {
        "value": json_path(question.value or _NOTHING),
        "window": f"substr(time, 1, {_WIDTHS[question.window]})" if question.window else "''",
        "subject": "subject" if question.by_subject else "''",
    }
    for number, place in enumerate(question.padded_dimensions(), 1):
        shape[f"path_{number}"] = json_path(place.path if place else _NOTHING)
        shape[f"shown_{number}"] = f"group_{number}" if place and place.is_shown else "''"
    return shape


def _values(question: ArchiveQuestion) -> Mapping[str, Value]:
    values: dict[str, Value] = {
        "tenant": question.tenant,
        "type": question.event_type,
        "since": question.since,
        "history_from": question.history_from,
        "from": question.start,
        "to": question.end,
        "first_day": question.first_day,
        "last_day": question.last_day,
        "any_subject": _yes(not question.subjects),
        "subjects": question.subjects or ("",),
        "takes": Counts(question.counts).value,
    }
    for number, place in enumerate(question.padded_dimensions(), 1):
        allowed = place.values if place else ()
        values[f"any_{number}"] = _yes(not allowed)
        values[f"values_{number}"] = allowed or ("",)
    assert len(question.dimensions) <= DIMENSIONS
    return values


def _yes(answer: bool) -> str:
    return "yes" if answer else "no"


def _literal(value: str | int) -> str:
    literal = str(value) if isinstance(value, int) else "'" + value.replace("'", "''") + "'"
    if len(literal) > MAX_PARAMETER_CHARACTERS:
        raise ValueError(f"{literal[:40]}... has more than {MAX_PARAMETER_CHARACTERS} characters.")
    return literal
