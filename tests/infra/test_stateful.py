"""What would lose data if it were renamed, replaced or deleted with its stack."""

from typing import Any

import pytest

STATEFUL = {
    "AWS::DynamoDB::GlobalTable": {"data/UsageTable28300137", "data/BillingTableC3F396AA"},
    "AWS::S3::Bucket": {"data/ArchiveDA4CB258"},
    "AWS::SecretsManager::Secret": {"data/LedgerKey", "data/AdminKey", "data/StripeSecret"},
    "AWS::Kinesis::Stream": {"ingestion/Stream790BDEE4"},
}


@pytest.mark.parametrize(("kind", "logical_ids"), STATEFUL.items(), ids=STATEFUL)
def test_stateful_logical_ids_are_pinned(each_stage: Any, kind: str, logical_ids: set[str]) -> None:
    assert set(each_stage.all(kind)) == logical_ids


@pytest.mark.parametrize("kind", STATEFUL)
def test_stateful_resources_outlive_their_stack(each_stage: Any, kind: str) -> None:
    policies = {(each["DeletionPolicy"], each["UpdateReplacePolicy"]) for each in each_stage.all(kind).values()}
    assert policies == {("Retain", "Retain")}


def test_prod_protects_its_tables(prod: Any) -> None:
    for table in prod.all("AWS::DynamoDB::GlobalTable").values():
        (replica,) = table["Properties"]["Replicas"]
        assert replica["DeletionProtectionEnabled"] is True
        assert replica["PointInTimeRecoverySpecification"]["PointInTimeRecoveryEnabled"] is True


def test_tables_are_on_demand_and_expire_items(each_stage: Any) -> None:
    for table in each_stage.all("AWS::DynamoDB::GlobalTable").values():
        assert table["Properties"]["BillingMode"] == "PAY_PER_REQUEST"
        assert table["Properties"]["TimeToLiveSpecification"] == {"AttributeName": "ttl", "Enabled": True}


def test_staged_events_outlive_the_longest_retry_and_archived_ones_are_kept(prod: Any) -> None:
    (bucket,) = prod.all("AWS::S3::Bucket").values()
    expiring = {
        rule.get("Prefix"): rule["ExpirationInDays"]
        for rule in bucket["Properties"]["LifecycleConfiguration"]["Rules"]
        if "ExpirationInDays" in rule
    }
    # Nothing under quarantine/, which has the only copy of what a repair has replaced.
    assert expiring == {"staging/": 8, "queries/": 7}


def test_the_archive_is_private_encrypted_and_tls_only(prod: Any) -> None:
    (bucket,) = prod.all("AWS::S3::Bucket").values()
    assert all(bucket["Properties"]["PublicAccessBlockConfiguration"].values())
    assert "BucketEncryption" in bucket["Properties"]
    (policy,) = prod.all("AWS::S3::BucketPolicy").values()
    (statement,) = policy["Properties"]["PolicyDocument"]["Statement"]
    assert (statement["Effect"], statement["Condition"]) == ("Deny", {"Bool": {"aws:SecureTransport": "false"}})
