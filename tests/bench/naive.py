"""What most people build first: one call per event, a dedupe put and two counter updates in DynamoDB."""

import base64
import json
import random
from collections.abc import Mapping
from typing import Any

import boto3

from functions.names import DEFAULT_TENANT, PARTITION_KEY, SORT_KEY
from tests.bench import assumptions as assume
from tests.bench.load import event_json, http_payload, subject_name
from tests.bench.stand import Stand
from tests.bench.tally import Tally

SUBJECTS = 5_000
MEMORY_MB = 512
DEDUPE_SECONDS = 45 * 86_400
SAMPLES = 300
# The default log format: START, END and REPORT of every invocation, beside the one line the function writes.
PLATFORM_LOG_BYTES = 600


def handle(client: Any, table: str, payload: Mapping[str, Any]) -> dict[str, Any]:
    """Everything is done for every event, on its own."""
    event = json.loads(base64.b64decode(payload["body"]))
    data, hour = event["data"], event["time"][:13]
    client.put_item(
        TableName=table,
        Item={
            PARTITION_KEY: {"S": f"E#{DEFAULT_TENANT}#{event['source']}#{event['id']}"},
            SORT_KEY: {"S": "E"},
            "event": {"S": json.dumps(event, separators=(",", ":"))},
            "ttl": {"N": str(1_800_000_000 + DEDUPE_SECONDS)},
        },
        ConditionExpression=f"attribute_not_exists({PARTITION_KEY})",
    )
    for meter, value in (("tokens", data["tokens"]), ("calls", 1)):
        client.update_item(
            TableName=table,
            Key={
                PARTITION_KEY: {"S": f"S#{DEFAULT_TENANT}#{event['subject']}"},
                SORT_KEY: {"S": f"{meter}#{hour}#{data['model']}"},
            },
            UpdateExpression="ADD quantity :value",
            ExpressionAttributeValues={":value": {"N": str(value)}},
        )
    print(json.dumps({"level": "INFO", "message": "event counted", "id": event["id"], "subject": event["subject"]}))
    return {"statusCode": 204}


def per_event(endpoint: str, now: float) -> Tally:
    """It costs the same at every rate: nothing is shared between events."""
    stand = Stand(endpoint, 8, now)
    client, table = boto3.client("dynamodb"), stand.table
    chance = random.Random(3)
    total, least, requests = Tally(), float("inf"), Tally()
    for number in range(SAMPLES):
        event = event_json(chance, subject_name(chance.randrange(SUBJECTS)), now + number)
        measured = stand.invoke(lambda payload, _: handle(client, table, payload), http_payload([event]))
        total = total.plus(measured.tally)
        total["log_bytes"] += measured.log_bytes + PLATFORM_LOG_BYTES
        least, requests = min(least, measured.cpu_seconds), measured.tally
    stand.drop()
    average = total.times(1 / SAMPLES)
    average["http_requests"] = 1
    average["egress_bytes"] = assume.RESPONSE_BYTES
    average["lambda_requests"] = 1
    average["lambda_gb_seconds"] = assume.gb_seconds(least, requests, MEMORY_MB)
    return average
