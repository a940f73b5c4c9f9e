"""Least privilege: which verb each function may use on what, read from the templates."""

import json
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from fnmatch import fnmatchcase
from typing import Any

import pytest

from functions import names
from functions.adapters.dynamo import billing_keys, usage_keys
from infra.constructs.python_function import construct_id

READ_KEY = {"ledger key": {"secretsmanager:GetSecretValue"}}
READ_PORTAL_KEY = {"portal key": {"secretsmanager:GetSecretValue"}}
READ_STRIPE = {"stripe secret": {"secretsmanager:GetSecretValue"}}
APPLY = {
    *("dynamodb:GetItem", "dynamodb:BatchGetItem", "dynamodb:Query"),
    *("dynamodb:UpdateItem", "dynamodb:BatchWriteItem"),
    *("dynamodb:PartiQLInsert", "dynamodb:PartiQLUpdate"),
}
SETTLE = {"dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:DeleteItem"}
READ_CATALOG = {"glue:GetDatabase", "glue:GetTable", "glue:GetPartitions"}
READ_USAGE = {"dynamodb:GetItem", "dynamodb:Query"}

# handler -> resource -> verbs. A verb more or less is a decision: change it here and in the stack.
ALLOWED: Mapping[str, Mapping[str, set[str]]] = {
    "http_ingest": {"stream": {"kinesis:PutRecords"}, "usage": {"dynamodb:GetItem", "dynamodb:UpdateItem"}, **READ_KEY},
    "stream_aggregate": {
        "usage": APPLY | {"dynamodb:PutItem"},
        **READ_KEY,
        "archive/staging/*": {"s3:GetObject", "s3:PutObject"},
        "archive/archive/*": {"s3:GetObject", "s3:PutObject"},
        "archive/rejects/*": {"s3:PutObject"},
        "archive/look-back/*": {"s3:GetObject", "s3:PutObject", "s3:DeleteObject"},
        "archive/aws/lambda/*": {"s3:PutObject"},
        "archive": {"s3:ListBucket"},
        "stream": {
            *("kinesis:DescribeStream", "kinesis:DescribeStreamConsumer", "kinesis:DescribeStreamSummary"),
            *("kinesis:GetRecords", "kinesis:GetShardIterator", "kinesis:ListShards", "kinesis:ListStreams"),
            "kinesis:SubscribeToShard",
        },
    },
    "schedule_heartbeat": {"stream": {"kinesis:PutRecords"}, "usage": {"dynamodb:GetItem"}},
    "schedule_sweep": {
        "usage": APPLY,  # what others have committed: it puts no commit
        "archive/staging/*": {"s3:GetObject"},
        "archive/archive/*": {"s3:PutObject"},
        **READ_KEY,
    },
    "schedule_audit": {
        "usage": READ_USAGE | {"dynamodb:PutItem", "dynamodb:BatchWriteItem"},
        "archive/archive/*": {"s3:GetObject", "s3:PutObject"},
        "archive/quarantine/*": {"s3:PutObject"},
        "archive": {"s3:ListBucket"},
        **READ_KEY,
    },
    "http_authorize": {"billing": {"dynamodb:GetItem", "dynamodb:BatchGetItem"}, **READ_PORTAL_KEY},
    "http_api": {
        "billing": SETTLE
        | {"dynamodb:BatchGetItem", "dynamodb:Query", "dynamodb:UpdateItem", "dynamodb:ConditionCheckItem"},
        "usage": READ_USAGE | {"dynamodb:BatchGetItem", "dynamodb:PutItem", "dynamodb:UpdateItem"},
        "archive/archive/*": {"s3:GetObject"},
        "archive/rejects/*": {"s3:GetObject"},
        "stream": {"kinesis:PutRecords"},
        # What Athena asks of the caller of a query.
        "workgroup": {"athena:StartQueryExecution", "athena:GetQueryExecution", "athena:GetQueryResults"},
        "catalog": READ_CATALOG,
        "catalog database": READ_CATALOG,
        "catalog table": READ_CATALOG,
        "archive": {"s3:GetBucketLocation", "s3:ListBucket"},
        "archive/queries/*": {"s3:PutObject", "s3:GetObject", "s3:AbortMultipartUpload"},
        "machine": {"states:StartExecution"},
        "backfill machine": {"states:StartExecution"},
        "migration machine": {"states:StartExecution"},
        **READ_KEY,
        **READ_PORTAL_KEY,
    },
    "deploy_bootstrap": {
        "usage": {"dynamodb:PutItem"},
        "billing": {"dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:UpdateItem"},
        # The ledger key has no writer: another key would make every old fingerprint unknown.
        "admin key": {"secretsmanager:GetSecretValue", "secretsmanager:PutSecretValue"},
        **READ_KEY,
    },
    "schedule_billing": {
        "billing": {"dynamodb:Query", "dynamodb:GetItem", "dynamodb:PutItem"},
        "machine": {"states:StartExecution"},
        "executions": {"states:DescribeExecution"},
    },
    "schedule_reconcile": {
        "usage": READ_USAGE | {"dynamodb:BatchWriteItem"},
        "archive/archive/*": {"s3:GetObject"},
        "archive": {"s3:ListBucket"},
        "billing": SETTLE | {"dynamodb:BatchGetItem", "dynamodb:Query"},
        **READ_KEY,
    },
    "schedule_entitle": {"billing": SETTLE | {"dynamodb:BatchGetItem", "dynamodb:Query", "dynamodb:Scan"}},
    "workflow_close_lanes": {"stream": {"kinesis:PutRecords"}},
    "workflow_count_lanes": {"usage": READ_USAGE, **READ_KEY},
    "workflow_list_due": {
        "billing": {"dynamodb:BatchGetItem", "dynamodb:Query", "dynamodb:GetItem", "dynamodb:PutItem"}
    },
    "workflow_issue_invoice": {
        "usage": READ_USAGE,
        "archive/archive/*": {"s3:GetObject"},
        "archive": {"s3:ListBucket"},  # to tell an object that is gone from one that may not be read
        "billing": SETTLE | {"dynamodb:BatchGetItem", "dynamodb:Query"},
        **READ_KEY,
    },
    "workflow_push_invoice": {"billing": SETTLE, **READ_STRIPE},
    "workflow_record_failure": {"billing": {"dynamodb:GetItem", "dynamodb:PutItem"}},
    "workflow_queue_backfill": {"usage": {"dynamodb:GetItem", "dynamodb:UpdateItem"}, **READ_KEY},
    "workflow_plan_backfill": {"usage": READ_USAGE | {"dynamodb:UpdateItem"}, **READ_KEY},
    "workflow_fill_history": {
        "usage": READ_USAGE | {"dynamodb:UpdateItem", "dynamodb:BatchWriteItem"},
        "archive/archive/*": {"s3:GetObject"},
        "archive": {"s3:ListBucket"},
        **READ_KEY,
    },
    "workflow_end_backfill": {"usage": {"dynamodb:GetItem", "dynamodb:UpdateItem"}, **READ_KEY},
    "workflow_list_migration": {"billing": {"dynamodb:GetItem", "dynamodb:Query", "dynamodb:PutItem"}},
    "workflow_migrate_subscriptions": {
        "billing": SETTLE
        | {"dynamodb:BatchGetItem", "dynamodb:Query", "dynamodb:UpdateItem", "dynamodb:ConditionCheckItem"}
    },
    "workflow_preview_migration": {
        "usage": READ_USAGE,
        "archive/archive/*": {"s3:GetObject"},
        "archive": {"s3:ListBucket"},
        "billing": {"dynamodb:GetItem", "dynamodb:BatchGetItem", "dynamodb:Query", "dynamodb:PutItem"},
        **READ_KEY,
    },
    "workflow_end_migration": {"billing": {"dynamodb:GetItem", "dynamodb:PutItem"}},
    "webhook_stripe": {"billing": SETTLE, **READ_STRIPE},
}

# What the emulator asks on every resource, and AWS on the table or the workgroup.
ON_ALL_LOCALLY = {
    "stream_aggregate": {"dynamodb:BatchExecuteStatement"},
    "schedule_sweep": {"dynamodb:BatchExecuteStatement"},
    "http_api": {"athena:GetQueryExecution", "athena:GetQueryResults"},
}

SPOKEN = {
    "UsageTable": "usage",
    "BillingTable": "billing",
    "Archive": "archive",
    "LedgerKey": "ledger key",
    "AdminKey": "admin key",
    "PortalKey": "portal key",
    "StripeSecret": "stripe secret",
    "BillingMachine": "machine",
    "BackfillMachine": "backfill machine",
    "MigrationMachine": "migration machine",
    "Stream790": "stream",
    "workgroup/tollbooth-": "workgroup",
    ":catalog": "catalog",
    "database/tollbooth_": "catalog database",
    "table/tollbooth_": "catalog table",
}


def test_each_function_may_do_what_its_row_says_and_nothing_else(prod: Any) -> None:
    found = {handler: _allowed(prod, handler) for handler in names.HANDLERS}
    assert found == ALLOWED


def test_only_the_genesis_of_the_ledger_is_open_to_the_bootstrap(prod: Any) -> None:
    on_usage = [each for each in _statements(prod, "deploy_bootstrap") if "UsageTable" in json.dumps(each["Resource"])]
    assert [each["Action"] for each in on_usage] == ["dynamodb:PutItem"]
    assert on_usage[0]["Condition"] == {"ForAllValues:StringEquals": {"dynamodb:LeadingKeys": ["genesis"]}}


def test_a_heartbeat_reads_what_was_noted_and_nothing_else(prod: Any) -> None:
    (on_usage,) = [
        each for each in _statements(prod, "schedule_heartbeat") if "UsageTable" in json.dumps(each["Resource"])
    ]
    assert on_usage["Action"] == "dynamodb:GetItem"
    keys = {"dynamodb:LeadingKeys": [usage_keys.HEARTBEAT[0]]}
    assert on_usage["Condition"] == {"ForAllValues:StringEquals": keys}


def test_an_audit_writes_its_results_and_a_repair_what_it_lists_and_nothing_else(prod: Any) -> None:
    on_usage = [each for each in _statements(prod, "schedule_audit") if "UsageTable" in json.dumps(each["Resource"])]
    conditions = {each["Action"]: each["Condition"] for each in on_usage if isinstance(each["Action"], str)}
    assert conditions == {
        "dynamodb:PutItem": {"ForAllValues:StringEquals": {"dynamodb:LeadingKeys": ["audit"]}},
        "dynamodb:BatchWriteItem": {"ForAllValues:StringLike": {"dynamodb:LeadingKeys": ["R#*"]}},
    }


def test_looking_again_writes_what_it_found_and_that_it_has_looked_and_no_bill(prod: Any) -> None:
    statements = [each for each in _statements(prod, "schedule_reconcile") if each["Effect"] == "Allow"]
    conditions = {
        verb: each["Condition"]["ForAllValues:StringLike"]["dynamodb:LeadingKeys"]
        for each in statements
        if "Condition" in each
        for verb in _list(each["Action"])
    }
    found = ["recheck", "*#difference"]
    late = ["Z", "Z#*"]
    assert conditions == {
        "dynamodb:BatchWriteItem": late,
        "dynamodb:PutItem": found,
        "dynamodb:DeleteItem": found,
    }
    assert late[0] == usage_keys.LATE
    assert fnmatchcase(usage_keys.late_of(1, "acme"), late[1])
    assert fnmatchcase(billing_keys.records("acme", billing_keys.DIFFERENCE), found[1])


def test_entitling_writes_entitlements_and_how_far_it_is_and_no_subscription(prod: Any) -> None:
    statements = [each for each in _statements(prod, "schedule_entitle") if each["Effect"] == "Allow"]
    (writes,) = [each for each in statements if WRITES & set(_list(each["Action"]))]
    partitions = [billing_keys.records("*", each) for each in ("entitled", "entitlement", "grant", "unique")]
    failures = billing_keys.records("*", billing_keys.ENTITLEMENT_BACKFILL_FAILURE)
    assert writes["Condition"] == {
        "ForAllValues:StringLike": {
            "dynamodb:LeadingKeys": [*partitions, billing_keys.ENTITLEMENT_BACKFILL, failures],
        }
    }


WRITES = SETTLE - {"dynamodb:GetItem"} | {"dynamodb:UpdateItem"}
MAKE_KEYS = {"http_api", "deploy_bootstrap"}
KEY_PARTITIONS = ["api_key", "*#api_key"]


def test_functions_that_write_billing_can_write_no_api_key_but_those_that_make_keys(prod: Any) -> None:
    """A workflow or a webhook that is taken over must not let itself in by the front door."""
    denied = {}
    for handler in names.HANDLERS:
        writes = _allowed(prod, handler).get("billing", set()) & WRITES
        refused = [each for each in _statements(prod, handler) if each["Effect"] == "Deny"]
        if handler in MAKE_KEYS or not writes:
            assert refused == [], handler
            continue
        (only,) = refused
        assert set(_list(only["Action"])) == writes
        assert _spoken(only["Resource"]) == "billing"
        assert only["Condition"] == {"ForAnyValue:StringLike": {"dynamodb:LeadingKeys": KEY_PARTITIONS}}
        denied[handler] = writes
    assert denied.keys() == {
        *("webhook_stripe", "workflow_issue_invoice", "workflow_list_due", "workflow_push_invoice"),
        *("workflow_record_failure", "schedule_reconcile", "schedule_billing", "schedule_entitle"),
        *("workflow_list_migration", "workflow_migrate_subscriptions"),
        *("workflow_preview_migration", "workflow_end_migration"),
    }


def test_the_bootstrap_gets_at_api_keys_of_its_own_tenant_and_at_nothing_else_of_billing(prod: Any) -> None:
    (on_billing,) = [
        each for each in _statements(prod, "deploy_bootstrap") if "BillingTable" in json.dumps(each["Resource"])
    ]
    keys = on_billing["Condition"]["ForAllValues:StringEquals"]["dynamodb:LeadingKeys"]
    assert keys == ["api_key", "default#api_key"]


def test_the_authorizer_reads_keys_and_portal_tokens_and_nothing_else_of_billing(prod: Any) -> None:
    on_billing = [
        each for each in _statements(prod, "http_authorize") if "BillingTable" in json.dumps(each["Resource"])
    ]
    assert {each["Action"]: each["Condition"] for each in on_billing} == {
        "dynamodb:GetItem": {"ForAllValues:StringEquals": {"dynamodb:LeadingKeys": ["api_key"]}},
        "dynamodb:BatchGetItem": {
            "ForAllValues:StringLike": {"dynamodb:LeadingKeys": ["*#portal_token", "*#portal_epoch"]}
        },
    }
    assert billing_keys.records("acme", billing_keys.PORTAL_TOKEN) == "acme#portal_token"
    assert billing_keys.records("acme", billing_keys.PORTAL_EPOCH) == "acme#portal_epoch"


def test_the_patterns_are_the_partitions_api_keys_are_stored_in() -> None:
    assert KEY_PARTITIONS[0] == billing_keys.CREDENTIALS
    assert fnmatchcase(billing_keys.records("acme", billing_keys.API_KEY), KEY_PARTITIONS[1])
    others = [billing_keys.records("acme", kind) for kind in ("customer", "unique", "push", "billing_failure")]
    assert [each for each in (*others, "due", "unpushed") if any(fnmatchcase(each, p) for p in KEY_PARTITIONS)] == []


@pytest.mark.parametrize("handler", ["http_ingest", "http_api"])
def test_the_doors_update_token_buckets_and_nothing_else_of_the_usage_table(prod: Any, handler: str) -> None:
    on_usage = [each for each in _statements(prod, handler) if "UsageTable" in json.dumps(each["Resource"])]
    (updates,) = [each for each in on_usage if "dynamodb:UpdateItem" in _list(each["Action"])]
    assert updates["Action"] == "dynamodb:UpdateItem"
    assert updates["Condition"] == {"ForAllValues:StringLike": {"dynamodb:LeadingKeys": ["Q#*"]}}
    assert usage_keys.buckets("acme").startswith("Q#")


def test_listing_what_is_due_writes_plans_only(prod: Any) -> None:
    statements = [each for each in _statements(prod, "workflow_list_due") if each["Effect"] == "Allow"]
    (writes,) = [each for each in statements if "dynamodb:PutItem" in _list(each["Action"])]
    assert writes["Condition"] == {"ForAllValues:StringEquals": {"dynamodb:LeadingKeys": [billing_keys.DUE_PLAN]}}


@pytest.mark.parametrize("handler", ["workflow_list_migration", "workflow_preview_migration", "workflow_end_migration"])
def test_a_dry_run_can_write_nothing_but_its_report(prod: Any, handler: str) -> None:
    statements = [each for each in _statements(prod, handler) if each["Effect"] == "Allow"]
    (writes,) = [each for each in statements if WRITES & set(_list(each["Action"]))]
    patterns = writes["Condition"]["ForAllValues:StringLike"]["dynamodb:LeadingKeys"]
    reports = (billing_keys.PLAN_MIGRATION, billing_keys.PLAN_MIGRATION_SUBSCRIPTION)
    assert patterns == [billing_keys.records("*", kind) for kind in reports]


def test_no_policy_has_a_wildcard_in_an_action(each_stage: Any) -> None:
    policies = each_stage.all("AWS::IAM::Policy").values()
    actions = [action for policy in policies for each in _of(policy) for action in _list(each["Action"])]
    assert actions
    assert [action for action in actions if "*" in action] == []


def test_only_log_delivery_may_touch_every_resource(prod: Any) -> None:
    everywhere = [
        action
        for policy in prod.all("AWS::IAM::Policy").values()
        for each in _of(policy)
        if "*" in _list(each["Resource"])
        for action in _list(each["Action"])
    ]
    assert {action.partition(":")[0] for action in everywhere} == {"logs"}


def test_the_emulator_adds_few_permissions_and_nothing_else(prod: Any, local: Any) -> None:
    for handler in names.HANDLERS:
        more = {"everything": ON_ALL_LOCALLY[handler]} if handler in ON_ALL_LOCALLY else {}
        assert _allowed(local, handler) == {**ALLOWED[handler], **more}, handler


def test_no_role_has_a_managed_policy(each_stage: Any) -> None:
    roles = each_stage.all("AWS::IAM::Role")
    assert [name for name, role in roles.items() if role["Properties"].get("ManagedPolicyArns")] == []


BACKFILL = {"workflow_queue_backfill", "workflow_plan_backfill", "workflow_fill_history", "workflow_end_backfill"}
MIGRATION = {
    *("workflow_list_migration", "workflow_migrate_subscriptions"),
    *("workflow_preview_migration", "workflow_end_migration"),
}
BOTH = {"workflow_close_lanes", "workflow_count_lanes"}
WORKFLOWS = {
    "billing": {handler for handler in names.HANDLERS if handler.startswith("workflow_")} - BACKFILL - MIGRATION,
    "backfill": BACKFILL | BOTH,
    "migration": MIGRATION,
}


@pytest.mark.parametrize("workflow", WORKFLOWS)
def test_a_workflow_invokes_its_own_functions_only(prod: Any, workflow: str) -> None:
    policies = prod.resources(workflow, "AWS::IAM::Policy")
    role = f"{workflow.capitalize()}RoleDefaultPolicy"
    (policy,) = [each for name, each in policies.items() if name.startswith(role)]
    (invoke,) = [each for each in _of(policy) if each["Action"] == "lambda:InvokeFunction"]
    invoked = {_function(each) for each in invoke["Resource"]}
    assert invoked == {construct_id(handler) for handler in WORKFLOWS[workflow]}


def _function(arn: Any) -> str:
    """The construct behind a function's ARN, in this stack or imported from another."""
    text = arn["Fn::GetAtt"][0] if "Fn::GetAtt" in arn else arn["Fn::ImportValue"].split("FnGetAtt")[1].split("Arn")[0]
    return re.sub(r"[0-9A-F]{8}$", "", text)


def _allowed(synthesized: Any, handler: str) -> dict[str, set[str]]:
    allowed: dict[str, set[str]] = defaultdict(set)
    for statement in _statements(synthesized, handler):
        if statement["Effect"] == "Deny":
            continue
        for resource in _list(statement["Resource"]):
            allowed[_spoken(resource)].update(_list(statement["Action"]))
    assert allowed.pop("its logs") == {"logs:CreateLogStream", "logs:PutLogEvents"}
    return dict(allowed)


def _statements(synthesized: Any, handler: str) -> Iterator[Mapping[str, Any]]:
    path = names.HANDLERS[handler][1]
    for stack in synthesized.stacks:
        for function in synthesized.resources(stack, "AWS::Lambda::Function").values():
            if function["Properties"]["Handler"] != path:
                continue
            role = function["Properties"]["Role"]["Fn::GetAtt"][0]
            for policy in synthesized.resources(stack, "AWS::IAM::Policy").values():
                if {"Ref": role} in policy["Properties"]["Roles"]:
                    yield from _of(policy)


def _spoken(resource: Any) -> str:
    if resource == "*":
        return "everything"
    text = json.dumps(resource)
    if "Logs" in text:
        return "its logs"
    if ":execution:" in text:
        return "executions"
    (word,) = {word for mark, word in SPOKEN.items() if mark in text}
    below = re.search(r'"(/[^"]+\*)"', text)
    return word + (below.group(1) if below else "")


def _of(policy: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    statements: list[Mapping[str, Any]] = policy["Properties"]["PolicyDocument"]["Statement"]
    return statements


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]
