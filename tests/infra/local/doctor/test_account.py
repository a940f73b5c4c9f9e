"""`make doctor` finds in an emulated account what makes a first deploy fail."""

import json
import re
import sys
from collections.abc import Callable
from typing import Any

import pytest

from infra.local import paths
from infra.local.doctor import __main__ as doctor
from infra.local.doctor import account, leftovers, quotas, stacks, updates
from infra.local.doctor.finding import Finding, Verdict

ROLE = "cdk-hnb659fds-deploy-role-000000000000-{region}"
DELIVERY = '{"Statement":[{"Principal":{"Service":"delivery.logs.amazonaws.com"}}]}'


def failing(found: dict[str, list[Finding]]) -> set[str]:
    return {title for title, each in found.items() if any(one.verdict is Verdict.FAILS for one in each)}


def test_an_account_that_was_never_bootstrapped_fails(
    region: Any, dev: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("AWS_DEFAULT_REGION", region.name)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    assert doctor.report(account.signed_in({}), dev.plan, "dev") == 1
    shown = capsys.readouterr().out
    assert f"Stage dev in account 000000000000, {region.name}, at {region.url}" in shown
    assert "ok       stacks       None of 7 is there: this is a first deploy." in shown
    assert "FAILS    bootstrap    The account is not bootstrapped in this region." in shown
    assert f"cdk bootstrap aws://000000000000/{region.name}" in shown
    assert "ok       names        No name is taken that this deploy gives." in shown
    assert "ok       leftovers    Nothing is left of an earlier deployment." in shown
    assert "tollbooth-dev-ingestion, 41: " in shown
    assert "A deploy would fail: mend what FAILS (1)." in shown


def test_a_machine_without_the_python_of_lambda_is_told_that_functions_start_slower() -> None:
    assert doctor.compiler(sys.version_info[:2]).verdict is Verdict.OK
    missing = doctor.compiler((3, 99))
    assert missing.verdict is Verdict.WARNING
    assert missing.said == "There is no Python 3.99 here, so the functions go to AWS without bytecode and start slower."
    assert missing.remedy.startswith("Install Python 3.99 beside yours")


def test_an_old_bootstrap_fails_and_a_new_one_does_not(region: Any, dev: Any) -> None:
    region.bootstrap("5")
    assert [one.said for one in region.found("bootstrap", dev.plan)] == [
        "The bootstrap has version 5, and 6 is needed."
    ]
    region.set_version("21")
    assert failing(region.examined(dev.plan)) == set()


def test_a_bucket_without_a_bootstrap_and_a_bootstrap_without_its_bucket_fail(region: Any, dev: Any) -> None:
    region.make_bucket()
    (left,) = region.found("bootstrap", dev.plan)
    assert "is left from an earlier bootstrap" in left.said
    assert "aws s3 rb" in left.remedy
    region.set_version("21")
    region.client("s3").delete_bucket(Bucket=region.bucket)
    (lost,) = region.found("bootstrap", dev.plan)
    assert "has lost its bucket" in lost.said
    assert "delete-stack --stack-name CDKToolkit" in lost.remedy


def test_who_may_take_the_role_of_the_bootstrap_is_told_so_and_who_may_not_is_warned(region: Any, dev: Any) -> None:
    region.bootstrap("21")
    assert [one.verdict for one in region.found("bootstrap", dev.plan)] == [Verdict.OK, Verdict.WARNING]
    principal = {"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "sts:AssumeRole"}
    trust = json.dumps({"Version": "2012-10-17", "Statement": [principal]})
    region.client("iam").create_role(RoleName=ROLE.format(region=region.name), AssumeRolePolicyDocument=trust)
    assert [one.verdict for one in region.found("bootstrap", dev.plan)] == [Verdict.OK, Verdict.OK]


def test_a_stack_that_failed_at_its_creation_is_told_and_counts_as_absent(region: Any, dev: Any) -> None:
    reserved = {"Type": "AWS::SSM::Parameter", "Properties": {"Name": "/aws/no", "Type": "String", "Value": "no"}}
    formation = region.client("cloudformation")
    formation.create_stack(StackName="tollbooth-dev-data", TemplateBody=json.dumps({"Resources": {"No": reserved}}))
    first, left = region.examined(dev.plan)["stacks"]
    assert first.said == "None of 7 is there: this is a first deploy."
    assert left.verdict is Verdict.WARNING
    assert "tollbooth-dev-data is ROLLBACK_COMPLETE" in left.said
    assert "describe-stack-events --stack-name tollbooth-dev-data" in left.remedy


def test_ten_log_policies_without_one_for_deliveries_fail(region: Any, dev: Any) -> None:
    logs = region.client("logs")
    for number in range(quotas.MOST_LOG_POLICIES):
        logs.put_resource_policy(policyName=f"p{number}", policyDocument="{}")
    (full,) = region.found("log policies", dev.plan)
    assert full.verdict is Verdict.FAILS
    assert "10 of 10 are there; this deploy delivers to 4 log groups" in full.said
    logs.put_resource_policy(policyName="p0", policyDocument=DELIVERY)
    (shared,) = region.found("log policies", dev.plan)
    assert shared.verdict is Verdict.OK


def test_a_region_that_may_lack_the_runtime_is_told(region: Any, dev: Any) -> None:
    (found,) = region.found("runtime", dev.plan)
    assert found.verdict is Verdict.WARNING
    assert f"python3.13 on arm64 in {region.name}" in found.said
    assert quotas.runtime(True, "python3.13 on arm64", region.name).verdict is Verdict.OK


def test_names_that_are_taken_fail_with_the_command_that_frees_them(region: Any, dev: Any) -> None:
    region.client("logs").create_log_group(logGroupName="/aws/vendedlogs/apis/tollbooth-dev-api-access")
    region.client("athena").create_work_group(Name="tollbooth-dev")
    region.client("glue").create_database(DatabaseInput={"Name": "tollbooth_dev"})
    found = region.found("names", dev.plan)
    assert {one.verdict for one in found} == {Verdict.FAILS}
    assert [one.remedy for one in found] == [
        f"`{leftovers.DELETE_LOG_GROUP} /aws/vendedlogs/apis/tollbooth-dev-api-access`",
        f"`{leftovers.DELETE_WORKGROUP} tollbooth-dev`",
        f"`{leftovers.DELETE_DATABASE} tollbooth_dev`",
    ]


def test_what_stacks_have_that_are_there_is_their_own(region: Any, dev: Any) -> None:
    region.client("logs").create_log_group(logGroupName="/aws/vendedlogs/apis/tollbooth-dev-api-access")
    queue = json.dumps({"Resources": {"Queue": {"Type": "AWS::SQS::Queue"}}})
    region.client("cloudformation").create_stack(StackName="tollbooth-dev-api", TemplateBody=queue)
    found = region.examined(dev.plan)
    assert found["stacks"][0].said == "1 of 7 are there: it goes on where an earlier deploy stopped."
    assert [one.verdict for one in found["names"]] == [Verdict.OK]


def test_what_an_update_may_not_change_fails_before_it_is_tried(region: Any, dev: Any) -> None:
    """The emulator gives a template as it was written; what may be deployed of ours is beside the point."""
    old = {
        "Stream": {"Type": updates.STREAM, "Properties": {"ShardCount": 3, "Name": "old"}},
        "Queue": {"Type": "AWS::SQS::Queue"},
    }
    region.client("cloudformation").create_stack(
        StackName="tollbooth-dev-ingestion", TemplateBody=json.dumps({"Resources": old})
    )
    (stream,) = (
        name
        for name, one in dev.plan.templates["tollbooth-dev-ingestion"]["Resources"].items()
        if one["Type"] == updates.STREAM
    )
    assert [one.verdict for one in region.examined(dev.plan)["update"]] == [Verdict.OK], "it is another stream"
    body = json.dumps({"Resources": {stream: old["Stream"]}})
    region.client("cloudformation").update_stack(StackName="tollbooth-dev-ingestion", TemplateBody=body)
    (refused,) = region.examined(dev.plan)["update"]
    assert refused.verdict is Verdict.FAILS
    assert "has 3 shards and would get 1" in refused.said


def test_what_an_earlier_deployment_has_left_is_told(region: Any, dev: Any) -> None:
    region.client("dynamodb").create_table(
        TableName="tollbooth-dev-data-UsageTable",
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
        Tags=[{"Key": "tollbooth:stage", "Value": "dev"}],
    )
    (found,) = region.found("leftovers", dev.plan)
    assert found.verdict is Verdict.WARNING
    assert "has left 1 of dynamodb." in found.said
    assert "Key=tollbooth:stage,Values=dev" in found.remedy


def test_alarms_that_wake_nobody_are_told(region: Any, prod: Any) -> None:
    assert [one.verdict for one in region.found("alarms", prod.plan)] == [Verdict.WARNING]


def test_who_may_ask_nothing_is_told_which_permission_is_missing(region: Any, dev: Any) -> None:
    region.bootstrap("21")
    found = region.caller("nobody", []).examined(dev.plan)
    assert failing(found) == set()
    # The emulator lets anybody ask Lambda for the account's settings.
    for check in (one for one in doctor.CHECKS if one.actions and one.title != "concurrency"):
        assert [each.verdict for each in found[check.title]] == [Verdict.WARNING], check.title
        assert found[check.title][0].remedy == f"Allow it {' and '.join(check.actions)}."
    assert found["stacks"][0].remedy.startswith(
        "Allow it cloudformation:DescribeStacks. What follows is judged as for a"
    )


def actions_of_readme() -> list[str]:
    section = (paths.REPOSITORY / "infra" / "README.md").read_text().partition("## What doctor may do\n")[2]
    return re.findall(r"`([a-z0-9]+:[A-Z]\w+)`", section.partition("\n## ")[0])


def test_the_permissions_of_the_readme_are_enough_and_each_is_used(region: Any, dev: Any) -> None:
    region.bootstrap("21")
    found = region.caller("operator", actions_of_readme()).examined(dev.plan)
    refused = [one.said for each in found.values() for one in each if "may not look" in one.said]
    assert refused == []
    used = {action for check in (*doctor.CHECKS, updates.CHECK) for action in check.actions} | set(stacks.ACTIONS)
    assert set(actions_of_readme()) == used | {"sts:AssumeRole"}


def test_a_key_nobody_knows_may_be_of_a_region_that_is_not_enabled(emulated: str, says: Callable[..., str]) -> None:
    shown = says(
        AWS_ENDPOINT_URL=emulated, AWS_REGION="eu-west-1", AWS_ACCESS_KEY_ID="AKIA", AWS_SECRET_ACCESS_KEY="no"
    )
    assert "AWS does not take these credentials" in shown
    assert "If eu-west-1 has to be opted into" in shown


def test_a_folder_without_a_synthesized_stage_is_refused(emulated: str, says: Callable[..., str]) -> None:
    shown = says(
        AWS_ENDPOINT_URL=emulated, AWS_ACCESS_KEY_ID="test", AWS_SECRET_ACCESS_KEY="test", AWS_REGION="eu-west-1"
    )
    assert "nowhere holds no synthesized stage" in shown
