"""What `make destroy` says stays, on the templates of every stage and on stacks of the emulator's CloudFormation."""

import json
import re
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest

from infra import stages
from infra.local import destroy, emulator, paths
from infra.local.failure import StepFailed
from tests.infra.conftest import synthesize
from tests.infra.test_stateful import STATEFUL

# As the CDK does, in one line: the last stack first.
CDK = """#!{python}
import boto3, sys
open({told!r}, "w").write(" ".join(sys.argv[1:]))
formation = boto3.client("cloudformation")
names = [stack["StackName"] for stack in formation.describe_stacks()["Stacks"]]
for name in sorted((name for name in names if name.startswith("tollbooth-")), reverse=True):
    formation.delete_stack(StackName=name)
    formation.get_waiter("stack_delete_complete").wait(StackName=name, WaiterConfig={{"Delay": 1}})
"""
POLLS = 3_000
# Comes last and cannot be made, so that all others are taken back.
IMPOSSIBLE = {"Type": "AWS::CloudFormation::CustomResource", "Properties": {"ServiceToken": "arn:aws:lambda:nowhere"}}


def stateful(stage: str, stack: str) -> dict[str, Any]:
    """A template of nothing but what one stack of a stage keeps."""
    resources = synthesize(stage).stacks[stack]["Resources"]
    return {"Resources": {name: each for name, each in resources.items() if each["Type"] in STATEFUL}}


@pytest.fixture
def account(aws: int, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Any]:
    """The emulator as the account of the caller's environment, without stacks of ours before and after."""
    for name, value in emulator.client_environment(aws).items():
        monkeypatch.setenv(name, value)
    (tmp_path / "cdk").write_text(CDK.format(python=sys.executable, told=str(tmp_path / "told")))
    (tmp_path / "cdk").chmod(0o755)
    monkeypatch.setattr(paths, "CDK", tmp_path / "cdk")
    formation = boto3.client("cloudformation")
    yield formation
    for stack in (stack for stage in stages.SHIPPED for stack in destroy.stacks_of(formation, stage)):
        formation.update_termination_protection(StackName=stack["StackName"], EnableTerminationProtection=False)
        formation.delete_stack(StackName=stack["StackName"])


def deploy(formation: Any, name: str, template: dict[str, Any], *, protected: bool = False) -> str:
    """The status it ends with."""
    formation.create_stack(StackName=name, TemplateBody=json.dumps(template), EnableTerminationProtection=protected)
    for _ in range(POLLS):
        (stack,) = formation.describe_stacks(StackName=name)["Stacks"]
        if not stack["StackStatus"].endswith("IN_PROGRESS"):
            return str(stack["StackStatus"])
        time.sleep(0.02)
    raise AssertionError(f"{name} is still {stack['StackStatus']}")


def test_what_stays_is_what_the_templates_say(each_stage: Any) -> None:
    kept = {
        f"{stack}/{logical_id}": resource["Type"]
        for stack, template in each_stage.stacks.items()
        for logical_id, resource in destroy.kept_in(template).items()
    }
    assert kept == {logical_id: kind for kind, ids in STATEFUL.items() for logical_id in ids}


def test_everything_that_stays_has_a_price_and_a_way_to_go() -> None:
    assert set(destroy.KINDS) == set(STATEFUL)


def test_stacks_go_and_what_stays_is_said_before_and_after(
    account: Any, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    for stack in ("data", "ingestion"):
        assert deploy(account, f"tollbooth-dev-{stack}", stateful("dev", stack)) == "CREATE_COMPLETE"
    destroy.destroy(account, "dev", "tollbooth-dev")
    before, after = capsys.readouterr().out.split("The stacks of tollbooth-dev are gone. What stayed")
    assert "destroy ** -c stage=dev --force" in (tmp_path / "told").read_text()
    assert destroy.stacks_of(account, "dev") == []
    for said in (before, after):
        tables = re.findall(r"delete-table --table-name (\S+)", said)
        assert set(tables) <= set(boto3.client("dynamodb").list_tables()["TableNames"])
        (bucket,) = re.findall(r"delete-bucket --bucket (\S+)", said)
        assert boto3.client("s3").get_bucket_versioning(Bucket=bucket)["Status"] == "Enabled"
        (stream,) = re.findall(r"delete-stream --stream-name (\S+)", said)
        assert stream in boto3.client("kinesis").list_streams()["StreamNames"]
        assert (len(tables), said.count("delete-secret")) == (2, 4)
        for price in ("$0.25 a GB-month", "$0.023 a GB-month", "$0.40 a month", "$10.95 a month", "Together: $12.55 a"):
            assert price in said


def test_prod_goes_only_when_it_is_called_by_its_name(account: Any, capsys: pytest.CaptureFixture[str]) -> None:
    template = stateful("prod", "ingestion")
    assert deploy(account, "tollbooth-prod-ingestion", template, protected=True) == "CREATE_COMPLETE"
    for word, reason in (("", "tollbooth-prod is protected"), ("yes", "'yes' is not the name")):
        with pytest.raises(StepFailed, match=reason) as refused:
            destroy.destroy(account, "prod", word)
        assert "make destroy STAGE=prod CONFIRM=tollbooth-prod" in refused.value.remedy
        assert "What stays when the 1 stacks of tollbooth-prod are gone" in capsys.readouterr().out
    (stack,) = destroy.stacks_of(account, "prod")
    assert stack["EnableTerminationProtection"] is True
    destroy.destroy(account, "prod", "tollbooth-prod")
    assert destroy.stacks_of(account, "prod") == []


def test_a_stage_that_is_not_there_is_told(account: Any) -> None:
    with pytest.raises(StepFailed, match="no stack of tollbooth-dev here"):
        destroy.destroy(account, "dev", "")


def test_the_command_explains_itself_and_wants_a_stage(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["destroy", "--help"])
    with pytest.raises(SystemExit) as ended:
        destroy.main()
    assert ended.value.code == 0
    assert "CONFIRM=" in capsys.readouterr().out
    for words, told in (
        ("--stage local", "for this machine"),
        ("--stage produ", "There is no stage 'produ'"),
        ("", "-> STAGE=dev"),
    ):
        monkeypatch.setattr("sys.argv", ["destroy", *words.split()])
        assert destroy.main() == 1
        assert told in capsys.readouterr().err


def test_what_aws_refuses_is_told_with_a_remedy(
    account: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    monkeypatch.setattr("sys.argv", ["destroy", "--stage", "dev"])
    assert destroy.main() == 1
    assert "AWS does not answer" in capsys.readouterr().err


def test_a_first_deployment_that_failed_leaves_nothing_that_costs(account: Any) -> None:
    """But for the tables of prod, which are protected: they stay, empty, and the roll back ends well all the same."""
    for stage, tables in (("dev", 0), ("prod", 2)):
        for stack in ("data", "ingestion"):
            template = stateful(stage, stack)
            impossible = {**IMPOSSIBLE, "DependsOn": list(template["Resources"])}
            name = f"tollbooth-{stage}-{stack}"
            status = deploy(account, name, {"Resources": {**template["Resources"], "Impossible": impossible}})
            assert status == "ROLLBACK_COMPLETE"
            skipped = [
                event["ResourceType"]
                for event in account.describe_stack_events(StackName=name)["StackEvents"]
                if event["ResourceStatus"] == "DELETE_SKIPPED"
            ]
            assert skipped == ["AWS::DynamoDB::GlobalTable"] * (tables if stack == "data" else 0)
