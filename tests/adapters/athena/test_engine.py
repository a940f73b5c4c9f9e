"""Athena's answers, as botocore validates them, in the words of the port."""

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import boto3
import pytest
from botocore.stub import ANY, Stubber

from functions.adapters.athena.engine import AthenaEngine
from functions.application.ports.archive_query import Look
from functions.domain.analytics.archive_query import Progress
from functions.domain.errors import InvalidInput, Unavailable
from tests.adapters.athena.test_statement import QUESTION

TOKEN = "tollbooth-01ARZ3NDEKTSV4RRFFQ69G5FAV"


class Stubbed:
    def __init__(self) -> None:
        client = boto3.client("athena", region_name="us-east-1", aws_access_key_id="x", aws_secret_access_key="x")
        self.engine = AthenaEngine(client, "tollbooth-dev", "tollbooth_dev")
        self.stub = Stubber(client)


@pytest.fixture
def athena() -> Iterator[Stubbed]:
    stubbed = Stubbed()
    with stubbed.stub:
        yield stubbed
    stubbed.stub.assert_no_pending_responses()


def results(*rows: list[str | None], token: str | None = None) -> dict[str, Any]:
    described = [
        {"Name": name, "Type": kind} for name, kind in (("subject", "varchar"), ("n", "bigint"), ("total", "decimal"))
    ]
    data = [{"Data": [{} if text is None else {"VarCharValue": text} for text in row]} for row in rows]
    answer: dict[str, Any] = {"ResultSet": {"Rows": data, "ResultSetMetadata": {"ColumnInfo": described}}}
    return answer | ({"NextToken": token} if token else {})


def test_a_query_runs_in_the_workgroup_with_bound_parameters(athena: Stubbed) -> None:
    expected = {
        "QueryString": ANY,
        "ExecutionParameters": ANY,
        "QueryExecutionContext": {"Database": "tollbooth_dev"},
        "WorkGroup": "tollbooth-dev",
        "ClientRequestToken": TOKEN,
    }
    athena.stub.add_response("start_query_execution", {"QueryExecutionId": "e-1"}, expected)
    assert athena.engine.start(QUESTION, TOKEN) == "e-1"


def test_a_busy_athena_is_worth_another_try(athena: Stubbed) -> None:
    athena.stub.add_client_error("start_query_execution", "TooManyRequestsException")
    with pytest.raises(Unavailable):
        athena.engine.start(QUESTION, TOKEN)


def test_a_query_over_its_byte_limit_says_so(athena: Stubbed) -> None:
    status = {"State": "CANCELLED", "StateChangeReason": "Bytes scanned limit was exceeded"}
    found = {"Status": status, "Statistics": {"DataScannedInBytes": 11}}
    athena.stub.add_response("get_query_execution", {"QueryExecution": found})
    assert athena.engine.look("e-1") == Look(Progress.CANCELLED, 11, is_too_large=True)


def test_the_first_page_begins_behind_the_header(athena: Stubbed) -> None:
    answer = results(["subject", "n", "total"], ["a", "3", "1.500000000000000000"], [None, "4", None], token="t")
    athena.stub.add_response("get_query_results", answer, {"QueryExecutionId": "e-1", "MaxResults": 3})
    page = athena.engine.page("e-1", None, 2)
    assert page.columns == ["subject", "n", "total"]
    assert page.rows == [["a", 3, Decimal("1.5")], [None, 4, None]]
    assert page.cursor == "t"


def test_a_later_page_has_no_header(athena: Stubbed) -> None:
    asked = {"QueryExecutionId": "e-1", "MaxResults": 2, "NextToken": "t"}
    athena.stub.add_response("get_query_results", results(["b", "3", "700.000000000000000000"]), asked)
    page = athena.engine.page("e-1", "t", 2)
    assert page.rows == [["b", 3, 700]]
    assert page.cursor is None


def test_a_cursor_athena_never_gave_is_a_bad_request(athena: Stubbed) -> None:
    athena.stub.add_client_error("get_query_results", "InvalidRequestException")
    with pytest.raises(InvalidInput) as refused:
        athena.engine.page("e-1", "made up", 2)
    assert refused.value.fields[0].field == "cursor"
