"""Steps of workflows: what they raise stays in an execution's history, what they log stays in the log."""

import importlib
import json
import traceback
from typing import Any

import pytest
from botocore.exceptions import ClientError

from functions import names
from functions.domain.errors import NotFound, Unavailable
from functions.handlers.edge.step import InternalError, step

SECRET = "pay.example/i/live_4242 somebody@example.com"
WHO = {"tenant": "acme", "customer_id": "01C", "run_id": "run-1", "as_of": SECRET}
REFUSED = ClientError({"Error": {"Code": "ValidationException", "Message": SECRET}}, "PutItem")


def failing(error: Exception) -> Any:
    @step
    def handler(_payload: Any, _context: Any) -> dict[str, Any]:
        raise error

    return handler


@pytest.mark.parametrize("error", [KeyError(SECRET), ValueError(SECRET), REFUSED, RuntimeError(SECRET)])
def test_an_error_nobody_planned_for_leaves_no_word_of_its_own(
    error: Exception, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(InternalError) as raised:
        failing(error)(WHO, None)

    logged = json.loads(capsys.readouterr().out)
    assert (logged["error"], logged["tenant"], logged["run_id"]) == (type(error).__name__, "acme", "run-1")
    assert "in handler" in logged["stack"]
    assert raised.value.__suppress_context__
    for told in (json.dumps(logged), str(raised.value), "".join(traceback.format_exception(raised.value))):
        assert SECRET not in told


@pytest.mark.parametrize("error", [NotFound("There is no meter."), Unavailable("Try again.", retry_after_seconds=1)])
def test_an_error_of_ours_passes_as_it_is(error: Exception, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(type(error)) as raised:
        failing(error)(WHO, None)
    assert raised.value is error
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("name", [name for name in names.HANDLERS if name.startswith("workflow_")])
def test_every_step_of_a_workflow_is_one(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    handler = importlib.import_module(names.HANDLERS[name][1].removesuffix(".handler")).handler
    with pytest.raises(InternalError):
        handler(None, None)
    assert "unexpected error" in capsys.readouterr().out
