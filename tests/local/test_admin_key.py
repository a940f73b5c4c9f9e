"""`make admin-key STAGE=...` and `make audit STAGE=...` say what is missing instead of showing a traceback."""

from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError, NoCredentialsError, NoRegionError

from infra.local import admin_key, audit, repair_archive


class Refusing:
    """An account that refuses; knows in which region it was asked."""

    def __init__(self, error: Exception) -> None:
        self.error = error
        self.regions: list[str | None] = []

    def __call__(self, region_name: str | None = None) -> "Refusing":
        self.regions.append(region_name)
        return self

    def client(self, _service: str) -> "Refusing":
        return self

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


@pytest.mark.parametrize("module", [admin_key, audit, repair_archive])
@pytest.mark.parametrize(("error", "reason", "remedy"), REFUSALS, ids=lambda value: type(value).__name__)
def test_what_aws_refuses_is_told_with_a_remedy_where_the_cdk_deploys_to(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    module: Any,
    error: Exception,
    reason: str,
    remedy: str,
) -> None:
    account = Refusing(error)
    monkeypatch.setattr(boto3, "Session", account)
    monkeypatch.setenv("AWS_REGION", "eu-west-1")
    day = [] if module is admin_key else ["--day", "2026-11-23"]
    monkeypatch.setattr("sys.argv", ["it", "--stage", "dev", *day])
    assert module.main() == 1
    shown = "".join(capsys.readouterr())
    assert reason in shown and remedy in shown
    assert account.regions == ["eu-west-1"]
