"""What a call of AWS needs, by AWS's documentation; it imports nothing but the standard library.

- "Using IAM with DynamoDB transactions": each part of a transaction needs the action of the same write by itself, and
  a condition check dynamodb:ConditionCheckItem.
- "IAM security policies with PartiQL for DynamoDB": an insertion needs PartiQLInsert, an update PartiQLUpdate.
- "Using IAM policy conditions for fine-grained access control": dynamodb:LeadingKeys has the partition keys; a scan
  names none.
- CopyObject, "Permissions": GetObject of the source and PutObject of the target.
- GetObject, "Permissions": without s3:ListBucket a missing object is answered 403, as if it could not be read.
- Service Authorization Reference for the others: one action of the operation's name.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

Params = Mapping[str, Any]

PARTITION_KEY = "pk"
KEY_CONDITION = re.compile(r"pk = (:\w+)")
STATEMENT = re.compile(r'(INSERT|UPDATE)(?: INTO)? "([^"]+)"')
# The place of the partition key in a statement: 'pk': ? of an insertion, "pk"=? of an update.
KEY_PLACE = re.compile(r"""['"]pk['"](: |=)\?""")
# Of a query that is known by its id only; a function is told of one workgroup.
WORKGROUP = "ARCHIVE_WORKGROUP"


class Need(NamedTuple):
    """`resource` is the variable that names it, with what is meant of it: ARCHIVE_BUCKET/archive/day=2026-01-31.

    That is an object of a bucket, or an execution of a state machine. `keys` are the partition keys of a table's items.
    """

    action: str
    resource: str
    keys: tuple[str, ...] = ()


def needs(operation: str, params: Params, named: Mapping[str, str], *, is_missing: bool) -> list[Need]:
    """Of `dynamodb.GetItem`; `named` has the variable of each resource's name, `is_missing` says the answer was 404.

    A call that no rule here understands needs something that no policy grants.
    """
    try:
        found = list(_RULES[operation](params))
    except (AssertionError, LookupError, TypeError) as error:
        return [Need(f"a rule in needs.py for {operation}", repr(error))]
    if is_missing and operation.startswith("s3."):
        found.append(Need("s3:ListBucket", params["Bucket"]))
    return [need._replace(resource=_spoken(need.resource, {WORKGROUP: WORKGROUP, **named})) for need in found]


def _spoken(resource: str, named: Mapping[str, str]) -> str:
    if resource in named:
        return named[resource]
    name, slash, path = resource.partition("/")
    return named.get(name, f"unknown {name}") + slash + path


# Rules name resources as calls do; behind a slash stands the key of an object, or the name of an execution.
Needs = Iterator[Need]


def _named_by(parameter: str, action: str) -> Callable[[Params], Needs]:
    return lambda params: iter([Need(action, params[parameter])])


def _object(action: str) -> Callable[[Params], Needs]:
    return lambda params: iter([Need(action, _path(params))])


def _item(action: str, holder: str) -> Callable[[Params], Needs]:
    """One item of a table, whose key is in the parameter `holder`."""
    return lambda params: iter([Need(action, params["TableName"], (_key(params[holder]),))])


def _query(params: Params) -> Needs:
    condition = KEY_CONDITION.match(params["KeyConditionExpression"])
    assert condition, params["KeyConditionExpression"]
    yield Need("dynamodb:Query", params["TableName"], (params["ExpressionAttributeValues"][condition[1]]["S"],))


def _batch_get(params: Params) -> Needs:
    for table, asked in params["RequestItems"].items():
        yield Need("dynamodb:BatchGetItem", table, tuple(map(_key, asked["Keys"])))


def _batch_write(params: Params) -> Needs:
    for table, writes in params["RequestItems"].items():
        items = (part.get("Item") or part["Key"] for write in writes for part in write.values())
        yield Need("dynamodb:BatchWriteItem", table, tuple(map(_key, items)))


_PARTS = {"Put": "PutItem", "Update": "UpdateItem", "Delete": "DeleteItem", "ConditionCheck": "ConditionCheckItem"}


def _transaction(params: Params) -> Needs:
    for each in params["TransactItems"]:
        ((kind, part),) = each.items()
        yield Need(f"dynamodb:{_PARTS[kind]}", part["TableName"], (_key(part.get("Item") or part["Key"]),))


def _statements(params: Params) -> Needs:
    for each in params["Statements"]:
        text = each["Statement"]
        verb, place = STATEMENT.match(text), KEY_PLACE.search(text)
        assert verb and place, text
        key = each["Parameters"][text.count("?", 0, place.start())]["S"]
        yield Need(f"dynamodb:PartiQL{verb[1].capitalize()}", verb[2], (key,))


def _copy(params: Params) -> Needs:
    yield Need("s3:GetObject", _path(params["CopySource"]))
    yield Need("s3:PutObject", _path(params))


def _execution(params: Params) -> Needs:
    machine, _, name = params["executionArn"].replace(":execution:", ":stateMachine:").rpartition(":")
    yield Need("states:DescribeExecution", f"{machine}/{name}")


def _path(params: Params) -> str:
    return f"{params['Bucket']}/{params['Key']}"


def _key(item: Mapping[str, Any]) -> str:
    return str(item[PARTITION_KEY]["S"])


_RULES: Mapping[str, Callable[[Params], Needs]] = {
    "dynamodb.GetItem": _item("dynamodb:GetItem", "Key"),
    "dynamodb.PutItem": _item("dynamodb:PutItem", "Item"),
    "dynamodb.UpdateItem": _item("dynamodb:UpdateItem", "Key"),
    "dynamodb.DeleteItem": _item("dynamodb:DeleteItem", "Key"),
    "dynamodb.Query": _query,
    "dynamodb.Scan": _named_by("TableName", "dynamodb:Scan"),
    "dynamodb.BatchGetItem": _batch_get,
    "dynamodb.BatchWriteItem": _batch_write,
    "dynamodb.TransactWriteItems": _transaction,
    "dynamodb.BatchExecuteStatement": _statements,
    "s3.GetObject": _object("s3:GetObject"),
    "s3.PutObject": _object("s3:PutObject"),
    "s3.DeleteObject": _object("s3:DeleteObject"),
    "s3.CopyObject": _copy,
    "s3.ListObjectsV2": _named_by("Bucket", "s3:ListBucket"),
    "kinesis.PutRecords": _named_by("StreamName", "kinesis:PutRecords"),
    "secretsmanager.GetSecretValue": _named_by("SecretId", "secretsmanager:GetSecretValue"),
    "secretsmanager.PutSecretValue": _named_by("SecretId", "secretsmanager:PutSecretValue"),
    "stepfunctions.StartExecution": _named_by("stateMachineArn", "states:StartExecution"),
    "stepfunctions.DescribeExecution": _execution,
    "athena.StartQueryExecution": _named_by("WorkGroup", "athena:StartQueryExecution"),
    "athena.GetQueryExecution": lambda _: iter([Need("athena:GetQueryExecution", WORKGROUP)]),
    "athena.GetQueryResults": lambda _: iter([Need("athena:GetQueryResults", WORKGROUP)]),
}
