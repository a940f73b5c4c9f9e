"""What the emulator's Athena, DuckDB, lacks of Trino: execution parameters and some functions.

With these the SQL of `functions/adapters/athena/sql` runs here as it stands. What stays different: DuckDB reads JSON
fractions as doubles, so that a number of more than 15 digits loses its last ones; partitions are read, not projected;
the byte limit of a workgroup is not kept.
"""

from typing import Any

import duckdb
from ministack.core.responses import error_response_json  # type: ignore[import-not-found]
from ministack.services import athena  # type: ignore[import-not-found]
from trino_functions import FUNCTIONS  # type: ignore[import-not-found]

_connect = duckdb.connect
_start = athena._start_query_execution


def teach() -> None:
    duckdb.connect = _connect_with_functions
    athena._start_query_execution = _start_with_parameters


def _connect_with_functions(*arguments: Any, **options: Any) -> Any:
    connection = _connect(*arguments, **options)
    connection.execute(FUNCTIONS)
    return connection


def _start_with_parameters(request: dict[str, Any]) -> Any:
    """Execution parameters are SQL literals that take the places of the question marks, in order."""
    sql, parameters = request.get("QueryString", ""), request.get("ExecutionParameters") or []
    places = [start for kind, text, start, _ in athena._sql_tokens(sql) if (kind, text) == ("punct", "?")]
    if len(places) != len(parameters):
        message = f"Incorrect number of parameters: expected {len(places)} but found {len(parameters)}"
        return error_response_json("InvalidRequestException", message, 400)
    for place, literal in reversed(list(zip(places, parameters, strict=True))):
        sql = sql[:place] + literal + sql[place + 1 :]
    return _start(request | {"QueryString": sql})
