"""Questions to the archive as Athena executions in a workgroup that bounds what one may read."""

from collections.abc import Mapping
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from functions.adapters.athena.statement import statement
from functions.application.ports.archive_query import Cell, Look, ResultPage
from functions.domain.analytics.archive_query import ArchiveQuestion, Progress
from functions.domain.errors import FieldError, InvalidInput, Unavailable

if TYPE_CHECKING:
    from mypy_boto3_athena import AthenaClient

MAX_RESULTS = 1_000  # Athena's own limit, the header included
WHOLE = {"tinyint", "smallint", "integer", "int", "bigint"}
FRACTIONAL = {"decimal", "double", "float", "real"}
BUSY = {"TooManyRequestsException", "ThrottlingException"}


class AthenaEngine:
    def __init__(self, client: "AthenaClient", workgroup: str, database: str) -> None:
        self._client = client
        self._workgroup = workgroup
        self._database = database

    def start(self, question: ArchiveQuestion, token: str) -> str:
        try:
            asked = statement(question)
        except ValueError as error:
            raise _refused("$", str(error)) from error
        try:
            answer = self._client.start_query_execution(
                QueryString=asked.sql,
                ExecutionParameters=list(asked.parameters),
                QueryExecutionContext={"Database": self._database},
                WorkGroup=self._workgroup,
                ClientRequestToken=token,
            )
        except ClientError as error:
            raise _translated(error) from error
        return answer["QueryExecutionId"]

    def look(self, execution_id: str) -> Look:
        try:
            found = self._client.get_query_execution(QueryExecutionId=execution_id)["QueryExecution"]
        except ClientError as error:
            raise _translated(error) from error
        status = found.get("Status", {})
        reason = status.get("StateChangeReason") or ""
        return Look(
            progress=Progress(status.get("State", Progress.QUEUED)),
            scanned_bytes=found.get("Statistics", {}).get("DataScannedInBytes", 0),
            is_too_large="bytes scanned limit" in reason.lower(),
        )

    def page(self, execution_id: str, cursor: str | None, limit: int) -> ResultPage:
        # The first page begins with the names of the columns.
        asked: dict[str, Any] = {"QueryExecutionId": execution_id, "MaxResults": min(limit + 1, MAX_RESULTS)}
        if cursor:
            asked |= {"MaxResults": limit, "NextToken": cursor}
        try:
            answer = self._client.get_query_results(**asked)
        except ClientError as error:
            if cursor and _code(error) == "InvalidRequestException":
                raise _refused("cursor", "cursor is the nextCursor of an earlier answer of this query.") from error
            raise _translated(error) from error
        described = answer["ResultSet"]["ResultSetMetadata"]["ColumnInfo"]
        rows = answer["ResultSet"]["Rows"][0 if cursor else 1 :]
        return ResultPage(
            columns=[column["Name"] for column in described],
            rows=[
                [_cell(datum, column["Type"]) for datum, column in zip(row["Data"], described, strict=True)]
                for row in rows
            ],
            cursor=answer.get("NextToken"),
        )


def _cell(datum: Mapping[str, Any], kind: str) -> Cell:
    text = datum.get("VarCharValue")
    if text is None:
        return None
    if kind in WHOLE:
        return int(text)
    return _number(text) if kind in FRACTIONAL else str(text)


def _number(text: str) -> int | Decimal:
    """Without the zeros that fill up the column's 18 fraction digits."""
    number = Decimal(text)
    return int(number) if number == number.to_integral_value() else Decimal(f"{number:f}".rstrip("0"))


def _refused(name: str, message: str) -> InvalidInput:
    return InvalidInput(message, fields=[FieldError(name, "invalid_parameter", message)])


def _translated(error: ClientError) -> Exception:
    if _code(error) in BUSY:
        return Unavailable("Too many queries of the archive are running; try again.", retry_after_seconds=10)
    return error


def _code(error: ClientError) -> str:
    return str(error.response.get("Error", {}).get("Code"))
