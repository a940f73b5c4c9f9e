"""`make admin-key STAGE=...` says what is missing instead of showing a traceback."""

import boto3
import pytest
from botocore.exceptions import ClientError, NoCredentialsError, NoRegionError

from infra.local import admin_key
from infra.local.failure import StepFailed


class Refusing:
    def __init__(self, error: Exception) -> None:
        self.error = error

    def describe_stacks(self, StackName: str) -> None:
        raise self.error


REFUSALS = [
    (NoCredentialsError(), "credentials", "AWS_PROFILE"),
    (NoRegionError(), "region", "AWS_REGION"),
    (
        ClientError({"Error": {"Code": "ValidationError", "Message": "Stack does not exist"}}, "DescribeStacks"),
        "Stack does not exist",
        "make deploy STAGE=dev",
    ),
]


@pytest.mark.parametrize(("error", "reason", "remedy"), REFUSALS, ids=lambda value: type(value).__name__)
def test_what_aws_refuses_is_told_with_a_remedy(
    monkeypatch: pytest.MonkeyPatch, error: Exception, reason: str, remedy: str
) -> None:
    monkeypatch.setattr(boto3, "client", lambda _service: Refusing(error))
    with pytest.raises(StepFailed) as failed:
        admin_key.of_stage("dev")
    assert reason in failed.value.reason and remedy in failed.value.remedy
