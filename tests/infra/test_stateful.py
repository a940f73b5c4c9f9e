"""What would lose data if it were renamed, replaced or deleted with its stack."""

import json
import re
from itertools import permutations
from typing import Any

import pytest

STATEFUL = {
    "AWS::DynamoDB::GlobalTable": {"data/UsageTable28300137", "data/BillingTableC3F396AA"},
    "AWS::S3::Bucket": {"data/ArchiveDA4CB258"},
    "AWS::SecretsManager::Secret": {"data/LedgerKey", "data/AdminKey", "data/PortalKey", "data/StripeSecret"},
    "AWS::Kinesis::Stream": {"ingestion/Stream790BDEE4"},
}


@pytest.mark.parametrize(("kind", "logical_ids"), STATEFUL.items(), ids=STATEFUL)
def test_stateful_logical_ids_are_pinned(each_stage: Any, kind: str, logical_ids: set[str]) -> None:
    assert set(each_stage.all(kind)) == logical_ids


@pytest.mark.parametrize("kind", STATEFUL)
def test_stateful_resources_outlive_their_stack_but_not_the_failure_of_their_first_deployment(
    each_stage: Any, kind: str
) -> None:
    policies = {(each["DeletionPolicy"], each["UpdateReplacePolicy"]) for each in each_stage.all(kind).values()}
    is_protected = each_stage.settings.protect_data and kind == "AWS::DynamoDB::GlobalTable"
    # CloudFormation could not delete a protected table, and would end in ROLLBACK_FAILED.
    assert policies == {("Retain" if is_protected else "RetainExceptOnCreate", "Retain")}


def test_nothing_but_what_is_pinned_here_outlives_its_stack(each_stage: Any) -> None:
    kept = {
        each["Type"]
        for template in each_stage.stacks.values()
        for each in template["Resources"].values()
        if each.get("DeletionPolicy", "Delete") != "Delete"
    }
    assert kept == set(STATEFUL)


def test_what_makes_a_secrets_value_never_changes(each_stage: Any) -> None:
    """CloudFormation makes a new value whenever this changes: with another ledger key every event ever sent would count
    again in another lane, another admin key would be made, and the operator's Stripe key would be overwritten.
    """
    values = {
        name.partition("/")[2]: {
            key: value for key, value in secret["Properties"].items() if key not in ("Description", "Tags")
        }
        for name, secret in each_stage.all("AWS::SecretsManager::Secret").items()
    }
    made = {"GenerateSecretString": {"ExcludePunctuation": True, "PasswordLength": 64}}
    assert values == {
        "LedgerKey": made,
        "AdminKey": made,
        "PortalKey": made,
        "StripeSecret": {"SecretString": '{"api_key": "", "webhook_secrets": []}'},
    }


def test_no_stack_of_prod_can_be_deleted_by_mistake(each_stage: Any) -> None:
    is_prod = each_stage.settings.name == "prod"
    assert each_stage.protected == (set(each_stage.stacks) if is_prod else set())


def test_prod_protects_its_tables(prod: Any) -> None:
    for table in prod.all("AWS::DynamoDB::GlobalTable").values():
        (replica,) = table["Properties"]["Replicas"]
        assert replica["DeletionProtectionEnabled"] is True
        assert replica["PointInTimeRecoverySpecification"]["PointInTimeRecoveryEnabled"] is True


def test_tables_are_on_demand_and_expire_items(each_stage: Any) -> None:
    for table in each_stage.all("AWS::DynamoDB::GlobalTable").values():
        assert table["Properties"]["BillingMode"] == "PAY_PER_REQUEST"
        assert table["Properties"]["TimeToLiveSpecification"] == {"AttributeName": "ttl", "Enabled": True}


def rules(bucket: Any) -> list[Any]:
    found: list[Any] = bucket["Properties"]["LifecycleConfiguration"]["Rules"]
    return found


def test_staged_events_outlive_the_longest_retry_and_archived_ones_are_kept(each_stage: Any) -> None:
    (bucket,) = each_stage.all("AWS::S3::Bucket").values()
    expiring = {rule.get("Prefix"): rule["ExpirationInDays"] for rule in rules(bucket) if "ExpirationInDays" in rule}
    # Nothing under quarantine/, which has the only copy of what a repair has replaced.
    assert expiring == {"staging/": 8, "queries/": 7}


def test_what_is_overwritten_or_deleted_can_be_restored_for_a_month_and_what_expires_is_gone(each_stage: Any) -> None:
    (bucket,) = each_stage.all("AWS::S3::Bucket").values()
    assert bucket["Properties"]["VersioningConfiguration"] == {"Status": "Enabled"}
    earlier = {
        rule["Prefix"]: rule["NoncurrentVersionExpiration"]["NoncurrentDays"]
        for rule in rules(bucket)
        if "NoncurrentVersionExpiration" in rule
    }
    kept = dict.fromkeys(("archive/", "rejects/", "quarantine/", "aws/lambda/"), 30)
    assert earlier == {"staging/": 1, "queries/": 1, "look-back/": 1, **kept}
    # An expiration takes a delete marker that stands alone along; S3 refuses to be told so beside a number of days.
    assert {rule["Prefix"] for rule in rules(bucket) if rule.get("ExpiredObjectDeleteMarker")} == {*kept, "look-back/"}
    assert {rule["Prefix"] for rule in rules(bucket) if "ExpirationInDays" in rule} == {"staging/", "queries/"}


def test_wherever_something_is_put_its_earlier_versions_go(each_stage: Any) -> None:
    (bucket,) = each_stage.all("AWS::S3::Bucket").values()
    ruled = {rule["Prefix"] for rule in rules(bucket) if "NoncurrentVersionExpiration" in rule}
    puts = [each for each in statements(each_stage) if "s3:PutObject" in listed(each["Action"])]
    assert {prefix for each in puts for prefix in prefixes_of(each)} == ruled


def test_no_two_rules_of_one_kind_meet(each_stage: Any) -> None:
    """S3 refuses them: Found overlapping prefixes for same action type."""
    (bucket,) = each_stage.all("AWS::S3::Bucket").values()
    kinds = {kind for rule in rules(bucket) for kind in rule} - {"Id", "Prefix", "Status"}
    for kind in kinds:
        prefixes = [rule.get("Prefix", "") for rule in rules(bucket) if kind in rule]
        assert [(one, other) for one, other in permutations(prefixes, 2) if other.startswith(one)] == []


def listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def prefixes_of(statement: Any) -> list[str]:
    return re.findall(r'"/([^"]+)\*"', json.dumps(statement["Resource"]))


def statements(synthesized: Any) -> list[Any]:
    policies = synthesized.all("AWS::IAM::Policy").values()
    return [each for policy in policies for each in policy["Properties"]["PolicyDocument"]["Statement"]]


def test_nobody_may_delete_but_look_backs_or_choose_a_version(each_stage: Any) -> None:
    """Otherwise a function that is taken over could remove what an overwrite leaves behind."""
    found = {action for each in statements(each_stage) for action in listed(each["Action"]) if action.startswith("s3:")}
    harmless = {"s3:GetObject", "s3:PutObject", "s3:ListBucket", "s3:GetBucketLocation", "s3:AbortMultipartUpload"}
    assert found == {*harmless, "s3:DeleteObject"}
    deletes = [each for each in statements(each_stage) if "s3:DeleteObject" in listed(each["Action"])]
    assert {prefix for each in deletes for prefix in prefixes_of(each)} == {"look-back/"}
    assert all(prefixes_of(each) for each in deletes)


def test_the_archive_is_private_encrypted_and_tls_only(prod: Any) -> None:
    (bucket,) = prod.all("AWS::S3::Bucket").values()
    assert all(bucket["Properties"]["PublicAccessBlockConfiguration"].values())
    assert "BucketEncryption" in bucket["Properties"]
    (policy,) = prod.all("AWS::S3::BucketPolicy").values()
    (statement,) = policy["Properties"]["PolicyDocument"]["Statement"]
    assert (statement["Effect"], statement["Condition"]) == ("Deny", {"Bool": {"aws:SecureTransport": "false"}})
