"""What calls need, and what a policy lets: each rule on its own, and faults planted into the templates of prod."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from functions import names
from infra.local.checks import USED_GRANTS
from tests.grants import __main__ as unused
from tests.grants.grants import Grants, of_prod, stored_prod
from tests.grants.runtime.needs import Need, needs
from tests.infra.deployed import Deployment, planted

NAMED = {"usage-1": "USAGE_TABLE", "billing-1": "BILLING_TABLE", "archive-1": "ARCHIVE_BUCKET"}
NAMED["arn:aws:states:us-east-1:1:stateMachine:billing"] = "BILLING_MACHINE_ARN"


def key(pk: str) -> dict[str, Any]:
    return {"pk": {"S": pk}, "sk": {"S": "any"}}


def of_table(table: str, **more: Any) -> dict[str, Any]:
    return {"TableName": table, **more}


WRITES = [
    {"Put": of_table("billing-1", Item=key("acme#plan"))},
    {"Update": of_table("billing-1", Key=key("acme#meter"))},
    {"Delete": of_table("billing-1", Key=key("due"))},
    {"ConditionCheck": of_table("usage-1", Key=key("M#acme"))},
]
BATCH = {"usage-1": [{"PutRequest": {"Item": key("R#acme")}}, {"DeleteRequest": {"Key": key("V#acme")}}]}
INSERTION = {"Statement": """INSERT INTO "usage-1" VALUE {'F': ?, 'pk': ?, 'sk': ?}"""}
UPDATE = {"Statement": """UPDATE "usage-1" SET "d"=? WHERE "pk"=? AND "sk"=? AND "d"<?"""}
QUERY = {"KeyConditionExpression": "pk = :pk AND sk >= :first", "ExpressionAttributeValues": {":pk": {"S": "due"}}}
COPY = {"Bucket": "archive-1", "Key": "archive/b", "CopySource": {"Bucket": "archive-1", "Key": "staging/a"}}
CALLS: Mapping[str, tuple[str, Mapping[str, Any], list[Need]]] = {
    "an item": (
        "dynamodb.GetItem",
        of_table("usage-1", Key=key("genesis")),
        [Need("dynamodb:GetItem", "USAGE_TABLE", ("genesis",))],
    ),
    "a query": ("dynamodb.Query", of_table("billing-1", **QUERY), [Need("dynamodb:Query", "BILLING_TABLE", ("due",))]),
    "a batch of reads": (
        "dynamodb.BatchGetItem",
        {"RequestItems": {"usage-1": {"Keys": [key("a"), key("b")]}}},
        [Need("dynamodb:BatchGetItem", "USAGE_TABLE", ("a", "b"))],
    ),
    "a batch of writes": (
        "dynamodb.BatchWriteItem",
        {"RequestItems": BATCH},
        [Need("dynamodb:BatchWriteItem", "USAGE_TABLE", ("R#acme", "V#acme"))],
    ),
    "a transaction": (
        "dynamodb.TransactWriteItems",
        {"TransactItems": WRITES},
        [
            Need("dynamodb:PutItem", "BILLING_TABLE", ("acme#plan",)),
            Need("dynamodb:UpdateItem", "BILLING_TABLE", ("acme#meter",)),
            Need("dynamodb:DeleteItem", "BILLING_TABLE", ("due",)),
            Need("dynamodb:ConditionCheckItem", "USAGE_TABLE", ("M#acme",)),
        ],
    ),
    "statements": (
        "dynamodb.BatchExecuteStatement",
        {
            "Statements": [
                {**INSERTION, "Parameters": [{"B": b""}, {"S": "U#acme"}, {"S": "any"}]},
                {**UPDATE, "Parameters": [{"N": "1"}, {"S": "L#1"}, {"S": "head"}, {"N": "1"}]},
            ]
        },
        [
            Need("dynamodb:PartiQLInsert", "USAGE_TABLE", ("U#acme",)),
            Need("dynamodb:PartiQLUpdate", "USAGE_TABLE", ("L#1",)),
        ],
    ),
    "a copy": (
        "s3.CopyObject",
        COPY,
        [Need("s3:GetObject", "ARCHIVE_BUCKET/staging/a"), Need("s3:PutObject", "ARCHIVE_BUCKET/archive/b")],
    ),
    "an execution": (
        "stepfunctions.DescribeExecution",
        {"executionArn": "arn:aws:states:us-east-1:1:execution:billing:run-1"},
        [Need("states:DescribeExecution", "BILLING_MACHINE_ARN/run-1")],
    ),
    "a table nobody named": (
        "dynamodb.PutItem",
        of_table("another", Item=key("a")),
        [Need("dynamodb:PutItem", "unknown another", ("a",))],
    ),
}


@pytest.mark.parametrize("name", CALLS)
def test_a_call_needs_what_aws_documents(name: str) -> None:
    operation, params, expected = CALLS[name]

    assert needs(operation, params, NAMED, is_missing=False) == expected


def test_who_looks_for_an_object_that_is_gone_needs_to_list_the_bucket() -> None:
    found = needs("s3.GetObject", {"Bucket": "archive-1", "Key": "archive/a"}, NAMED, is_missing=True)

    assert found == [Need("s3:GetObject", "ARCHIVE_BUCKET/archive/a"), Need("s3:ListBucket", "ARCHIVE_BUCKET")]


@pytest.mark.parametrize(
    ("operation", "params"), [("dynamodb.DescribeTable", of_table("usage-1")), ("dynamodb.Query", of_table("usage-1"))]
)
def test_a_call_without_a_rule_needs_what_nobody_has(operation: str, params: Mapping[str, Any]) -> None:
    (need,) = needs(operation, params, NAMED, is_missing=False)

    assert need.action == f"a rule in needs.py for {operation}"
    assert not of_prod().granting("http_api", need)


USAGE, BILLING = "USAGE_TABLE", "BILLING_TABLE"


@pytest.mark.parametrize(
    ("function", "need"),
    [
        ("http_ingest", Need("dynamodb:UpdateItem", USAGE, ("Q#acme",))),
        ("http_authorize", Need("dynamodb:GetItem", BILLING, ("api_key",))),
        ("workflow_list_due", Need("dynamodb:PutItem", BILLING, ("due_plan",))),
        ("schedule_reconcile", Need("dynamodb:BatchWriteItem", USAGE, ("Z", "Z#acme"))),
        ("schedule_audit", Need("s3:PutObject", "ARCHIVE_BUCKET/quarantine/archive/day=2026-01-31/x")),
        ("schedule_entitle", Need("dynamodb:Scan", BILLING)),
        ("schedule_entitle", Need("dynamodb:PutItem", BILLING, ("acme#entitled", "acme#unique"))),
        ("http_api", Need("athena:StartQueryExecution", "ARCHIVE_WORKGROUP")),
        ("http_api", Need("dynamodb:DeleteItem", BILLING, ("acme#api_key",))),
        ("schedule_billing", Need("states:StartExecution", "BILLING_MACHINE_ARN")),
        ("schedule_billing", Need("states:DescribeExecution", "BILLING_MACHINE_ARN/run-1")),
    ],
)
def test_prod_lets(function: str, need: Need) -> None:
    assert of_prod().granting(function, need)


@pytest.mark.parametrize(
    ("function", "need"),
    [
        # Outside of its leading keys: one item, and one of a batch.
        ("http_ingest", Need("dynamodb:UpdateItem", USAGE, ("U#acme",))),
        ("schedule_reconcile", Need("dynamodb:BatchWriteItem", USAGE, ("Z#acme", "U#acme"))),
        ("workflow_end_migration", Need("dynamodb:PutItem", BILLING, ("acme#subscription",))),
        ("schedule_entitle", Need("dynamodb:PutItem", BILLING, ("acme#subscription",))),
        ("http_api", Need("dynamodb:Scan", BILLING)),
        # Allowed by one statement, denied by another.
        ("webhook_stripe", Need("dynamodb:PutItem", BILLING, ("api_key",))),
        ("webhook_stripe", Need("dynamodb:PutItem", BILLING, ("acme#api_key",))),
        # Another verb, another prefix, the bucket itself, a table it is not told about.
        ("http_authorize", Need("dynamodb:Query", BILLING, ("api_key",))),
        ("schedule_sweep", Need("s3:PutObject", "ARCHIVE_BUCKET/staging/a")),
        ("schedule_sweep", Need("s3:ListBucket", "ARCHIVE_BUCKET")),
        ("schedule_billing", Need("states:DescribeExecution", "BILLING_MACHINE_ARN")),
        ("http_authorize", Need("dynamodb:GetItem", USAGE, ("api_key",))),
    ],
)
def test_prod_does_not_let(function: str, need: Need) -> None:
    assert not of_prod().granting(function, need)


def test_what_holds_for_all_keys_holds_where_there_is_none() -> None:
    """As IAM has it, and why a condition on leading keys narrows no scan."""
    assert of_prod().granting("http_ingest", Need("dynamodb:UpdateItem", USAGE, ()))


def test_every_function_is_looked_at() -> None:
    assert set(of_prod().statements) == set(names.HANDLERS)


def of_planted(stack: str, fault: Callable[[Any], None]) -> Grants:
    stacks = stored_prod()
    return Grants(Deployment({**stacks, stack: planted(stacks[stack], fault)}))


def statements(resources: Any, role: str) -> list[Any]:
    policies = (each["Properties"] for name, each in resources.items() if each["Type"] == "AWS::IAM::Policy")
    (policy,) = [each for each in policies if each["Roles"][0]["Ref"].startswith(role)]
    found: list[Any] = policy["PolicyDocument"]["Statement"]
    return found


def without_condition_checks(resources: Any) -> None:
    for each in statements(resources, "HttpApiRole"):
        if "dynamodb:ConditionCheckItem" in each["Action"]:
            each["Action"].remove("dynamodb:ConditionCheckItem")


def with_narrower_keys(resources: Any) -> None:
    for each in statements(resources, "HttpApiRole"):
        if "dynamodb:ConditionCheckItem" in each["Action"]:
            each["Condition"] = {"ForAllValues:StringLike": {"dynamodb:LeadingKeys": ["*#plan"]}}


CHECK = Need("dynamodb:ConditionCheckItem", BILLING, ("acme#plan_family",))


@pytest.mark.parametrize("fault", [without_condition_checks, with_narrower_keys])
def test_a_grant_that_is_taken_away_is_missing(fault: Callable[[Any], None]) -> None:
    assert of_prod().granting("http_api", CHECK)
    assert not of_planted("api", fault).granting("http_api", CHECK)


def test_a_condition_that_is_not_known_here_is_no_grant_either() -> None:
    def other_condition(resources: Any) -> None:
        for each in statements(resources, "HttpApiRole"):
            each["Condition"] = {"StringEquals": {"dynamodb:Select": "COUNT"}}

    with pytest.raises(KeyError, match="dynamodb:Select"):
        of_planted("api", other_condition).granting("http_api", CHECK)


@pytest.mark.parametrize(
    ("left_out", "status"),
    [
        (("http_api", "dynamodb:ConditionCheckItem", "table/BillingTableC3F396AA"), 1),
        (("http_api", "glue:GetTable", "catalog"), 0),
    ],
)
def test_a_grant_that_nothing_uses_is_told_unless_it_is_acknowledged(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    left_out: tuple[str, str, str],
    status: int,
) -> None:
    everything = sorted(of_prod())
    used = [each for each in everything if not (each[:2] == left_out[:2] and each[2].endswith(left_out[2]))]
    assert len(used) == len(everything) - 1
    (tmp_path / "1.json").write_text(json.dumps(used[:50]))
    (tmp_path / "2.json").write_text(json.dumps(used[40:]))
    monkeypatch.setenv(USED_GRANTS, str(tmp_path))

    assert unused.main() == status

    assert ("http_api may dynamodb:ConditionCheckItem" in capsys.readouterr().out) is bool(status)


def test_every_acknowledgement_of_an_unused_grant_covers_one_and_says_why() -> None:
    for one in unused.acknowledged():
        assert any(one.covers(each) for each in of_prod()), one
        assert len(one.reason) > 30 and one.reason.endswith(".")
