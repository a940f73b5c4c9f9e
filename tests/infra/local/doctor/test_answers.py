"""`make doctor` judges what AWS answers, as it is documented, where the emulator cannot give that answer."""

import re
from collections.abc import Callable
from copy import deepcopy
from dataclasses import replace
from typing import Any

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError

from infra.local import deployed, paths
from infra.local.doctor import account, cost, quotas, stacks, updates
from infra.local.doctor.finding import Finding, Verdict
from infra.local.doctor.plan import Plan
from infra.local.failure import StepFailed

VERSION = "/cdk-bootstrap/hnb659fds/version"
DELIVERY = '{"Statement":[{"Principal":{"Service":"delivery.logs.amazonaws.com"}}]}'


def test_a_deploy_says_what_is_missing_before_the_cdk_begins(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["deployed", "--stage", "dev"])
    for region, told in (("", "No region is chosen"), ("eu-west-1", "There are no AWS credentials here")):
        monkeypatch.setenv("AWS_REGION", region)
        assert deployed.main() == 1
        stopped = capsys.readouterr().err
        assert stopped.startswith(f"\nStopped: {told}") and "  -> " in stopped


@pytest.mark.parametrize(
    ("status", "remedy"),
    [
        ("DELETE_FAILED", "delete-stack --stack-name tollbooth-dev-data"),
        ("UPDATE_ROLLBACK_FAILED", "continue-update-rollback --stack-name tollbooth-dev-data"),
        ("CREATE_FAILED", "rollback-stack --stack-name tollbooth-dev-data"),
        ("UPDATE_IN_PROGRESS", "Wait"),
    ],
)
def test_a_stack_that_cannot_be_updated_fails(dev: Any, status: str, remedy: str) -> None:
    _, found = stacks.judge({"tollbooth-dev-data": status}, dev.plan)
    assert found.verdict is Verdict.FAILS
    assert status in found.said
    assert remedy in found.remedy


def test_what_a_failed_first_deploy_left_is_deleted_unless_it_is_protected(prod: Any) -> None:
    name = "tollbooth-prod-ingestion"
    failed = [{"StackName": name, "StackStatus": "ROLLBACK_COMPLETE", "EnableTerminationProtection": True}]
    for protected, verdict, remedy in (
        (stacks.protected(failed), Verdict.FAILS, f"no-enable-termination-protection --stack-name {name}"),
        (set(), Verdict.WARNING, "see that it is mended"),
    ):
        _, found = stacks.judge(stacks.statuses(failed), prod.plan, protected)
        assert found.verdict is verdict
        assert remedy in found.remedy


def test_what_is_there_is_an_update_and_adds_nothing(dev: Any) -> None:
    every = dict.fromkeys(dev.plan.templates, "UPDATE_COMPLETE")
    assert [one.said for one in stacks.judge(every, dev.plan)] == ["All 7 are there: this is an update."]
    assert list(dev.plan.without(stacks.present(every)).resources()) == []


def test_a_delivery_outside_the_vended_names_needs_room_in_the_policy() -> None:
    policy = {"policyDocument": DELIVERY.ljust(5_000)}
    assert quotas.log_policies([policy], ["/aws/vendedlogs/states/a"]).verdict is Verdict.OK
    assert quotas.log_policies([policy], ["/ours/states/a" * 5]).verdict is Verdict.FAILS
    assert quotas.log_policies([], ["/ours/states/a" * 5]).verdict is Verdict.OK


def limits(account: int, unreserved: int) -> dict[str, Any]:
    """As lambda.get_account_settings answers."""
    return {"AccountLimit": {"ConcurrentExecutions": account, "UnreservedConcurrentExecutions": unreserved}}


def test_a_new_account_takes_dev_and_refuses_what_prod_reserves(dev: Any, prod: Any) -> None:
    small = quotas.concurrency(limits(10, 10), dev.plan)
    assert small.verdict is Verdict.WARNING
    refused = quotas.concurrency(limits(10, 10), prod.plan)
    assert refused.verdict is Verdict.FAILS
    assert "reserves 652" in refused.said
    assert "at least 752" in refused.remedy
    assert quotas.concurrency(limits(752, 752), prod.plan).verdict is Verdict.OK


def test_what_others_have_reserved_is_not_there_for_prod(prod: Any) -> None:
    refused = quotas.concurrency(limits(1_000, 700), prod.plan)
    assert refused.verdict is Verdict.FAILS
    assert "at least 1,052" in refused.remedy


def test_shards_and_roles_are_held_against_their_quotas(dev: Any) -> None:
    answer = {"ShardLimit": 20, "OpenShardCount": 19, "OnDemandStreamCount": 0, "OnDemandStreamCountLimit": 50}
    assert quotas.shards(answer, dev.plan).verdict is Verdict.OK
    assert quotas.shards(answer | {"OpenShardCount": 20}, dev.plan).verdict is Verdict.FAILS
    assert quotas.roles({"Roles": 900, "RolesQuota": 1_000}, dev.plan).verdict is Verdict.OK
    assert quotas.roles({"Roles": 990, "RolesQuota": 1_000}, dev.plan).verdict is Verdict.FAILS


def resized(plan: Plan, shards: int, lanes: int, writes: int) -> dict[str, Any]:
    """The templates of a stage, as one, with other figures."""
    every = deepcopy({name: one for each in plan.templates.values() for name, one in each["Resources"].items()})
    for one in every.values():
        if one["Type"] == updates.STREAM:
            one["Properties"]["ShardCount"] = shards
        elif one["Type"] == updates.TABLE:
            one["Properties"]["WarmThroughput"] = {"WriteUnitsPerSecond": writes}
        elif one["Type"] == updates.GENESIS and "lanes" in one["Properties"]:
            one["Properties"]["lanes"] = lanes
    return {"Resources": every}


def test_what_may_not_change_from_deploy_to_deploy_is_told_of_our_own_templates(dev: Any) -> None:
    small, large = resized(dev.plan, 2, 8, 4_000), resized(dev.plan, 9, 64, 50_000)
    assert list(updates.judge(small, small)) == []
    said = sorted(one.said.partition(":")[0] for one in updates.judge(small, large))
    assert said == ["The ledger was made with 8 lanes, not 64", "The stream has 2 shards and would get 9"]
    cooled = [one.said for one in updates.judge(large, resized(dev.plan, 5, 64, 25_000))]
    told = "is warmed to 50,000 (WriteUnitsPerSecond) and would be asked for 25,000: DynamoDB takes nothing back."
    assert cooled == [f"A table {told}"] * 2


@pytest.mark.parametrize(
    ("has", "asked", "fails"), [(4, 8, False), (4, 2, False), (4, 9, True), (4, 1, True), (3, 1, True), (3, 6, False)]
)
def test_a_stream_has_at_most_twice_or_half_its_shards_at_once(has: int, asked: int, fails: bool) -> None:
    def of(shards: int) -> dict[str, Any]:
        return {"Resources": {"Stream": {"Type": updates.STREAM, "Properties": {"ShardCount": shards}}}}

    assert bool(list(updates.judge(of(has), of(asked)))) is fails


KEY = {"AWS_ACCESS_KEY_ID": "AKIA", "AWS_SECRET_ACCESS_KEY": "no"}
HERE = {"AWS_REGION": "eu-west-1"}


@pytest.mark.parametrize(
    ("environment", "reason", "remedy"),
    [
        (KEY, "No region is chosen, and the CDK would take us-east-1", "Set AWS_REGION"),
        (HERE, "There are no AWS credentials here", "aws sso login"),
        (HERE | {"AWS_PROFILE": "none"}, "profile (none) could not be found", "Check AWS_PROFILE"),
        (HERE | KEY | {"AWS_ENDPOINT_URL": "http://127.0.0.1:1"}, "AWS does not answer", "AWS_ENDPOINT_URL"),
        (HERE | KEY | {"AWS_ENDPOINT_URL": "here"}, "Invalid endpoint: here", "AWS_ENDPOINT_URL"),
    ],
)
def test_what_cannot_be_asked_at_all_is_said_with_its_remedy(
    says: Callable[..., str], environment: dict[str, str], reason: str, remedy: str
) -> None:
    shown = says(**environment)
    assert reason in shown.partition("->")[0]
    assert remedy in shown.partition("->")[2]
    assert "Traceback" not in shown


def reject(code: str) -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": "no"}}, "DescribeLimits")


@pytest.mark.parametrize(
    ("error", "verdict", "remedy"),
    [
        (reject("OptInRequired"), Verdict.FAILS, "Finish signing up"),
        (reject("AccessDeniedException"), Verdict.WARNING, "Allow it kinesis:DescribeLimits."),
        (reject("LimitExceededException"), Verdict.WARNING, "Try again"),
        (EndpointConnectionError(endpoint_url="https://kinesis"), Verdict.WARNING, "in this region"),
    ],
)
def test_a_check_that_is_refused_says_what_to_do(error: Exception, verdict: Verdict, remedy: str) -> None:
    def run(_: account.Account, __: Plan) -> list[Finding]:
        raise error

    check = account.Check("shards", ("kinesis:DescribeLimits",), run)
    (found,) = check.findings(None, None)  # type: ignore[arg-type]
    assert found.verdict is verdict
    assert remedy in found.remedy


def test_the_region_is_the_one_the_cdk_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-west-2")
    assert account.region_of(deployed.session()) == "us-west-2"
    monkeypatch.setenv("AWS_REGION", "eu-west-1")
    assert account.region_of(deployed.session()) == "eu-west-1"
    monkeypatch.delenv("AWS_REGION")
    monkeypatch.delenv("AWS_DEFAULT_REGION")
    with pytest.raises(StepFailed):
        account.region_of(deployed.session())


def test_the_plan_is_what_was_synthesized(each_stage: Any) -> None:
    plan = each_stage.plan
    assert len(plan.templates) == 7
    assert plan.bucket == "cdk-hnb659fds-assets-${AWS::AccountId}-${AWS::Region}"
    assert len(plan.deliveries()) == 4
    assert all(name.startswith(quotas.VENDED) for name in plan.deliveries())
    if each_stage.settings.own_credentials:
        assert (plan.role, plan.version_parameter, plan.version) == ("", "", 0)
    else:
        assert plan.role.endswith(":role/cdk-hnb659fds-deploy-role-${AWS::AccountId}-${AWS::Region}")
        assert (plan.version_parameter, plan.version) == (VERSION, 6)


def test_idle_is_what_the_readme_says_but_for_what_schedules_read(dev: Any) -> None:
    said = re.search(r"Idle it costs \$([0-9.]+) a month", (paths.REPOSITORY / "README.md").read_text())
    computed = re.match(r"\$([0-9.]+) a month", cost.idle(dev.plan))
    assert said and computed
    assert 0 <= float(said[1]) - float(computed[1]) < 0.10


def test_a_longer_retention_costs_more(dev: Any) -> None:
    stream = {"Type": "AWS::Kinesis::Stream", "Properties": {"ShardCount": 2, "RetentionPeriodHours": 168}}
    plan = replace(dev.plan, templates={"stream": {"Resources": {"Stream": stream}}})
    assert cost.idle(plan).startswith("$51.10 a month (shards 21.90, shards' long retention 29.20)")


def test_a_million_events_cost_what_the_readme_says() -> None:
    title, _, *rows = cost.per_million_events()
    assert "$ per million events" in title
    assert len(rows) >= 3
