"""A function of the emulator fails as it does on AWS: by the class of what it raised, which workflows try again."""

import io
import json
import traceback
import zipfile

import pytest

from infra.local import emulator
from infra.local.emulator_program.raised import class_raised

RAISING = """
class Unavailable(Exception):
    pass

def handler(event, context):
    try:
        {}["nothing"]
    except KeyError as error:
        raise Unavailable("The database does not answer: try again.\\nTraceback of nobody") from error
"""


def test_a_function_that_raises_fails_by_the_class_it_raised(aws: int) -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("raising.py", RAISING)
    trusted = {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [trusted]})
    role = emulator.client("iam", aws).create_role(RoleName="raising", AssumeRolePolicyDocument=document)["Role"]
    functions = emulator.client("lambda", aws)
    functions.create_function(
        FunctionName="raising",
        Runtime="python3.11",
        Role=role["Arn"],
        Handler="raising.handler",
        Code={"ZipFile": packed.getvalue()},
    )
    answer = functions.invoke(FunctionName="raising", Payload=b"{}")
    failure = json.loads(answer["Payload"].read())
    assert (answer["FunctionError"], failure["errorType"]) == ("Unhandled", "Unavailable")
    assert failure["errorMessage"].startswith("The database does not answer")


@pytest.mark.parametrize("raised", [KeyError("x"), TimeoutError(), UnicodeError("one\nValueError: two")])
def test_the_class_is_read_from_a_traceback(raised: Exception) -> None:
    try:
        raise raised
    except Exception:
        log = f"Other: words\n{traceback.format_exc()}"
    assert class_raised(log) == type(raised).__name__


def test_a_log_without_a_traceback_says_nothing_of_a_class() -> None:
    assert class_raised("Task: timed out\nKeyError: in a word") is None
