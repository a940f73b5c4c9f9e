"""A row of the archive's answer in the words of the API."""

from collections.abc import Mapping, Sequence
from typing import Any

from functions.domain.analytics.archive_query import AskedQuery
from functions.domain.metering.cells.aggregation import quotient
from functions.domain.metering.meters.values import decode_data

GROUPS = "dimension_"
# A column that is empty unless it was asked for.
OPTIONAL = ("subject", "window_start")


def shown_row(query: AskedQuery, columns: Sequence[str], cells: Sequence[Any]) -> Mapping[str, Any]:
    """Groups under the names they were asked by, averages with 34 digits, an event's data as it was sent."""
    row = dict(zip(columns, cells, strict=True))
    groups = {query.columns[name]: row[name] for name in row if name.startswith(GROUPS) and name in query.columns}
    shown = {
        _camel(name): value
        for name, value in row.items()
        if not name.startswith(GROUPS) and not (name in OPTIONAL and value == "" and name not in query.columns)
    }
    if shown.get("numbers") and "average" in shown:
        # Athena ends at 18 fraction digits.
        shown["average"] = quotient(shown["total"], shown["numbers"])
    if "line" in shown:
        shown["data"] = decode_data(shown.pop("line").encode()).get("data")
    return shown | ({"groupBy": groups} if groups else {})


def _camel(name: str) -> str:
    first, *others = name.split("_")
    return first + "".join(word.capitalize() for word in others)
