"""The SQL that reaches Athena: every blank filled, no text of a caller in it, the tenant in every query."""

import re
from dataclasses import replace

import pytest

from functions.adapters.athena.statement import FILES, statement
from functions.domain.analytics.archive_query import ArchiveQuestion, Dimension, Kind, Window

HOSTILE = "x' OR '1'='1"
QUESTION = ArchiveQuestion(
    kind=Kind.USAGE,
    tenant="acme",
    event_type=HOSTILE,
    start="2026-11-01T00:00:00Z",
    end="2026-12-01T00:00:00Z",
    first_day="2026-10-31",
    last_day="2026-11-23",
    value=("usage", "total tokens", 0),
    since=7,
    subjects=(HOSTILE, "b?"),
    by_subject=True,
    window=Window.DAY,
    dimensions=(Dimension("model", ("model",)), Dimension("$.a", ("a",), False, ("1", HOSTILE))),
)


@pytest.mark.parametrize("kind", Kind)
def test_every_query_is_complete(kind: Kind) -> None:
    asked = statement(replace(QUESTION, kind=kind))
    assert asked.sql.count("?") == len(asked.parameters)
    assert not re.search(r"[{}]|:[a-z]", asked.sql)


@pytest.mark.parametrize("kind", Kind)
def test_every_query_reads_one_tenant_and_a_range_of_days(kind: Kind) -> None:
    asked = statement(replace(QUESTION, kind=kind))
    assert asked.sql.count("FROM lines") == 1
    assert "WHERE tenant = ?\n    AND day BETWEEN ? AND ?" in asked.sql
    assert asked.parameters[:3] == ("'acme'", "'2026-10-31'", "'2026-11-23'")


@pytest.mark.parametrize("kind", Kind)
def test_no_text_of_a_caller_is_in_the_sql(kind: Kind) -> None:
    asked = statement(replace(QUESTION, kind=kind))
    assert "OR '1'" not in asked.sql
    assert "b?" not in asked.sql
    assert "'x'' OR ''1''=''1'" in asked.parameters


def test_a_question_mark_stands_in_conditions_only() -> None:
    """Athena takes execution parameters in WHERE clauses only."""
    for clause in re.split(r"\bWHERE\b", statement(QUESTION).sql)[:1]:
        assert "?" not in clause
    for selected in re.findall(r"SELECT\b(.*?)\bFROM\b", statement(QUESTION).sql, re.DOTALL):
        assert "?" not in selected


def test_paths_are_written_anew_from_their_steps() -> None:
    sql = statement(QUESTION).sql
    assert """json_extract_scalar(line, '$.data.usage["total tokens"][0]') AS text""" in sql
    assert "json_extract_scalar(line, '$.data.model')" in sql


def test_a_filter_alone_makes_no_group() -> None:
    sql = statement(QUESTION).sql
    assert "group_1 AS dimension_1" in sql and "'' AS dimension_2" in sql


def test_without_subjects_and_values_everything_is_asked() -> None:
    asked = statement(replace(QUESTION, subjects=(), dimensions=()))
    assert asked.parameters.count("'yes'") == 4


def test_a_value_athena_has_no_room_for_is_refused() -> None:
    with pytest.raises(ValueError, match="1024"):
        statement(replace(QUESTION, subjects=("'" * 600,)))


def test_every_file_is_a_query_or_part_of_one() -> None:
    assert {path.stem for path in FILES.glob("*.sql")} == {*Kind, "counted", "columns"}
