"""The archive as a query engine reads it: every object's lines in DuckDB, which refuses what is no JSON."""

import gzip
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import duckdb

from functions.adapters.athena.statement import statement
from functions.application.ports.archive_query import Cell, Look, ResultPage
from functions.domain.analytics.archive_query import ArchiveQuestion, Progress
from infra.local.emulator_program.trino_functions import FUNCTIONS


class DuckDbEngine:
    """Runs the saved queries as they stand; `lines` were archived on one day."""

    def __init__(self, day: str) -> None:
        self._connection = duckdb.connect(config={"threads": 1})
        self._connection.execute(FUNCTIONS)
        self._connection.execute("CREATE TABLE lines (line varchar, day varchar, hour varchar)")
        self._day = day
        self._seen: set[str] = set()
        self._answers: list[ResultPage] = []

    def archive(self, objects: Mapping[str, bytes]) -> None:
        """Raises UnicodeDecodeError for an object that is no text."""
        for key in objects.keys() - self._seen:
            if key.startswith("archive/"):
                lines = gzip.decompress(objects[key]).decode().split("\n")
                self._connection.execute(
                    "INSERT INTO lines SELECT unnest(?), ?, '12'", [[line for line in lines if line], self._day]
                )
        self._seen |= objects.keys()

    def start(self, question: ArchiveQuestion, token: str) -> str:
        asked = statement(question)
        parameters = iter(asked.parameters)
        found = self._connection.execute("".join(next(parameters) if each == "?" else each for each in asked.sql))
        columns = [each[0] for each in found.description or ()]
        self._answers.append(ResultPage(columns, [[_cell(value) for value in row] for row in found.fetchall()]))
        return str(len(self._answers) - 1)

    def look(self, execution_id: str) -> Look:
        return Look(Progress.SUCCEEDED)

    def page(self, execution_id: str, cursor: str | None, limit: int) -> ResultPage:
        return self._answers[int(execution_id)]


def _cell(value: Any) -> Cell:
    return value if value is None or isinstance(value, str | int | Decimal) else str(value)
